"""Whether what comes before the removal of a member is done: a pure function of what was observed.

An instance may do more than run a member: be a node of Kubernetes, say, that is to be drained. It is
asked to hand that over once, when its member may go in every other respect, and one instance at a time.
Who is dead, or ends by itself, is not asked: that would only keep a cluster from what saves it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from .model import OnPreparationFailure, PreparationState

if TYPE_CHECKING:
    from .model import Instance, Member, Preparation, PreparationPolicy
    from .situation import Situation


@dataclass(frozen=True)
class Ready:
    """The member may go as far as this is concerned.

    Attributes:
        note: What is to be said of it; empty for nothing.
    """

    note: str = ""


@dataclass(frozen=True)
class Begin:
    """The instance is to be asked.

    Attributes:
        instance_id: Which instance.
        why: What is to be said of it.
    """

    instance_id: str
    why: str


@dataclass(frozen=True)
class Held:
    """The member stays for now.

    Attributes:
        why: What is waited for.
    """

    why: str


Verdict: TypeAlias = Ready | Begin | Held


def judge_preparation(situation: Situation, member: Member) -> Verdict:
    """Tell whether a voter that may be removed is prepared for it.

    Args:
        situation: The view, the policy and the time.
        member: The voter.
    """
    policy = situation.policy.preparation
    if policy is None:
        return Ready()
    instance = situation.owner(member)
    if instance is None:
        return Ready("it has no instance any more that could hand over")
    known = situation.view.preparations.get(instance.id)
    if is_prepared(situation, instance):
        return Ready(f"{instance.id} has handed over")
    if (excuse := _excuse(situation, instance, member)) is not None:
        return Ready(f"{instance.id} hands nothing over, as {excuse}")
    return _judge_living(situation, policy, instance, known)


def is_prepared(situation: Situation, instance: Instance) -> bool:
    """Whether an instance has handed over, and so is of little use any more."""
    known = situation.view.preparations.get(instance.id)
    return known is not None and known.state is PreparationState.DONE


def preparation_failed(situation: Situation, instance: Instance) -> bool:
    """Whether an instance that goes did not hand over what it had to, for an alarm."""
    policy = situation.policy.preparation
    known = situation.view.preparations.get(instance.id)
    if policy is None or known is None or not situation.going(instance):
        return False
    return known.state is PreparationState.FAILED or _is_over(situation, policy, known)


def _excuse(situation: Situation, instance: Instance, member: Member) -> str | None:
    if member.status is None:
        return "its member does not answer"
    if situation.interrupted(instance):
        return "EC2 takes it within two minutes"
    if situation.unheld(instance):
        return "no hook holds it"
    return None


def _judge_living(
    situation: Situation,
    policy: PreparationPolicy,
    instance: Instance,
    known: Preparation | None,
) -> Verdict:
    if not instance.kept:
        return Held(f"{instance.id} is to hand over first, and its hook may hold it in a moment")
    if known is None:
        return _begin(situation, instance, f"{instance.id} hands over first")
    since = situation.now - known.begun
    failed = known.state is PreparationState.FAILED
    if not failed and not _is_over(situation, policy, known):
        if known.command:
            return Held(f"{instance.id} has been handing over for {since:.0f} s")
        return _begin(situation, instance, f"{instance.id} is asked again to hand over first")
    return _judge_failed(situation, policy, instance, known)


def _judge_failed(
    situation: Situation, policy: PreparationPolicy, instance: Instance, known: Preparation
) -> Verdict:
    since = situation.now - known.begun
    failed = known.state is PreparationState.FAILED
    why = known.detail if failed else f"it was not done within {policy.timeout:g} s"
    if policy.on_failure is OnPreparationFailure.PROCEED:
        return Ready(f"{instance.id} has not handed over: {why}")
    left = policy.timeout + policy.retry - since
    if left > 0:
        return Held(f"{instance.id} has not handed over: {why}; it is asked again in {left:.0f} s")
    return _begin(situation, instance, f"{instance.id} is asked once more to hand over: {why}")


def _is_over(situation: Situation, policy: PreparationPolicy, known: Preparation) -> bool:
    """Whether one that runs has had its time."""
    running = known.state is PreparationState.RUNNING
    return running and situation.now - known.begun >= policy.timeout


def _begin(situation: Situation, instance: Instance, why: str) -> Verdict:
    """One at a time: the next one may not be allowed to go any more when this one has gone."""
    policy = situation.policy.preparation
    for other in situation.view.instances:
        known = situation.view.preparations.get(other.id)
        member = situation.member(other)
        if policy is None or known is None or member is None or other.id == instance.id:
            continue
        running = known.state is PreparationState.RUNNING and not _is_over(situation, policy, known)
        if running and member.status is not None and situation.going(other):
            return Held(f"{instance.id} hands over when {other.id} has done so")
    return Begin(instance.id, why)
