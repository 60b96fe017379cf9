"""How OpenSSL, which takes nothing but a path, is given the private key."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import pytest
from etcd_lifecycle.etcd_errors import TlsProblem
from etcd_lifecycle.etcd_tls import TlsMaterial, ssl_context

MATERIAL = TlsMaterial("the authority", "the certificate", "the private key")
DESCRIPTORS = Path("/proc/self/fd")

pytestmark = pytest.mark.skipif(
    not hasattr(os, "memfd_create"), reason="only Linux has files in memory without a path"
)


class Context:
    """What `ssl` would make of the material, but that it looks at the file that it is given."""

    def __init__(self, problem: Exception | None = None) -> None:
        self.verify_flags = ssl.VERIFY_X509_STRICT
        self.problem = problem
        self.where: list[str] = []
        self.contents: list[str] = []

    def set_alpn_protocols(self, _protocols: list[str]) -> None:
        """Speak what a gateway does."""

    def load_cert_chain(self, path: str, password: str) -> None:
        assert password == ""
        self.where.append(str(Path(path).readlink()))
        self.contents.append(Path(path).read_text())
        if self.problem:
            raise self.problem


def open_files() -> list[str]:
    """Where the descriptors of this process lead to."""
    # The descriptor of the listing itself is gone by then.
    return [str(one.readlink()) for one in DESCRIPTORS.iterdir() if one.is_symlink()]


@pytest.mark.parametrize("problem", [None, ssl.SSLError("no PEM"), OSError("no file")])
def test_it_is_a_file_in_memory_that_is_gone_afterwards(
    problem: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = Context(problem)
    monkeypatch.setattr(ssl, "create_default_context", lambda **_given: context)
    ssl_context.cache_clear()
    try:
        if problem:
            with pytest.raises(TlsProblem, match="cannot be used") as raised:
                ssl_context(MATERIAL)
            assert MATERIAL.key_pem is not None
            assert MATERIAL.key_pem not in str(raised.value)
        else:
            ssl_context(MATERIAL)
    finally:
        ssl_context.cache_clear()
    assert context.contents == ["the certificate\nthe private key\n"]
    # A path in memory is that of no file system.
    assert [where.startswith("/memfd:") for where in context.where] == [True]
    assert set(context.where).isdisjoint(open_files())


def test_it_is_not_in_what_is_shown_of_the_material() -> None:
    assert "the certificate" in repr(MATERIAL)
    assert "the private key" not in repr(MATERIAL)
