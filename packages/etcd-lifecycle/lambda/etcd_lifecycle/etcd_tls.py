"""TLS with etcd: what a client needs for it, and what a handshake that fails means."""

from __future__ import annotations

import contextlib
import functools
import os
import ssl
import tempfile
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from .certificate import earliest_end, is_for_clients
from .etcd_errors import TlsProblem

if TYPE_CHECKING:
    from collections.abc import Iterator

# X509_V_ERR_*, which the ssl module tells as `verify_code`.
_X509_HOSTNAME_MISMATCH: Final = (62, 64)
_X509_NOT_IN_TIME: Final = (9, 10)


@dataclass(frozen=True)
class TlsMaterial:
    """What a client needs to speak TLS with etcd. All PEM.

    Attributes:
        ca_pem: The certificates of the authorities that may have signed the servers' certificates.
        certificate_pem: The client's certificate; None if the servers ask for none.
        key_pem: Its private key, unencrypted; None if the servers ask for no certificate.
    """

    ca_pem: str
    certificate_pem: str | None = None
    key_pem: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Refuse half a pair.

        Raises:
            ValueError: There is a certificate without a key, or a key without a certificate.
        """
        if (self.certificate_pem is None) != (self.key_pem is None):
            raise ValueError("give both a client certificate and its private key, or neither")


@contextlib.contextmanager
def _held_in_memory(content: bytes) -> Iterator[str]:
    """Offer content as a file, for an API that takes nothing but a path, in memory if possible."""
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("tls"), "wb") as file:
            file.write(content)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
    else:  # not Linux; the file is readable by its owner only
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            yield file.name


@functools.lru_cache(maxsize=2)
def ssl_context(tls: TlsMaterial) -> ssl.SSLContext:
    """Return a context that checks the servers' chain, dates and addresses."""
    try:
        context = ssl.create_default_context(cadata=tls.ca_pem)
    except (ssl.SSLError, ValueError) as error:
        raise TlsProblem(
            None, f"the certificate of the authority (CA) is no PEM certificate: {error}"
        ) from error
    # Python 3.13 began to refuse authorities without a key usage extension, which etcd accepts.
    # Chain, dates and addresses are checked as before.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    # The gateway speaks HTTP/1.1; with h2 the connection would go to the gRPC server.
    context.set_alpn_protocols(["http/1.1"])
    if tls.certificate_pem is not None and tls.key_pem is not None:
        pair = f"{tls.certificate_pem}\n{tls.key_pem}\n".encode()
        try:
            with _held_in_memory(pair) as path:
                # An empty password, since OpenSSL would ask the terminal for one.
                context.load_cert_chain(path, password="")
        except (ssl.SSLError, OSError) as error:
            raise TlsProblem(
                None,
                f"the client certificate and its private key cannot be used ({error}): both must "
                "be PEM, belong together, and the key must not be encrypted",
            ) from error
    return context


def tls_problem(error: ssl.SSLError, endpoint: str, certificate_pem: str | None) -> TlsProblem:
    """Name the likely cause of a failed handshake.

    Args:
        error: How it failed.
        endpoint: With whom.
        certificate_pem: The client's certificate; None if it has none.
    """
    reason = (error.reason or "").replace("_", " ").lower()
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _X509_HOSTNAME_MISMATCH:
            cause = f"the server certificate does not name {endpoint}: issue it with this IP SAN"
        elif error.verify_code in _X509_NOT_IN_TIME:
            cause = "the server certificate, or its authority's, has expired or is not valid yet"
        else:
            cause = "the server certificate is not signed by the given authority (CA)"
        return TlsProblem(None, f"{cause} ({error.verify_message})", endpoint)
    if "wrong version number" in reason or "http request" in reason or "record layer" in reason:
        cause = "the server does not speak TLS on this port: it was started with an http:// URL"
    elif "certificate required" in reason or certificate_pem is None:
        cause = "the server asks for a client certificate, and none was given"
    elif "expired" in reason:
        cause = "the client certificate has expired"
    elif "unknown ca" in reason:
        cause = "the server does not trust the authority (CA) of the client certificate"
    elif "bad certificate" in reason or "unsupported certificate" in reason:
        cause = _why_refused(certificate_pem)
    else:
        cause = "the TLS handshake failed"
    return TlsProblem(None, f"{cause} ({reason or error})", endpoint)


def _why_refused(certificate_pem: str) -> str:
    """Why a server refuses a certificate without saying what is wrong with it.

    Servers made with an older Go say that of every reason, and newer ones of a wrong usage.
    """
    if earliest_end(certificate_pem) <= time.time():
        return "the client certificate has expired"
    if not is_for_clients(certificate_pem):
        return "the client certificate lacks the extended key usage clientAuth: issue it with that"
    return (
        "the server refuses the client certificate, which is for clients and has not expired: check "
        "that its authority is the server's --trusted-ca-file, and that no --client-crl-file has it"
    )
