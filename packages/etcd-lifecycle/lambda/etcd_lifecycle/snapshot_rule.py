"""Whether the snapshot before a removal is there, and whether one is due: pure functions of a view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from .model import OnSnapshotFailure

if TYPE_CHECKING:
    from .model import Member
    from .situation import Situation


@dataclass(frozen=True)
class Ready:
    """The removal may go on as far as this is concerned.

    Attributes:
        note: What is to be said of it; empty for nothing.
    """

    note: str = ""


@dataclass(frozen=True)
class Take:
    """A snapshot is to be taken.

    Attributes:
        source: The voter that gives it.
        why: What is to be said of it.
    """

    source: Member
    why: str


@dataclass(frozen=True)
class Held:
    """The removal waits.

    Attributes:
        why: Why there is no snapshot.
    """

    why: str


Verdict: TypeAlias = Ready | Take | Held


def judge_snapshot(situation: Situation, source: Member | None) -> Verdict:
    """Tell whether there is a snapshot of now.

    One of a few minutes ago counts, so that a run that died after it, or a removal that etcd refused
    for now, does not take another one.

    Args:
        situation: The view, the policy and the time.
        source: The voter that would give it; None if none is well.
    """
    policy, view = situation.policy.snapshots, situation.view
    if policy is None or not policy.before_removal:
        return Ready()
    if view.snapshot and situation.now - view.snapshot.stored <= policy.max_age:
        return Ready()
    why = _recent_failure(situation, policy.retry)
    if why is None and source is not None:
        return Take(source, f"{source.label} gives a snapshot of the data first")
    why = why or "no member that is well could be asked for it"
    if policy.on_failure is OnSnapshotFailure.WARN:
        return Ready(f"there is no snapshot of the data: {why}")
    return Held(why)


def due_snapshot(situation: Situation) -> Take | None:
    """The snapshot that is due for the age of the last one, if it is and can be taken."""
    policy, last = situation.policy.snapshots, situation.view.snapshot
    if policy is None or policy.interval is None:
        return None
    age = situation.now - last.taken if last else None
    if age is not None and age < policy.interval:
        return None
    if _recent_failure(situation, policy.retry) is not None:
        return None
    source = situation.best_copy()
    if source is None:
        return None
    due = "there is none yet" if age is None else f"the last one is {age:.0f} s old"
    return Take(source, f"a snapshot is due, as {due}: {source.label} gives it")


def _recent_failure(situation: Situation, retry: float) -> str | None:
    """Why the last attempt failed, for as long as it is not repeated."""
    failure, stored = situation.view.snapshot_failure, situation.view.snapshot
    if failure is None or situation.now - failure.time > retry:
        return None
    return None if stored and stored.stored >= failure.time else failure.reason
