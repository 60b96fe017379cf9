"""Tells what a message in the queue is: a hint, nothing for us, or nonsense."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from .model import NoticeKind, Override

_AUTO_SCALING = "aws.autoscaling"
_EC2 = "aws.ec2"
_SCHEDULE = "aws.events"
_OPERATIONS: Final = ("plan", "recover", "maintain")


@dataclass(frozen=True)
class Hint:
    """Something may have changed: a reason to look at the cluster."""

    source: str
    detail_type: str
    instance_id: str = ""

    @property
    def notice(self) -> NoticeKind | None:
        """What EC2 said of the instance, which may be of any group; None if it is no such event."""
        return NoticeKind(self.detail_type) if self.source == _EC2 else None


@dataclass(frozen=True)
class Ignored:
    """A well-formed message that is not about this cluster."""

    why: str


@dataclass(frozen=True)
class Malformed:
    """A message that cannot be an event of EventBridge."""

    why: str


Message: TypeAlias = Hint | Ignored | Malformed


def operation_of(event: dict[str, Any]) -> str | None:
    """Return the operation that an event asks for, see `operations`; None if it is any other."""
    names = [name for name in _OPERATIONS if name in event]
    return names[0] if len(event) == 1 and names else None


def read_message(body: str, group: str) -> Message:
    """Tell what the body of a message is.

    Args:
        body: The text of the message: an event of EventBridge as JSON.
        group: The name of the Auto Scaling group that the cluster runs in.
    """
    try:
        event = json.loads(body)
    except (ValueError, RecursionError) as error:  # the latter of what is nested without end
        return Malformed(f"no JSON: {error}")
    return read_event(event, group)


def read_event(event: Any, group: str) -> Message:  # noqa: ANN401, PLR0911 -- anything may come
    """Tell what an event is; see `read_message`."""
    if not isinstance(event, dict):
        return Malformed(f"no JSON object, but a {type(event).__name__}")
    if event.get("Event") == "autoscaling:TEST_NOTIFICATION":
        return Ignored("a test notification, which Auto Scaling sends when a hook is made")
    source, detail_type = event.get("source"), event.get("detail-type")
    if not isinstance(source, str) or not isinstance(detail_type, str):
        return Malformed("neither source nor detail-type, which every event has")
    hint = Hint(source, detail_type)
    if source == _SCHEDULE:
        return hint
    if source == _EC2 and detail_type in {kind.value for kind in NoticeKind}:
        return _read_notice(event.get("detail"), hint)
    if source == _AUTO_SCALING:
        return _read_detail(event.get("detail"), group, hint)
    return Ignored(f"an event of {source}")


def _read_detail(detail: Any, group: str, hint: Hint) -> Message:  # noqa: ANN401 -- anything
    if not isinstance(detail, dict) or not isinstance(detail.get("AutoScalingGroupName"), str):
        return Malformed("an event of Auto Scaling without the name of a group")
    if detail["AutoScalingGroupName"] != group:
        return Ignored(f"an event of the group {detail['AutoScalingGroupName']}")
    return replace(hint, instance_id=str(detail.get("EC2InstanceId", "")))


def _read_notice(detail: Any, hint: Hint) -> Message:  # noqa: ANN401 -- anything
    if not isinstance(detail, dict) or not isinstance(detail.get("instance-id"), str):
        return Malformed("a notice of EC2 without the id of an instance")
    return replace(hint, instance_id=detail["instance-id"])


OVERRIDE_SECONDS: Final = 900.0
"""How long an operator's order holds, unless it says otherwise."""

MOST_OVERRIDE_SECONDS: Final = 86_400.0
"""How long an operator's order may hold."""


class OverrideError(ValueError):
    """An operator's order is not complete; the text says what it lacks."""


def read_override(order: Any, now: float) -> Override:  # noqa: ANN401 -- anything may come
    """Read an operator's order: ``remove``, ``operator``, ``reason``, and maybe ``seconds``.

    Args:
        order: What the event has at ``override``.
        now: Seconds since the epoch.

    Raises:
        OverrideError: It is something else.
    """
    if not isinstance(order, dict):
        raise OverrideError("override must be an object with the keys remove, operator and reason")
    texts = {key: order.get(key) for key in ("remove", "operator", "reason")}
    for key, value in texts.items():
        if not isinstance(value, str) or not value.strip():
            raise OverrideError(f"override.{key} is {value!r}, but must be a text that says it")
    seconds = order.get("seconds", OVERRIDE_SECONDS)
    number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if not number or not 0 < seconds <= MOST_OVERRIDE_SECONDS:
        raise OverrideError(
            f"override.seconds is {seconds!r}, but must be a number up to "
            f"{MOST_OVERRIDE_SECONDS:.0f}"
        )
    return Override(
        member=str(texts["remove"]),
        operator=str(texts["operator"]),
        reason=str(texts["reason"]),
        expires=now + seconds,
    )
