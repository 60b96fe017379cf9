"""A small world in which decisions have their effects: an Auto Scaling group and etcd, as values.

It is no stand-in for etcd in tests of what etcd does: it tells only whether a planner that is asked
again and again comes to an end.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import cluster_rules as rules
from cluster_views import (
    CLUSTER_ID,
    MEMBER_BASE,
    NOW,
    POLICY,
    instance,
    status,
)
from etcd_lifecycle.identity import identify
from etcd_lifecycle.model import (
    AddLearner,
    ClusterView,
    CompleteHook,
    HandOverJoin,
    HookResult,
    Member,
    Preparation,
    PreparationState,
    PrepareRemoval,
    Promote,
    RecordCluster,
    RemoveMember,
    Seed,
    SeedCluster,
    SnapshotFailure,
    Stop,
    StoredSnapshot,
    TakeSnapshot,
    TransferLeadership,
    Transition,
    Wait,
)
from etcd_lifecycle.plan import join_configuration, plan

if TYPE_CHECKING:
    from etcd_lifecycle.model import Action, Decision, Instance, Policy

MINUTE = 60.0
DEADLINES = sorted({POLICY.stale_grace, POLICY.launch_deadline, POLICY.replacement_deadline})
"""What a run may have to wait for; those for a turn to join are of the world's group."""


class RuleBrokenError(AssertionError):
    """A decision broke a rule, or the run has no end."""


@dataclass
class World:
    """The group and the cluster as they are.

    Attributes:
        desired: How many instances the group wants.
        instances: Its instances by id.
        members: The members by id; one without a status has no process that runs.
        leader: The id of the leader; 0 while there is none.
        launches: How many more instances the group manages to launch.
        preparation: What comes of it when an instance is asked to hand over: ``returns`` or
            ``fails`` at once, ``ends`` or ``breaks`` after a while, or ``hangs``.
    """

    desired: int
    instances: dict[str, Instance] = field(default_factory=dict)
    members: dict[int, Member] = field(default_factory=dict)
    leader: int = 0
    seed: Seed | None = None
    recorded: dict[str, int] = field(default_factory=dict)
    joins: dict[str, object] = field(default_factory=dict)
    first_seen: dict[str, float] = field(default_factory=dict)
    snapshot: StoredSnapshot | None = None
    snapshot_failure: SnapshotFailure | None = None
    snapshots_fail: bool = False
    preparations: dict[str, Preparation] = field(default_factory=dict)
    preparation: str = "returns"
    now: float = NOW
    launches: int = 4
    next_number: int = 50
    steps: list[Decision] = field(default_factory=list)

    @property
    def done(self) -> list[str]:
        """The kinds of the actions so far."""
        return [type(one.action).__name__ for one in self.steps if not isinstance(one.action, Wait)]

    def story(self) -> str:
        return "\n".join(f"  {one.action}: {one.reason}" for one in self.steps[-12:])

    @staticmethod
    def of(view: ClusterView, *, launches: int = 4) -> World:
        """The world that looks like this view, which must be quorate or of no cluster yet."""
        return World(
            desired=view.desired,
            instances={one.id: one for one in view.instances},
            members={one.id: one for one in view.members},
            leader=view.leader.id if view.leader else 0,
            seed=view.seed,
            recorded=dict(view.recorded),
            joins=dict(view.joins),
            first_seen=dict(view.first_seen),
            launches=launches,
        )

    # What is to be seen

    @property
    def voters(self) -> list[Member]:
        return [one for one in self.members.values() if not one.learner]

    @property
    def quorate(self) -> bool:
        answering = sum(one.status is not None for one in self.voters)
        return bool(self.voters) and answering > len(self.voters) // 2

    def shape(self) -> tuple[object, ...]:
        """All but the time."""
        return (
            self.desired,
            dict(self.instances),
            dict(self.members),
            self.leader,
            self.seed,
            dict(self.joins),
            self.snapshot,
            {key: one.state for key, one in self.preparations.items()},
        )

    def look(self) -> ClusterView:
        """What a planner sees, with the first sightings remembered as the journal does."""
        self._elect()
        quorate = self.leader != 0
        members = tuple(
            replace(
                one,
                status=replace(one.status, leader=self.leader, reads=not one.learner),
            )
            if one.status
            else one
            for _, one in sorted(self.members.items())
        )
        seen = ClusterView(
            cluster="main",
            desired=self.desired,
            instances=tuple(one for _, one in sorted(self.instances.items())),
            members=members if quorate else (),
            quorate=quorate,
            cluster_id=CLUSTER_ID if quorate else None,
            seed=self.seed,
            recorded=dict(self.recorded),
            snapshot=self.snapshot,
            snapshot_failure=self.snapshot_failure,
            preparations=dict(self.preparations),
            joins={key: one for key, one in self.joins.items() if key in self.instances},
        )
        waiting = [one.id for one in seen.instances if one.held or one.leaving]
        if seen.quorate:
            waiting += [str(one.id) for one in identify(seen).orphans if not one.healthy]
            waiting += [str(one.id) for one in seen.members if one.learner or self._launches(one)]
        else:
            waiting += [key for key in self.first_seen if key.isdecimal()]
        self.first_seen = {key: self.first_seen.get(key, self.now) for key in waiting}
        return replace(seen, first_seen=dict(self.first_seen))

    def _launches(self, member: Member) -> bool:
        """Whether the member's instance is held at its launch."""
        return any(
            one.launch_waits for one in self.instances.values() if one.address == member.host
        )

    def _elect(self) -> None:
        leader = self.members.get(self.leader)
        if not self.quorate:
            self.leader = 0
        elif leader is None or leader.status is None:
            self.leader = min(one.id for one in self.voters if one.status)

    # What decisions do

    def act(self, action: Action) -> bool:  # noqa: C901 -- one case for each kind
        """Carry an action out; False if it is refused, as etcd does."""
        match action:
            case SeedCluster():
                self.seed = Seed(action.instance_id)
            case RecordCluster():
                self.seed = Seed(action.instance_id, action.cluster_id)
            case HandOverJoin():
                self.joins[action.instance_id] = action.join
            case AddLearner():
                return self._add(action)
            case Promote():
                self._set(action.member_id, learner=False)
            case TransferLeadership():
                self.leader = action.target_id
            case TakeSnapshot():
                return self._take_snapshot()
            case PrepareRemoval():
                self._prepare(action.instance_id)
            case RemoveMember():
                return self._remove(action)
            case CompleteHook(one, Transition.LAUNCHING, HookResult.CONTINUE):
                state = "Warmed:Stopped" if self.instances[one].warmed else "InService"
                self.instances[one] = replace(self.instances[one], state=state)
            case CompleteHook(one):
                self._end(one)
        return True

    def _add(self, action: AddLearner) -> bool:
        if not all(one.status for one in self.voters):
            return False  # etcd: "unhealthy cluster"
        if any(one.learner or one.host == action.address for one in self.members.values()):
            return False  # etcd: "too many learner members", or "Peer URLs already exists"
        added = Member(
            id=MEMBER_BASE + self.next_number,
            name="",
            host=action.address,
            peer_urls=(POLICY.peer_url(action.address),),
            learner=True,
        )
        self.next_number += 1
        self.members[added.id] = added
        self.recorded[action.instance_id] = added.id
        return True

    def _take_snapshot(self) -> bool:
        if self.snapshots_fail:
            self.snapshot_failure = SnapshotFailure(self.now, "no bucket")
            return False
        self.snapshot = StoredSnapshot("main/1.db", 1, 1, self.now, self.now)
        return True

    def _prepare(self, asked: str) -> None:
        states = {"returns": PreparationState.DONE, "fails": PreparationState.FAILED}
        state = states.get(self.preparation, PreparationState.RUNNING)
        command = "" if self.preparation in states else "c-1"
        self.preparations[asked] = Preparation(self.now, state, "no such node", command)

    def _remove(self, action: RemoveMember) -> bool:
        victim = self.members[action.member_id]
        answering = sum(one.status is not None for one in self.voters)
        if not victim.learner and victim.status and answering - 1 < 1 + (len(self.voters) - 1) // 2:
            return False  # etcd: "unhealthy cluster"
        del self.members[action.member_id]
        return True

    def _set(self, one: int, **changes) -> None:
        self.members[one] = replace(self.members[one], **changes)

    def kill(self, instance_id: str) -> None:
        """The process on the instance is no more."""
        for one in list(self.members.values()):
            if one.host == self.instances[instance_id].address:
                self._set(one.id, status=None)

    def _end(self, ended: str) -> None:
        """The instance is no more, and neither is the process on it."""
        self.kill(ended)
        del self.instances[ended]
        self.preparations.pop(ended, None)

    # What happens by itself

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        ends = {"ends": PreparationState.DONE, "breaks": PreparationState.FAILED}
        for key, begun in self.preparations.items():
            over = self.now - begun.begun >= MINUTE
            if over and begun.state is PreparationState.RUNNING and self.preparation in ends:
                self.preparations[key] = replace(begun, state=ends[self.preparation])
        for one in list(self.instances.values()):
            if one.state == "Terminating:Proceed":
                self._end(one.id)
            elif one.state == "Terminating":
                self.instances[one.id] = replace(one, state="Terminating:Wait")
            elif one.launch_waits and one.id in self.joins:
                self._boot(one)
        staying = [one for one in self.instances.values() if not one.leaving]
        if len(staying) < self.desired and self.launches:
            self.launches -= 1
            launched = instance(self.next_number, "Pending:Wait")
            self.next_number += 1
            self.instances[launched.id] = launched
        elif len(staying) > self.desired:
            first = min(staying, key=lambda one: (one.state != "InService", one.id))
            self.instances[first.id] = replace(first, state="Terminating:Wait")

    def _boot(self, one: Instance) -> None:
        """The user data of an instance whose join configuration is there."""
        if not self.members and self.seed and self.seed.instance_id == one.id:
            self.members[MEMBER_BASE] = Member(
                id=MEMBER_BASE,
                name=one.id,
                host=one.address or "",
                peer_urls=(POLICY.peer_url(one.address or ""),),
                status=status(MEMBER_BASE),
            )
            return
        own = next((each for each in self.members.values() if each.host == one.address), None)
        if own is None or not own.learner or not self.quorate:
            return
        if own.status:  # it has caught up by now
            self._set(own.id, status=status(self.leader))
        elif self.joins[one.id] == join_configuration(self.look(), POLICY, one):
            behind = 2 * POLICY.max_promotion_lag
            self._set(own.id, name=one.id, status=status(self.leader, behind=behind))


def run(world: World, *, limit: int = 120, policy: Policy = POLICY) -> Decision:
    """Let the planner run until nothing changes any more, even when all deadlines are over.

    Returns:
        The decision at the end.

    Raises:
        RuleBrokenError: A decision broke a rule, or there is no end within the limit.
    """
    everything = [*DEADLINES, POLICY.launch_deadline * (world.desired + 1)]
    deadlines = list(everything)
    for _ in range(limit):
        seen = world.look()
        decision = plan(seen, policy, world.now)
        world.steps.append(decision)
        if broken := rules.violations(seen, decision, policy, world.now):
            raise RuleBrokenError(_told(broken, world, seen))
        if isinstance(decision.action, Stop):
            return decision
        before = world.shape()
        quorate = world.quorate
        if not isinstance(decision.action, Wait) and world.act(decision.action):
            if quorate and not world.quorate and world.desired > 0:
                raise RuleBrokenError(_told(["the action cost the quorum"], world, seen))
            asked_again = isinstance(decision.action, PrepareRemoval)
            if world.shape() == before and not asked_again:
                raise RuleBrokenError(_told(["an action without an effect"], world, seen))
            deadlines = list(everything)
            continue
        if isinstance(decision.action, TakeSnapshot):
            world.now += 1  # it failed, and the same run looks again at once
            continue
        world.pass_time(1 if decision.action == Wait(soon=True) else MINUTE)
        if world.shape() != before:
            deadlines = list(everything)
        elif deadlines:
            world.now += deadlines.pop(0)
        else:
            return decision
    raise RuleBrokenError(_told([f"no end within {limit} steps"], world, world.look()))


def _told(what: list[str], world: World, seen: ClusterView) -> str:
    return f"{'; '.join(what)}\nlast steps:\n{world.story()}\nlast view: {seen}"


def needs_nobody(world: World) -> bool:
    """Whether the group launches what it wants, and all that stays is well and has a member."""
    present = world.look()
    return (
        world.quorate
        and world.launches > 0
        and all(_is_as_it_seems(present, one) for one in present.members)
        and all(
            rules.member_of(present, one.id)
            for one in present.instances
            if one.state == "InService"
        )
    )


def _is_as_it_seems(view: ClusterView, one: Member) -> bool:
    """Whether it is well if it has an instance, and does not answer if it has none."""
    if rules.owner(view, one) is None:
        return one.status is None
    return one.healthy
