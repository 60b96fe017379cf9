"""Until when certificates are valid, and for what. The standard library tells it of peers only."""

from __future__ import annotations

import re
import ssl
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)

# Tags of DER (ITU-T X.690) that a certificate uses (RFC 5280, section 4.1).
_SEQUENCE: Final = 0x30
_VERSION: Final = 0xA0
_EXTENSIONS: Final = 0xA3
_UTC_TIME: Final = 0x17
_LONG_FORM: Final = 0x80
_FORMATS: Final = {_UTC_TIME: "%y%m%d%H%M%SZ", 0x18: "%Y%m%d%H%M%SZ"}
_FIRST_CENTURY: Final = 2050
"""Two digits of a year from 50 on mean the twentieth century (RFC 5280, section 4.1.2.5.1)."""

# Object identifiers, as DER has them (RFC 5280, section 4.2.1.12).
_EXTENDED_KEY_USAGE: Final = bytes.fromhex("551d25")
_ANY_USAGE: Final = bytes.fromhex("551d2500")
_CLIENT_AUTH: Final = bytes.fromhex("2b06010505070302")


def earliest_end(pem: str) -> float:
    """Return when the first of some certificates ends, in seconds since the epoch.

    Args:
        pem: One or more certificates in PEM form, whatever else is between them.

    Raises:
        ValueError: There is none, or one cannot be read.
    """
    ends = [_end(ssl.PEM_cert_to_DER_cert(one)) for one in _PEM.findall(pem)]
    if not ends:
        raise ValueError("there is no certificate in PEM form")
    return min(ends)


def is_for_clients(pem: str) -> bool:
    """Tell whether a TLS client may use a certificate: its extended key usages, if any, allow it.

    Args:
        pem: A certificate in PEM form, whatever else comes before it and after it.

    Raises:
        ValueError: There is none, or it cannot be read.
    """
    certificate = _PEM.search(pem)
    if certificate is None:
        raise ValueError("there is no certificate in PEM form")
    usages = _usages(ssl.PEM_cert_to_DER_cert(certificate[0]))
    return not usages or not usages.isdisjoint({_ANY_USAGE, _CLIENT_AUTH})


def _end(der: bytes) -> float:
    try:
        fields = _fields(der)
        # Serial number, signature algorithm and issuer come before the validity.
        _, validity = fields[4 if fields[0][0] == _VERSION else 3]
        _, (kind, text) = _elements(validity)
        end = datetime.strptime(text.decode(), _FORMATS[kind])  # noqa: DTZ007 -- set below
        if kind == _UTC_TIME and end.year >= _FIRST_CENTURY:
            end = end.replace(year=end.year - 100)
    except (LookupError, ValueError) as error:
        raise ValueError(f"it is no X.509 certificate ({error})") from error
    return end.replace(tzinfo=timezone.utc).timestamp()


def _usages(der: bytes) -> frozenset[bytes]:
    """The extended key usages; none if the certificate is for any use."""
    try:
        extensions = [
            list(_elements(extension))
            for tag, wrapped in _fields(der)
            if tag == _EXTENSIONS
            for _, extension in _elements(_read(wrapped, 0, _SEQUENCE)[1])
        ]
        return frozenset(
            usage
            for (_, kind), *_, (_, value) in extensions
            if kind == _EXTENDED_KEY_USAGE
            for _, usage in _elements(_read(value, 0, _SEQUENCE)[1])
        )
    except (LookupError, ValueError) as error:
        raise ValueError(f"it is no X.509 certificate ({error})") from error


def _fields(der: bytes) -> list[tuple[int, bytes]]:
    """The fields of what is signed, each with its tag, in their order."""
    _, certificate = _read(der, 0, _SEQUENCE)
    _, signed = _read(certificate, 0, _SEQUENCE)
    return list(_elements(signed))


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The elements that follow each other, each with its tag."""
    at = 0
    while at < len(data):
        tag = data[at]
        at, content = _read(data, at)
        yield tag, content


def _read(data: bytes, at: int, tag: int | None = None) -> tuple[int, bytes]:
    """Read an element: return where the next one begins, and what it holds."""
    if tag is not None and data[at] != tag:
        raise ValueError(f"a {tag:#x} was expected, not a {data[at]:#x}")
    length, start = data[at + 1], at + 2
    if length & _LONG_FORM:
        size = length - _LONG_FORM
        length, start = int.from_bytes(data[start : start + size], "big"), start + size
    if start + length > len(data):
        raise ValueError("it is cut short")
    return start + length, data[start : start + length]
