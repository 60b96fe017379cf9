"""When a snapshot is taken, from whom, and what follows when there is none."""

from dataclasses import replace

import pytest
from cluster_rules import violations
from cluster_states import views
from cluster_views import NOW, POLICY, Slot, instance_id, member_id, view, with_member
from cluster_world import World, needs_nobody, run
from etcd_lifecycle.model import (
    AddLearner,
    CompleteHook,
    HookResult,
    OnSnapshotFailure,
    RemoveMember,
    SnapshotFailure,
    SnapshotPolicy,
    StoredSnapshot,
    TakeSnapshot,
    TransferLeadership,
    Transition,
    Wait,
)
from etcd_lifecycle.plan import plan

SNAPSHOTS = SnapshotPolicy()
STOPS = replace(POLICY, snapshots=SNAPSHOTS)
WARNS = replace(POLICY, snapshots=replace(SNAPSHOTS, on_failure=OnSnapshotFailure.WARN))
HOURLY = replace(POLICY, snapshots=replace(SNAPSHOTS, before_removal=False, interval=3600))
HOUR = 3600.0

DEAD_GOES = view(Slot(), Slot(), Slot("dead", "Terminating:Wait"), desired=3)
FOLLOWER_GOES = view(Slot(), Slot(), Slot(instance="Terminating:Wait"), desired=2)
LEADER_GOES = view(Slot(instance="Terminating:Wait"), Slot(), Slot(), desired=2)
LAST_GOES = view(Slot(instance="Terminating:Wait"), desired=0)
SETTLED = view(Slot(), Slot(), Slot())


def stored(seen, age, *, took=0.0):
    """The view, with a snapshot that was complete so many seconds ago."""
    done = NOW - age
    return replace(seen, snapshot=StoredSnapshot("main/1.db", 7, 4096, done - took, done))


def failed(seen, age):
    return replace(seen, snapshot_failure=SnapshotFailure(NOW - age, "no such bucket"))


def decide(seen, policy=STOPS):
    decision = plan(seen, policy, NOW)
    assert decision.reason
    assert violations(seen, decision, policy) == []
    return decision


def choose(seen, policy=STOPS):
    return decide(seen, policy).action


# --- before a removal -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seen", "then"),
    [
        (DEAD_GOES, RemoveMember(member_id(3))),
        (FOLLOWER_GOES, RemoveMember(member_id(3))),
        (LEADER_GOES, TransferLeadership(member_id(1), member_id(2))),
        (
            LAST_GOES,
            CompleteHook(instance_id(1), Transition.TERMINATING, HookResult.CONTINUE),
        ),
        (
            view(Slot(), Slot(), Slot("dead", "gone", waited=POLICY.stale_grace + 1), desired=3),
            RemoveMember(member_id(3)),
        ),
    ],
    ids=["dead", "follower", "leader", "last", "vanished"],
)
def test_a_snapshot_comes_first_and_counts_for_a_while(seen, then):
    assert isinstance(choose(seen), TakeSnapshot)
    assert choose(stored(seen, SNAPSHOTS.max_age)) == then
    assert isinstance(choose(stored(seen, SNAPSHOTS.max_age + 1)), TakeSnapshot)


def test_the_decision_tells_for_what_the_snapshot_is():
    assert decide(DEAD_GOES).reason == (
        "i-3 is terminating and its member is not well: removal first; i-2 gives a snapshot of the "
        "data first"
    )
    assert decide(DEAD_GOES).arithmetic == plan(DEAD_GOES, POLICY, NOW).arithmetic


def test_one_that_took_longer_than_it_counts_still_counts_from_when_it_was_complete():
    assert isinstance(choose(stored(DEAD_GOES, 1, took=10 * SNAPSHOTS.max_age)), RemoveMember)


@pytest.mark.parametrize("policy", [POLICY, HOURLY])
def test_without_that_policy_none_is_taken_before_a_removal(policy):
    assert choose(stored(DEAD_GOES, 600), policy) == RemoveMember(member_id(3))


def test_none_is_taken_for_a_removal_that_is_held_back_anyway():
    waits = view(Slot(), Slot(), Slot(instance="Terminating:Wait"), desired=3)
    unsafe = view(Slot(), Slot("dead"), Slot(instance="Terminating:Wait", waited=1e6), desired=3)

    assert choose(waits) == Wait()
    assert choose(unsafe) == Wait()


def test_none_is_taken_for_a_learner():
    given_up = view(Slot(), Slot(), Slot("unstarted", "Terminating:Wait"))

    assert choose(given_up) == RemoveMember(member_id(3))


# --- from whom ------------------------------------------------------------------------------------


def test_a_follower_that_stays_gives_it_rather_than_the_leader_or_the_victim():
    seen = view(
        Slot(), Slot(instance="Terminating:Wait"), Slot("dead", "Terminating:Wait"), Slot(), Slot()
    )

    assert choose(replace(seen, desired=5)) == TakeSnapshot(member_id(4))


def test_the_leader_gives_it_if_the_followers_lag_or_are_not_well():
    lag = POLICY.max_promotion_lag + 1
    lagging = view(Slot(), Slot(behind=lag), Slot("dead", "Terminating:Wait"), desired=3)
    alarmed = view(Slot("alarmed"), Slot(), Slot("dead", "Terminating:Wait"), leader=2, desired=3)

    assert choose(lagging) == TakeSnapshot(member_id(1))
    assert choose(stored(alarmed, 1e6)) == TakeSnapshot(member_id(2))
    assert choose(LAST_GOES) == TakeSnapshot(member_id(1))


def test_the_last_voter_gives_it_even_with_an_alarm():
    seen = with_member(LAST_GOES, 1, alarmed=True)

    assert choose(seen) == TakeSnapshot(member_id(1))


# --- when it fails --------------------------------------------------------------------------------


@pytest.mark.parametrize("seen", [DEAD_GOES, FOLLOWER_GOES, LEADER_GOES, LAST_GOES])
def test_a_failure_stops_the_removal_until_it_is_tried_again(seen):
    decision = decide(failed(seen, SNAPSHOTS.retry))

    assert decision.action == Wait()
    assert "but not without a snapshot: no such bucket" in decision.reason
    assert isinstance(choose(failed(seen, SNAPSHOTS.retry + 1)), TakeSnapshot)


@pytest.mark.parametrize("seen", [DEAD_GOES, FOLLOWER_GOES, LEADER_GOES, LAST_GOES])
def test_with_a_warning_the_removal_goes_on_and_says_so(seen):
    decision = decide(failed(seen, 1), WARNS)

    assert decision.action == plan(seen, POLICY, NOW).action
    assert "there is no snapshot of the data: no such bucket" in decision.reason


def test_a_failure_before_the_last_snapshot_is_past():
    seen = stored(failed(DEAD_GOES, 20), 10)

    assert choose(seen) == RemoveMember(member_id(3))
    assert isinstance(choose(stored(failed(DEAD_GOES, 20), 1e6)), Wait)


def test_a_failure_does_not_keep_others_from_joining():
    seen = view(Slot(), Slot(), Slot(instance="Terminating:Wait"), Slot(None, "Pending:Wait"))
    seen = failed(replace(seen, desired=2), 1)

    assert isinstance(choose(seen), AddLearner)


# --- on schedule ----------------------------------------------------------------------------------


def test_a_settled_cluster_gives_one_when_it_is_due():
    assert choose(SETTLED, HOURLY) == TakeSnapshot(member_id(2))
    assert decide(SETTLED, HOURLY).reason == (
        "a snapshot is due, as there is none yet: i-2 gives it"
    )
    assert decide(stored(SETTLED, HOUR - 1), HOURLY).reason.startswith("settled")
    assert choose(stored(SETTLED, HOUR), HOURLY) == TakeSnapshot(member_id(2))
    assert "3600 s old" in decide(stored(SETTLED, HOUR), HOURLY).reason


def test_its_age_counts_from_when_it_was_begun():
    assert isinstance(choose(stored(SETTLED, HOUR - 60, took=60), HOURLY), TakeSnapshot)


def test_without_an_interval_none_is_due():
    assert decide(SETTLED).reason.startswith("settled")


def test_one_that_is_due_is_taken_also_while_an_instance_waits():
    seen = view(Slot(), Slot(), Slot(instance="Terminating:Wait"), desired=3)

    assert isinstance(choose(seen, HOURLY), TakeSnapshot)


def test_one_that_is_due_comes_after_everything_that_can_be_done():
    assert choose(DEAD_GOES, HOURLY) == RemoveMember(member_id(3))
    assert choose(view(Slot(), Slot("unstarted", "Pending:Wait")), HOURLY) != TakeSnapshot(
        member_id(1)
    )


def test_a_failure_is_tried_again_after_a_while():
    assert decide(failed(SETTLED, SNAPSHOTS.retry), HOURLY).reason.startswith("settled")
    assert isinstance(choose(failed(SETTLED, SNAPSHOTS.retry + 1), HOURLY), TakeSnapshot)


def test_nobody_who_is_well_nobody_who_gives_it():
    assert choose(view(Slot("alarmed"), Slot("alarmed"), desired=2), HOURLY) == Wait()


# --- every view -----------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [STOPS, WARNS], ids=["stop", "warn"])
@pytest.mark.parametrize("state", [lambda seen: seen, lambda seen: failed(seen, 1)])
@pytest.mark.parametrize("members", [1, 2])
def test_each_decision_on_each_view_keeps_every_rule(policy, state, members):
    looked = 0
    for seen in views(members, desired=range(4), extras=((),), waits=(0, 1e6)):
        decide(state(seen), policy)
        looked += 1
    assert looked > 100


@pytest.mark.parametrize("members", [1, 2])
@pytest.mark.parametrize("snapshots_fail", [False, True])
def test_each_run_settles_as_it_does_without_snapshots(members, snapshots_fail):
    policy = WARNS if snapshots_fail else STOPS
    settled = 0
    for seen in views(members, desired=(0, 1, 3), extras=((),), waits=(0,)):
        if seen.leader is None:
            continue
        world = World.of(seen)
        world.snapshots_fail = snapshots_fail
        end = run(world, policy=policy)
        if needs_nobody(world):
            assert end.reason.startswith("settled"), f"{end}\nfrom {seen}\n{world.story()}"
            settled += 1
    assert settled > 0


def test_a_snapshot_precedes_each_removal_of_a_whole_replacement():
    world = World.of(view(*[Slot(instance="Terminating:Wait")] * 3, desired=3, leader=1))

    assert run(world, policy=STOPS).reason.startswith("settled")
    changes = [kind for kind in world.done if kind in {"TakeSnapshot", "RemoveMember"}]
    assert changes.count("RemoveMember") == 3
    assert changes[0] == "TakeSnapshot"


def test_all_members_stay_while_no_snapshot_can_be_stored():
    world = World.of(view(*[Slot(instance="Terminating:Wait")] * 3, desired=3, leader=1))
    world.snapshots_fail = True

    run(world, policy=STOPS, limit=400)

    assert {101, 102, 103} <= set(world.members)
    assert "RemoveMember" not in world.done
    assert "TransferLeadership" not in world.done
