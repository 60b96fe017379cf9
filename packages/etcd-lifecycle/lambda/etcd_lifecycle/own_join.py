"""The rules for instances whose own tooling adds and promotes their members, as kubeadm does.

Nothing is added, promoted or seeded here. What remains is to let a launch go on once its member
votes, to wait while one is on its way in, and to remove what an instance leaves behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from .model import CompleteHook, HookResult, RemoveMember, Transition, Wait

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .model import Action, Member
    from .situation import Situation

Proposal: TypeAlias = "tuple[Action, str]"
"""An action, and why."""

SOON_SECONDS = 20.0
"""How long a learner that answers is looked at again within an invocation: it is promoted any moment."""


def wait_for_the_first(situation: Situation) -> Proposal:
    """What there is to do before any member has answered for the first time."""
    for instance in situation.launching():
        if situation.late(instance):
            return CompleteHook(instance.id, Transition.LAUNCHING, HookResult.ABANDON), (
                f"{instance.id} has not started the cluster for {situation.age(instance.id):.0f} s: "
                "Auto Scaling replaces it"
            )
    waiting = ", ".join(instance.id for instance in situation.launching())
    return Wait(), (
        f"no member has answered yet: {waiting or 'an instance'} is to start the cluster by its "
        "own means, and the function must reach its client port"
    )


def awaited(situation: Situation) -> Member | None:
    """The learner on whose promotion everything else waits: one change at a time.

    It does so for as long as a launch may take.
    """
    return next((one for one in _learners(situation) if _is_awaited(situation, one)), None)


def settle_the_learners(situation: Situation, held_back: list[str]) -> Proposal | None:
    """Wait for learners on their way in, and remove those whose instances are going or gone.

    One that comes no nearer on an instance that is held at its launch goes too: it keeps all others out,
    and must not be promoted when its instance is given up. One whose instance is in service stays,
    however long: it is not ours.

    Args:
        situation: What is known.
        held_back: Takes sentences about what is left as it is.
    """
    for learner in _learners(situation):
        instance = situation.owner(learner)
        dead_for = situation.age(str(learner.id))
        if instance and situation.going(instance):
            return RemoveMember(learner.id), (
                f"learner {learner.label} has not been promoted, and {instance.id} is going"
            )
        if instance and instance.launch_waits and situation.overdue(learner):
            return RemoveMember(learner.id), (
                f"learner {learner.label} has come to nothing on {instance.id} for {dead_for:.0f} s"
            )
        if instance is None and learner.status is None and _is_stale(situation, learner):
            return RemoveMember(learner.id), (
                f"learner {learner.label} has had no instance and no life for {dead_for:.0f} s"
            )
        if _is_awaited(situation, learner):
            whose = instance.id if instance else "no instance here"
            soon = learner.status is not None and dead_for < SOON_SECONDS
            return Wait(soon=soon), f"learner {learner.label} of {whose} is to be promoted there"
        held_back.append(
            f"learner {learner.label} has not been promoted for {dead_for:.0f} s: its instance's "
            "own tooling does that; terminate the instance, or remove the learner by 'override'"
        )
    return None


def name_those_on_their_way(situation: Situation, held_back: list[str]) -> None:
    """Say who is still to join, and what hinders them: etcd adds nobody while a voter is unwell.

    Without a launch hook, instances are in service before they have joined.
    """
    unwell = ", ".join(voter.label for voter in situation.view.voters if not voter.healthy)
    hindered = f", for which {unwell} must be well, or gone" if unwell else ""
    held_back += [
        f"{instance.id} is to join by its own means{hindered}"
        for instance in situation.view.instances
        if situation.member(instance) is None
        and not situation.interrupted(instance)
        and (
            instance.launch_waits
            or (instance.state == "InService" and not situation.late(instance))
        )
    ]


def _learners(situation: Situation) -> Iterator[Member]:
    return (member for member in situation.view.members if member.learner)


def _is_stale(situation: Situation, member: Member) -> bool:
    return situation.age(str(member.id)) > situation.policy.stale_grace


def _is_awaited(situation: Situation, learner: Member) -> bool:
    instance = situation.owner(learner)
    if instance is None and learner.status is None:
        return not _is_stale(situation, learner)
    return not (instance and situation.going(instance)) and not situation.overdue(learner)
