"""One run: look, decide, act, and look again, until there is nothing to do but wait.

Held instances get their heartbeats first, whatever else is well or not: no breaker, no lost lease
and no silent etcd stops them.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from .act import Result
from .auto_scaling import GroupNotFoundError
from .aws import explain
from .journal_items import JournalEntry
from .lease import LEASE_SECONDS
from .model import (
    CompleteHook,
    Instance,
    Notice,
    PrepareRemoval,
    RemoveMember,
    Stop,
    TakeSnapshot,
    Transition,
    Wait,
)
from .pace import ROUND_SECONDS, End, ends_with, pace, postpones
from .plan import plan
from .snapshot import RESERVE_SECONDS, expected_seconds
from .telemetry import PassMetrics
from .view_json import digest
from .vitals import take_vitals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .act import Actor, Outcome
    from .auto_scaling import AutoScalingGroup, GroupDescription
    from .journal import Journal
    from .lease import Lease
    from .model import Action, ClusterView, Decision, NoticeKind, Policy
    from .observe import Observer
    from .outages import Outages
    from .preparation import Preparations
    from .snapshot import Snapshots
    from .telemetry import Telemetry

HEARTBEAT_SECONDS = 30.0
"""Between two heartbeats of an instance within one run."""

MAX_PARALLEL_HEARTBEATS = 16
"""Heartbeats sent at the same time while the group cannot be seen."""

_Hold: TypeAlias = tuple[str, Transition]
"""An instance, and the transition at which it is held."""


class _LeaseLostError(Exception):
    """Another run has taken the lease in the midst of something long."""


@dataclass
class Reconciler:
    """What a run works with.

    Attributes:
        group: The Auto Scaling group.
        observer: Looks at the cluster.
        actor: Changes it.
        journal: Keeps the lease, and what was decided.
        policy: What is a choice.
        telemetry: Logs and metrics.
        outages: Tells which services of AWS are not called for now.
        snapshots: Takes snapshots, if the policy asks for some.
        preparations: Does what comes before removals, if the policy asks for it.
        lease_seconds: How long the lease of a run that died keeps others from changing anything.
        round_seconds: What a look and an action take at worst; none is begun with less time left.
        clock: Returns seconds since the epoch.
        sleep: Waits for the seconds that it is given.
    """

    group: AutoScalingGroup
    observer: Observer
    actor: Actor
    journal: Journal
    policy: Policy
    telemetry: Telemetry
    outages: Outages
    snapshots: Snapshots | None = None
    preparations: Preparations | None = None
    lease_seconds: float = LEASE_SECONDS
    round_seconds: float = ROUND_SECONDS
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], object] = time.sleep
    _beaten: dict[_Hold, float] = field(default_factory=dict, init=False)
    _released: set[_Hold] = field(default_factory=set, init=False)

    def run(
        self,
        owner: str,
        seconds_left: Callable[[], float],
        notices: Mapping[str, NoticeKind] | None = None,
    ) -> None:
        """Bring the cluster as far as it can go now; end early where a circuit is open.

        Args:
            owner: Names this run in the lease; another for each run.
            seconds_left: How long the run may still take.
            notices: What EC2 has just said of instances, of which some may be of this group.

        Raises:
            Exception: Something failed, and no circuit is open for it: the messages are to come
                again.
        """
        self._beaten.clear()
        self._released.clear()
        noted = False
        try:
            group = self._see_group()
            self._note(notices or {}, [one.id for one in group.instances])
            noted = True
            self._reconcile(owner, seconds_left, group)
        except Exception as error:
            if not self.outages.ends(error):
                raise
            if notices and not noted:
                # The group cannot be seen, and what EC2 says is not said again.
                self._note(notices, self._known_instances())
            self.outages.tell(error)
        self.outages.settle()

    def _note(self, notices: Mapping[str, NoticeKind], instance_ids: Iterable[str]) -> None:
        """Remember what EC2 said of these instances."""
        for instance_id in notices.keys() & set(instance_ids):
            notice = Notice(notices[instance_id], self.clock())
            self.journal.record_notice(instance_id, notice)

    def _known_instances(self) -> set[str]:
        """The instances of which something is remembered: the members, and all that wait."""
        records = self.journal.load()
        seed = [records.seed.instance_id] if records.seed else []
        return {*records.recorded, *records.first_seen, *seed}

    def _reconcile(
        self, owner: str, seconds_left: Callable[[], float], group: GroupDescription
    ) -> None:
        lease = self.journal.lease(owner, seconds=self.lease_seconds)
        if not lease.acquire():
            self.telemetry.log("INFO", "another run is at work: this one leaves it to that")
            return
        try:
            self._settle(lease, group, seconds_left)
        except _LeaseLostError:
            self._lost()
        finally:
            lease.release()

    def keep_held(self) -> None:
        """Give every held instance its heartbeat, for a run that can do nothing else."""
        self._beaten.clear()
        self._released.clear()
        self._see_group()

    def _settle(
        self, lease: Lease, group: GroupDescription, seconds_left: Callable[[], float]
    ) -> None:
        said = before = None
        whole = seconds_left()
        while True:
            started = self.clock()
            view = self._without_an_idle_order(self._look(group, started))
            decision = plan(view, self.policy, started)
            action = decision.action
            if decision != said:
                self._tell(view, decision, started)
                said = decision
            # The first look of a run goes ahead with whatever time is left: no later one has more.
            if before is not None and self._postpones(action, view, whole, seconds_left()):
                self.telemetry.log("INFO", "the next run has more time for it: this one ends")
                return
            outcome = None
            if not isinstance(action, Wait) and not ends_with(action):
                if not self._still_ours(lease):
                    return
                outcome = self._act(decision, view, lease, seconds_left)
            then = pace(
                action,
                outcome,
                seconds_left(),
                repeated=action == before,
                round_seconds=self.round_seconds,
            )
            before = action
            if isinstance(then, End):
                if then.why:
                    self.telemetry.log("INFO", then.why)
                return
            self.sleep(then.pause)
            if not self._still_ours(lease):
                return
            group = self._see_group()

    def _look(self, group: GroupDescription, now: float) -> ClusterView:
        return self.observer.observe(group.desired, group.instances, now, retains=group.retains)

    def _postpones(self, action: Action, view: ClusterView, whole: float, left: float) -> bool:
        """Whether something long may not fit into what earlier actions have left of this run."""
        if isinstance(action, TakeSnapshot):
            member = next(one for one in view.members if one.id == action.member_id)
            return postpones(expected_seconds(member), whole, left)
        if isinstance(action, PrepareRemoval) and self.preparations:
            return postpones(self.preparations.waits + RESERVE_SECONDS, whole, left)
        return False

    def _still_ours(self, lease: Lease) -> bool:
        if lease.renew():
            return True
        self._lost()
        return False

    def _lost(self) -> None:
        self.telemetry.log("WARNING", "the lease was lost to another run: this one changes nothing")

    def _act(
        self,
        decision: Decision,
        view: ClusterView,
        lease: Lease,
        seconds_left: Callable[[], float],
    ) -> Outcome | None:
        """Carry the decision out; None when a second look says otherwise."""
        if isinstance(decision.action, RemoveMember):
            if not self._confirmed(decision):
                return None
            # Where services are slow, that look takes longer than the lease holds.
            if not lease.renew(removing={*view.removing, decision.action.member_id}):
                raise _LeaseLostError
        if isinstance(decision.action, TakeSnapshot):
            outcome = self._take(decision.action, view, lease, seconds_left)
        elif isinstance(decision.action, PrepareRemoval):
            outcome = self._prepare(decision.action, view, lease, seconds_left)
        else:
            outcome = self.actor.act(decision.action, view)
        if isinstance(decision.action, RemoveMember) and outcome.result is not Result.UNKNOWN:
            lease.settle(decision.action.member_id)
        now = self.clock()
        name = type(decision.action).__name__
        self.telemetry.log("INFO", f"{name}: {outcome}", action=decision.action, outcome=outcome)
        if isinstance(decision.action, CompleteHook):
            # Another hook may hold the instance on, or the group be told of it late.
            instance = view.instance(decision.action.instance_id)
            for hook in instance.hooks if instance else (decision.action.transition,):
                self._released.add((decision.action.instance_id, hook))
        if outcome.result is not Result.NOT_NOW:
            self.journal.record(
                JournalEntry(
                    time=now,
                    action=str(decision.action),
                    reason=decision.reason,
                    arithmetic=decision.arithmetic,
                    outcome=str(outcome),
                    view=digest(view),
                )
            )
        self._use_up_override(decision.action, outcome, view)
        return outcome

    def _use_up_override(self, action: Action, outcome: Outcome, view: ClusterView) -> None:
        """An operator's order holds once."""
        if not isinstance(action, RemoveMember) or view.override is None:
            return
        if outcome.result not in {Result.DONE, Result.ALREADY}:
            return
        if any(view.override.names(one) for one in view.members if one.id == action.member_id):
            self.journal.forget_override()

    def _without_an_idle_order(self, view: ClusterView) -> ClusterView:
        """Forget an order for a member that is not there, lest another one of its name comes.

        A run that was killed after the removal leaves such an order.
        """
        order = view.override
        if order is None or not view.quorate or any(order.names(one) for one in view.members):
            return view
        self.telemetry.log(
            "WARNING", f"{order.operator} ordered that {order.member} be removed: no member is that"
        )
        self.journal.forget_override()
        return replace(view, override=None)

    def _take(
        self,
        action: TakeSnapshot,
        view: ClusterView,
        lease: Lease,
        seconds_left: Callable[[], float],
    ) -> Outcome:
        if self.snapshots is None:
            raise ValueError("the policy asks for snapshots, and there is nothing to take them")
        return self.snapshots.take(
            action, view, seconds_left=seconds_left, keep_alive=self._keeper(lease)
        )

    def _prepare(
        self,
        action: PrepareRemoval,
        view: ClusterView,
        lease: Lease,
        seconds_left: Callable[[], float],
    ) -> Outcome:
        if self.preparations is None:
            raise ValueError("the policy asks for preparations, and there is nothing to do them")
        return self.preparations.prepare(
            action, view, seconds_left=seconds_left, keep_alive=self._keeper(lease)
        )

    def _keeper(self, lease: Lease) -> Callable[[], None]:
        """What is to be called every few seconds in the midst of something long."""
        renewed = self.clock()

        def keep_alive() -> None:
            nonlocal renewed
            if self.clock() - renewed < self.lease_seconds / 3:
                return
            if not lease.renew():
                raise _LeaseLostError
            renewed = self.clock()

        return keep_alive

    def _confirmed(self, decision: Decision) -> bool:
        """Whether a fresh look still asks for what cannot be undone."""
        group = self._see_group()
        now = self.clock()
        again = plan(self._look(group, now), self.policy, now)
        if again.action == decision.action:
            return True
        self.telemetry.log("INFO", f"not removed after all: {again.reason}")
        return False

    def _tell(self, view: ClusterView, decision: Decision, started: float) -> None:
        name = type(decision.action).__name__
        self.telemetry.log(
            "ERROR" if isinstance(decision.action, Stop) else "INFO",
            decision.reason,
            action=name,
            arithmetic=decision.arithmetic,
            silent=dict(view.silent),
            view=digest(view),
        )
        self.telemetry.decided(name)
        held = [view.first_seen.get(one.id, started) for one in view.instances if one.held]
        self.telemetry.passed(
            PassMetrics(
                quorate=view.quorate,
                voters=len(view.voters),
                healthy_voters=sum(voter.healthy for voter in view.voters),
                alarms=sum(member.alarmed for member in view.members),
                database_size=max(
                    (member.status.db_size for member in view.members if member.status), default=0
                ),
                oldest_hook=started - min(held, default=started),
                duration=self.clock() - started,
            )
        )
        self.telemetry.vital(take_vitals(view, self.policy, started))

    def _see_group(self) -> GroupDescription:
        """The group as it is, once every instance that our hooks hold has had its heartbeat."""
        try:
            group = self.group.describe()
        except GroupNotFoundError:
            raise  # and so there is nothing that could be held
        except Exception:
            self._heartbeat_from_memory()
            raise
        self._heartbeat([(one.id, hook) for one in group.instances for hook in one.hooks])
        return group._replace(
            instances=tuple(self._as_our_hooks_see(instance) for instance in group.instances)
        )

    def _as_our_hooks_see(self, instance: Instance) -> Instance:
        """An instance that only other hooks hold is on its way, as far as we are concerned."""
        ours = [hook for hook in instance.hooks if (instance.id, hook) not in self._released]
        if ours or not instance.hooks:
            return instance
        return replace(instance, state=instance.state.replace(":Wait", ":Proceed"))

    def _heartbeat_from_memory(self) -> None:
        """Keep held what was held when the group could last be seen: it cannot be asked now.

        Which hook held an instance is not remembered; a heartbeat for the other one changes nothing.
        What fails here is logged: the run ends with the error for which the group cannot be seen.
        """
        try:
            held = [key for key in self.journal.load().first_seen if not key.isdecimal()]
        except Exception as error:  # noqa: BLE001 -- the run ends with the one before it
            self.telemetry.log(
                "ERROR", f"no heartbeats, as it is not known what is held: {explain(error)}"
            )
            return
        self.telemetry.log("WARNING", "the group cannot be seen: heartbeats from memory", held=held)
        holds = [(instance_id, hook) for instance_id in held for hook in Transition]
        # All at once: where nobody answers, one after the other they outlast the run.
        with ThreadPoolExecutor(MAX_PARALLEL_HEARTBEATS) as pool:
            for hold, failure in zip(holds, pool.map(self._beat, holds), strict=True):
                if failure:
                    self.telemetry.log(
                        "ERROR", f"no heartbeat: {explain(failure)}", instance=hold[0]
                    )

    def _heartbeat(self, holds: list[_Hold]) -> None:
        """Keep every held instance held. One that fails must not cost the others theirs."""
        failures = [failure for hold in holds if (failure := self._beat(hold))]
        if failures:
            raise failures[0]

    def _beat(self, hold: _Hold) -> Exception | None:
        """Send the heartbeat of an instance, if one is due; the error if it fails."""
        now = self.clock()
        if now - self._beaten.get(hold, 0) < HEARTBEAT_SECONDS or hold in self._released:
            return None
        try:
            if not self.group.heartbeat(*hold):
                self._released.add(hold)
        except Exception as error:  # noqa: BLE001 -- told or raised when the others had theirs
            return error
        self._beaten[hold] = now
        return None
