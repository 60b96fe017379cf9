"""Tells what a message in the queue is: a hint, nothing for us, or nonsense."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

_AUTO_SCALING = "aws.autoscaling"
_SCHEDULE = "aws.events"


@dataclass(frozen=True)
class Hint:
    """Something may have changed: a reason to look at the cluster."""

    source: str
    detail_type: str
    instance_id: str = ""


@dataclass(frozen=True)
class Ignored:
    """A well-formed message that is not about this cluster."""

    why: str


@dataclass(frozen=True)
class Malformed:
    """A message that cannot be an event of EventBridge."""

    why: str


Message: TypeAlias = Hint | Ignored | Malformed


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


def read_event(event: Any, group: str) -> Message:  # noqa: ANN401 -- anything may come
    """Tell what an event is; see `read_message`."""
    if not isinstance(event, dict):
        return Malformed(f"no JSON object, but a {type(event).__name__}")
    if event.get("Event") == "autoscaling:TEST_NOTIFICATION":
        return Ignored("a test notification, which Auto Scaling sends when a hook is made")
    source, detail_type = event.get("source"), event.get("detail-type")
    if not isinstance(source, str) or not isinstance(detail_type, str):
        return Malformed("neither source nor detail-type, which every event has")
    if source == _SCHEDULE:
        return Hint(source, detail_type)
    if source != _AUTO_SCALING:
        return Ignored(f"an event of {source}")
    return _read_detail(event.get("detail"), group, Hint(source, detail_type))


def _read_detail(detail: Any, group: str, hint: Hint) -> Message:  # noqa: ANN401 -- anything
    if not isinstance(detail, dict) or not isinstance(detail.get("AutoScalingGroupName"), str):
        return Malformed("an event of Auto Scaling without the name of a group")
    if detail["AutoScalingGroupName"] != group:
        return Ignored(f"an event of the group {detail['AutoScalingGroupName']}")
    return replace(hint, instance_id=str(detail.get("EC2InstanceId", "")))
