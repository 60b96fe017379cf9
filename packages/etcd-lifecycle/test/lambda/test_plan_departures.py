"""The ways of an instance that are not a plain launch or end, and what an operator orders."""

from dataclasses import replace

import pytest
from cluster_rules import violations
from cluster_views import GONE, NOW, POLICY, Slot, instance_id, member_id, view
from cluster_world import World, run
from etcd_lifecycle.model import (
    AddLearner,
    AtDeadline,
    CompleteHook,
    HookResult,
    Notice,
    NoticeKind,
    Override,
    RemoveMember,
    Stop,
    TerminateRetained,
    TransferLeadership,
    Transition,
    Wait,
)
from etcd_lifecycle.plan import plan

HEALTHY = Slot()
LAUNCHING = Slot(None, "Pending:Wait")
GOING = Slot(instance="Terminating:Wait")
LATE = POLICY.replacement_deadline + 1


def decide(seen, policy=POLICY):
    decision = plan(seen, policy, NOW)
    assert decision.reason
    assert decision.arithmetic
    return decision


def action(seen, policy=POLICY):
    return decide(seen, policy).action


def let_go(number, transition=Transition.TERMINATING):
    return CompleteHook(instance_id(number), transition, HookResult.CONTINUE)


# --- warm pools -----------------------------------------------------------------------------------


def test_an_instance_that_enters_the_warm_pool_is_let_go_without_a_member():
    """Its launch hook would wait until its time-out for a member that it is not to have."""
    seen = view(HEALTHY, Slot(None, "Warmed:Pending:Wait"), desired=1)

    assert action(seen) == let_go(2, Transition.LAUNCHING)
    assert violations(seen, decide(seen), POLICY) == []


@pytest.mark.parametrize("state", ["Warmed:Stopped", "Warmed:Running", "Warmed:Hibernated"])
def test_instances_in_the_warm_pool_are_no_members_and_nothing_is_missing(state):
    assert decide(view(HEALTHY, Slot(None, state), desired=1)).reason.startswith("settled")


def test_an_instance_that_leaves_the_warm_pool_for_good_is_let_go():
    assert action(view(HEALTHY, Slot(None, "Warmed:Terminating:Wait"), desired=1)) == let_go(2)


def test_an_instance_that_leaves_the_warm_pool_to_serve_joins_as_any_other():
    assert isinstance(action(view(HEALTHY, LAUNCHING, desired=2)), AddLearner)


def test_a_member_whose_instance_goes_back_to_the_warm_pool_is_removed_first():
    seen = view(HEALTHY, HEALTHY, HEALTHY, Slot(instance="Terminating:Wait"), desired=3)
    back = view(HEALTHY, HEALTHY, HEALTHY, Slot(instance="Warmed:Pending:Wait"), desired=3)

    assert action(seen) == action(back) == RemoveMember(member_id(4))


def test_a_new_cluster_is_not_seeded_in_the_warm_pool():
    seen = view(Slot(None, "Warmed:Stopped"), LAUNCHING, seed=None, quorate=False, cluster_id=None)

    assert action(seen).instance_id == instance_id(2)


# --- notices of EC2 -------------------------------------------------------------------------------


def noticed(seen, number, kind=NoticeKind.INTERRUPTION, age=0.0):
    return replace(seen, notices={instance_id(number): Notice(kind, NOW - age)})


@pytest.mark.parametrize("kind", list(NoticeKind))
def test_a_leader_that_ec2_may_take_hands_over_at_once(kind):
    seen = noticed(view(HEALTHY, HEALTHY, HEALTHY), 1, kind)

    assert isinstance(action(seen), TransferLeadership)
    assert "interrupted" in decide(seen).reason


def test_it_hands_over_even_while_a_learner_is_on_its_way():
    seen = noticed(view(HEALTHY, HEALTHY, HEALTHY, Slot("lagging", "Pending:Wait")), 1)

    assert isinstance(action(seen), TransferLeadership)


def test_nobody_takes_over_whom_ec2_may_take():
    risky = {instance_id(n): Notice(NoticeKind.REBALANCE, NOW) for n in (1, 2)}
    seen = replace(view(HEALTHY, HEALTHY, Slot(behind=9)), notices=risky)

    assert action(seen) == TransferLeadership(member_id(1), member_id(3))
    all_risky = {instance_id(n): Notice(NoticeKind.REBALANCE, NOW) for n in (1, 2, 3)}
    assert action(replace(seen, notices=all_risky)) == Wait()


def test_an_interrupted_member_is_removed_without_waiting_for_a_replacement():
    """In two minutes it is gone, whatever a hook holds."""
    serving = noticed(view(HEALTHY, HEALTHY, HEALTHY), 3)
    held = noticed(view(HEALTHY, HEALTHY, GOING, desired=3), 3)

    assert action(serving) == action(held) == RemoveMember(member_id(3))


def test_the_guard_still_holds_for_an_interrupted_member():
    # i-2 may come back: then it and i-1 are a majority without i-3.
    seen = noticed(view(HEALTHY, Slot("dead"), HEALTHY), 3)

    assert action(seen) == Wait()


def test_a_member_that_is_merely_at_risk_stays():
    seen = noticed(view(HEALTHY, HEALTHY, HEALTHY), 3, NoticeKind.REBALANCE)

    assert decide(seen).reason.startswith("settled")


def test_two_of_three_that_are_interrupted_are_removed_while_they_vote():
    notices = {instance_id(n): Notice(NoticeKind.INTERRUPTION, NOW) for n in (2, 3)}
    seen = replace(view(HEALTHY, HEALTHY, HEALTHY), notices=notices)

    assert action(seen) == RemoveMember(member_id(2))


def test_an_interrupted_instance_is_given_no_member():
    seen = noticed(view(HEALTHY, LAUNCHING, desired=2), 2)

    assert action(seen) == Wait()
    learner = noticed(view(HEALTHY, Slot("lagging", "Pending:Wait"), desired=2), 2)
    assert action(learner) == RemoveMember(member_id(2))


def test_an_interrupted_instance_whose_member_was_removed_takes_no_person():
    seen = noticed(view(HEALTHY, HEALTHY, Slot(None)), 3)

    assert decide(seen).reason.startswith("settled")
    outlived = noticed(view(HEALTHY, HEALTHY, Slot(None)), 3, age=POLICY.notice_lifetime + 1)
    assert action(outlived) == Stop()


# --- new root volumes -----------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["ReplacingRootVolume", "ReplacingRootVolume:Wait"])
def test_a_leader_whose_root_volume_is_replaced_hands_over(state):
    seen = view(Slot(instance=state), HEALTHY, HEALTHY)

    assert isinstance(action(seen), TransferLeadership)
    assert "root volume" in decide(seen).reason


def test_a_member_whose_root_volume_is_replaced_keeps_its_place():
    seen = view(HEALTHY, HEALTHY, Slot(instance="ReplacingRootVolume:Wait"))

    assert action(seen) == let_go(3)
    assert "keeps its place" in decide(seen).reason
    for state in ("ReplacingRootVolume:Proceed", "RootVolumeReplaced"):
        assert isinstance(action(view(HEALTHY, HEALTHY, Slot("dead", state))), Wait)


def test_one_root_volume_is_replaced_at_a_time():
    seen = view(
        HEALTHY,
        Slot(instance="ReplacingRootVolume:Proceed"),
        Slot(instance="ReplacingRootVolume:Wait"),
    )

    assert action(seen) == Wait()
    assert "i-3 keeps its root volume" in decide(seen).reason
    both = view(HEALTHY, *[Slot(instance="ReplacingRootVolume:Wait")] * 2)
    assert action(both) == let_go(2)


def test_no_root_volume_is_replaced_while_another_member_is_not_well():
    assert action(view(HEALTHY, Slot("dead"), Slot(instance="ReplacingRootVolume:Wait"))) == Wait()


@pytest.mark.parametrize("others", [(), (HEALTHY,)])
def test_one_or_two_voters_do_without_a_quorum_when_the_deadline_is_over(others):
    def waits(age):
        return view(Slot(instance="ReplacingRootVolume:Wait", waited=age), *others, leader=1)

    if not others:
        assert action(waits(LATE - 1)) == Wait()
        assert action(waits(LATE)) == let_go(1)
        patient = replace(POLICY, at_deadline=AtDeadline.HOLD)
        assert action(waits(LATE), patient) == Wait()
    else:
        assert action(replace(waits(LATE), members=waits(LATE).members)) == let_go(1)


# --- the deadline for a replacement, and retained instances ---------------------------------------

OVERDUE = view(HEALTHY, HEALTHY, replace(GOING, waited=LATE), desired=3)


@pytest.mark.parametrize(
    ("choice", "retains", "expected"),
    [
        (AtDeadline.PROCEED, False, RemoveMember(member_id(3))),
        (AtDeadline.PROCEED, True, RemoveMember(member_id(3))),
        (AtDeadline.HOLD, True, Wait()),
        (AtDeadline.RETAIN, False, Wait()),
        (
            AtDeadline.RETAIN,
            True,
            CompleteHook("i-3", Transition.TERMINATING, HookResult.ABANDON),
        ),
    ],
)
def test_what_follows_when_no_replacement_came_is_a_choice(choice, retains, expected):
    seen = replace(OVERDUE, retains=retains)

    assert action(seen, replace(POLICY, at_deadline=choice)) == expected


def test_a_choice_that_the_group_does_not_allow_is_explained():
    policy = replace(POLICY, at_deadline=AtDeadline.RETAIN)

    assert "instance lifecycle policy" in decide(OVERDUE, policy).reason


def test_a_retained_member_waits_for_its_replacement_however_long():
    retained = Slot(instance="Terminating:Retained", waited=10 * LATE)

    assert action(view(HEALTHY, HEALTHY, retained, desired=3)) == Wait()
    joins = view(HEALTHY, HEALTHY, retained, LAUNCHING, desired=3)
    assert isinstance(action(joins), AddLearner)
    replaced = view(HEALTHY, HEALTHY, retained, HEALTHY, desired=3)
    assert action(replaced) == RemoveMember(member_id(3))


def test_a_retained_instance_is_terminated_when_it_has_no_member():
    seen = view(HEALTHY, Slot(None, "Terminating:Retained"), desired=1)

    assert action(seen) == TerminateRetained("i-2")


def test_a_dead_member_of_a_retained_instance_is_removed():
    seen = view(HEALTHY, HEALTHY, Slot("dead", "Terminating:Retained"), desired=3)

    assert action(seen) == RemoveMember(member_id(3))


# --- an operator's order --------------------------------------------------------------------------


def order(member="i-3", expires=NOW + 60):
    return Override(member, "somebody", "its disk is broken", expires)


# The guard would keep i-3, as its instance stays.
KEPT = view(HEALTHY, Slot("dead"), HEALTHY)


@pytest.mark.parametrize("name", ["i-3", "103", "67"])
def test_an_operator_may_have_a_member_removed_that_the_guard_keeps(name):
    seen = replace(KEPT, override=order(name))

    assert action(KEPT) == Wait()
    assert action(seen) == RemoveMember(member_id(3))
    assert "somebody ordered it: its disk is broken" in decide(seen).reason
    assert decide(seen).arithmetic == ("without i-3: 2 voters, healthy and staying 1 < 2 quorum")


def test_a_leader_is_moved_before_it_is_removed_by_order():
    seen = replace(view(HEALTHY, HEALTHY, HEALTHY), override=order("i-1"))

    assert isinstance(action(seen), TransferLeadership)


def test_an_order_ends_and_is_no_order_for_another_member():
    assert action(replace(KEPT, override=order(expires=NOW - 1))) == Wait()
    assert action(replace(KEPT, override=order("i-9"))) == Wait()


def test_no_order_removes_the_last_voter_or_works_without_a_quorum():
    last = replace(view(HEALTHY), override=order("i-1"))
    assert action(last) == Wait()
    assert "last voter" in decide(last).reason

    lost = replace(view(Slot("dead"), Slot("dead"), HEALTHY, leader=3), override=order("i-1"))
    assert action(lost) == Wait()
    assert "no quorum" in decide(lost).reason


# --- unstarted and unnamed members ----------------------------------------------------------------


def test_an_unnamed_voter_counts_as_a_voter_that_is_not_well():
    """Somebody added it by hand, and it never started: the guard must not take it for a learner."""
    seen = view(HEALTHY, HEALTHY, HEALTHY, Slot("dead", GONE, waited=1), desired=3)
    members = (*seen.members[:3], replace(seen.members[3], name=""))
    seen = replace(seen, members=members)

    assert action(seen) == Wait()
    assert decide(seen).arithmetic == "voters 4, healthy 3, leaving 1, quorum 3, desired 3"
    stale = replace(seen, first_seen={**seen.first_seen, str(member_id(4)): NOW - LATE})
    assert action(stale) == RemoveMember(member_id(4))


# --- several at once, and step by step ------------------------------------------------------------


def test_several_hooks_at_once_are_completed_one_after_the_other():
    world = World.of(
        view(
            HEALTHY,
            Slot(None, "Terminating:Wait"),
            Slot(None, "Terminating:Wait"),
            Slot(None, "Warmed:Pending:Wait"),
            LAUNCHING,
            desired=2,
        )
    )

    assert run(world).reason.startswith("settled")
    assert world.done.count("CompleteHook") == 4


@pytest.mark.parametrize("launches_first", [True, False])
def test_an_instance_refresh_replaces_all_members_one_by_one(launches_first):
    world = World.of(view(*[HEALTHY] * 3, desired=3), launches=10)

    for old in ("i-1", "i-2", "i-3"):
        if launches_first:
            number = world.next_number
            world.next_number += 1
            fresh = replace(world.instances[old], id=f"i-{number}", state="Pending:Wait")
            fresh = replace(fresh, address=f"192.0.2.{number}")
            world.instances[fresh.id] = fresh
        world.instances[old] = replace(world.instances[old], state="Terminating:Wait")
        assert run(world).reason.startswith("settled")
        assert old not in world.instances

    assert len(world.voters) == 3
    assert {one.name for one in world.voters}.isdisjoint({"i-1", "i-2", "i-3"})
