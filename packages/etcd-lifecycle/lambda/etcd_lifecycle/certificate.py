"""Until when certificates are valid. The standard library tells it of peers only, not of files."""

from __future__ import annotations

import re
import ssl
from datetime import datetime, timezone
from typing import Final

_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)

# Tags of DER (ITU-T X.690) that a certificate uses up to its validity (RFC 5280, section 4.1).
_SEQUENCE: Final = 0x30
_VERSION: Final = 0xA0
_UTC_TIME: Final = 0x17
_LONG_FORM: Final = 0x80
_FORMATS: Final = {_UTC_TIME: "%y%m%d%H%M%SZ", 0x18: "%Y%m%d%H%M%SZ"}
_FIRST_CENTURY: Final = 2050
"""Two digits of a year from 50 on mean the twentieth century (RFC 5280, section 4.1.2.5.1)."""


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


def _end(der: bytes) -> float:
    try:
        _, certificate = _read(der, 0, _SEQUENCE)
        _, signed = _read(certificate, 0, _SEQUENCE)
        # Serial number, signature algorithm and issuer come before the validity.
        at = 0
        for _ in range(4 if signed[0] == _VERSION else 3):
            at, _ = _read(signed, at)
        _, validity = _read(signed, at, _SEQUENCE)
        at, _ = _read(validity, 0)
        _, text = _read(validity, at)
        end = datetime.strptime(text.decode(), _FORMATS[validity[at]])  # noqa: DTZ007 -- set below
        if validity[at] == _UTC_TIME and end.year >= _FIRST_CENTURY:
            end = end.replace(year=end.year - 100)
    except (LookupError, ValueError) as error:
        raise ValueError(f"it is no X.509 certificate ({error})") from error
    return end.replace(tzinfo=timezone.utc).timestamp()


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
