"""Tells which member of the cluster runs on which instance of the group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .model import Join

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .model import ClusterView, Instance, Member


@dataclass(frozen=True)
class Identities:
    """Which member belongs to which instance.

    Attributes:
        members: The member of each instance that has one, by instance id.
        orphans: Members whose instance is not in the group.
        contradictions: Sentences about members of which two attributes disagree.
    """

    members: dict[str, Member]
    orphans: tuple[Member, ...]
    contradictions: tuple[str, ...]


def identify(view: ClusterView, join: Join = Join.LEARNER) -> Identities:
    """Tells which member runs on which instance.

    Args:
        view: What was observed.
        join: Who brings members in, and so names them.
    """
    return _by_answer(view) if join is Join.INSTANCE else _by_name(view)


def _by_name(view: ClusterView) -> Identities:
    """Matches members and instances by two attributes: the address, and the name or recorded id.

    One attribute is not enough: addresses are used again, and names can be wrong. A learner that
    has never started has no name yet, and is matched by its address if nobody else claims it.
    """
    members: dict[str, Member] = {}
    contradictions: list[str] = []
    claimed = {member_id: instance_id for instance_id, member_id in view.recorded.items()}
    names = {instance.id for instance in view.instances}
    for instance in view.instances:
        for member in view.members:
            # EC2 tells no address of an instance that has just ended: its name has to do.
            same_host = instance.address in {member.host, None}
            same_name = member.name == instance.id or view.recorded.get(instance.id) == member.id
            unclaimed = (
                not member.started
                and member.learner
                and member.id not in claimed
                and instance.address is not None
            )
            if same_host and (same_name or unclaimed):
                members[instance.id] = member
            elif same_name:
                contradictions.append(
                    f"member {member.label} belongs to {instance.id} by name, "
                    f"but is at {member.host} while the instance is at {instance.address}"
                )
            elif (
                instance.address
                and same_host
                and (member.status is not None or member.name in names)
            ):
                contradictions.append(
                    f"member {member.label} answers at {member.host}, the address of {instance.id}"
                )
    matched = {member.id for member in members.values()}
    orphans = tuple(member for member in view.members if member.id not in matched)
    return Identities(members, orphans, tuple(contradictions))


def _by_answer(view: ClusterView) -> Identities:
    """Matches members whose names say nothing, as kubeadm's: they are those of the nodes.

    The two attributes are the address of the instance, and the id with which the member has answered
    there, now or at a time that is recorded. One that has never answered, being new or long dead,
    has the address only: its instance may be the one before, at the same address. That reading is
    the careful one, as then it is removed no sooner than the instance that is there goes.
    """
    members: dict[str, Member] = {}
    contradictions = list(_moved(view))
    orphans = {member.id: member for member in view.members}
    for instance in view.instances:
        own = [member for member in view.members if _is_of(member, instance, view)]
        if len(own) > 1:
            labels = " and ".join(member.label for member in own)
            contradictions.append(f"{instance.id} has the members {labels}, but runs one only")
        for member in own:
            members[instance.id] = member
            orphans.pop(member.id, None)
    return Identities(members, tuple(orphans.values()), tuple(contradictions))


def _is_of(member: Member, instance: Instance, view: ClusterView) -> bool:
    at_home = member.host == instance.address
    if view.recorded.get(instance.id) == member.id:
        # EC2 tells no address of an instance that has just ended.
        return at_home or all(member.host != one.address for one in view.instances)
    return at_home and (member.status is not None or member.id not in view.recorded.values())


def _moved(view: ClusterView) -> Iterator[str]:
    """Sentences about members that were recorded on one instance, and are at another's address."""
    for instance_id, member_id in view.recorded.items():
        for member in view.members:
            at = next((one.id for one in view.instances if one.address == member.host), None)
            known = view.instance(instance_id) is not None
            if member.id == member_id and known and at not in {None, instance_id}:
                yield (
                    f"member {member.label} was that of {instance_id}, but is at {member.host}, "
                    f"the address of {at}"
                )
