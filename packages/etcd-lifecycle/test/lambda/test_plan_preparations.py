"""When an instance is asked to hand over before its member is removed, and what follows."""

from dataclasses import replace

import pytest
from cluster_rules import violations
from cluster_states import views
from cluster_views import NOW, POLICY, Slot, instance_id, member_id, view, with_instance
from cluster_world import World, needs_nobody, run
from etcd_lifecycle.model import (
    AddLearner,
    CompleteHook,
    Decision,
    HookResult,
    Notice,
    NoticeKind,
    OnPreparationFailure,
    Override,
    Preparation,
    PreparationPolicy,
    PreparationState,
    PrepareRemoval,
    RemoveMember,
    SnapshotPolicy,
    TakeSnapshot,
    TransferLeadership,
    Transition,
    Wait,
)
from etcd_lifecycle.plan import plan
from etcd_lifecycle.vitals import take_vitals
from hypothesis import given, settings
from hypothesis import strategies as st

TIMEOUT, RETRY = 120.0, 300.0
HOLDS = replace(POLICY, preparation=PreparationPolicy(TIMEOUT, retry=RETRY))
PROCEEDS = replace(
    POLICY, preparation=PreparationPolicy(TIMEOUT, OnPreparationFailure.PROCEED, RETRY)
)

GOES = Slot(instance="Terminating:Wait")
FOLLOWER_GOES = view(Slot(), Slot(), GOES, desired=2)
LEADER_GOES = view(GOES, Slot(), Slot(), desired=2)
LAST_GOES = view(GOES, desired=0)
EACH = [FOLLOWER_GOES, LEADER_GOES, LAST_GOES]


def begun(seen, age=0.0, state=PreparationState.RUNNING, *, of=None, command="c-1", detail=""):
    """The view, with the instance that goes (or another) having been asked so many seconds ago."""
    one = of or next(one.id for one in seen.instances if one.leaving)
    known = Preparation(NOW - age, state, detail, command)
    return replace(seen, preparations={**seen.preparations, one: known})


def done(seen, **changes):
    return begun(seen, 1, PreparationState.DONE, **changes)


def failed(seen, age):
    return begun(seen, age, PreparationState.FAILED, detail="no such node")


def decide(seen, policy=HOLDS):
    decision = plan(seen, policy, NOW)
    assert decision.reason
    assert violations(seen, decision, policy) == []
    return decision


def choose(seen, policy=HOLDS):
    return decide(seen, policy).action


def test_who_has_handed_over_goes_before_the_next_one_joins():
    several = view(Slot(), GOES, GOES, Slot(), Slot(None, "Pending:Wait"), desired=3)

    assert isinstance(choose(several), AddLearner)
    assert choose(done(several)) == RemoveMember(member_id(2))


# --- before a removal -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seen", "asked", "then"),
    [
        (FOLLOWER_GOES, 3, RemoveMember(member_id(3))),
        (LEADER_GOES, 1, TransferLeadership(member_id(1), member_id(2))),
        (
            LAST_GOES,
            1,
            CompleteHook(instance_id(1), Transition.TERMINATING, HookResult.CONTINUE),
        ),
    ],
    ids=["follower", "leader", "last"],
)
def test_who_goes_hands_over_once_before_anything_else(seen, asked, then):
    assert choose(seen) == PrepareRemoval(instance_id(asked), member_id(asked))
    assert choose(begun(seen, TIMEOUT - 1)) == Wait()
    assert choose(done(seen)) == then


def test_the_decision_tells_for_what_it_is():
    assert decide(FOLLOWER_GOES).reason == (
        "i-3 is terminating and 3 healthy voters are more than the 2 wanted; i-3 hands over first"
    )
    assert decide(done(FOLLOWER_GOES)).reason.endswith(
        "more than the 2 wanted; i-3 has handed over"
    )
    assert "but i-3 has been handing over for 20 s" in decide(begun(FOLLOWER_GOES, 20)).reason
    assert decide(FOLLOWER_GOES).arithmetic == plan(FOLLOWER_GOES, POLICY, NOW).arithmetic


def test_without_that_policy_nobody_is_asked():
    assert choose(FOLLOWER_GOES, POLICY) == RemoveMember(member_id(3))


def test_nobody_is_asked_as_long_as_the_removal_is_held_back_anyway():
    waits = view(Slot(), Slot(), GOES, desired=3)
    unsafe = view(Slot(), Slot("dead"), Slot(instance="Terminating:Wait", waited=1e6), desired=3)

    assert choose(waits) == Wait()
    assert choose(unsafe) == Wait()


def test_the_snapshot_comes_last():
    policy = replace(HOLDS, snapshots=SnapshotPolicy())

    assert isinstance(choose(FOLLOWER_GOES, policy), PrepareRemoval)
    assert isinstance(choose(done(FOLLOWER_GOES), policy), TakeSnapshot)


def test_a_run_that_died_leaves_it_to_the_next_one_as_long_as_there_is_time():
    left = begun(FOLLOWER_GOES, TIMEOUT - 1, command="")

    assert choose(left) == PrepareRemoval("i-3", member_id(3))
    assert "asked again" in decide(left).reason
    assert choose(begun(FOLLOWER_GOES, TIMEOUT, command="")) == Wait()


def test_the_others_go_on_meanwhile():
    seen = view(Slot(), Slot(), GOES, Slot(None, "Pending:Wait"), desired=2)

    assert isinstance(choose(begun(seen, 1)), AddLearner)
    assert isinstance(choose(failed(seen, 1)), AddLearner)


# --- who is not asked -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seen", "excuse"),
    [
        (
            view(Slot(), Slot(), Slot("dead", "Terminating:Wait"), desired=3),
            "i-3 hands nothing over, as its member does not answer",
        ),
        (
            view(Slot(), Slot(), Slot(), notices={"i-3": Notice(NoticeKind.INTERRUPTION, NOW)}),
            "i-3 hands nothing over, as EC2 takes it within two minutes",
        ),
        (
            view(Slot(), Slot(), Slot(instance="Terminating:Proceed"), desired=2),
            "i-3 hands nothing over, as no hook holds it",
        ),
        (
            view(Slot(), Slot(), Slot("dead", "gone", waited=POLICY.stale_grace + 1), desired=3),
            "it has no instance any more that could hand over",
        ),
    ],
    ids=["dead", "interrupted", "unheld", "vanished"],
)
@pytest.mark.parametrize("policy", [HOLDS, PROCEEDS])
def test_who_cannot_hand_over_is_not_asked_and_that_is_said(seen, excuse, policy):
    decision = decide(seen, policy)

    assert decision.action == RemoveMember(member_id(3))
    assert decision.reason.endswith(excuse)


def test_who_dies_while_it_hands_over_is_removed():
    seen = view(Slot(), Slot(), Slot("dead", "Terminating:Wait"), desired=3)

    assert choose(begun(seen, 1)) == RemoveMember(member_id(3))
    assert choose(failed(seen, 1)) == RemoveMember(member_id(3))


def test_a_learner_is_not_asked_as_it_never_came_into_service():
    seen = view(Slot(), Slot(), Slot("unstarted", "Terminating:Wait"))

    assert choose(seen) == RemoveMember(member_id(3))


def test_who_is_not_held_yet_is_asked_when_it_is():
    seen = view(Slot(), Slot(), Slot(instance="Terminating"), desired=2)

    assert choose(seen) == Wait()
    assert "its hook may hold it in a moment" in decide(seen).reason
    assert isinstance(choose(with_instance(seen, 3, state="Terminating:Wait")), PrepareRemoval)


def test_an_operators_order_asks_nobody():
    order = Override("i-3", "ann", "its disk is broken", NOW + 60)
    seen = replace(failed(FOLLOWER_GOES, 1), override=order)

    assert plan(seen, HOLDS, NOW).action == RemoveMember(member_id(3))


# --- one at a time --------------------------------------------------------------------------------

TWO_GO = view(Slot(), GOES, GOES, Slot(), Slot(), desired=3)


def test_one_after_the_other():
    assert choose(TWO_GO) == PrepareRemoval("i-2", member_id(2))
    waits = decide(begun(TWO_GO, 1, of="i-3"))
    assert waits.action == Wait()
    assert "i-2 hands over when i-3 has done so" in waits.reason
    assert choose(done(TWO_GO, of="i-3")) == RemoveMember(member_id(3))


def test_a_leader_that_has_handed_over_goes_before_others_do():
    seen = view(GOES, GOES, Slot(), Slot(), Slot(), desired=3)

    assert choose(seen) == PrepareRemoval("i-2", member_id(2))
    assert choose(done(seen, of="i-1")) == TransferLeadership(member_id(1), member_id(3))


def test_who_failed_does_not_keep_the_others():
    seen = begun(TWO_GO, 1, PreparationState.FAILED, of="i-2", detail="no such node")

    assert choose(seen) == PrepareRemoval("i-3", member_id(3))


# --- when it fails --------------------------------------------------------------------------------


@pytest.mark.parametrize("seen", EACH)
def test_a_failure_holds_the_removal_until_it_is_tried_again(seen):
    decision = decide(failed(seen, 10))

    assert decision.action == Wait()
    assert "has not handed over: no such node; it is asked again in 410 s" in decision.reason
    assert choose(failed(seen, TIMEOUT + RETRY - 1)) == Wait()
    assert isinstance(choose(failed(seen, TIMEOUT + RETRY)), PrepareRemoval)


@pytest.mark.parametrize("seen", EACH)
def test_what_takes_too_long_is_a_failure_until_it_ends_well_after_all(seen):
    decision = decide(begun(seen, TIMEOUT))

    assert decision.action == Wait()
    assert "has not handed over: it was not done within 120 s" in decision.reason
    assert choose(begun(seen, TIMEOUT + 60, PreparationState.DONE)) != Wait()


@pytest.mark.parametrize("seen", EACH)
@pytest.mark.parametrize("state", [lambda seen: failed(seen, 1), lambda seen: begun(seen, TIMEOUT)])
def test_where_it_may_proceed_the_removal_goes_on_and_says_so(seen, state):
    decision = decide(state(seen), PROCEEDS)

    assert decision.action == plan(seen, POLICY, NOW).action
    assert "has not handed over: " in decision.reason


@pytest.mark.parametrize(
    ("state", "count"),
    [
        (lambda seen: seen, 0),
        (lambda seen: begun(seen, 1), 0),
        (done, 0),
        (lambda seen: failed(seen, 1), 1),
        (lambda seen: begun(seen, TIMEOUT), 1),
    ],
)
def test_the_signs_of_trouble_count_who_did_not_hand_over(state, count):
    assert take_vitals(state(FOLLOWER_GOES), HOLDS, NOW).preparation_failures == count
    assert take_vitals(state(FOLLOWER_GOES), POLICY, NOW).preparation_failures is None


def test_an_instance_that_came_back_is_no_sign_of_trouble():
    seen = replace(view(Slot(), Slot(), Slot()), preparations=failed(FOLLOWER_GOES, 1).preparations)

    assert take_vitals(seen, HOLDS, NOW).preparation_failures == 0


# --- every view -----------------------------------------------------------------------------------

STATES = [
    lambda seen: seen,
    *(
        lambda seen, age=age, state=state, command=command: replace(
            seen,
            preparations={
                one.id: Preparation(NOW - age, state, "why", command) for one in seen.instances
            },
        )
        for age in (0, TIMEOUT, TIMEOUT + RETRY)
        for state in PreparationState
        for command in ("", "c-1")
    ),
]


@pytest.mark.parametrize("policy", [HOLDS, PROCEEDS], ids=["hold", "proceed"])
@pytest.mark.parametrize("members", [1, 2])
def test_each_decision_on_each_view_keeps_every_rule(policy, members):
    looked = 0
    for seen in views(members, desired=range(4), extras=((),), waits=(0, 1e6)):
        for state in STATES:
            decide(state(seen), policy)
            looked += 1
    assert looked > 1000


KNOWN = st.builds(
    Preparation,
    st.sampled_from([NOW, NOW - TIMEOUT / 2, NOW - TIMEOUT, NOW - TIMEOUT - RETRY]),
    st.sampled_from(PreparationState),
    st.just("why"),
    st.sampled_from(["", "c-1"]),
)
SLOTS = st.builds(
    Slot,
    st.sampled_from(["healthy", "healthy", "dead", "alarmed"]),
    st.sampled_from(
        ["InService", "Terminating:Wait", "Terminating:Proceed", "Terminating:Retained"]
    ),
    st.sampled_from([0.0, 1e6]),
)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(
    slots=st.lists(SLOTS, min_size=1, max_size=5),
    desired=st.integers(0, 5),
    leader=st.integers(1, 5),
    known=st.lists(st.none() | KNOWN, min_size=5, max_size=5),
    policy=st.sampled_from([HOLDS, PROCEEDS]),
)
def test_any_mix_of_preparations_keeps_every_rule(slots, desired, leader, known, policy):
    lead = leader if leader <= len(slots) and slots[leader - 1].member == "healthy" else None
    preparations = {instance_id(n): one for n, one in enumerate(known, start=1) if one}
    seen = view(*slots, desired=desired, leader=lead, preparations=preparations)

    decision = decide(seen, policy)

    without = plan(seen, POLICY, NOW)
    if isinstance(without.action, Wait) and not isinstance(decision.action, Wait):
        raise AssertionError(f"{decision} where without a preparation it is {without}")


@pytest.mark.parametrize("members", [1, 2])
@pytest.mark.parametrize(
    ("policy", "preparation"),
    [
        (HOLDS, "returns"),
        (HOLDS, "ends"),
        (PROCEEDS, "fails"),
        (PROCEEDS, "breaks"),
        (PROCEEDS, "hangs"),
    ],
)
def test_each_run_settles_as_it_does_without_preparations(members, policy, preparation):
    settled = 0
    for seen in views(members, desired=(0, 1, 3), extras=((),), waits=(0,)):
        if seen.leader is None:
            continue
        world = World.of(seen)
        world.preparation = preparation
        end = run(world, policy=policy, limit=200)
        if needs_nobody(world):
            assert end.reason.startswith("settled"), f"{end}\nfrom {seen}\n{world.story()}"
            settled += 1
    assert settled > 0


@pytest.mark.parametrize("preparation", ["returns", "ends"])
def test_each_instance_of_a_whole_replacement_hands_over_once(preparation):
    world = World.of(view(GOES, GOES, GOES, desired=3))
    world.preparation = preparation

    assert run(world, policy=HOLDS, limit=200).reason.startswith("settled")
    asked = [
        one.action.instance_id for one in world.steps if isinstance(one.action, PrepareRemoval)
    ]
    assert sorted(asked) == ["i-1", "i-2", "i-3"]
    assert world.done.count("RemoveMember") == 3


def test_all_members_stay_while_nobody_hands_over():
    world = World.of(view(GOES, GOES, GOES, desired=3))
    world.preparation = "hangs"

    with pytest.raises(AssertionError, match="no end within 60 steps"):
        run(world, policy=HOLDS, limit=60)

    assert {101, 102, 103} <= set(world.members)
    assert "RemoveMember" not in world.done
    assert "TransferLeadership" not in world.done


@pytest.mark.parametrize(
    ("complaint", "seen", "action"),
    [
        ("has not handed over", FOLLOWER_GOES, RemoveMember(102 + 1)),
        ("two hand over", begun(TWO_GO, 1, of="i-3"), PrepareRemoval("i-2", 102)),
        ("a second time", done(FOLLOWER_GOES), PrepareRemoval("i-3", 103)),
        ("cannot, or need not", view(Slot(), Slot(), Slot()), PrepareRemoval("i-3", 103)),
    ],
)
def test_the_rules_of_this_test_find_a_bad_decision(complaint, seen, action):
    broken = violations(seen, Decision(action, "settled", "1"), HOLDS)

    assert any(complaint in one for one in broken), broken
