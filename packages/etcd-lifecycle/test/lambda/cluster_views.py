"""Builds views of a cluster by hand: what a planner sees, in a line or two."""

from __future__ import annotations

from dataclasses import dataclass, replace

from etcd_lifecycle.model import (
    ClusterView,
    Instance,
    JoinConfiguration,
    Member,
    MemberStatus,
    Policy,
    Seed,
)
from etcd_lifecycle.plan import join_configuration

NOW = 1_000_000.0
"""The time at which views are decided on."""

POLICY = Policy()

CLUSTER_ID = 0xC1
TERM = 7
LOG_END = 50_000
MEMBER_BASE = 100

GONE = "gone"
"""In place of an instance's state: the group has no such instance (any more)."""


@dataclass(frozen=True)
class Slot:
    """A place for a member and its instance, of which one may be absent.

    `member` is one of:

    * ``healthy``, ``dead``, ``alarmed``: a voter;
    * ``unstarted``, ``synced``, ``lagging``, ``silent``: a learner, ``silent`` being one that has
      started once;
    * None: the instance has no member.
    """

    member: str | None = "healthy"
    instance: str = "InService"
    waited: float = 0.0
    zone: str = ""
    behind: int = 0
    reads: bool | None = None


VOTERS = ("healthy", "dead", "alarmed")
LEARNERS = ("unstarted", "synced", "lagging", "silent")


def instance_id(number: int) -> str:
    return f"i-{number}"


def member_id(number: int) -> int:
    return MEMBER_BASE + number


def address(number: int) -> str:
    return f"192.0.2.{number}"


def instance(number: int, state: str = "InService", zone: str = "") -> Instance:
    return Instance(instance_id(number), state, address(number), zone or f"zone-{number}")


def status(leader: int, *, behind: int = 0, reads: bool | None = None) -> MemberStatus:
    return MemberStatus(
        leader=leader,
        raft_term=TERM,
        raft_index=LOG_END - behind,
        applied_index=LOG_END - behind,
        version="3.5.30",
        reads=reads,
    )


def member(number: int, kind: str, leader: int, slot: Slot | None = None) -> Member:
    slot = slot or Slot()
    behind = POLICY.max_promotion_lag + 1 if kind == "lagging" else slot.behind
    answers = kind in {"healthy", "alarmed", "synced", "lagging"}
    return Member(
        id=member_id(number),
        name="" if kind == "unstarted" else instance_id(number),
        host=address(number),
        peer_urls=(POLICY.peer_url(address(number)),),
        learner=kind in LEARNERS,
        status=status(leader, behind=behind, reads=slot.reads) if answers else None,
        alarmed=kind == "alarmed",
    )


def view(
    *slots: Slot, desired: int | None = None, leader: int | None = 1, **changes
) -> ClusterView:
    """A view of a recorded cluster whose members and instances are in these places, from 1 on.

    Args:
        slots: What is at each place.
        desired: How many instances the group wants; by default as many as it has that stay.
        leader: The place of the leader; None for none.
        changes: Attributes of the view that differ.
    """
    numbered = list(enumerate(slots, start=1))
    leader_id = member_id(leader) if leader else 0
    members = tuple(member(n, slot.member, leader_id, slot) for n, slot in numbered if slot.member)
    instances = tuple(
        instance(n, slot.instance, slot.zone) for n, slot in numbered if slot.instance != GONE
    )
    voters = [one for one in members if not one.learner]
    made = ClusterView(
        cluster="main",
        desired=sum(not one.leaving for one in instances) if desired is None else desired,
        instances=instances,
        members=members,
        quorate=sum(one.status is not None for one in voters) > len(voters) // 2,
        cluster_id=CLUSTER_ID,
        seed=Seed(instance_id(1), CLUSTER_ID),
        first_seen={
            key: NOW - slot.waited
            for n, slot in numbered
            for key, counts in (
                (instance_id(n), slot.instance != GONE),
                (str(member_id(n)), slot.member and slot.instance in {GONE, "Pending:Wait"}),
            )
            if counts
        },
        recorded={instance_id(n): member_id(n) for n, slot in numbered if slot.member in LEARNERS},
    )
    if not made.quorate:
        # Without a quorum there is no member list.
        made = replace(made, members=())
    return replace(made, **changes)


def joined(made: ClusterView, *numbers: int) -> ClusterView:
    """The view, with the join configuration of these places handed over."""
    joins: dict[str, JoinConfiguration] = dict(made.joins)
    for number in numbers:
        one = made.instance(instance_id(number))
        if one is None:
            raise ValueError(f"place {number} has no instance")
        joins[one.id] = join_configuration(made, POLICY, one)
    return replace(made, joins=joins)


def with_member(made: ClusterView, number: int, **changes) -> ClusterView:
    """The view, with attributes of one member changed."""
    return replace(
        made,
        members=tuple(
            replace(one, **changes) if one.id == member_id(number) else one for one in made.members
        ),
    )


def with_instance(made: ClusterView, number: int, **changes) -> ClusterView:
    """The view, with attributes of one instance changed."""
    return replace(
        made,
        instances=tuple(
            replace(one, **changes) if one.id == instance_id(number) else one
            for one in made.instances
        ),
    )
