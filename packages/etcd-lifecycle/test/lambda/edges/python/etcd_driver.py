"""Calls the etcd client for a test in another language: JSON in, JSON out."""

import dataclasses

from etcd_lifecycle.etcd import EtcdEndpoint, Timeouts
from etcd_lifecycle.etcd_errors import EtcdError
from etcd_lifecycle.etcd_login import Credentials, Session
from etcd_lifecycle.etcd_tls import TlsMaterial

_sessions = {}


def call(endpoint, method, *args, **kwargs):
    """Call a method of a new endpoint; numbers come back as strings, errors as objects."""
    args = [int(arg) if arg.isdecimal() else arg for arg in args]
    return told(lambda: getattr(made(endpoint), method)(*args, **kwargs))


def snapshot_size(endpoint):
    """How many bytes a snapshot has, as `call` returns it."""
    return told(lambda: sum(len(chunk.blob) for chunk in made(endpoint).snapshot(10)))


def made(endpoint):
    options = dict(endpoint)
    if "tls" in options:
        options["tls"] = TlsMaterial(**options["tls"])
    if "timeouts" in options:
        options["timeouts"] = Timeouts(**options["timeouts"])
    if "user" in options:
        options["session"] = session(**options.pop("user"))
    return EtcdEndpoint(**options)


def told(ask):
    try:
        return {"value": plain(ask())}
    except EtcdError as error:
        return {"error": type(error).__name__, "code": error.code, "message": str(error)}


def session(**user):
    """The session of a user, which outlives the endpoint."""
    credentials = Credentials(**user)
    return _sessions.setdefault(credentials, Session(credentials))


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
