"""Tells which member of the cluster runs on which instance of the group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .model import ClusterView, Member


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


def identify(view: ClusterView) -> Identities:
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
