"""Views, policies and decisions as JSON: to record what was seen, and to decide on it elsewhere.

Names are those of the model. etcd's 64-bit numbers (ids, terms, indexes, revisions) are texts in
decimal, as in etcd's own JSON, since readers that take numbers for doubles would change them. An
attribute that has a default may be absent, so that what was recorded before it existed can be read.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeVar, Union

from .model import Action, ClusterView, Decision, Policy

FORMAT: Final = 1
"""The version of the form; another number is refused."""

_KIND: Final = "kind"
_WIDE: Final = frozenset(
    {
        "applied_index",
        "cluster_id",
        "id",
        "leader",
        "leader_id",
        "lost_cluster_id",
        "member_id",
        "raft_index",
        "raft_term",
        "recorded",
        "removing",
        "retired",
        "revision",
        "target_id",
    }
)
_T = TypeVar("_T")


class JsonFormatError(ValueError):
    """The JSON is not of this form; the text says where, and what was expected there."""


@dataclass(frozen=True)
class Recording:
    """Everything that a decision takes: with it, `plan` says the same again.

    Attributes:
        view: What was observed.
        policy: What was a choice.
        now: The time of the decision, in seconds since the epoch.
    """

    view: ClusterView
    policy: Policy
    now: float


def recording_to_json(recording: Recording) -> dict[str, Any]:
    """The form in which a recording is kept: `json.dumps` takes it."""
    return {"format": FORMAT, **_encode(recording)}


def recording_from_json(value: object) -> Recording:
    """Read what `recording_to_json` gave.

    Args:
        value: What `json.loads` returned.

    Raises:
        JsonFormatError: It is something else.
    """
    return _versioned(Recording, value)


def view_to_json(view: ClusterView) -> dict[str, Any]:
    """The form in which a view is kept: `json.dumps` takes it."""
    return {"format": FORMAT, **_encode(view)}


def view_from_json(value: object) -> ClusterView:
    """Read what `view_to_json` gave.

    Args:
        value: What `json.loads` returned.

    Raises:
        JsonFormatError: It is something else.
    """
    return _versioned(ClusterView, value)


def digest(view: ClusterView) -> str:
    """A short text that differs for views that differ, by which a log and a journal name one."""
    form = json.dumps(view_to_json(view), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(form.encode()).hexdigest()[:16]


def decision_to_json(decision: Decision) -> dict[str, Any]:
    """A decision: ``action`` with its ``kind`` and attributes, ``reason`` and ``arithmetic``."""
    return {"format": FORMAT, **_encode(decision)}


def decision_from_json(value: object) -> Decision:
    """Read what `decision_to_json` gave.

    Args:
        value: What `json.loads` returned.

    Raises:
        JsonFormatError: It is something else.
    """
    return _versioned(Decision, value)


def _versioned(kind: type[_T], value: object) -> _T:
    fields = dict(_object(value, "the document"))
    version = fields.pop("format", None)
    if version != FORMAT:
        raise JsonFormatError(f"format is {version!r}, but this version reads only {FORMAT}")
    return _decode_fields(kind, fields, "")


# To JSON


def _encode(value: Any, *, wide: bool = False) -> Any:  # noqa: ANN401 -- whatever the model holds
    if isinstance(value, Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        encoded = {
            one.name: _encode(getattr(value, one.name), wide=one.name in _WIDE)
            for one in dataclasses.fields(value)
        }
        kind = type(value)
        return {_KIND: kind.__name__, **encoded} if kind in _ACTIONS.values() else encoded
    if isinstance(value, Mapping):
        return {key: _encode(one, wide=wide) for key, one in value.items()}
    if isinstance(value, tuple):
        return [_encode(one, wide=wide) for one in value]
    return str(value) if wide and isinstance(value, int) else value


# From JSON

_ACTIONS: Final = {kind.__name__: kind for kind in typing.get_args(Action)}


def _object(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise JsonFormatError(f"{where} must be an object, not {_told(value)}")
    return value


def _told(value: object) -> str:
    return "null" if value is None else f"{type(value).__name__} {value!r:.60}"


def _decode_fields(kind: type[_T], fields: Mapping[str, Any], where: str) -> _T:
    # The model imports this one for the type checker only.
    hints = typing.get_type_hints(kind, localns={"Mapping": Mapping})
    known = dataclasses.fields(kind)  # type: ignore[arg-type] # every kind here is a dataclass
    prefix = f"{where}." if where else ""
    if unknown := sorted(fields.keys() - {one.name for one in known}):
        raise JsonFormatError(f"{prefix}{unknown[0]} is nothing that {kind.__name__} has")
    values = {}
    for one in known:
        if one.name in fields:
            values[one.name] = _decode(hints[one.name], fields[one.name], prefix + one.name)
        elif one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING:
            raise JsonFormatError(f"{prefix}{one.name} is absent")
    return kind(**values)


def _decode(hint: Any, value: Any, where: str) -> Any:  # noqa: ANN401 -- as the hint says
    if hint == Action:
        return _decode_action(value, where)
    origin = typing.get_origin(hint)
    if origin in {types.UnionType, Union}:
        (inner,) = (one for one in typing.get_args(hint) if one is not type(None))
        return None if value is None else _decode(inner, value, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise JsonFormatError(f"{where} must be an array, not {_told(value)}")
        inner = typing.get_args(hint)[0]
        return tuple(_decode(inner, one, f"{where}[{n}]") for n, one in enumerate(value))
    if origin is Mapping:
        inner = typing.get_args(hint)[1]
        fields = _object(value, where)
        return {key: _decode(inner, one, f"{where}.{key}") for key, one in fields.items()}
    if dataclasses.is_dataclass(hint):
        return _decode_fields(typing.cast("type[Any]", hint), _object(value, where), where)
    return _decode_plain(hint, value, where)


def _decode_action(value: object, where: str) -> Action:
    fields = dict(_object(value, where))
    kind = _ACTIONS.get(str(fields.pop(_KIND, None)))
    if kind is None:
        raise JsonFormatError(f"{where}.{_KIND} must be one of {', '.join(sorted(_ACTIONS))}")
    action: Action = _decode_fields(kind, fields, where)
    return action


def _decode_plain(hint: Any, value: Any, where: str) -> Any:  # noqa: ANN401 -- as the hint says
    if isinstance(hint, type) and issubclass(hint, Enum):
        choices = [one.value for one in hint]
        if value not in choices:
            raise JsonFormatError(f"{where} must be one of {choices}, not {_told(value)}")
        return hint(value)
    if hint is int and isinstance(value, str) and value.lstrip("-").isdecimal():
        return int(value)
    if isinstance(value, bool) == (hint is bool):
        if hint is float and isinstance(value, (int, float)) and math.isfinite(value):
            return float(value)
        if hint is not float and isinstance(value, hint):
            return value
    raise JsonFormatError(f"{where} must be {_EXPECTED[hint]}, not {_told(value)}")


_EXPECTED: Final = {
    bool: "true or false",
    float: "a finite number",
    int: "a whole number, or one in decimal as a text",
    str: "a text",
}
