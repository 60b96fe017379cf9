"""Who leads next, and when: the leader goes last, and hands over first."""

from dataclasses import replace

import pytest
from cluster_views import (
    LOG_END,
    NOW,
    POLICY,
    TERM,
    Slot,
    instance_id,
    member_id,
    view,
    with_member,
)
from etcd_lifecycle.model import (
    AddLearner,
    AtDeadline,
    MemberStatus,
    Notice,
    NoticeKind,
    Override,
    RemoveMember,
    TransferLeadership,
    Wait,
)
from etcd_lifecycle.plan import plan

HEALTHY = Slot()
DEAD = Slot("dead")
LAUNCHING = Slot(None, "Pending:Wait")
GOING = Slot(instance="Terminating:Wait")
ENDING = Slot(instance="Terminating:Proceed")


def decide(seen, policy=POLICY):
    return plan(seen, policy, NOW)


def action(seen, policy=POLICY):
    return decide(seen, policy).action


def test_the_leader_is_the_last_to_go():
    assert action(view(GOING, GOING, HEALTHY, desired=1, leader=1)) == RemoveMember(member_id(2))


def test_a_leader_that_goes_hands_over_first():
    seen = view(GOING, HEALTHY, HEALTHY, desired=2, leader=1)

    assert isinstance(action(seen), TransferLeadership)
    assert action(view(GOING, HEALTHY, HEALTHY, desired=2, leader=2)) == RemoveMember(member_id(1))


def target(seen):
    chosen = action(seen)
    assert isinstance(chosen, TransferLeadership), chosen
    assert chosen.leader_id == member_id(1)
    return chosen.target_id - member_id(0)


def test_another_zone_takes_over_before_the_same_one():
    seen = view(
        replace(GOING, zone="a"), replace(HEALTHY, zone="a"), Slot(zone="b", behind=5), desired=2
    )

    assert target(seen) == 3


def test_the_most_caught_up_voter_takes_over():
    seen = view(GOING, Slot(behind=5), Slot(behind=4), Slot(behind=6), desired=3)

    assert target(seen) == 3


NEAR = Slot(behind=POLICY.max_transfer_lag)
FAR = Slot(behind=POLICY.max_transfer_lag + 1)


def test_a_voter_that_is_far_behind_does_not_take_over_for_its_zone():
    seen = view(
        replace(GOING, zone="a"), replace(FAR, zone="b"), replace(NEAR, zone="a"), desired=2
    )

    assert target(seen) == 3


def test_nor_does_it_when_the_leader_is_interrupted_and_one_that_goes_is_near():
    taken = {instance_id(1): Notice(NoticeKind.INTERRUPTION, NOW)}
    seen = view(HEALTHY, FAR, GOING, FAR, desired=4, notices=taken)

    assert target(seen) == 3


def test_a_leader_that_goes_leads_on_while_nobody_is_near():
    seen = view(GOING, FAR, Slot(behind=9000), desired=2)

    assert action(seen) == Wait()
    assert decide(seen).reason == (
        "i-1 leads on until a voter is no more than 2500 log entries behind it: "
        "i-2 is 2501, i-3 is 9000"
    )
    assert target(view(GOING, NEAR, Slot(behind=9000), desired=2)) == 2


def test_while_it_leads_on_others_join_and_go():
    assert action(view(GOING, GOING, FAR, FAR, desired=2)) == RemoveMember(member_id(2))
    joins = view(GOING, FAR, FAR, LAUNCHING, desired=2)
    assert action(joins) == AddLearner(instance_id(4), joins.instances[3].address)


def test_that_it_leads_on_has_the_deadline_of_a_replacement():
    late = replace(GOING, waited=POLICY.replacement_deadline)
    assert action(view(late, FAR, FAR, desired=2)) == Wait()

    late = replace(GOING, waited=POLICY.replacement_deadline + 1)
    seen = view(late, Slot(behind=9000), FAR, desired=2)
    assert target(seen) == 3
    assert decide(seen).reason.endswith(
        "so i-3 takes over first, 2501 log entries behind as it is: nobody fit for it is nearer"
    )


@pytest.mark.parametrize("at_deadline", [AtDeadline.HOLD, AtDeadline.RETAIN])
def test_where_a_member_is_held_at_the_deadline_it_leads_on_after_it(at_deadline):
    late = replace(GOING, waited=POLICY.replacement_deadline + 1)
    seen = view(late, FAR, FAR, desired=2)

    assert action(seen, replace(POLICY, at_deadline=at_deadline)) == Wait()


@pytest.mark.parametrize("ending", ["Terminating:Proceed", "ReplacingRootVolume"])
def test_nobody_waits_for_a_leader_that_nothing_holds(ending):
    assert target(view(Slot(instance=ending), FAR, FAR, desired=2)) == 2


def test_nor_for_one_that_is_interrupted():
    seen = view(HEALTHY, FAR, FAR, notices={instance_id(1): Notice(NoticeKind.INTERRUPTION, NOW)})

    assert target(seen) == 2


def test_a_leader_at_risk_leads_on_while_nobody_is_near():
    risk = {instance_id(1): Notice(NoticeKind.REBALANCE, NOW)}

    assert action(view(HEALTHY, FAR, FAR, notices=risk)) == Wait()
    assert target(view(HEALTHY, NEAR, FAR, notices=risk)) == 2


def test_a_leader_whose_root_volume_is_replaced_leads_on_until_the_deadline():
    def waited(seconds):
        return view(Slot(instance="ReplacingRootVolume:Wait", waited=seconds), FAR, FAR)

    assert action(waited(POLICY.replacement_deadline)) == Wait()
    assert target(waited(POLICY.replacement_deadline + 1)) == 2


def test_an_operators_order_to_remove_the_leader_does_not_wait():
    order = Override("i-1", "alice", "its disk is broken", NOW + 60)

    assert target(view(HEALTHY, FAR, Slot(behind=9000), override=order)) == 2


def test_nobody_takes_over_who_goes_too_or_is_unwell():
    seen = view(GOING, GOING, DEAD, HEALTHY, HEALTHY, desired=3, leader=1)
    seen = with_member(seen, 2, status=MemberStatus(member_id(1), TERM, LOG_END, LOG_END + 9))

    # The other one goes first; once it is gone, the healthy one that stays takes over.
    assert action(seen) == RemoveMember(member_id(2))
    assert target(view(GOING, Slot("dead"), Slot(behind=9), HEALTHY, desired=2)) == 4


def test_nobody_takes_over_who_goes_too_and_waits_for_a_replacement():
    gone, going = replace(ENDING, zone="a"), replace(GOING, zone="a")
    seen = view(gone, going, *[Slot(behind=9, zone="a")] * 3, desired=5)

    assert target(seen) == 3


@pytest.mark.parametrize(
    "unfit",
    [
        MemberStatus(member_id(3), TERM, LOG_END, LOG_END),
        MemberStatus(member_id(1), TERM - 1, LOG_END, LOG_END),
    ],
)
def test_nobody_takes_over_who_does_not_follow_this_leader_in_its_term(unfit):
    seen = with_member(view(GOING, HEALTHY, Slot(behind=9), desired=2), 2, status=unfit)

    assert target(seen) == 3


def test_a_leader_with_nobody_to_take_over_stays():
    stale = MemberStatus(member_id(1), TERM - 1, LOG_END, LOG_END)
    seen = with_member(view(GOING, HEALTHY, desired=1), 2, status=stale)

    assert action(seen) == Wait()
    assert "no voter is fit" in decide(seen).reason
