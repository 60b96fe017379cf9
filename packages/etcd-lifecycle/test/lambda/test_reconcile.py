"""One run: heartbeats before all else, one action at a time, and never without the lease."""

import io
import json
import threading
from dataclasses import dataclass, field, replace

import pytest
from cluster_views import NOW, POLICY, Slot, member_id, view, with_member
from etcd_lifecycle.act import Outcome, Result
from etcd_lifecycle.auto_scaling import GroupDescription, GroupNotFoundError
from etcd_lifecycle.dependency import Dependency
from etcd_lifecycle.journal import Records
from etcd_lifecycle.model import (
    AddLearner,
    CompleteHook,
    HookResult,
    Notice,
    NoticeKind,
    Override,
    Preparation,
    PreparationPolicy,
    PreparationState,
    PrepareRemoval,
    Promote,
    RemoveMember,
    SnapshotPolicy,
    StoredSnapshot,
    TakeSnapshot,
    Transition,
)
from etcd_lifecycle.outages import Outages
from etcd_lifecycle.pace import POLL_SECONDS, REFUSAL_SECONDS, ROUND_SECONDS
from etcd_lifecycle.reconcile import HEARTBEAT_SECONDS, Reconciler
from etcd_lifecycle.snapshot import EXPECTED_RATE, RESERVE_SECONDS
from etcd_lifecycle.telemetry import Telemetry

SETTLED = view(Slot(), Slot(), Slot())
STOPPED = view(Slot(), Slot(None))
LETS_GO = view(Slot(), Slot(None, "Terminating:Wait"))
LAGS = view(Slot(), Slot("lagging", "Pending:Wait"))
SYNCED = view(Slot(), Slot("synced", "Pending:Wait"))
JOINS = view(Slot(), Slot(None, "Pending:Wait"))
REMOVES = view(Slot(), Slot(), Slot("dead", "Terminating:Wait"), desired=3)
HELD = view(Slot(), Slot(instance="Terminating:Wait"), Slot(instance="Terminating:Wait"), desired=3)

DONE = Outcome(Result.DONE)
NOT_NOW = Outcome(Result.NOT_NOW, "busy")


class OutOfOrderError(Exception):
    """A service does not answer."""


@dataclass
class Scene:
    """Stand-ins for the parts of a run, which write down what they are asked, in one order.

    Attributes:
        views: What is seen, look by look; the last one for ever.
        outcomes: What becomes of actions, one by one; done from then on.
        ours: Answers of the lease: of acquire, and then of each renew; true from then on.
        failing: What raises: ids of instances for heartbeats, and ``describe``, ``group`` (there is
            none), ``load``, ``observe``, ``act``.
        together: So many heartbeats are answered only when all of them have been sent.
        foreign: Ids of instances that no hook of ours holds.
        first_seen: What the journal remembers to wait.
        service: Stands for Auto Scaling, of which only the description goes through a breaker.
    """

    views: list
    outcomes: list = field(default_factory=list)
    ours: list = field(default_factory=list)
    failing: tuple = ()
    together: threading.Barrier | None = None
    foreign: tuple = ()
    first_seen: dict = field(default_factory=dict)
    service: Dependency = field(default_factory=lambda: Dependency("AWS", lambda _: True))
    log: list = field(default_factory=list)
    entries: list = field(default_factory=list)
    settled: list = field(default_factory=list)
    now: float = NOW
    left: float = 300.0
    policy: object = POLICY
    snapshot_step: float = 0.0
    output: io.StringIO = field(default_factory=io.StringIO)

    # The group

    def describe(self):
        self.service.call(self._describe, "describe", attempts=1)
        if "group" in self.failing:
            raise GroupNotFoundError("etcd")
        return GroupDescription(self.views[0].desired, self.views[0].instances)

    def _describe(self):
        self.log.append("describe")
        if "describe" in self.failing:
            raise OutOfOrderError("describe")

    def heartbeat(self, instance_id, transition):
        self.log.append(("heartbeat", instance_id, transition))
        if self.together:
            self.together.wait(timeout=10)
        if instance_id in self.failing:
            raise OutOfOrderError(instance_id)
        return instance_id not in self.foreign

    # The observer

    def observe(self, desired, instances, now, *, retains):
        self.log.append("observe")
        if "observe" in self.failing:
            raise OutOfOrderError
        assert now == self.now
        seen = self.views.pop(0) if len(self.views) > 1 else self.views[0]
        return replace(seen, instances=instances)

    # The actor

    def act(self, action, seen):
        self.log.append(action)
        if "act" in self.failing:
            raise OutOfOrderError
        return self.outcomes.pop(0) if self.outcomes else DONE

    # The snapshots

    def take(self, action, seen, *, seconds_left, keep_alive):
        self.log.append(action)
        for _ in range(3):
            self.now += self.snapshot_step
            self.left -= self.snapshot_step
            assert seconds_left() == self.left
            keep_alive()
        return self.outcomes.pop(0) if self.outcomes else DONE

    # The journal and its lease

    def load(self):
        if "load" in self.failing:
            raise OutOfOrderError("load")
        return Records(first_seen=self.first_seen)

    def lease(self, owner, **_):
        assert owner == "run-1"
        return self

    def acquire(self):
        self.log.append("acquire")
        return self._is_ours()

    def renew(self, *, removing=()):
        self.log.append(("renew", *sorted(removing)) if removing else "renew")
        return self._is_ours()

    def settle(self, member_id):
        self.settled.append(member_id)

    def release(self):
        self.log.append("release")
        return True

    def _is_ours(self):
        return self.ours.pop(0) if self.ours else True

    def record_notice(self, instance_id, notice):
        self.log.append((instance_id, notice))

    def forget_override(self):
        self.log.append("forget override")

    def record(self, entry):
        self.log.append("record")
        self.entries.append(entry)

    # The run

    def sleep(self, seconds):
        self.log.append(("sleep", seconds))
        self.now += seconds
        self.left -= seconds

    def __post_init__(self):
        telemetry = Telemetry("main", stream=self.output, clock=lambda: self.now)
        self.reconciler = Reconciler(
            group=self,
            observer=self,
            actor=self,
            journal=self,
            policy=self.policy,
            snapshots=self,
            telemetry=telemetry,
            outages=Outages([self.service], self, telemetry, lambda: self.now),
            clock=lambda: self.now,
            sleep=self.sleep,
        )

    def run(self, notices=None):
        self.reconciler.run("run-1", lambda: self.left, notices)
        return self

    def count(self, what):
        return sum(1 for one in self.log if one == what)

    @property
    def heartbeats(self):
        return [one[1] for one in self._pairs if one[0] == "heartbeat"]

    @property
    def pauses(self):
        return [one[1] for one in self._pairs if one[0] == "sleep"]

    @property
    def _pairs(self):
        return [one for one in self.log if isinstance(one, tuple)]

    @property
    def actions(self):
        kinds = (AddLearner, CompleteHook, PrepareRemoval, Promote, RemoveMember, TakeSnapshot)
        return [one for one in self.log if isinstance(one, kinds)]

    @property
    def lines(self):
        return [json.loads(line) for line in self.output.getvalue().splitlines()]

    @property
    def messages(self):
        return [one["message"] for one in self.lines if "message" in one]


# --- heartbeats -----------------------------------------------------------------------------------


def test_held_instances_get_their_heartbeats_before_the_lease_and_the_look():
    scene = Scene([HELD]).run()

    assert scene.log[:5] == [
        "describe",
        ("heartbeat", "i-2", Transition.TERMINATING),
        ("heartbeat", "i-3", Transition.TERMINATING),
        "acquire",
        "observe",
    ]


def test_instances_that_nothing_holds_get_none():
    assert Scene([SETTLED]).run().heartbeats == []


def test_a_launching_instance_gets_the_heartbeat_of_the_launch_hook():
    scene = Scene([LAGS], left=ROUND_SECONDS).run()

    assert ("heartbeat", "i-2", Transition.LAUNCHING) in scene.log


def test_heartbeats_are_sent_although_another_run_holds_the_lease():
    scene = Scene([HELD], ours=[False]).run()

    assert scene.heartbeats == ["i-2", "i-3"]
    assert "observe" not in scene.log


def test_a_run_that_can_do_nothing_else_keeps_what_is_held():
    scene = Scene([HELD])
    scene.reconciler.keep_held()
    assert scene.heartbeats == ["i-2", "i-3"]
    assert "acquire" not in scene.log
    assert "observe" not in scene.log


def test_a_heartbeat_that_fails_does_not_cost_the_others_theirs():
    scene = Scene([HELD], failing=("i-2",))

    with pytest.raises(OutOfOrderError, match="i-2"):
        scene.run()
    assert scene.heartbeats == ["i-2", "i-3"]


@pytest.mark.parametrize("broken", ["observe", "act"])
def test_heartbeats_are_sent_whatever_else_is_broken(broken):
    scene = Scene([LETS_GO], failing=(broken,))

    with pytest.raises(OutOfOrderError):
        scene.run()
    assert scene.heartbeats == ["i-2"]
    assert scene.log[-1] == "release"


def test_a_heartbeat_is_not_repeated_before_its_time_and_is_then():
    scene = Scene([LAGS], left=ROUND_SECONDS + HEARTBEAT_SECONDS + 1).run()

    assert scene.now > NOW + HEARTBEAT_SECONDS
    assert scene.heartbeats == ["i-2", "i-2"]
    beat = ("heartbeat", "i-2", Transition.LAUNCHING)
    between = scene.log[scene.log.index(beat) + 1 :]
    polls = between[: between.index(beat)].count(("sleep", POLL_SECONDS))
    assert polls == HEARTBEAT_SECONDS / POLL_SECONDS


def test_a_new_run_sends_its_own_heartbeats():
    scene = Scene([HELD])
    scene.run()
    scene.run()

    assert scene.heartbeats == ["i-2", "i-3"] * 2


# --- outages --------------------------------------------------------------------------------------


def service_that_opens_at(failures):
    return Dependency("AWS", lambda _: True, failure_threshold=failures)


def actions_of(scene):
    return [entry.action for entry in scene.entries]


def test_a_run_whose_failure_opens_no_circuit_fails_so_that_its_messages_come_again():
    scene = Scene([HELD], failing=("describe",), service=service_that_opens_at(2))

    with pytest.raises(OutOfOrderError):
        scene.run()
    assert scene.entries == []


def test_a_run_ends_early_when_a_circuit_opens_and_journals_it_once():
    scene = Scene([HELD], failing=("describe",), service=service_that_opens_at(1))
    scene.run()
    scene.run()

    assert scene.count("describe") == 1
    assert "acquire" not in scene.log
    assert actions_of(scene) == ["EndEarly(service='AWS')"]
    assert "AWS is not called for now, as it failed" in scene.entries[0].reason
    assert sum("this run ends early" in message for message in scene.messages) == 2


def test_an_open_circuit_does_not_stop_the_heartbeats_of_what_is_remembered_to_wait():
    service = service_that_opens_at(1)
    scene = Scene([HELD], failing=("describe",), first_seen={"i-2": NOW}, service=service)
    scene.run()
    assert service.is_down
    scene.log.clear()
    scene.run()

    assert "describe" not in scene.log
    assert set(scene.heartbeats) == {"i-2"}


def test_the_journal_tells_when_a_service_is_called_again():
    time = [0.0]
    service = Dependency(
        "AWS", lambda _: True, failure_threshold=1, reset_timeout=15, clock=lambda: time[0]
    )
    scene = Scene([SETTLED], failing=("describe",), service=service).run()
    time[0] = 15.0
    scene.failing = ()
    scene.run()
    scene.run()

    assert actions_of(scene) == ["EndEarly(service='AWS')", "Resume(service='AWS')"]
    assert scene.count("release") == 2


def test_the_next_outage_is_journaled_again():
    time = [0.0]
    service = Dependency(
        "AWS", lambda _: True, failure_threshold=1, reset_timeout=15, clock=lambda: time[0]
    )
    scene = Scene([SETTLED], service=service)
    for broken in (True, False, True):
        scene.failing = ("describe",) if broken else ()
        scene.run()
        time[0] += 15

    assert [action.partition("(")[0] for action in actions_of(scene)] == [
        "EndEarly",
        "Resume",
        "EndEarly",
    ]


def test_what_ec2_says_of_a_member_is_remembered_although_the_group_cannot_be_seen():
    scene = Scene(
        [HELD], failing=("describe",), first_seen={"i-2": NOW}, service=service_that_opens_at(1)
    )
    interrupted = {"i-2": NoticeKind.INTERRUPTION, "i-99": NoticeKind.INTERRUPTION}
    scene.run(interrupted)

    assert ("i-2", Notice(NoticeKind.INTERRUPTION, NOW)) in scene.log
    assert "i-99" not in [one[0] for one in scene._pairs]


def test_what_cannot_be_remembered_of_ec2s_words_is_delivered_again():
    scene = Scene([HELD], failing=("describe", "load"), service=service_that_opens_at(1))

    with pytest.raises(OutOfOrderError, match="load"):
        scene.run({"i-2": NoticeKind.INTERRUPTION})


def test_a_journal_that_is_down_does_not_fail_a_run_that_ends_early(monkeypatch):
    scene = Scene([HELD], failing=("describe",), service=service_that_opens_at(1))

    def record(_entry):
        raise OutOfOrderError("record")

    monkeypatch.setattr(scene, "record", record)
    scene.run()

    assert any("is not in the journal: record" in message for message in scene.messages)


# --- the lease ------------------------------------------------------------------------------------


def test_nothing_is_changed_while_another_run_holds_the_lease():
    scene = Scene([LETS_GO], ours=[False]).run()

    assert scene.actions == []
    assert "release" not in scene.log
    assert any("another run" in one for one in scene.messages)


def test_nothing_is_changed_when_the_lease_was_lost_during_the_look():
    scene = Scene([LETS_GO], ours=[True, False]).run()

    assert scene.actions == []
    assert any("lost" in one for one in scene.messages)


def test_the_lease_is_renewed_right_before_each_action():
    scene = Scene([LETS_GO, JOINS, SETTLED]).run()

    for action in scene.actions:
        assert scene.log[scene.log.index(action) - 1] == "renew"


def test_the_run_ends_when_the_lease_is_lost_after_an_action():
    scene = Scene([LETS_GO, LETS_GO], ours=[True, True, False]).run()

    assert len(scene.actions) == 1


@pytest.mark.parametrize("views", [[SETTLED], [STOPPED], [LETS_GO, SETTLED]])
def test_the_lease_is_given_back_at_the_end(views):
    scene = Scene(views).run()

    assert scene.log[-1] == "release"
    assert scene.count("release") == 1


# --- one action at a time -------------------------------------------------------------------------


def test_after_each_action_the_cluster_is_looked_at_again():
    scene = Scene([LETS_GO, JOINS, SYNCED, SETTLED]).run()

    assert [type(one) for one in scene.actions] == [CompleteHook, AddLearner, Promote]
    assert scene.count("observe") == 4


@pytest.mark.parametrize("seen", [SETTLED, STOPPED, HELD])
def test_a_run_ends_when_there_is_nothing_to_do_but_wait_or_stop(seen):
    scene = Scene([seen]).run()

    assert scene.count("observe") == 1
    assert scene.actions == []


def test_a_wait_that_is_short_is_waited_for():
    scene = Scene([LAGS, LAGS, SYNCED, SETTLED]).run()

    assert scene.count(("sleep", POLL_SECONDS)) == 2
    assert scene.actions == [Promote(member_id(2))]


def test_a_run_ends_before_its_time_is_over():
    scene = Scene([LAGS], left=ROUND_SECONDS + 2 * POLL_SECONDS).run()

    assert scene.count("observe") == 3
    assert any("time of this run is over" in one for one in scene.messages)


def test_an_action_without_time_for_another_is_the_last():
    scene = Scene([LETS_GO, JOINS], left=ROUND_SECONDS - 1).run()

    assert len(scene.actions) == 1


# --- what cannot be undone ------------------------------------------------------------------------


def test_a_removal_is_decided_a_second_time_on_a_fresh_look():
    scene = Scene([REMOVES, REMOVES, SETTLED]).run()

    assert scene.actions == [RemoveMember(member_id(3))]
    at = scene.log.index(RemoveMember(member_id(3)))
    assert scene.log[at - 4 : at] == ["renew", "describe", "observe", ("renew", member_id(3))]


@pytest.mark.parametrize(
    ("outcome", "settled"),
    [(DONE, [member_id(3)]), (NOT_NOW, [member_id(3)]), (Outcome(Result.UNKNOWN, "no answer"), [])],
)
def test_a_removal_is_remembered_until_its_outcome_is_known(outcome, settled):
    scene = Scene([REMOVES], outcomes=[outcome], left=ROUND_SECONDS - 1).run()

    assert scene.actions == [RemoveMember(member_id(3))]
    assert scene.settled == settled


def test_a_removal_is_remembered_with_those_that_are_under_way():
    both = replace(REMOVES, removing=(member_id(1),))
    scene = Scene([both, both, SETTLED]).run()

    assert ("renew", member_id(1), member_id(3)) in scene.log


def test_a_removal_is_left_when_the_lease_was_lost_during_the_fresh_look():
    scene = Scene([REMOVES], ours=[True, True, False]).run()

    assert scene.actions == []
    assert scene.entries == []
    assert scene.count("observe") == 2
    assert any("lease was lost" in one for one in scene.messages)


def test_a_removal_that_the_fresh_look_does_not_ask_for_is_left():
    scene = Scene([REMOVES, HELD, SETTLED]).run()

    assert scene.actions == []
    assert scene.entries == []
    assert any("not removed after all" in one for one in scene.messages)


def test_a_removal_of_somebody_else_on_the_fresh_look_is_left_too():
    other = view(Slot("dead", "Terminating:Wait"), Slot(), Slot(), desired=3, leader=2)
    scene = Scene([REMOVES, other, SETTLED]).run()

    assert scene.actions == []


# --- outcomes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("result", [Result.DONE, Result.ALREADY])
def test_what_is_done_is_followed_by_the_next_look_at_once(result):
    scene = Scene([LETS_GO, SETTLED], [Outcome(result)]).run()

    assert scene.count("observe") == 2
    assert scene.pauses == [0]


def test_what_etcd_refuses_for_now_is_tried_again_after_a_pause_and_not_journaled():
    refused = Outcome(Result.NOT_NOW, "unhealthy cluster")
    scene = Scene([JOINS, JOINS, JOINS, SETTLED], [refused, refused]).run()

    assert len(scene.actions) == 3
    assert scene.count(("sleep", REFUSAL_SECONDS)) == 2
    assert [one.outcome for one in scene.entries] == ["done"]


def test_what_is_unknown_is_journaled_and_looked_at_before_anything_else():
    unknown = Outcome(Result.UNKNOWN, "no answer")
    scene = Scene([JOINS, LAGS, SYNCED, SETTLED], [unknown]).run()

    assert [type(one) for one in scene.actions] == [AddLearner, Promote]
    assert scene.entries[0].outcome == "unknown: no answer"
    first = scene.log.index(scene.actions[0])
    assert ("sleep", REFUSAL_SECONDS) in scene.log[first : scene.log.index("observe", first)]


def test_the_journal_tells_the_action_its_reason_its_numbers_and_its_outcome():
    (entry,) = Scene([LETS_GO, SETTLED]).run().entries

    action = CompleteHook("i-2", Transition.TERMINATING, HookResult.CONTINUE)
    assert entry.action == str(action)
    assert "has no member" in entry.reason
    assert "quorum 1" in entry.arithmetic
    assert entry.outcome == "done"
    assert entry.time == NOW


# --- the log --------------------------------------------------------------------------------------


def test_a_decision_that_repeats_itself_is_told_once():
    scene = Scene([LAGS], left=ROUND_SECONDS + 10 * POLL_SECONDS).run()

    assert sum("log entries behind" in one for one in scene.messages) == 1


def test_what_takes_a_person_is_told_as_an_error():
    lines = Scene([STOPPED]).run().lines

    assert [one["level"] for one in lines if "message" in one] == ["ERROR"]
    assert any(one.get("Action") == "Stop" for one in lines)


def test_a_settled_pass_measures_the_cluster():
    (measured,) = [one for one in Scene([SETTLED]).run().lines if "Passes" in one]

    assert (measured["Quorum"], measured["Voters"], measured["HealthyVoters"]) == (1, 3, 3)
    assert measured["OldestHook"] == 0


def test_the_longest_wait_of_a_held_instance_is_measured():
    seen = view(Slot(), Slot(instance="Terminating:Wait", waited=90), Slot(), desired=3)
    (measured,) = [one for one in Scene([seen]).run().lines if "Passes" in one]

    assert measured["OldestHook"] == 90


# --- hooks of others ------------------------------------------------------------------------------


def completions(scene):
    return [entry for entry in scene.log if isinstance(entry, CompleteHook)]


def test_an_instance_that_only_another_hook_holds_is_not_completed():
    scene = Scene([LETS_GO], foreign=("i-2",))
    scene.run()

    assert completions(scene) == []


@pytest.mark.parametrize("outcome", [DONE, Outcome(Result.ALREADY)])
def test_a_hook_is_completed_once_although_the_group_shows_the_instance_held_on(outcome):
    scene = Scene([LETS_GO], outcomes=[outcome])
    scene.run()

    assert len(completions(scene)) == 1
    assert len(scene.entries) == 1


def test_the_next_hook_of_an_instance_is_completed_although_an_earlier_one_was():
    launched = view(Slot(), Slot(instance="Pending:Wait", reads=True))
    scene = Scene([launched, LETS_GO])
    scene.run()

    assert [entry.transition for entry in completions(scene)] == [
        Transition.LAUNCHING,
        Transition.TERMINATING,
    ]


# --- a group that cannot be seen ------------------------------------------------------------------


def test_a_group_that_cannot_be_seen_gets_its_heartbeats_from_memory():
    scene = Scene([HELD], failing=("describe",), first_seen={"i-2": NOW, "i-3": NOW, "12345": NOW})
    with pytest.raises(OutOfOrderError, match="describe"):
        scene.run()

    assert scene.log[0] == "describe"
    assert set(scene.log[1:]) == {
        ("heartbeat", "i-2", Transition.LAUNCHING),
        ("heartbeat", "i-2", Transition.TERMINATING),
        ("heartbeat", "i-3", Transition.LAUNCHING),
        ("heartbeat", "i-3", Transition.TERMINATING),
    }


def test_heartbeats_from_memory_do_not_wait_for_each_other():
    together = threading.Barrier(4)
    scene = Scene(
        [HELD], failing=("describe",), together=together, first_seen={"i-2": NOW, "i-3": NOW}
    )
    with pytest.raises(OutOfOrderError, match="describe"):
        scene.run()

    assert not together.broken
    assert not any("no heartbeat" in message for message in scene.messages)


def test_heartbeats_from_memory_that_fail_are_told_beside_the_reason_for_them():
    scene = Scene([HELD], failing=("describe", "i-2"), first_seen={"i-2": NOW, "i-3": NOW})
    with pytest.raises(OutOfOrderError, match="describe"):
        scene.run()

    assert scene.messages.count("no heartbeat: i-2") == 2
    assert len(scene.heartbeats) == 4


def test_a_group_and_a_record_that_cannot_be_seen_end_the_run_with_the_group():
    scene = Scene([HELD], failing=("describe", "load"))
    with pytest.raises(OutOfOrderError, match="describe"):
        scene.run()

    assert "no heartbeats, as it is not known what is held: load" in scene.messages


def test_of_a_group_that_is_not_there_nothing_is_held():
    scene = Scene([HELD], failing=("group",), first_seen={"i-2": NOW})
    with pytest.raises(GroupNotFoundError):
        scene.run()

    assert scene.log == ["describe"]


# --- snapshots ------------------------------------------------------------------------------------

WITH_SNAPSHOTS = replace(POLICY, snapshots=SnapshotPolicy())
HAS_SNAPSHOT = replace(REMOVES, snapshot=StoredSnapshot("key", 1, 1, NOW, NOW))
REMOVED = view(Slot(), Slot(), Slot(None, "Terminating:Wait"), desired=3)
SNAPSHOT_FAILED = Outcome(Result.FAILED, "no bucket")


def test_a_snapshot_is_taken_and_recorded_before_the_removal():
    views = [REMOVES, HAS_SNAPSHOT, HAS_SNAPSHOT, SETTLED]
    scene = Scene(views, policy=WITH_SNAPSHOTS).run()

    assert [type(one) for one in scene.actions] == [TakeSnapshot, RemoveMember]
    assert "TakeSnapshot" in scene.entries[0].action
    assert scene.entries[0].outcome == "done"


def test_one_that_failed_is_journalled_and_looked_at_again_in_a_while():
    scene = Scene([REMOVES, SETTLED], [SNAPSHOT_FAILED], policy=WITH_SNAPSHOTS).run()

    assert scene.entries[0].outcome == "failed: no bucket"
    assert scene.pauses == [REFUSAL_SECONDS]


def test_the_lease_is_renewed_while_one_is_taken():
    views = [REMOVES, SETTLED]
    quick = Scene(views[:], policy=WITH_SNAPSHOTS, snapshot_step=1).run()
    slow = Scene(views[:], policy=WITH_SNAPSHOTS, snapshot_step=10).run()

    assert slow.count("renew") == quick.count("renew") + 3


def test_one_that_another_run_takes_the_lease_from_is_not_gone_on_with():
    scene = Scene(
        [REMOVES], ours=[True, True, False], policy=WITH_SNAPSHOTS, snapshot_step=10
    ).run()

    assert scene.entries == []
    assert scene.log[-1] == "release"
    assert any("the lease was lost" in one for one in scene.messages)


def test_a_run_that_has_used_its_time_leaves_a_large_one_to_the_next():
    large = with_member(
        REMOVES, 2, status=replace(REMOVES.members[1].status, db_size=int(100 * EXPECTED_RATE))
    )
    needed = 100 + RESERVE_SECONDS
    # A refused action comes first, and takes the time.
    late = Scene([JOINS, large], [NOT_NOW], policy=WITH_SNAPSHOTS, left=needed + 1)
    late.act = lambda *_: (setattr(late, "left", late.left - 15), NOT_NOW)[1]
    fresh = Scene([large, SETTLED], policy=WITH_SNAPSHOTS, left=needed - 30)

    assert late.run().actions == []
    assert any("the next run has more time" in one for one in late.messages)
    assert [type(one) for one in fresh.run().actions] == [TakeSnapshot]


def test_a_policy_without_something_that_takes_them_is_a_mistake():
    scene = Scene([REMOVES], policy=WITH_SNAPSHOTS)
    scene.reconciler.snapshots = None

    with pytest.raises(ValueError, match="nothing to take them"):
        scene.run()


# --- preparations ---------------------------------------------------------------------------------

PREPARES = replace(POLICY, preparation=PreparationPolicy(30))
LEAVES = view(Slot(), Slot(), Slot(instance="Terminating:Wait"), desired=2)
HANDED_OVER = replace(LEAVES, preparations={"i-3": Preparation(NOW, PreparationState.DONE)})


class Preparing:
    """Stands in for what asks an instance to hand over."""

    def __init__(self, scene, waits=30.0):
        self.scene = scene
        self.waits = waits
        scene.reconciler.preparations = self

    def prepare(self, action, _seen, *, seconds_left, keep_alive):
        return self.scene.take(action, _seen, seconds_left=seconds_left, keep_alive=keep_alive)


def test_an_instance_hands_over_and_that_is_journalled_before_the_removal():
    scene = Scene([LEAVES, HANDED_OVER, HANDED_OVER, SETTLED], policy=PREPARES)
    Preparing(scene)
    scene.run()

    assert [type(one) for one in scene.actions] == [PrepareRemoval, RemoveMember]
    assert "PrepareRemoval" in scene.entries[0].action


def test_the_lease_is_renewed_while_a_run_waits_for_that():
    def renewals(step):
        scene = Scene([LEAVES, SETTLED], policy=PREPARES, snapshot_step=step)
        Preparing(scene)
        return scene.run().count("renew")

    assert renewals(10) == renewals(1) + 3


def test_a_run_that_has_used_its_time_leaves_a_long_one_to_the_next():
    late = Scene([JOINS, LEAVES], [NOT_NOW], policy=PREPARES, left=30 + RESERVE_SECONDS + 1)
    late.act = lambda *_: (setattr(late, "left", late.left - 15), NOT_NOW)[1]
    Preparing(late)
    command = Scene([JOINS, LEAVES], [NOT_NOW], policy=PREPARES, left=60)
    Preparing(command, waits=0)

    assert late.run().actions == []
    assert any("the next run has more time" in one for one in late.messages)
    assert PrepareRemoval in [type(one) for one in command.run().actions]


def test_a_policy_without_something_that_prepares_is_a_mistake():
    scene = Scene([LEAVES], policy=PREPARES)

    with pytest.raises(ValueError, match="nothing to do them"):
        scene.run()


# --- what EC2 says, and what an operator orders ---------------------------------------------------


def test_what_ec2_says_of_instances_of_the_group_is_recorded_before_the_look():
    scene = Scene([SETTLED])
    scene.run({"i-1": NoticeKind.INTERRUPTION, "i-of-others": NoticeKind.INTERRUPTION})

    assert scene.log[:3] == [
        "describe",
        ("i-1", Notice(NoticeKind.INTERRUPTION, NOW)),
        "acquire",
    ]


@pytest.mark.parametrize(
    ("result", "forgotten"),
    [(Result.DONE, 1), (Result.ALREADY, 1), (Result.UNKNOWN, 0), (Result.NOT_NOW, 0)],
)
def test_an_operators_order_holds_once(result, forgotten):
    ordered = replace(SETTLED, override=Override("i-3", "somebody", "broken", NOW + 60))
    scene = Scene([ordered, ordered, SETTLED], outcomes=[Outcome(result)]).run()

    assert scene.actions == [RemoveMember(member_id(3))]
    assert scene.count("forget override") == forgotten
    removed = [entry for entry in scene.entries if "RemoveMember" in entry.action]
    assert all("somebody ordered it: broken" in entry.reason for entry in removed)


def test_an_order_whose_member_is_gone_is_forgotten_before_another_of_its_name_comes():
    ordered = replace(SETTLED, override=Override("i-9", "somebody", "broken", NOW + 60))
    scene = Scene([ordered, SETTLED]).run()

    assert scene.actions == []
    assert scene.count("forget override") == 1
    assert "somebody ordered that i-9 be removed: no member is that" in scene.messages


def test_without_a_quorum_it_is_not_known_whose_order_it_is_so_it_is_kept():
    lost = view(Slot("dead"), Slot("dead"), Slot(), leader=3)
    scene = Scene([replace(lost, override=Override("i-9", "me", "broken", NOW + 60))]).run()

    assert scene.count("forget override") == 0


def test_an_instance_of_which_either_hook_may_hold_gets_both_heartbeats_and_is_let_go_once():
    waits = view(Slot(), Slot(), Slot(instance="ReplacingRootVolume:Wait"))
    scene = Scene([waits]).run()

    assert scene.heartbeats == ["i-3", "i-3"]
    assert scene.actions == [CompleteHook("i-3", Transition.TERMINATING, HookResult.CONTINUE)]


def test_what_was_done_and_is_not_to_be_seen_yet_is_done_again_only_after_a_pause():
    scene = Scene([SYNCED, SYNCED, SYNCED, SETTLED]).run()

    assert scene.pauses == [0, POLL_SECONDS, POLL_SECONDS]
