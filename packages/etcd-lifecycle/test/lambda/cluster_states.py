"""Every view of a small cluster, each once: places that hold the same are interchangeable."""

from __future__ import annotations

from itertools import combinations_with_replacement, product
from typing import TYPE_CHECKING

from cluster_views import GONE, LEARNERS, VOTERS, Slot, view

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from etcd_lifecycle.model import ClusterView

STATES = ("InService", "Pending:Wait", "Terminating:Wait", "Terminating:Proceed", GONE)

VOTER_SLOTS = tuple(product(VOTERS, STATES))
LEARNER_SLOTS = tuple(product(LEARNERS, STATES))

WITHOUT_MEMBER: tuple[tuple[str, ...], ...] = (
    (),
    ("Pending:Wait",),
    ("Terminating:Wait",),
    ("InService",),
    ("Pending:Wait", "Terminating:Wait"),
)
"""States of further instances that have no member."""


def memberships(members: int) -> Iterator[tuple[tuple[str, str], ...]]:
    """Every mix of that many members: voters, and at most one learner as the last."""
    yield from combinations_with_replacement(VOTER_SLOTS, members)
    for voters in combinations_with_replacement(VOTER_SLOTS, members - 1):
        if voters:
            yield from ((*voters, learner) for learner in LEARNER_SLOTS)


def leaders(slots: Sequence[tuple[str, str]]) -> Iterator[int | None]:
    """Who may lead, one of each kind; nobody while nothing else is different."""
    kinds = set()
    for number, slot in enumerate(slots, start=1):
        if slot[0] in {"healthy", "alarmed"} and slot not in kinds:
            kinds.add(slot)
            yield number
    yield None


def views(
    members: int,
    *,
    desired: Sequence[int],
    extras: Sequence[tuple[str, ...]],
    waits: Sequence[float],
) -> Iterator[ClusterView]:
    """Every quorate view of that many members.

    Args:
        members: How many members; the learner counts.
        desired: What the group may want.
        extras: States of further instances, without members.
        waits: For how long everything that waits may have waited.
    """
    for slots in memberships(members):
        voters = [kind for kind, _ in slots if kind in VOTERS]
        if sum(kind != "dead" for kind in voters) <= len(voters) // 2:
            continue
        for leader, wanted, extra, waited in product(leaders(slots), desired, extras, waits):
            places = [Slot(kind, state, waited, reads=True) for kind, state in slots]
            places += [Slot(None, state, waited) for state in extra]
            yield view(*places, desired=wanted, leader=leader)
