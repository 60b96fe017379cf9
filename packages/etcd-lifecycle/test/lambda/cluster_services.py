"""The parts that a run works with, on the small world: AWS and etcd that fail when they are told to.

Time is that of the world; nothing sleeps.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cluster_rules import member_of
from cluster_views import POLICY
from etcd_lifecycle.act import Outcome, Result
from etcd_lifecycle.auto_scaling import GroupDescription
from etcd_lifecycle.journal import Records
from etcd_lifecycle.model import CompleteHook, RemoveMember, Transition
from etcd_lifecycle.observe import _waiting, under_way
from etcd_lifecycle.outages import Outages
from etcd_lifecycle.reconcile import Reconciler
from etcd_lifecycle.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cluster_world import World
    from etcd_lifecycle.model import Action, ClusterView, Instance, Notice, NoticeKind

HOOK_SECONDS = 3600.0
"""How long a hook holds an instance without a heartbeat."""

RUN_SECONDS = 60.0


class OutageError(Exception):
    """A service of AWS does not answer, or asks to be left alone."""


@dataclass(frozen=True)
class Faults:
    """What goes wrong just now.

    Attributes:
        down: Whether Auto Scaling answers nothing at all.
        beats_fail: Whether heartbeats fail although the group can be described.
        stale: Whether the group is described as it was some time ago.
        overlap: Whether another run, which holds the lease too, does all it can between what a run saw
            last and its first action, as when the machine of that one stood still meanwhile.
        outcome: What becomes of actions: ``done``, ``refused``, ``lost`` (not done, and unknown),
            ``unanswered`` (done, and unknown) or ``late`` (unknown, and done some actions later).
    """

    down: bool = False
    beats_fail: bool = False
    stale: bool = False
    overlap: bool = False
    outcome: str = "done"


NO_FAULTS = Faults()


@dataclass
class Services:
    """Group, observer, actor and journal of one run after the other.

    Attributes:
        world: What is true.
        faults: What goes wrong.
        skew: By how much the clock of a run is wrong, in seconds.
        broken: What must never be, and was.
        overlaps: How many runs were made in the midst of another one.
    """

    world: World
    faults: Faults = NO_FAULTS
    skew: float = 0.0
    broken: list[str] = field(default_factory=list)
    overlaps: int = 0
    _described: GroupDescription | None = None
    _first_seen: dict[str, float] = field(default_factory=dict)
    _notices: dict[str, Notice] = field(default_factory=dict)
    _beaten: dict[str, float] = field(default_factory=dict)
    _late: list[Action] = field(default_factory=list)
    _records: Records = field(default_factory=Records)
    _left: float = RUN_SECONDS
    _overlapped: bool = False

    def run(self, notices: dict[str, NoticeKind] | None = None) -> None:
        """One invocation; what it raises, Lambda would log, and the queue would deliver again."""
        self._overlapped = False
        self._run(notices)

    def _run(self, notices: dict[str, NoticeKind] | None = None) -> None:
        self._left = RUN_SECONDS
        telemetry = Telemetry("main", stream=io.StringIO())
        reconciler = Reconciler(
            group=self,
            observer=self,
            actor=self,
            journal=self,
            policy=POLICY,
            telemetry=telemetry,
            outages=Outages([], self, telemetry),
            clock=lambda: self.world.now + self.skew,
            sleep=self.sleep,
        )
        try:
            reconciler.run("run", lambda: self._left, notices)
        except OutageError:
            return

    def sleep(self, seconds: float) -> None:
        self._left -= max(seconds, 0.05)
        if seconds:
            self.pass_time(seconds)

    def pass_time(self, seconds: float) -> None:
        """Let time pass in the world, and hooks come to their end without a heartbeat."""
        self.world.pass_time(seconds)
        for one in list(self.world.instances.values()):
            if not one.held:
                self._beaten.pop(one.id, None)
                continue
            beaten = self._beaten.setdefault(one.id, self.world.now)
            if self.world.now - beaten > HOOK_SECONDS:
                self.broken.append(f"the hook of {one.id} ended without a heartbeat")

    # The group

    def describe(self) -> GroupDescription:
        if self.faults.down:
            raise OutageError("throttled")
        if not (self.faults.stale and self._described):
            self._described = GroupDescription(
                self.world.desired, tuple(one for _, one in sorted(self.world.instances.items()))
            )
        return self._described

    def heartbeat(self, instance_id: str, transition: Transition) -> bool:
        if self.faults.beats_fail or self.faults.down:
            raise OutageError("throttled")
        one = self.world.instances.get(instance_id)
        if one is None or transition not in one.hooks:
            return False
        self._beaten[instance_id] = self.world.now
        return True

    # The observer

    def observe(
        self, desired: int, instances: tuple[Instance, ...], now: float, *, retains: bool
    ) -> ClusterView:
        seen = replace(
            self.world.look(),
            desired=desired,
            instances=instances,
            retains=retains,
            notices=dict(self._notices),
        )
        seen = replace(seen, removing=under_way(seen, self._records, now))
        keys = _waiting(seen, Records(first_seen=self._first_seen))
        self._first_seen = {key: self._first_seen.get(key, now) for key in keys}
        return replace(seen, first_seen=dict(self._first_seen))

    # The actor

    def act(self, action: Action, seen: ClusterView) -> Outcome:
        if self.faults.overlap and not self._overlapped:
            self._overlapped = True
            self.overlaps += 1
            self._run()
        kind = self.faults.outcome
        for late in self._late:
            self._apply(late)
        self._late = []
        if kind == "refused":
            return Outcome(Result.NOT_NOW, "unhealthy cluster")
        if kind == "lost":
            return Outcome(Result.UNKNOWN, "no answer")
        if kind == "late":
            self._late.append(action)
            return Outcome(Result.UNKNOWN, "no answer")
        done = self._apply(action)
        if kind == "unanswered":
            return Outcome(Result.UNKNOWN, "no answer")
        return Outcome(Result.DONE if done else Result.NOT_NOW)

    def _apply(self, action: Action) -> bool:
        quorate = self.world.quorate
        truth = self.world.look()
        if isinstance(action, CompleteHook):
            one = self.world.instances.get(action.instance_id)
            if one is None or action.transition not in one.hooks:
                return True  # already done
            owned = member_of(truth, one.id)
            if action.transition is Transition.TERMINATING and owned and self.world.desired:
                self.broken.append(f"{one.id} was let go with its member")
        if isinstance(action, RemoveMember) and action.member_id not in self.world.members:
            return True
        try:
            done = self.world.act(action)
        except KeyError:
            return True  # what it was about is gone
        if quorate and not self.world.quorate and self.world.desired:
            self.broken.append(f"{action} cost the quorum")
        if sum(one.learner for one in self.world.members.values()) > 1:
            self.broken.append("two learners")
        return done

    # The journal and its lease

    def load(self) -> Records:
        return Records(first_seen=self._first_seen)

    def record_notice(self, instance_id: str, notice: Notice) -> None:
        self._notices[instance_id] = notice

    def record(self, _entry: object) -> None:
        """Nobody reads it here."""

    def lease(self, _owner: str, **_: object) -> Services:
        return self

    def acquire(self) -> bool:
        return True

    def renew(self, *, removing: Iterable[int] = ()) -> bool:
        if ids := frozenset(removing):
            self._records = replace(
                self._records, removing=ids, removing_since=self.world.now + self.skew
            )
        return True

    def settle(self, member_id: int) -> None:
        self._records = replace(self._records, removing=self._records.removing - {member_id})

    def release(self) -> bool:
        return True
