"""Decides the one next safe thing to do about a cluster.

A pure function of what was observed: no I/O, no clock, no randomness, no memory. The rules are tried
in an order that puts what ends a change before what begins one:

1. nothing without a quorum, nothing about a cluster that is not ours;
2. hooks whose work is done are completed;
3. dead members whose instances are going are removed;
4. the learner that is on its way in is brought in, or given up;
5. healthy members whose instances are going are removed, the leader last and moved first;
6. a launching instance is added as a learner;
7. members whose instances have vanished are removed;
8. a snapshot that is due is taken.

With snapshots, one comes before each removal of a voter, and before the last one is let go.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .identity import identify
from .model import (
    Action,
    AddLearner,
    ClusterView,
    CompleteHook,
    Decision,
    HandOverJoin,
    HookResult,
    Instance,
    JoinConfiguration,
    Member,
    OnSnapshotFailure,
    Policy,
    Promote,
    RecordCluster,
    RemoveMember,
    Seed,
    SeedCluster,
    Stop,
    TakeSnapshot,
    TransferLeadership,
    Transition,
    Wait,
)

if TYPE_CHECKING:
    from collections.abc import Iterable


def plan(view: ClusterView, policy: Policy, now: float) -> Decision:
    """Decides what to do next.

    Args:
        view: What was observed.
        policy: What is a choice.
        now: Seconds since the epoch, on the clock that made `ClusterView.first_seen`.

    Returns:
        One action with its reason. `Wait` and `Stop` change nothing.
    """
    return _Planner(view, policy, now).decide()


@dataclass(frozen=True)
class Verdict:
    """Whether a voter may be removed, and the sum that says so.

    Attributes:
        allowed: Whether a healthy majority remains.
        healthy: Voters that remain, are well, and stay.
        quorum: How many of the remaining voters a majority takes.
        sum: The comparison as text.
    """

    allowed: bool
    healthy: int
    quorum: int
    sum: str


def guard(voters: Iterable[Member], victim: Member, leaving: Iterable[Member]) -> Verdict:
    """Whether removing a voter leaves a healthy majority of those that remain.

    etcd itself does not ask this: it allows three healthy members to become two, and two one.
    Members that leave as well count as if they were gone already, and what is unknown counts as
    unhealthy.

    Args:
        voters: All voters, the victim included.
        victim: The voter that would be removed.
        leaving: Voters whose instances are going or gone.

    Returns:
        The verdict. The last voter is never allowed to be removed.
    """
    gone = {member.id for member in leaving}
    remaining = [member for member in voters if member.id != victim.id]
    healthy = sum(member.healthy and member.id not in gone for member in remaining)
    quorum = len(remaining) // 2 + 1
    allowed = bool(remaining) and healthy >= quorum
    comparison = f"{healthy} {'>=' if healthy >= quorum else '<'} {quorum}"
    return Verdict(
        allowed,
        healthy,
        quorum,
        f"without {victim.label}: {len(remaining)} voters, healthy and staying {comparison} quorum",
    )


def join_configuration(view: ClusterView, policy: Policy, instance: Instance) -> JoinConfiguration:
    """What the instance's etcd must be started with to join the cluster as it is now.

    etcd compares the list with the live one and exits when they differ, so it names every member.
    """
    address = instance.address or ""
    others = [
        f"{member.name}={url}"
        for member in view.members
        if member.host != address
        for url in member.peer_urls
    ]
    existing = view.seed is not None and view.seed.created
    return JoinConfiguration(
        name=instance.id,
        initial_cluster=",".join([*others, f"{instance.id}={policy.peer_url(address)}"]),
        initial_cluster_state="existing" if existing else "new",
        initial_cluster_token=view.cluster,
    )


class _Planner:
    """One decision: the view, what follows from it, and the rules in their order."""

    def __init__(self, view: ClusterView, policy: Policy, now: float) -> None:
        self.view = view
        self.policy = policy
        self.now = now
        self.identities = identify(view)
        leaving = {
            member.id
            for instance_id, member in self.identities.members.items()
            if (instance := view.instance(instance_id)) and instance.leaving
        }
        leaving |= {member.id for member in self.identities.orphans}
        self.leaving = tuple(voter for voter in view.voters if voter.id in leaving)
        self.held_back: list[str] = []

    # What follows from the view

    def member(self, instance: Instance) -> Member | None:
        return self.identities.members.get(instance.id)

    def owner(self, member: Member) -> Instance | None:
        return next(
            (
                instance
                for instance in self.view.instances
                if (own := self.member(instance)) and own.id == member.id
            ),
            None,
        )

    def age(self, key: str) -> float:
        """For how long the instance has been held, or the member has been dead, in seconds."""
        return self.now - self.view.first_seen.get(key, self.now)

    def launching(self) -> list[Instance]:
        """Instances held at their launch, those that wait longest first."""
        waiting = [instance for instance in self.view.instances if instance.launch_waits]
        return sorted(waiting, key=lambda instance: (-self.age(instance.id), instance.id))

    def late(self, instance: Instance) -> bool:
        return self.age(instance.id) > self.policy.launch_deadline

    def overdue(self, learner: Member) -> bool:
        """Whether it has had its time, on an instance that no hook holds (any more) too."""
        return self.age(str(learner.id)) > self.policy.launch_deadline

    @staticmethod
    def died(member: Member) -> bool:
        """Whether it is a voter that does not answer."""
        return not member.learner and member.status is None

    # How a decision is made

    def say(self, action: Action, reason: str, arithmetic: str = "") -> Decision:
        return Decision(action, reason, arithmetic or self.arithmetic())

    def arithmetic(self) -> str:
        voters = self.view.voters
        healthy = sum(voter.healthy for voter in voters)
        parts = [
            f"voters {len(voters)}",
            f"healthy {healthy}",
            f"leaving {len(self.leaving)}",
            f"quorum {len(voters) // 2 + 1}",
            f"desired {self.view.desired}",
        ]
        return ", ".join(parts)

    def decide(self) -> Decision:
        """The first rule that has something to say decides."""
        if self.view.foreign:
            addresses = ", ".join(self.view.foreign)
            return self.say(
                Stop(),
                f"{addresses} answered with another cluster id than the recorded one: "
                "this is not our cluster",
            )
        if self.view.seed is None or not self.view.seed.created:
            return self.bring_to_life(self.view.seed)
        if not self.view.quorate:
            return self.say(
                Wait(), "no quorum answers: nothing is changed, held instances are kept"
            )
        if self.identities.contradictions:
            return self.say(Stop(), "; ".join(self.identities.contradictions))
        if self.view.leader is None:
            return self.say(Wait(soon=True), "the members have not agreed on a leader yet")
        return (
            self.complete_what_is_done()
            or self.remove_the_dead()
            or self.bring_in_the_learner()
            or self.remove_the_leaving()
            or self.add_a_learner()
            or self.remove_the_vanished()
            or self.take_due_snapshot()
            or self.report()
        )

    # Rules: a cluster that does not exist yet

    def bring_to_life(self, seed: Seed | None) -> Decision:
        if self.view.quorate and self.view.cluster_id is not None:
            return self.record_cluster(seed, self.view.cluster_id)
        chosen = self.view.instance(seed.instance_id) if seed else None
        serving = [one.id for one in self.view.instances if one.state == "InService"]
        if serving and chosen is None:
            # Before any hook is completed: those that are going may hold voters of that old one.
            return self.say(
                Stop(),
                f"{', '.join(serving)} are in service, yet no cluster is recorded and no member "
                "answers: a new cluster is not started over what may be an old one",
            )
        for instance in self.view.instances:
            if instance.termination_waits:
                return self.say(
                    CompleteHook(instance.id, Transition.TERMINATING, HookResult.CONTINUE),
                    f"{instance.id} may go: the cluster has not come to life yet",
                )
        if chosen:
            return self.wait_for_seed(chosen)
        candidates = [instance for instance in self.launching() if instance.address]
        if not candidates:
            return self.say(Wait(), "no instance waits to be the first member")
        first = candidates[0]
        why = f", since {seed.instance_id} vanished before the cluster lived" if seed else ""
        return self.say(
            SeedCluster(first.id, replaces=seed), f"{first.id} is to be the first member{why}"
        )

    def record_cluster(self, seed: Seed | None, cluster_id: int) -> Decision:
        answering = next(
            (one.id for one in self.view.instances if (own := self.member(one)) and own.healthy),
            seed.instance_id if seed else "",
        )
        return self.say(
            RecordCluster(seed.instance_id if seed else answering, cluster_id),
            f"cluster {cluster_id:x} lives: it is recorded, and never seeded again",
        )

    def wait_for_seed(self, instance: Instance) -> Decision:
        if self.late(instance) and instance.launch_waits:
            return self.say(
                CompleteHook(instance.id, Transition.LAUNCHING, HookResult.ABANDON),
                f"{instance.id} has not started the first member for {self.age(instance.id):.0f} s",
            )
        if instance.leaving:
            return self.say(Wait(), f"{instance.id}, the first member, is going: then another is")
        join = join_configuration(self.view, self.policy, instance)
        if instance.launch_waits and instance.address and self.view.joins.get(instance.id) != join:
            return self.say(
                HandOverJoin(instance.id, join), f"{instance.id} is told to start the first member"
            )
        if not instance.launch_waits:
            return self.say(
                Stop(),
                f"{instance.id} is {instance.state}, but the first member never answered: look at "
                "the instance, or terminate it so that another one starts the cluster",
            )
        return self.say(Wait(), f"{instance.id} is starting the first member")

    # Rules: a cluster that lives

    def complete_what_is_done(self) -> Decision | None:
        for instance in self.view.instances:
            member = self.member(instance)
            if instance.termination_waits and member is None:
                return self.say(
                    CompleteHook(instance.id, Transition.TERMINATING, HookResult.CONTINUE),
                    f"{instance.id} may go: it has no member",
                )
            if not instance.launch_waits:
                continue
            status = member.status if member else None
            if member and not member.learner and member.healthy and status and status.reads:
                return self.say(
                    CompleteHook(instance.id, Transition.LAUNCHING, HookResult.CONTINUE),
                    f"{instance.id} is a voter and answers linearizable reads",
                )
            if member and not member.learner:
                self.held_back.append(f"{instance.id} is a voter, but does not answer reads yet")
            if self.late(instance) and (member is None or self.died(member)):
                return self.say(
                    CompleteHook(instance.id, Transition.LAUNCHING, HookResult.ABANDON),
                    f"{instance.id} has not become a member that is well for "
                    f"{self.age(instance.id):.0f} s: Auto Scaling replaces it",
                )
        return None

    def remove_the_dead(self) -> Decision | None:
        if self.view.learner:
            return None
        for instance in self.view.instances:
            member = self.member(instance)
            if instance.leaving and member and not member.healthy:
                removal = self.remove(
                    member,
                    f"{instance.id} is terminating and its member is not well: removal first",
                )
                if removal:
                    return removal
        return None

    def bring_in_the_learner(self) -> Decision | None:
        learner = self.view.learner
        if learner is None:
            return None
        instance = self.owner(learner)
        if instance is None or instance.leaving or self.late(instance) or self.overdue(learner):
            return self.give_up(learner, instance)
        join = join_configuration(self.view, self.policy, instance)
        unstarted = instance.launch_waits and not learner.started
        if unstarted and self.view.joins.get(instance.id) != join:
            return self.say(
                HandOverJoin(instance.id, join), f"{instance.id} is told how to join the cluster"
            )
        if learner.status is None:
            return self.say(Wait(), f"{instance.id} is starting its member")
        return self.promote(learner)

    def give_up(self, learner: Member, instance: Instance | None) -> Decision:
        if instance is None and learner.status is not None:
            return self.say(Wait(), f"learner {learner.label} answers but has no instance here")
        if instance is None:
            why = "has no instance any more"
        elif instance.leaving:
            why = "is going before it was promoted"
        else:
            waited = max(self.age(instance.id), self.age(str(learner.id)))
            why = f"was not promoted within {waited:.0f} s"
        return self.say(RemoveMember(learner.id), f"learner {learner.label} {why}")

    def promote(self, learner: Member) -> Decision:
        leader = self.view.leader
        if learner.status is None or leader is None or leader.status is None:
            return self.say(Wait(soon=True), f"learner {learner.label} cannot be compared yet")
        if not learner.healthy:
            return self.say(
                Wait(soon=not learner.alarmed),
                f"learner {learner.label} is not well: it gets no vote",
            )
        lag = max(0, leader.status.raft_index - learner.status.applied_index)
        if lag > self.policy.max_promotion_lag:
            return self.say(
                Wait(soon=True), f"learner {learner.label} is {lag} log entries behind the leader"
            )
        return self.say(
            Promote(learner.id), f"learner {learner.label} is in sync ({lag} log entries behind)"
        )

    def remove_the_leaving(self) -> Decision | None:
        leader = self.view.leader
        last = leader if len(self.view.voters) == 1 else None
        victims = [
            (instance, member)
            for instance in self.view.instances
            if instance.leaving
            and (member := self.member(instance))
            and (member.healthy or member is last)
        ]
        # The leader last. Whom no hook holds any more goes first: it will not wait.
        victims.sort(
            key=lambda pair: (
                leader is not None and pair[1].id == leader.id,
                pair[0].termination_waits,
                pair[0].id,
            )
        )
        for instance, member in victims:
            decision = self.remove_leaving(instance, member)
            if decision:
                return decision
        return None

    def remove_leaving(self, instance: Instance, member: Member) -> Decision | None:
        voters = self.view.voters
        if len(voters) == 1:
            if self.view.desired == 0 and instance.termination_waits:
                end = self.say(
                    CompleteHook(instance.id, Transition.TERMINATING, HookResult.CONTINUE),
                    f"the group is scaled to zero: the cluster ends with {member.label}",
                )
                return self.after_snapshot(end, member)
            self.held_back.append(f"{instance.id} holds the last voter")
            return None
        healthy = sum(voter.healthy for voter in voters)
        shrinking = healthy > self.view.desired
        waited = self.age(instance.id)
        overdue = waited > self.policy.replacement_deadline
        if instance.termination_waits and not shrinking and not overdue:
            self.held_back.append(f"{instance.id} waits for its replacement to be promoted")
            return None
        if shrinking:
            why = f"{healthy} healthy voters are more than the {self.view.desired} wanted"
        elif overdue:
            why = f"no replacement came for {waited:.0f} s"
        else:
            why = "no hook holds it"
        return self.remove(member, f"{instance.id} is terminating and {why}")

    def remove(self, member: Member, reason: str) -> Decision | None:
        """Removes a voter if the guard allows it; moves the leadership away first."""
        verdict = guard(self.view.voters, member, self.leaving)
        if not verdict.allowed and len(self.view.voters) > self.view.desired:
            # Fewer members are wanted. Those that leave as well cannot be waited for, and as long
            # as their hooks hold them they vote: they go one by one, each with a majority of the
            # voters alive before and after.
            verdict = guard(self.view.voters, member, self.not_held())
        if not verdict.allowed:
            self.held_back.append(f"{member.label} cannot be removed safely: {verdict.sum}")
            return None
        leader = self.view.leader
        if leader is None or leader.id != member.id or member.status is None:
            removal = self.say(RemoveMember(member.id), reason, verdict.sum)
            return self.after_snapshot(removal, self.best_copy(member))
        target = self.transferee(leader)
        if target is None:
            self.held_back.append(f"no voter is fit to take the leadership from {leader.label}")
            return None
        transfer = self.say(
            TransferLeadership(leader.id, target.id),
            f"{reason}; it leads, so {target.label} takes over first",
            verdict.sum,
        )
        return self.after_snapshot(transfer, self.best_copy(member))

    def after_snapshot(self, decision: Decision, source: Member | None) -> Decision | None:
        """The decision, once there is a snapshot of now; before that, the taking of one.

        A snapshot of a few minutes ago counts, so that a run that died after it, or a removal that
        etcd refused for now, does not take another one.
        """
        policy = self.policy.snapshots
        if policy is None or not policy.before_removal:
            return decision
        if self.view.snapshot and self.now - self.view.snapshot.stored <= policy.max_age:
            return decision
        failure = self.recent_snapshot_failure(policy.retry)
        why = failure or (None if source else "no member that is well could be asked for it")
        if why is None and source is not None:
            return replace(
                decision,
                action=TakeSnapshot(source.id),
                reason=f"{decision.reason}; {source.label} gives a snapshot of the data first",
            )
        if policy.on_failure is OnSnapshotFailure.WARN:
            return replace(
                decision, reason=f"{decision.reason}; there is no snapshot of the data: {why}"
            )
        self.held_back.append(f"{decision.reason}; but not without a snapshot: {why}")
        return None

    def recent_snapshot_failure(self, retry: float) -> str | None:
        """Why the last attempt failed, for as long as it is not repeated."""
        failure, stored = self.view.snapshot_failure, self.view.snapshot
        if failure is None or self.now - failure.time > retry:
            return None
        return None if stored and stored.stored >= failure.time else failure.reason

    def best_copy(self, victim: Member | None = None) -> Member | None:
        """The voter that gives a snapshot: well, staying if one is, caught up, not the leader.

        The leader has work enough, and gives it only if nobody else has applied as much.
        """
        going = {member.id for member in self.leaving}
        leader = self.view.leader
        log_end = leader.status.raft_index if leader and leader.status else 0

        def fitness(voter: Member) -> tuple[bool, bool, bool, int]:
            applied = voter.status.applied_index if voter.status else 0
            return (
                log_end - applied <= self.policy.max_promotion_lag,
                voter.id not in going,
                leader is not None and voter.id != leader.id,
                applied,
            )

        others = [
            voter
            for voter in self.view.voters
            if voter.healthy and (victim is None or voter.id != victim.id)
        ]
        return max(others, key=fitness, default=None)

    def take_due_snapshot(self) -> Decision | None:
        policy, last = self.policy.snapshots, self.view.snapshot
        if policy is None or policy.interval is None:
            return None
        age = self.now - last.taken if last else None
        if age is not None and age < policy.interval:
            return None
        if self.recent_snapshot_failure(policy.retry) is not None:
            return None
        source = self.best_copy()
        if source is None:
            return None
        due = "there is none yet" if age is None else f"the last one is {age:.0f} s old"
        return self.say(
            TakeSnapshot(source.id), f"a snapshot is due, as {due}: {source.label} gives it"
        )

    def not_held(self) -> tuple[Member, ...]:
        """Leaving voters that nothing holds."""
        return tuple(
            member
            for member in self.leaving
            if not ((owner := self.owner(member)) and owner.termination_waits)
        )

    def transferee(self, leader: Member) -> Member | None:
        """The voter to lead next: well, staying, in the leader's term, caught up, in another zone.

        A transfer to a member that does not answer blocks writes for about a second (measured on
        etcd 3.5.30), hence only voters that follow this very leader are asked.
        """
        zones = {
            instance.zone
            for instance in self.view.instances
            if instance.leaving and instance.zone and self.member(instance)
        }
        going = {member.id for member in self.leaving}
        term = leader.status.raft_term if leader.status else 0
        candidates = [
            voter
            for voter in self.view.voters
            if voter.id not in going
            and voter.id != leader.id
            and voter.healthy
            and voter.status
            and voter.status.raft_term == term
            and voter.status.leader == leader.id
        ]

        log_end = leader.status.raft_index if leader.status else 0

        def fitness(voter: Member) -> tuple[bool, bool, int]:
            owner = self.owner(voter)
            applied = voter.status.applied_index if voter.status else 0
            caught_up = log_end - applied <= self.policy.max_promotion_lag
            return (caught_up, owner is not None and owner.zone not in zones, applied)

        return max(candidates, key=fitness, default=None)

    def add_a_learner(self) -> Decision | None:
        taken = {orphan.host: orphan for orphan in self.identities.orphans}
        # Another member would lower what the cluster survives, and etcd refuses it: "unhealthy
        # cluster", as long as a voter is not connected (measured on etcd 3.5.30).
        unwell = ", ".join(voter.label for voter in self.view.voters if not voter.healthy)
        for instance in self.launching():
            if self.member(instance):
                continue
            if instance.address is None:
                self.held_back.append(f"{instance.id} has no address yet")
                continue
            if unwell:
                self.held_back.append(f"{instance.id} cannot join: {unwell} must be well, or gone")
                continue
            if orphan := taken.get(instance.address):
                self.held_back.append(
                    f"{instance.id} cannot join: {orphan.label}, which is gone, has its address"
                )
                continue
            return self.say(
                AddLearner(instance.id, instance.address), f"{instance.id} joins as a learner"
            )
        return None

    def remove_the_vanished(self) -> Decision | None:
        for orphan in self.identities.orphans:
            if orphan.status is not None:
                self.held_back.append(f"{orphan.label} answers, but has no instance here")
                continue
            dead_for = self.age(str(orphan.id))
            if dead_for <= self.policy.stale_grace:
                self.held_back.append(f"{orphan.label} has no instance, for {dead_for:.0f} s now")
                continue
            removal = self.remove(
                orphan, f"{orphan.label} has had no instance and no life for {dead_for:.0f} s"
            )
            if removal:
                return removal
        return None

    def report(self) -> Decision:
        if self.held_back:
            return self.say(Wait(), "; ".join(self.held_back))
        without = [
            instance.id
            for instance in self.view.instances
            if instance.state == "InService" and self.member(instance) is None
        ]
        if without:
            return self.say(
                Stop(),
                f"{', '.join(without)} are in service without a member: terminate them, so that "
                "they are replaced through the launch hook",
            )
        unwell = [voter.label for voter in self.view.voters if not voter.healthy]
        if unwell:
            return self.say(Wait(), f"{', '.join(unwell)} are not well, and their instances stay")
        return self.say(Wait(), "settled: every member is well and nothing is asked for")
