"""Calls the etcd client for a test in another language: JSON in, JSON out."""

import dataclasses

from etcd_lifecycle.etcd import EtcdEndpoint, EtcdError, Timeouts, TlsMaterial


def call(endpoint, method, *args, **kwargs):
    """Call a method of a new endpoint; numbers come back as strings, errors as objects."""
    options = dict(endpoint)
    if "tls" in options:
        options["tls"] = TlsMaterial(**options["tls"])
    if "timeouts" in options:
        options["timeouts"] = Timeouts(**options["timeouts"])
    args = [int(arg) if arg.isdecimal() else arg for arg in args]
    try:
        return {"value": plain(getattr(EtcdEndpoint(**options), method)(*args, **kwargs))}
    except EtcdError as error:
        return {"error": type(error).__name__, "code": error.code, "message": str(error)}


def plain(value):
    """Return the value with what JavaScript would not read exactly as text."""
    if dataclasses.is_dataclass(value):
        return plain(dataclasses.asdict(value))
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, frozenset):
        return sorted(plain(item) for item in value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value
