"""What follows from a view at one moment: who goes, who stays, who is fit for what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .identity import identify
from .model import AtDeadline, NoticeKind

if TYPE_CHECKING:
    from .model import ClusterView, Instance, Member, Policy


def lag_behind(leader: Member | None, member: Member) -> int:
    """How many log entries a member is behind a leader; 0 if there is none that answers."""
    committed = leader.status.raft_index if leader and leader.status else 0
    applied = member.status.applied_index if member.status else 0
    return max(0, committed - applied)


class Situation:
    """A view with what can be told of it, by a policy, at one time.

    Attributes:
        view: What was observed.
        policy: What is a choice.
        now: Seconds since the epoch.
        identities: Which member belongs to which instance.
        leaving: Voters that are not to be counted on: their instances are going, about to be
            interrupted, in the midst of a replacement of their root volumes, or gone.
        doomed: Those of them that answer and that nothing holds: they will end by themselves.
        removing: Voters that etcd may still remove, as that was begun and has not been seen to end.
    """

    def __init__(self, view: ClusterView, policy: Policy, now: float) -> None:
        """Tell what follows from a view.

        Args:
            view: What was observed.
            policy: What is a choice.
            now: Seconds since the epoch, on the clock that made `ClusterView.first_seen`.
        """
        self.view = view
        self.policy = policy
        self.now = now
        self.identities = identify(view, policy.join)
        self._owners = {
            member.id: instance
            for instance in view.instances
            if (member := self.identities.members.get(instance.id))
        }
        self.leader = view.leader
        self.leaving = tuple(voter for voter in view.voters if not self._counted_on(voter))
        self.doomed = tuple(
            voter
            for voter in self.leaving
            if voter.answers and (owner := self.owner(voter)) and self.unheld(owner)
        )
        self.removing = tuple(voter for voter in view.voters if voter.id in view.removing)

    def _counted_on(self, voter: Member) -> bool:
        owner = self.owner(voter)
        if owner is None or self.going(owner):
            return False
        return not owner.replaces_root or owner.held is not None

    def member(self, instance: Instance) -> Member | None:
        """The member that runs on the instance."""
        return self.identities.members.get(instance.id)

    def owner(self, member: Member) -> Instance | None:
        """The instance that the member runs on."""
        return self._owners.get(member.id)

    def stays(self, member: Member) -> bool:
        """Whether its instance stays, so that the member may come back by itself."""
        owner = self.owner(member)
        return owner is not None and not self.going(owner)

    def age(self, key: str) -> float:
        """For how long it has waited: see `ClusterView.first_seen`, in seconds."""
        return self.now - self.view.first_seen.get(key, self.now)

    # Instances

    def interrupted(self, instance: Instance) -> bool:
        """Whether EC2 takes the instance in about two minutes, whatever a hook holds."""
        return self._noticed(instance) is NoticeKind.INTERRUPTION

    def going(self, instance: Instance) -> bool:
        """Whether the instance ends soon: by Auto Scaling or by EC2."""
        return instance.leaving or self.interrupted(instance)

    def unheld(self, instance: Instance) -> bool:
        """Whether the instance ends soon, and nothing that can be called holds it."""
        if self.interrupted(instance):
            return True
        if not instance.leaving or instance.kept:
            return False
        return instance.state != "Terminating" or self.age(instance.id) > self.policy.unheld_grace

    def unfit_to_lead(self, instance: Instance) -> bool:
        """Whether a leader on it had better hand over now: it may end, or be away, without a word.

        One that a hook holds is not: it hands over when it is removed, and not twice.
        """
        return instance.replaces_root or self._noticed(instance) is not None

    def _unfit(self, voter: Member) -> bool:
        owner = self.owner(voter)
        return owner is not None and self.unfit_to_lead(owner)

    def launching(self) -> list[Instance]:
        """Instances held at their launch, those that wait longest first."""
        waiting = [
            instance
            for instance in self.view.instances
            if instance.launch_waits and not self.interrupted(instance)
        ]
        return sorted(waiting, key=lambda instance: (-self.age(instance.id), instance.id))

    def late(self, instance: Instance) -> bool:
        """Whether the instance of the first member, which waits for nobody, has had its time."""
        return self.age(instance.id) > self.policy.launch_deadline

    def waits_in_vain(self, instance: Instance) -> bool:
        """Whether a launching instance has waited for its turn to join for longer than a line takes.

        Instances join one at a time. Those before it are no more than the group wants, and each is
        given up at its deadline.
        """
        return self.age(instance.id) > self.policy.launch_deadline * (self.view.desired + 1)

    def _noticed(self, instance: Instance) -> NoticeKind | None:
        notice = self.view.notices.get(instance.id)
        if notice is None or self.now - notice.time > self.policy.notice_lifetime:
            return None
        return notice.kind

    # Members

    def overdue(self, newcomer: Member) -> bool:
        """Whether it has had its time since it was added, or last came nearer to the leader."""
        return self.age(str(newcomer.id)) > self.policy.launch_deadline

    def lag(self, member: Member) -> int:
        """How many log entries the member is behind the leader."""
        return lag_behind(self.leader, member)

    def not_kept(self) -> tuple[Member, ...]:
        """Leaving voters that may end by themselves."""
        return tuple(
            member
            for member in self.leaving
            if not ((owner := self.owner(member)) and owner.kept and not self.interrupted(owner))
        )

    def arithmetic(self) -> str:
        """The numbers of the cluster as a whole."""
        voters = self.view.voters
        parts = [
            f"voters {len(voters)}",
            f"healthy {sum(voter.healthy for voter in voters)}",
            f"leaving {len(self.leaving)}",
            f"quorum {len(voters) // 2 + 1}",
            f"desired {self.view.desired}",
        ]
        return ", ".join(parts)

    # Who is fit for what

    def near(self, voter: Member) -> bool:
        """Whether it could lead at once: see `Policy.max_transfer_lag`."""
        return self.lag(voter) <= self.policy.max_transfer_lag

    def may_lead_on(self, leader: Member) -> bool:
        """Whether a leader may go on until a voter is near enough to take over.

        It may while nothing takes it away: its instance stays, or is held, and the time for its
        replacement is not over, or is not to end the wait.
        """
        owner = self.owner(leader)
        if owner is None or self.unheld(owner) or (owner.replaces_root and owner.held is None):
            return False
        patient = self.policy.at_deadline is not AtDeadline.PROCEED
        return patient or self.age(owner.id) <= self.policy.replacement_deadline

    def heirs(self, leader: Member, *, lasting: bool = False, fit: bool = False) -> list[Member]:
        """The voters that may lead next, the best one first.

        They are well, staying, and follow this very leader in its term: a transfer to a member that
        does not answer blocks writes for about a second (measured on etcd 3.5.30). Raft sends the next
        leader what it lacks of the log first, takes no writes meanwhile, and gives up after an election
        time-out; and then it has to apply what it has. So one that is near comes before one that is
        not, and one in another zone than those that go before one in theirs.

        Args:
            leader: The voter that leads.
            lasting: Whether any will do that does not end by itself, even with an alarm.
            fit: Whether none will do that had better hand over itself.
        """
        zones = {
            instance.zone
            for instance in self.view.instances
            if (self.going(instance) or self.unfit_to_lead(instance))
            and instance.zone
            and self.member(instance)
        }
        going = {member.id for member in self.leaving}
        unfit = {member.id for member in self.doomed} if lasting else going
        term = leader.status.raft_term if leader.status else 0
        candidates = [
            voter
            for voter in self.view.voters
            if voter.id not in unfit
            and voter.id != leader.id
            and (voter.healthy or lasting)
            and voter.status
            and voter.status.raft_term == term
            and voter.status.leader == leader.id
            and not (fit and self._unfit(voter))
        ]

        def fitness(voter: Member) -> tuple[bool, bool, bool, bool, bool, int]:
            owner = self.owner(voter)
            return (
                self.near(voter),
                voter.healthy,
                not self._unfit(voter),
                voter.id not in going,
                owner is not None and owner.zone not in zones,
                voter.status.applied_index if voter.status else 0,
            )

        return sorted(candidates, key=fitness, reverse=True)

    def best_copy(self, victim: Member | None = None) -> Member | None:
        """The voter that gives a snapshot: well, staying if one is, caught up, not the leader.

        The leader has work enough, and gives it only if nobody else has applied as much; the one
        that is to be removed, if nobody else is well.
        """
        going = {member.id for member in self.leaving}

        def fitness(voter: Member) -> tuple[bool, bool, bool, bool, int]:
            return (
                victim is None or voter.id != victim.id,
                self.lag(voter) <= self.policy.max_promotion_lag,
                voter.id not in going,
                self.leader is None or voter.id != self.leader.id,
                voter.status.applied_index if voter.status else 0,
            )

        well = [voter for voter in self.view.voters if voter.healthy]
        return max(well, key=fitness, default=None)
