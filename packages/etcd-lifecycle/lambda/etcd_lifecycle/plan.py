"""Decides the one next safe thing to do about a cluster.

A pure function of what was observed: no I/O, no clock, no randomness, no memory. The rules are tried
in an order that puts what ends a change before what begins one:

1. nothing without a quorum, nothing about a cluster that is not ours;
2. what an operator ordered;
3. launches that were told to join a cluster which is replaced by now are given up;
4. hooks whose work is done are completed;
5. a leader that may be away without a word hands over;
6. the quorum is saved from instances that end and that nothing holds, by shrinking;
7. dead members whose instances are going are removed;
8. the learner that is on its way in is brought in, or given up;
9. where several are replaced, the next newcomer is added before the first of them goes;
10. healthy members whose instances are going are removed, the leader last and moved first;
11. a launching instance is added as a learner;
12. members whose instances have vanished are removed;
13. retained instances that are replaced are terminated;
14. a snapshot that is due is taken.

Before a voter whose instance goes is removed, and before the last one is let go, the instance hands over
what else it does, where that is wanted (`preparation_rule`); and a snapshot is taken (`snapshot_rule`).
Where instances bring their own members in, `own_join` takes the place of what is done for that.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from . import own_join, snapshot_rule
from .guard import guard, spare, throughout
from .model import (
    Action,
    AddLearner,
    AtDeadline,
    ClusterView,
    CompleteHook,
    Decision,
    HandOverJoin,
    HookResult,
    Instance,
    Join,
    JoinConfiguration,
    Member,
    Policy,
    PrepareRemoval,
    Promote,
    RecordCluster,
    RemoveMember,
    Seed,
    SeedCluster,
    Stop,
    TakeSnapshot,
    TerminateRetained,
    TransferLeadership,
    Transition,
    Wait,
)
from .preparation_rule import Begin, Ready, is_prepared, judge_preparation
from .situation import Situation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .guard import Verdict

STARTING_SECONDS = 20.0
"""How long a new learner is looked at again within an invocation although it does not answer.

Its instance looks for its configuration every few seconds, and etcd then serves nobody before it has
published its name. When the leader sends it a snapshot (it does when its log does not reach back to
the beginning), that drops the connections to all peers and the publication with them: etcd publishes
again after 7 s (measured on etcd 3.6.16).
"""


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
    order = view.seed.restore if view.seed else None
    existing = order is not None or (view.seed is not None and view.seed.created)
    return JoinConfiguration(
        name=instance.id,
        initial_cluster=",".join([*others, f"{instance.id}={policy.peer_url(address)}"]),
        initial_cluster_state="existing" if existing else "new",
        initial_cluster_token=_cluster_token(view),
        snapshot=order.snapshot if order else "",
        bump_revision=order.bump_revision if order else 0,
    )


def _cluster_token(view: ClusterView) -> str:
    """What sets the cluster apart from those that it replaces: etcd makes its id of it.

    With the same token, a first member at an address that was used before would have the old id.
    """
    generation = view.seed.generation if view.seed else 0
    return f"{view.cluster}@{generation}" if generation else view.cluster


class _Planner(Situation):
    """One decision: the situation, and the rules in their order."""

    def __init__(self, view: ClusterView, policy: Policy, now: float) -> None:
        super().__init__(view, policy, now)
        self.held_back: list[str] = []
        self.by_own_means = policy.join is Join.INSTANCE

    # How a decision is made

    def say(self, action: Action, reason: str, arithmetic: str = "") -> Decision:
        return Decision(action, reason, arithmetic or self.arithmetic())

    def decide(self) -> Decision:
        """The first rule that has something to say decides."""
        if self.view.foreign:
            addresses = ", ".join(self.view.foreign)
            why = "answered with another cluster id than the recorded one: this is not our cluster"
            if self.view.seed is None:
                why = "do not belong to one cluster, and none is recorded yet"
            return self.say(Stop(), f"{addresses} {why}")
        if self.view.seed is None or not self.view.seed.created:
            return self.bring_to_life(self.view.seed)
        if not self.view.quorate:
            return self.say(
                Wait(), "no quorum answers: nothing is changed, held instances are kept"
            )
        if self.identities.contradictions:
            return self.say(Stop(), "; ".join(self.identities.contradictions))
        if self.leader is None:
            return self.say(Wait(soon=True), "the members have not agreed on a leader yet")
        return (
            self.obey_the_override()
            or self.give_up_the_misled()
            or self.complete_what_is_done()
            or self.move_the_leader_away()
            or self.save_the_quorum()
            or self.remove_the_dead()
            or self.bring_in_the_learner()
            or self.add_the_next_first()
            or self.remove_the_leaving()
            or self.add_a_learner()
            or self.remove_the_vanished()
            or self.terminate_the_retained()
            or self.take_due_snapshot()
            or self.report()
        )

    # Rules: a cluster that does not exist yet, or is to be made anew

    def give_up_the_misled(self) -> Decision | None:
        """Instances that were told to join a cluster which a recovery has replaced since."""
        token = _cluster_token(self.view)
        for instance in self.launching():
            join = self.view.joins.get(instance.id)
            if join and join.initial_cluster_token != token and self.member(instance) is None:
                return self.say(
                    CompleteHook(instance.id, Transition.LAUNCHING, HookResult.ABANDON),
                    f"{instance.id} was told to start with {join.initial_cluster_token}, which is "
                    f"{token} by now: Auto Scaling replaces it",
                )
        return None

    def bring_to_life(self, seed: Seed | None) -> Decision:
        order = seed.restore if seed else None
        chosen = self.view.instance(seed.instance_id) if seed else None
        expected = order is None or (chosen is not None and self.member(chosen) is not None)
        if self.view.quorate and self.view.cluster_id is not None and expected:
            return self.record_cluster(seed, self.view.cluster_id)
        if order and (misled := self.give_up_the_misled()):
            return misled
        serving = [one.id for one in self.view.instances if one.state == "InService"]
        if serving and chosen is None and order is None:
            # Before any hook is completed: those that are going may hold voters of that old one.
            return self.say(
                Stop(),
                f"{', '.join(serving)} are in service, yet no cluster is recorded and no member "
                "answers: a new cluster is not started over what may be an old one",
            )
        for instance in self.view.instances:
            if instance.held and (instance.leaving or instance.replaces_root):
                return self.let_go(instance, "the cluster has not come to life yet")
        if self.by_own_means:
            return self.say(*own_join.wait_for_the_first(self))
        return self.wait_for_seed(chosen) if chosen else self.choose_seed(seed, serving)

    def choose_seed(self, seed: Seed | None, serving: list[str]) -> Decision:
        order = seed.restore if seed else None
        candidates = [instance for instance in self.launching() if instance.address]
        if not candidates and order and serving:
            return self.say(
                Wait(),
                f"no instance waits to start with {order.snapshot}: terminate "
                f"{', '.join(serving)}, so that Auto Scaling launches others",
            )
        if not candidates:
            return self.say(Wait(), "no instance waits to be the first member")
        first = candidates[0]
        why = ""
        if order:
            why = f", with the data of {order.snapshot}"
        elif seed:
            why = f", since {seed.instance_id} vanished before the cluster lived"
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

    def obey_the_override(self) -> Decision | None:
        """Removes what an operator said, whatever the guard says; etcd's own refusal stands."""
        order = self.view.override
        if order is None or self.now > order.expires:
            return None
        victim = next((member for member in self.view.members if order.names(member)), None)
        if victim is None:
            return None
        said = f"{order.operator} ordered it: {order.reason}"
        if not victim.learner and len(self.view.voters) == 1:
            self.held_back.append(f"{victim.label} is the last voter, and stays although {said}")
            return None
        verdict = self.guard(victim, self.leaving)
        heirs = self.heirs(victim) if self.leads(victim) else []
        if heirs:
            return self.say(
                TransferLeadership(victim.id, heirs[0].id),
                f"{victim.label} is to be removed, as {said}; {heirs[0].label} takes over first"
                f"{self.how_far(heirs[0])}",
                verdict.sum,
            )
        return self.say(
            RemoveMember(victim.id), f"{victim.label} is removed, as {said}", verdict.sum
        )

    def complete_what_is_done(self) -> Decision | None:
        for instance in self.view.instances:
            if instance.launch_waits:
                decision = self.complete_launch(instance, self.member(instance))
            elif instance.held:
                decision = self.complete_departure(instance, self.member(instance))
            else:
                continue
            if decision:
                return decision
        return None

    def complete_launch(self, instance: Instance, member: Member | None) -> Decision | None:
        status = member.status if member else None
        if member and not member.learner and member.healthy and status and status.reads:
            return self.say(
                CompleteHook(instance.id, Transition.LAUNCHING, HookResult.CONTINUE),
                f"{instance.id} is a voter and answers linearizable reads",
            )
        if member and not member.learner:
            self.held_back.append(f"{instance.id} is a voter, but does not answer reads yet")
        why = self.why_no_launch(instance, member)
        if why is None:
            return None
        return self.say(
            CompleteHook(instance.id, Transition.LAUNCHING, HookResult.ABANDON),
            f"{instance.id} {why}: Auto Scaling replaces it",
        )

    def why_no_launch(self, instance: Instance, member: Member | None) -> str | None:
        """Why an instance is given up at its launch; None if it is not. A learner is removed first."""
        if member is None and instance.id in self.view.joins:
            return "was told how to join, and its member was removed"
        if member is None and self.waits_in_vain(instance):
            return f"has waited {self.age(instance.id):.0f} s for its turn to join"
        if member and not member.learner and member.status is None and self.overdue(member):
            waited = self.age(str(member.id))
            return f"has not had a member that is well for {waited:.0f} s since it was added"
        return None

    def complete_departure(self, instance: Instance, member: Member | None) -> Decision | None:
        if member is None:
            return self.let_go(instance, "it has no member")
        if not instance.replaces_root:
            return None
        if member.status is None:
            return self.let_go(instance, "its member does not answer, and may come back with it")
        return self.replace_root(instance, member)

    def replace_root(self, instance: Instance, member: Member) -> Decision | None:
        """Lets an instance go whose member keeps its place, and is away for a while."""
        voters = self.view.voters
        verdict = self.whatever_comes(member, lambda some: spare(some, member, self.leaving))
        if member.learner or (verdict.allowed and not self.leads(member)):
            return self.let_go(
                instance, "its member keeps its place, and the others are a majority", verdict.sum
            )
        waited = self.age(instance.id)
        # Of one or two voters none can ever be spared.
        hopeless = len(voters) <= 2 and verdict.healthy == len(voters) - 1  # noqa: PLR2004
        patient = self.policy.at_deadline is not AtDeadline.PROCEED
        if waited <= self.policy.replacement_deadline or patient or not hopeless:
            self.held_back.append(
                f"{instance.id} keeps its root volume as long as it leads or is needed: {verdict.sum}"
            )
            return None
        return self.let_go(
            instance,
            f"it has waited {waited:.0f} s, and {len(voters)} voters are too few to go on without "
            "one; its member keeps its place, and until it is back there is no quorum",
            verdict.sum,
        )

    def let_go(self, instance: Instance, why: str, arithmetic: str = "") -> Decision:
        transition = instance.held
        if transition is None:
            raise ValueError(f"no hook holds {instance.id}, which is {instance.state}")
        return self.say(
            CompleteHook(instance.id, transition, HookResult.CONTINUE),
            f"{instance.id} may go: {why}",
            arithmetic,
        )

    def move_the_leader_away(self) -> Decision | None:
        """Has a leader hand over at once that EC2 may take, or whose root volume is replaced."""
        leader = self.leader
        owner = self.owner(leader) if leader else None
        if leader is None or owner is None or not self.unfit_to_lead(owner):
            return None
        interrupted = self.interrupted(owner)
        target = self.choose_heir(
            leader, self.heirs(leader, lasting=interrupted, fit=not interrupted)
        )
        if target is None:
            return None
        why = (
            "has its root volume replaced"
            if owner.replaces_root
            else "is about to be interrupted"
            if interrupted
            else "is at risk of being interrupted"
        )
        return self.say(
            TransferLeadership(leader.id, target.id),
            f"{owner.id} leads and {why}: {target.label} takes over{self.how_far(target)}",
        )

    def choose_heir(self, leader: Member, heirs: list[Member]) -> Member | None:
        """The best of those that may lead next; None, and why, while one may yet come near."""
        if not heirs or self.near(heirs[0]) or not self.may_lead_on(leader):
            return heirs[0] if heirs else None
        behind = ", ".join(f"{voter.label} is {self.lag(voter)}" for voter in heirs)
        self.held_back.append(
            f"{leader.label} leads on until a voter is no more than "
            f"{self.policy.max_transfer_lag} log entries behind it: {behind}"
        )
        return None

    def how_far(self, heir: Member) -> str:
        """What there is to say of one that takes over although it is far behind."""
        if self.near(heir):
            return ""
        return f", {self.lag(heir)} log entries behind as it is: nobody fit for it is nearer"

    def save_the_quorum(self) -> Decision | None:
        """Shrinks the cluster, when it would lose its quorum by what nothing holds back.

        The usual guard counts voters that end soon as gone, and so would keep them until they are,
        and the quorum with them. As long as they answer they can still vote for a smaller cluster.
        """
        voters = self.view.voters
        ending = {member.id for member in self.doomed}
        lasting = [voter for voter in voters if voter.answers and voter.id not in ending]
        if not self.doomed or not lasting or len(lasting) > len(voters) // 2:
            return None
        dead = [voter for voter in self.leaving if voter.status is None and not self.stays(voter)]
        rest = len(voters) - len(dead) - len(self.doomed)
        if len(lasting) <= rest // 2:
            self.held_back.append(
                f"{', '.join(one.label for one in self.doomed)} will end, and with them the "
                f"quorum: only {len(lasting)} of the {rest} others answer"
            )
            return None
        victims = [*dead, *sorted(self.doomed, key=self.leads)]
        why = (
            f"{', '.join(one.label for one in self.doomed)} will end and nothing holds them; of "
            f"{len(voters)} voters only {len(lasting)} would be left, so the cluster shrinks first"
        )
        for victim in victims:
            verdict = self.guard(victim, (), counted="answering", alarmed=True)
            if verdict.allowed:
                removal = self.remove_allowed(victim, f"{victim.label} is removed: {why}", verdict)
                if removal:
                    return removal
        return None

    def leads(self, member: Member) -> bool:
        return self.leader is not None and self.leader.id == member.id

    def remove_the_dead(self) -> Decision | None:
        if own_join.awaited(self) if self.by_own_means else self.view.learner:
            return None
        for instance in self.view.instances:
            member = self.member(instance)
            if self.going(instance) and member and not member.healthy:
                removal = self.remove(
                    member,
                    f"{instance.id} is terminating and its member is not well: removal first",
                )
                if removal:
                    return removal
        return None

    def bring_in_the_learner(self) -> Decision | None:
        if self.by_own_means:
            proposal = own_join.settle_the_learners(self, self.held_back)
            return self.say(*proposal) if proposal else None
        learner = self.view.learner
        if learner is None:
            return None
        instance = self.owner(learner)
        if instance is None or self.going(instance) or self.overdue(learner):
            return self.give_up(learner, instance)
        join = join_configuration(self.view, self.policy, instance)
        unstarted = instance.launch_waits and not learner.started
        if unstarted and self.view.joins.get(instance.id) != join:
            return self.say(
                HandOverJoin(instance.id, join), f"{instance.id} is told how to join the cluster"
            )
        if learner.status is None:
            soon = instance.launch_waits and self.age(str(learner.id)) < STARTING_SECONDS
            return self.say(Wait(soon=soon), f"{instance.id} is starting its member")
        return self.promote(learner)

    def give_up(self, learner: Member, instance: Instance | None) -> Decision:
        if instance is None and learner.status is not None:
            return self.say(Wait(), f"learner {learner.label} answers but has no instance here")
        if instance is None:
            why = "has no instance any more"
        elif self.going(instance):
            why = "is going before it was promoted"
        else:
            why = f"was not promoted within {self.age(str(learner.id)):.0f} s"
        return self.say(RemoveMember(learner.id), f"learner {learner.label} {why}")

    def promote(self, learner: Member) -> Decision:
        if self.leader is None or self.leader.status is None:
            return self.say(Wait(soon=True), f"learner {learner.label} cannot be compared yet")
        if not learner.healthy:
            return self.say(
                Wait(soon=not learner.alarmed),
                f"learner {learner.label} is not well: it gets no vote",
            )
        lag = self.lag(learner)
        if lag > self.policy.max_promotion_lag:
            return self.say(
                Wait(soon=True), f"learner {learner.label} is {lag} log entries behind the leader"
            )
        return self.say(
            Promote(learner.id), f"learner {learner.label} is in sync ({lag} log entries behind)"
        )

    def add_the_next_first(self) -> Decision | None:
        """Adds the next newcomer while a voter that is replaced is still there.

        etcd adds nobody unless as many voters as are a majority with the newcomer have been connected
        for 5 s (from 3.5.30 and 3.6.11 on; before, all of them). Of three that is each, so that the
        latest one would have to be waited for; of four it may be missing.

        Never is more than one to spare: it is one of those that the newcomer allows to go. Whom
        nothing holds does not wait for that, nor who has handed over.
        """
        more = len(self.view.voters) - self.view.desired
        owners = [owner for voter in self.leaving if (owner := self.owner(voter))]
        ready = any(is_prepared(self, owner) for owner in owners)
        if self.by_own_means or ready or more != 1 or len(self.leaving) <= more or self.not_kept():
            return None
        held_back = list(self.held_back)
        decision = self.add_a_learner()
        # Who cannot join is told once.
        self.held_back = held_back
        return decision

    def remove_the_leaving(self) -> Decision | None:
        last = self.leader if len(self.view.voters) == 1 else None
        victims = [
            (instance, member)
            for instance in self.view.instances
            if self.going(instance)
            and (member := self.member(instance))
            and not member.learner
            and (member.healthy or member is last)
        ]

        def order(pair: tuple[Instance, Member]) -> tuple[bool, bool, bool, bool, str]:
            # The leader last. Whose removal was begun goes first: as long as that is not settled,
            # others may not. Whom nothing holds any more is next: it will not wait. Then who has
            # handed over, before others do so too.
            instance, member = pair
            prepared = is_prepared(self, instance)
            leads = self.leads(member) and not prepared
            begun = member in self.removing
            return leads, not begun, not self.unheld(instance), not prepared, instance.id

        victims.sort(key=order)
        for instance, member in victims:
            decision = self.remove_leaving(instance, member)
            if decision:
                return decision
        return None

    def remove_leaving(self, instance: Instance, member: Member) -> Decision | None:
        voters = self.view.voters
        if len(voters) == 1:
            return self.end_with_the_last(instance, member)
        healthy = sum(voter.healthy for voter in voters)
        if healthy > self.view.desired:
            why = f"{healthy} healthy voters are more than the {self.view.desired} wanted"
        elif self.interrupted(instance):
            why = "is interrupted within two minutes, whatever holds it"
            return self.remove(member, f"{instance.id} {why}")
        elif self.unheld(instance):
            why = "no hook holds it"
        elif not instance.kept:
            return self.say(
                Wait(soon=True), f"{instance.id} is terminating: its hook may hold it in a moment"
            )
        else:
            waited = self.age(instance.id)
            if waited <= self.policy.replacement_deadline:
                self.held_back.append(f"{instance.id} waits for its replacement to be promoted")
                return None
            if instance.retained or self.policy.at_deadline is not AtDeadline.PROCEED:
                return self.stay_at_deadline(instance, waited)
            why = f"no replacement came for {waited:.0f} s"
        return self.remove(member, f"{instance.id} is terminating and {why}")

    def stay_at_deadline(self, instance: Instance, waited: float) -> Decision | None:
        """What follows when the time for a replacement is over, and the member is not to go."""
        late = f"{instance.id} has waited {waited:.0f} s for its replacement"
        retain = self.policy.at_deadline is AtDeadline.RETAIN and instance.termination_waits
        if retain and self.view.retains:
            return self.say(
                CompleteHook(instance.id, Transition.TERMINATING, HookResult.ABANDON),
                f"{late}: the group retains it, with its member, and launches another",
            )
        if retain:
            late = (
                f"{late}; it cannot be retained, as the group's instance lifecycle policy does not "
                "say so for an abandoned terminate hook"
            )
        self.held_back.append(f"{late}, and is kept on")
        return None

    def end_with_the_last(self, instance: Instance, member: Member) -> Decision | None:
        if self.view.desired == 0 and instance.termination_waits:
            end = self.let_go(
                instance, f"the group is scaled to zero, and the cluster ends with {member.label}"
            )
            return self.after_preparation(end, member, source=member)
        self.held_back.append(f"{instance.id} holds the last voter")
        return None

    def remove(self, member: Member, reason: str) -> Decision | None:
        """Removes a voter if the guard allows it; moves the leadership away first."""
        voters = self.view.voters
        verdict = self.guard(member, self.leaving)
        if not verdict.allowed and member.status is None:
            # One that does not answer takes no vote with it, and as long as it is there nobody can
            # join: all that vote count, but for those that are about to end.
            verdict = self.guard(
                member, self.doomed, counted="answering and not ending", alarmed=True
            )
        elif not verdict.allowed and (len(voters) > self.view.desired or not member.healthy):
            # Those that leave as well cannot be waited for: fewer members are wanted, or nobody
            # can join as long as this one is not well. As long as something holds them they vote:
            # they go one by one, each with a majority of the voters alive before and after.
            verdict = self.guard(member, self.not_kept(), counted="healthy and staying or held")
        if not verdict.allowed:
            self.held_back.append(f"{member.label} cannot be removed safely: {verdict.sum}")
            return None
        return self.remove_allowed(member, reason, verdict)

    def guard(
        self,
        victim: Member,
        leaving: Iterable[Member],
        *,
        counted: str = "healthy and staying",
        alarmed: bool = False,
    ) -> Verdict:
        """Whether a voter may be removed, whatever becomes of removals under way: see `guard.guard`."""
        gone = tuple(leaving)
        return self.whatever_comes(
            victim, lambda voters: guard(voters, victim, gone, counted=counted, alarmed=alarmed)
        )

    def whatever_comes(self, member: Member, judge: Callable[[list[Member]], Verdict]) -> Verdict:
        """The verdict on a voter that holds with and without each other one whose removal was begun."""
        others = [voter for voter in self.removing if voter.id != member.id]
        return throughout(self.view.voters, others, judge)

    def remove_allowed(self, member: Member, reason: str, verdict: Verdict) -> Decision | None:
        """Removes a voter that may go, prepared, after a snapshot, and after another one leads."""
        if not self.leads(member) or member.status is None:
            removal = self.say(RemoveMember(member.id), reason, verdict.sum)
            return self.after_preparation(removal, member, source=self.best_copy(member))
        heirs = self.heirs(member, lasting=member in self.doomed)
        if not heirs:
            self.held_back.append(f"no voter is fit to take the leadership from {member.label}")
        target = self.choose_heir(member, heirs)
        if target is None:
            return None
        transfer = self.say(
            TransferLeadership(member.id, target.id),
            f"{reason}; it leads, so {target.label} takes over first{self.how_far(target)}",
            verdict.sum,
        )
        return self.after_preparation(transfer, member, source=self.best_copy(member))

    def after_preparation(
        self, decision: Decision, member: Member, *, source: Member | None
    ) -> Decision | None:
        """The decision, once its instance has handed over what else it does, and after a snapshot.

        The snapshot comes last, as it only counts for some minutes, and this may take longer.
        """
        match judge_preparation(self, member):
            case Ready(note):
                reason = f"{decision.reason}; {note}" if note else decision.reason
                return self.after_snapshot(replace(decision, reason=reason), source)
            case Begin(instance_id, why):
                return replace(
                    decision,
                    action=PrepareRemoval(instance_id, member.id),
                    reason=f"{decision.reason}; {why}",
                )
            case held:
                self.held_back.append(f"{decision.reason}; but {held.why}")
                return None

    def after_snapshot(self, decision: Decision, source: Member | None) -> Decision | None:
        """The decision, once there is a snapshot of now; before that, the taking of one."""
        match snapshot_rule.judge_snapshot(self, source):
            case snapshot_rule.Ready(note):
                reason = f"{decision.reason}; {note}" if note else decision.reason
                return replace(decision, reason=reason)
            case snapshot_rule.Take(giver, why):
                return replace(
                    decision, action=TakeSnapshot(giver.id), reason=f"{decision.reason}; {why}"
                )
            case held:
                self.held_back.append(f"{decision.reason}; but not without a snapshot: {held.why}")
                return None

    def take_due_snapshot(self) -> Decision | None:
        due = snapshot_rule.due_snapshot(self)
        return self.say(TakeSnapshot(due.source.id), due.why) if due else None

    def add_a_learner(self) -> Decision | None:
        if self.by_own_means:
            own_join.name_those_on_their_way(self, self.held_back)
            return None
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

    def terminate_the_retained(self) -> Decision | None:
        for instance in self.view.instances:
            if instance.retained and not instance.warmed and self.member(instance) is None:
                return self.say(
                    TerminateRetained(instance.id),
                    f"{instance.id} is retained, and has no member any more: it is terminated",
                )
        return None

    def report(self) -> Decision:
        if self.held_back:
            return self.say(Wait(), "; ".join(self.held_back))
        without = [
            instance.id
            for instance in self.view.instances
            if instance.state == "InService"
            and self.member(instance) is None
            and not self.interrupted(instance)
        ]
        if without:
            return self.say(
                Stop(),
                f"{', '.join(without)} are in service without a member: terminate them, so that "
                "they are replaced through the launch hook",
            )
        unwell = [voter.label for voter in self.view.voters if not voter.healthy]
        if unwell:
            return self.say(
                Wait(),
                f"{', '.join(unwell)} are not well, and their instances stay: mend etcd on these, or "
                "terminate them, so that they are replaced",
            )
        return self.say(Wait(), "settled: every member is well and nothing is asked for")
