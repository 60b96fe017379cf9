"""What etcd answers, as values, and how the gateway writes it.

Numbers of 64 bits come as decimal strings, and whatever is zero, false or empty is left out.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .etcd_errors import foreign
from .model import Member

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .model import MemberStatus


@dataclass(frozen=True)
class StatusReport:
    """What a member says of itself, and who it says it is.

    Attributes:
        cluster_id: The id of the cluster that it belongs to.
        member_id: Its own id.
        learner: Whether it is a learner.
        status: What it says of its state.
        complaints: What it says is wrong: that there is no leader, and each alarm that stands, whichever
            member it is for.
    """

    cluster_id: int
    member_id: int
    learner: bool
    status: MemberStatus
    complaints: tuple[str, ...] = ()


@dataclass(frozen=True)
class MemberList:
    """The members, as a quorum has them.

    Attributes:
        cluster_id: The id of the cluster that the asked member belongs to.
        member_id: The id of the member that was asked.
        members: All members, without their status and alarms.
    """

    cluster_id: int
    member_id: int
    members: tuple[Member, ...]


@dataclass(frozen=True)
class SnapshotChunk:
    """A piece of a snapshot's stream, as etcd sends it.

    Attributes:
        remaining: Bytes of the database that are still to come after this piece.
        blob: The piece itself.
    """

    remaining: int
    blob: bytes


class AlarmKind(str, Enum):
    """What etcd raises an alarm for."""

    NOSPACE = "NOSPACE"
    """The database has reached its quota: no writes are taken."""

    CORRUPT = "CORRUPT"
    """The member's data differ from the others'."""


@dataclass(frozen=True)
class Alarm:
    """An alarm that stands.

    Attributes:
        member_id: The member for which it was raised.
        kind: `AlarmKind`, or what a later etcd has besides.
    """

    member_id: int
    kind: str


def uint64(values: Mapping[str, Any], key: str) -> int:
    """Read a number that the gateway writes as a decimal string, and leaves out when it is 0."""
    return int(values.get(key, 0))


def read_member(values: Mapping[str, Any]) -> Member:
    """Read a member as the member list has it."""
    urls = tuple(values.get("peerURLs", ()))
    return Member(
        id=uint64(values, "ID"),
        name=values.get("name", ""),
        host=(urlsplit(urls[0]).hostname or "") if urls else "",
        peer_urls=urls,
        learner=values.get("isLearner", False),
    )


def lists_linearizably(version: str) -> bool:
    """Tell whether this version of etcd knows the field ``linearizable`` of ``member/list``.

    3.4 ignores it and answers from its own, possibly stale, copy. A version that is not known is
    taken for an old one.
    """
    try:
        major, minor = (int(part) for part in version.split(".")[:2])
    except ValueError:
        return False
    return (major, minor) >= (3, 5)


@contextlib.contextmanager
def reading(answer: Mapping[str, Any], endpoint: str) -> Iterator[None]:
    """Take an answer apart that something other than etcd may have given.

    Args:
        answer: The answer.
        endpoint: Who was asked.

    Raises:
        NotEtcd: It has not what etcd's answer has.
    """
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        told = f"JSON that etcd does not answer: {json.dumps(answer)}"
        raise foreign(told, endpoint) from error
