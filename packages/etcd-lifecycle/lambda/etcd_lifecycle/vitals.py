"""Signs of trouble in a view, for the alarms: what goes on for too long, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .guard import guard
from .preparation_rule import preparation_failed
from .situation import Situation

if TYPE_CHECKING:
    from .model import ClusterView, Member, Policy


@dataclass(frozen=True)
class Vitals:
    """What a view tells of trouble.

    Attributes:
        oldest_learner: Seconds since the learner was added, or last came nearer to the leader; 0 if
            there is none.
        refusals: How many voters are to go, or are gone, and cannot be removed safely.
        unwell: How many voters are not well although their instances are to stay.
        snapshot_age: Seconds since the last snapshot was stored; None if none was, or none is wanted.
        preparation_failures: How many instances are to go and did not hand over what they had to;
            None if nothing is to be handed over.
    """

    oldest_learner: float
    refusals: int
    unwell: int
    snapshot_age: float | None
    preparation_failures: int | None = None


def take_vitals(view: ClusterView, policy: Policy, now: float) -> Vitals:
    """Return the signs of trouble in a view.

    Args:
        view: What was observed.
        policy: What is a choice.
        now: Seconds since the epoch, on the clock that made `ClusterView.first_seen`.
    """
    situation = Situation(view, policy, now)
    learners = [situation.age(str(member.id)) for member in view.members if member.learner]
    return Vitals(
        oldest_learner=max(learners, default=0.0),
        refusals=_refusals(situation),
        unwell=sum(not voter.healthy and situation.stays(voter) for voter in view.voters),
        snapshot_age=now - view.snapshot.stored if policy.snapshots and view.snapshot else None,
        preparation_failures=sum(preparation_failed(situation, one) for one in view.instances)
        if policy.preparation
        else None,
    )


def _refusals(situation: Situation) -> int:
    """Count the voters that the guard keeps. The last one is let go when the group wants none."""
    voters = situation.view.voters
    if len(voters) == 1:
        return 0
    return sum(
        not any(guard(voters, victim, gone).allowed for gone in _who_may_go(situation))
        for victim in situation.leaving
    )


def _who_may_go(situation: Situation) -> tuple[tuple[Member, ...], ...]:
    """Voters not to be counted on, as the plan sees them: all that leave; or, if held, not those."""
    return situation.leaving, situation.not_kept()
