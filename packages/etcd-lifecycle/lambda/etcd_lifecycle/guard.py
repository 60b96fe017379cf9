"""Tells whether a voter may be removed, or be away: the sum that keeps a healthy majority."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain, combinations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .model import Member


@dataclass(frozen=True)
class Verdict:
    """Whether a voter can be done without, and the sum that says so.

    Attributes:
        allowed: Whether a healthy majority remains.
        healthy: Voters that remain, are well, and are counted on.
        quorum: How many of the voters a majority takes.
        sum: The comparison as text.
    """

    allowed: bool
    healthy: int
    quorum: int
    sum: str


def guard(
    voters: Iterable[Member],
    victim: Member,
    leaving: Iterable[Member],
    *,
    counted: str = "healthy and staying",
    alarmed: bool = False,
) -> Verdict:
    """Whether removing a voter leaves a healthy majority of those that remain.

    etcd itself does not ask this: it allows three healthy members to become two, and two one.
    Members that leave as well count as if they were gone already, and what is unknown counts as
    unhealthy.

    Args:
        voters: All voters, the victim included.
        victim: The voter that would be removed.
        leaving: Voters that are not counted on, as their instances are going or gone.
        counted: What those are that are counted on, for the text.
        alarmed: Whether a voter that answers counts although it has an alarm: it still votes.

    Returns:
        The verdict. The last voter is never allowed to be removed.
    """
    gone = {member.id for member in leaving}
    remaining = [member for member in voters if member.id != victim.id]
    healthy = sum(
        (member.answers if alarmed else member.healthy) and member.id not in gone
        for member in remaining
    )
    return _judge(f"without {victim.label}", len(remaining), healthy, counted)


def spare(voters: Iterable[Member], member: Member, leaving: Iterable[Member]) -> Verdict:
    """Whether a voter may be away for a while: the others are a healthy majority of all, it included.

    Args:
        voters: All voters.
        member: The one that would be away, and keeps its place.
        leaving: Voters that are not counted on, as their instances are going or gone.
    """
    every = list(voters)
    away = {one.id for one in leaving} | {member.id}
    healthy = sum(voter.healthy and voter.id not in away for voter in every)
    return _judge(f"without {member.label} for a while", len(every), healthy, "healthy and staying")


def throughout(
    voters: Sequence[Member], removing: Sequence[Member], judge: Callable[[list[Member]], Verdict]
) -> Verdict:
    """Judge by all voters, and by those that are left once removals under way are done, or some are.

    A removal that was sent and not answered may be applied at any later time: its request may wait in
    a member that hangs.

    Args:
        voters: All voters.
        removing: Those of them whose removal is under way.
        judge: Gives the verdict for some voters.

    Returns:
        The first verdict that does not allow it; if each does, the one for all voters.
    """
    verdict = judge(list(voters))
    some = (combinations(removing, count) for count in range(1, len(removing) + 1))
    for gone in chain.from_iterable(some):
        later = judge([voter for voter in voters if voter not in gone])
        if verdict.allowed and not later.allowed:
            names = ", ".join(voter.label for voter in gone)
            verdict = replace(later, sum=f"once {names} is removed, as was begun, {later.sum}")
    return verdict


def _judge(what: str, voters: int, healthy: int, counted: str) -> Verdict:
    quorum = voters // 2 + 1
    comparison = f"{healthy} {'>=' if healthy >= quorum else '<'} {quorum}"
    return Verdict(
        voters > 0 and healthy >= quorum,
        healthy,
        quorum,
        f"{what}: {voters} voters, {counted} {comparison} quorum",
    )
