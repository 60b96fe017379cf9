"""Each rule of the planner, on a view made by hand."""

from dataclasses import replace

import pytest
from cluster_views import (
    CLUSTER_ID,
    GONE,
    LOG_END,
    NOW,
    POLICY,
    TERM,
    Slot,
    address,
    instance_id,
    joined,
    member,
    member_id,
    view,
    with_instance,
    with_member,
)
from cluster_world import World, run
from etcd_lifecycle.guard import guard
from etcd_lifecycle.model import (
    NO_LEADER,
    AddLearner,
    ClusterView,
    CompleteHook,
    HandOverJoin,
    HookResult,
    JoinConfiguration,
    MemberStatus,
    Promote,
    RecordCluster,
    RemoveMember,
    Seed,
    SeedCluster,
    Stop,
    TransferLeadership,
    Transition,
    Wait,
)
from etcd_lifecycle.plan import join_configuration, plan
from hypothesis import given
from hypothesis import strategies as st

LATE = 100_000.0

HEALTHY = Slot()
DEAD = Slot("dead")
LAUNCHING = Slot(None, "Pending:Wait")
GOING = Slot(instance="Terminating:Wait")
GOING_DEAD = Slot("dead", "Terminating:Wait")


def decide(seen, policy=POLICY):
    return plan(seen, policy, NOW)


def action(seen, policy=POLICY):
    return decide(seen, policy).action


def let_go(number):
    return CompleteHook(instance_id(number), Transition.TERMINATING, HookResult.CONTINUE)


def launched(number):
    return CompleteHook(instance_id(number), Transition.LAUNCHING, HookResult.CONTINUE)


def abandon(number):
    return CompleteHook(instance_id(number), Transition.LAUNCHING, HookResult.ABANDON)


# --- the guard ------------------------------------------------------------------------------------

# The victim is the first voter. A letter for each of the others: h healthy, d dead, a alarmed,
# l healthy but leaving.
GUARD_TABLE = [
    ("", False, 0, 1),
    ("h", True, 1, 1),
    ("d", False, 0, 1),
    ("a", False, 0, 1),
    ("l", False, 0, 1),
    ("hh", True, 2, 2),
    ("hd", False, 1, 2),
    ("hl", False, 1, 2),
    ("ha", False, 1, 2),
    ("hhh", True, 3, 2),
    ("hhd", True, 2, 2),
    ("hhl", True, 2, 2),
    ("hhhh", True, 4, 3),
    ("hhhl", True, 3, 3),
    ("hhld", False, 2, 3),
    ("hhha", True, 3, 3),
]


@pytest.mark.parametrize(("others", "allowed", "healthy", "quorum"), GUARD_TABLE)
def test_a_voter_may_go_if_those_that_stay_and_are_well_are_a_majority_of_the_rest(
    others, allowed, healthy, quorum
):
    kinds = {"h": "healthy", "l": "healthy", "d": "dead", "a": "alarmed"}
    rest = [member(n, kinds[letter], 0x65) for n, letter in enumerate(others, start=2)]
    leaving = [one for one, letter in zip(rest, others, strict=True) if letter == "l"]
    victim = member(1, "healthy", member_id(1))

    verdict = guard([victim, *rest], victim, leaving)

    assert (verdict.allowed, verdict.healthy, verdict.quorum) == (allowed, healthy, quorum)
    assert f"{healthy} {'>=' if healthy >= quorum else '<'} {quorum} quorum" in verdict.sum


@given(
    others=st.lists(st.sampled_from(["healthy", "dead", "alarmed"]), max_size=8),
    leaving=st.sets(st.integers(min_value=1, max_value=9)),
    victim_kind=st.sampled_from(["healthy", "dead", "alarmed"]),
)
def test_the_guard_is_the_formula_of_the_design(others, leaving, victim_kind):
    kinds = [victim_kind, *others]
    voters = [member(n, kind, member_id(1)) for n, kind in enumerate(kinds, start=1)]
    gone = [one for n, one in enumerate(voters, start=1) if n in leaving]

    verdict = guard(voters, voters[0], gone)

    well = {n for n, kind in enumerate(kinds, start=1) if kind == "healthy"} - leaving - {1}
    assert verdict.allowed == (len(well) >= (len(voters) - 1) // 2 + 1)


def test_learners_count_on_neither_side():
    seen = view(HEALTHY, HEALTHY, DEAD, Slot("lagging", "Pending:Wait"), desired=4)

    assert decide(seen).arithmetic == "voters 3, healthy 2, leaving 0, quorum 2, desired 4"


# --- nothing without a quorum, nothing about others -----------------------------------------------


def test_without_a_quorum_nothing_is_changed_and_held_instances_are_kept():
    seen = view(GOING, GOING_DEAD, DEAD, LAUNCHING)

    assert not seen.quorate
    assert decide(seen).action == Wait()
    assert "no quorum" in decide(seen).reason


def test_an_answer_with_another_cluster_id_stops_everything():
    seen = view(GOING_DEAD, HEALTHY, HEALTHY, leader=2, foreign=(address(3),))

    assert action(seen) == Stop()
    assert address(3) in decide(seen).reason


def test_a_foreign_answer_stops_the_seeding_too():
    seen = view(LAUNCHING, seed=None, quorate=False, foreign=(address(1),))

    assert action(seen) == Stop()


def test_contradictory_identities_stop_everything():
    seen = with_member(view(GOING_DEAD, HEALTHY, HEALTHY, leader=2), 1, host="192.0.2.99")

    assert action(seen) == Stop()
    assert "i-1" in decide(seen).reason


def test_without_a_leader_the_election_is_waited_for():
    seen = view(GOING_DEAD, HEALTHY, HEALTHY, leader=None)

    assert action(seen) == Wait(soon=True)


# --- never seed twice -----------------------------------------------------------------------------


def unborn(*slots, **changes):
    """A view in which nobody answers and nothing is recorded."""
    return view(*slots, **{"seed": None, "quorate": False, "cluster_id": None, **changes})


def test_the_instance_that_waits_longest_is_recorded_as_the_first_member():
    seen = unborn(
        replace(LAUNCHING, waited=10), replace(LAUNCHING, waited=30), replace(LAUNCHING, waited=20)
    )

    assert action(seen) == SeedCluster("i-2")


def test_an_instance_without_an_address_is_no_first_member():
    seen = with_instance(unborn(replace(LAUNCHING, waited=30), LAUNCHING), 1, address=None)

    assert action(seen) == SeedCluster("i-2")


def test_an_empty_group_is_waited_for():
    assert action(unborn()) == Wait()


def test_the_recorded_seed_is_told_to_start_a_new_cluster():
    seen = unborn(LAUNCHING, LAUNCHING, seed=Seed("i-1"))
    join = JoinConfiguration("i-1", "i-1=http://192.0.2.1:2380", "new", "main")

    assert action(seen) == HandOverJoin("i-1", join)
    assert action(joined(seen, 1)) == Wait()


def test_a_seed_that_does_not_start_in_time_is_abandoned():
    seen = unborn(replace(LAUNCHING, waited=LATE), seed=Seed("i-1"))

    assert action(seen) == abandon(1)


def test_a_seed_that_is_going_is_waited_for_and_told_nothing():
    # Its join configuration would not be read back, so that it would be handed over for ever.
    assert action(unborn(Slot(None, "Terminating"), LAUNCHING, seed=Seed("i-1"))) == Wait()


def test_a_seed_that_is_in_service_and_never_answered_takes_a_person():
    assert action(unborn(Slot(None, "InService"), LAUNCHING, seed=Seed("i-1"))) == Stop()


def test_a_launching_instance_whose_voter_died_is_abandoned_when_its_time_is_over():
    dead = Slot("dead", "Pending:Wait")

    assert action(view(HEALTHY, HEALTHY, replace(dead, waited=LATE))) == abandon(3)
    assert action(view(HEALTHY, HEALTHY, dead)) == Wait()


def test_before_the_cluster_lives_instances_may_go():
    assert action(unborn(LAUNCHING, Slot(None, "Terminating:Wait"))) == let_go(2)


def test_a_seed_that_vanished_before_the_cluster_lived_is_followed_by_another():
    seen = unborn(LAUNCHING, seed=Seed("i-9"))

    assert action(seen) == SeedCluster("i-1", replaces=Seed("i-9"))
    assert "i-9 vanished" in decide(seen).reason


@pytest.mark.parametrize("seed", [None, Seed("i-9")])
def test_no_cluster_is_started_over_instances_in_service(seed):
    seen = unborn(LAUNCHING, Slot(None), seed=seed)

    assert action(seen) == Stop()
    assert "i-2" in decide(seen).reason


def test_beside_instances_in_service_without_a_record_no_instance_is_let_go():
    # It may hold a voter of the cluster that just does not answer.
    assert action(unborn(Slot(None), Slot(None, "Terminating:Wait"))) == Stop()


def test_a_cluster_that_lives_is_recorded_before_anything_else():
    seen = view(Slot(instance="Pending:Wait", reads=True), LAUNCHING, seed=Seed("i-1"))

    assert action(seen) == RecordCluster("i-1", CLUSTER_ID)


def test_a_cluster_that_was_there_before_is_taken_over_by_its_record():
    seen = view(DEAD, HEALTHY, HEALTHY, leader=2, seed=None)

    assert action(seen) == RecordCluster("i-2", CLUSTER_ID)


def test_a_recorded_cluster_that_nobody_answers_for_is_never_seeded_again():
    seen = view(LAUNCHING, LAUNCHING, LAUNCHING, seed=Seed("i-9", CLUSTER_ID))

    assert not seen.quorate
    assert action(seen) == Wait()


# --- learner first --------------------------------------------------------------------------------


def test_a_launching_instance_joins_as_a_learner():
    assert action(view(HEALTHY, LAUNCHING)) == AddLearner("i-2", address(2))


def test_the_instance_that_waits_longest_joins_first():
    seen = view(HEALTHY, replace(LAUNCHING, waited=1), replace(LAUNCHING, waited=2))

    assert action(seen) == AddLearner("i-3", address(3))


@pytest.mark.parametrize("state", ["Pending", "Pending:Proceed", "InService", "Standby"])
def test_only_an_instance_that_a_launch_hook_holds_joins(state):
    assert not isinstance(action(view(HEALTHY, Slot(None, state))), AddLearner)


def test_an_instance_without_an_address_waits_for_one():
    seen = with_instance(view(HEALTHY, LAUNCHING), 2, address=None)

    assert action(seen) == Wait()
    assert "no address" in decide(seen).reason


@pytest.mark.parametrize("unwell", [DEAD, Slot("alarmed"), Slot("dead", GONE)])
def test_nobody_joins_while_a_voter_is_unwell(unwell):
    # etcd refuses it ("unhealthy cluster") while a voter is not connected.
    seen = view(HEALTHY, HEALTHY, unwell, LAUNCHING)

    assert action(seen) == Wait()
    assert "i-4 cannot join" in decide(seen).reason


def test_a_new_learner_is_handed_the_live_member_list_and_itself():
    seen = view(HEALTHY, HEALTHY, Slot("unstarted", "Pending:Wait"))

    assert action(seen) == HandOverJoin(
        "i-3",
        JoinConfiguration(
            name="i-3",
            initial_cluster="i-1=http://192.0.2.1:2380,i-2=http://192.0.2.2:2380,"
            "i-3=http://192.0.2.3:2380",
            initial_cluster_state="existing",
            initial_cluster_token="main",
        ),
    )


def test_the_join_configuration_names_every_peer_url_and_uses_the_scheme_and_port():
    policy = replace(POLICY, peer_scheme="https", peer_port=12380)
    urls = ("https://192.0.2.1:12380", "https://203.0.113.1:12380")
    seen = with_member(view(HEALTHY, LAUNCHING), 1, peer_urls=urls)

    join = join_configuration(seen, policy, seen.instances[1])

    assert join.initial_cluster == (
        "i-1=https://192.0.2.1:12380,i-1=https://203.0.113.1:12380,i-2=https://192.0.2.2:12380"
    )


def test_a_join_configuration_that_no_longer_fits_is_handed_over_anew():
    told = joined(view(HEALTHY, Slot("unstarted", "Pending:Wait")), 2)
    assert action(told) == Wait(soon=True)

    other = replace(told.joins["i-2"], initial_cluster="i-7=http://192.0.2.7:2380")
    changed = replace(told, joins={"i-2": other})
    assert action(changed) == HandOverJoin("i-2", told.joins["i-2"])


@pytest.mark.parametrize(("age", "soon"), [(0, True), (19, True), (20, False), (200, False)])
def test_a_learner_that_was_told_how_to_join_is_looked_at_again_as_long_as_it_may_be_starting(
    age, soon
):
    first_seen = {str(member_id(2)): NOW - age}
    seen = view(HEALTHY, Slot("unstarted", "Pending:Wait"), first_seen=first_seen)

    assert action(joined(seen, 2)) == Wait(soon=soon)


def test_a_learner_on_an_instance_that_no_launch_hook_holds_is_told_nothing():
    assert action(view(HEALTHY, Slot("unstarted", "InService"))) == Wait()


def test_a_learner_that_lags_is_looked_at_again_soon():
    seen = view(HEALTHY, Slot("lagging", "Pending:Wait"))

    assert action(seen) == Wait(soon=True)
    assert f"{POLICY.max_promotion_lag + 1} log entries behind" in decide(seen).reason


@pytest.mark.parametrize(("behind", "promoted"), [(0, True), (1000, True), (1001, False)])
def test_a_learner_is_promoted_when_it_lags_no_more_than_the_policy_allows(behind, promoted):
    seen = view(HEALTHY, Slot("synced", "Pending:Wait", behind=behind))

    assert action(seen) == (Promote(member_id(2)) if promoted else Wait(soon=True))


def test_a_learner_is_not_compared_with_a_leader_that_does_not_answer():
    seen = view(DEAD, HEALTHY, HEALTHY, Slot("synced", "Pending:Wait"), leader=1)

    assert action(seen) == Wait(soon=True)


def test_a_learner_with_an_alarm_gets_no_vote():
    seen = with_member(view(HEALTHY, Slot("synced", "Pending:Wait")), 2, alarmed=True)

    assert action(seen) == Wait()
    assert "not well" in decide(seen).reason


def test_the_launch_is_completed_when_the_member_votes_and_reads():
    assert action(view(HEALTHY, Slot(instance="Pending:Wait", reads=True))) == launched(2)


@pytest.mark.parametrize("reads", [None, False])
def test_the_launch_is_not_completed_before_the_member_reads(reads):
    seen = view(HEALTHY, Slot(instance="Pending:Wait", reads=reads))

    assert action(seen) == Wait()
    assert "does not answer reads" in decide(seen).reason


@pytest.mark.parametrize("kind", ["unstarted", "silent", "lagging", "synced"])
def test_a_learner_without_success_until_the_deadline_is_removed(kind):
    seen = view(HEALTHY, Slot(kind, "Pending:Wait", waited=POLICY.launch_deadline + 1))

    assert action(joined(seen, 2)) == RemoveMember(member_id(2))


def test_a_learner_has_its_time_on_an_instance_in_service_too():
    first_seen = {str(member_id(2)): NOW - POLICY.launch_deadline - 1}
    seen = view(HEALTHY, Slot("silent", "InService"), first_seen=first_seen)

    assert action(seen) == RemoveMember(member_id(2))


def test_the_deadline_itself_is_still_in_time():
    seen = view(HEALTHY, Slot("lagging", "Pending:Wait", waited=POLICY.launch_deadline))

    assert action(seen) == Wait(soon=True)


def waits_for(made, number, *, turn, member=0.0):
    """The view, with a launching instance that has waited so long, its member for its part."""
    first_seen = {instance_id(number): NOW - turn, str(member_id(number)): NOW - member}
    return replace(made, first_seen={**made.first_seen, **first_seen})


@pytest.mark.parametrize("kind", ["unstarted", "silent", "lagging", "synced"])
def test_the_deadline_of_a_learner_counts_from_when_it_was_added(kind):
    seen = joined(view(HEALTHY, Slot(kind, "Pending:Wait")), 2)
    in_time = action(waits_for(seen, 2, turn=LATE, member=POLICY.launch_deadline))
    late = action(waits_for(seen, 2, turn=LATE, member=POLICY.launch_deadline + 1))

    assert isinstance(in_time, Promote if kind == "synced" else Wait)
    assert late == RemoveMember(member_id(2))


def test_so_does_that_of_a_voter_that_is_still_held_at_its_launch():
    seen = view(HEALTHY, HEALTHY, Slot("dead", "Pending:Wait"))

    assert action(waits_for(seen, 3, turn=LATE, member=POLICY.launch_deadline)) == Wait()
    assert action(waits_for(seen, 3, turn=LATE, member=POLICY.launch_deadline + 1)) == abandon(3)


def test_an_instance_whose_turn_to_join_does_not_come_is_abandoned_when_no_line_takes_as_long():
    line = POLICY.launch_deadline * 4
    seen = view(HEALTHY, DEAD, HEALTHY, LAUNCHING, desired=3)

    assert action(waits_for(seen, 4, turn=line)) == Wait()
    assert action(waits_for(seen, 4, turn=line + 1)) == abandon(4)
    assert "its turn to join" in decide(waits_for(seen, 4, turn=line + 1)).reason


def test_an_instance_whose_learner_was_given_up_is_abandoned_and_gets_no_other():
    before = joined(view(HEALTHY, Slot("silent", "Pending:Wait")), 2)
    seen = replace(before, members=before.members[:1])

    assert action(seen) == abandon(2)


def test_an_instance_whose_learner_was_removed_before_it_was_told_has_another_turn():
    assert action(view(HEALTHY, LAUNCHING)) == AddLearner(instance_id(2), address(2))


@pytest.mark.parametrize("state", ["Terminating:Wait", "Terminating"])
def test_a_learner_whose_instance_goes_is_removed(state):
    assert action(view(HEALTHY, Slot("synced", state))) == RemoveMember(member_id(2))


@pytest.mark.parametrize("kind", ["unstarted", "silent"])
def test_a_learner_without_an_instance_is_removed(kind):
    assert action(view(HEALTHY, Slot(kind, GONE))) == RemoveMember(member_id(2))


def test_a_learner_that_answers_but_has_no_instance_is_left_alone():
    assert action(view(HEALTHY, Slot("synced", GONE))) == Wait()


def test_a_learner_that_was_added_but_not_recorded_is_adopted_by_its_address():
    seen = view(HEALTHY, Slot("unstarted", "Pending:Wait"), recorded={})

    assert isinstance(action(seen), HandOverJoin)


# --- one change at a time -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "learner", [Slot("lagging", "Pending:Wait"), Slot("silent", "Pending:Wait")]
)
def test_while_a_learner_is_on_its_way_no_voter_goes_and_nobody_else_joins(learner):
    seen = view(HEALTHY, GOING, GOING_DEAD, HEALTHY, learner, LAUNCHING, desired=2)

    assert isinstance(action(seen), Wait)


def test_a_learner_that_is_ready_is_promoted_before_the_leaving_are_removed():
    seen = view(HEALTHY, GOING, HEALTHY, Slot("synced", "Pending:Wait"), desired=3)

    assert action(seen) == Promote(member_id(4))


# --- already done is done -------------------------------------------------------------------------


def test_a_terminating_instance_without_a_member_may_go():
    assert action(view(HEALTHY, Slot(None, "Terminating:Wait"))) == let_go(2)


@pytest.mark.parametrize("state", ["Terminating", "Terminating:Proceed"])
def test_no_hook_is_completed_that_does_not_hold(state):
    assert action(view(HEALTHY, Slot(None, state))) == Wait()


def test_what_is_done_is_completed_even_while_a_learner_is_on_its_way():
    seen = view(HEALTHY, Slot("lagging", "Pending:Wait"), Slot(None, "Terminating:Wait"))

    assert action(seen) == let_go(3)


def test_what_is_done_is_completed_before_the_next_change():
    seen = view(HEALTHY, HEALTHY, HEALTHY, GOING_DEAD, Slot(None, "Terminating:Wait"))

    assert action(seen) == let_go(5)


# --- dead victim: removal first -------------------------------------------------------------------


def test_a_dead_member_whose_instance_goes_is_removed_at_once_and_before_anyone_joins():
    seen = view(HEALTHY, HEALTHY, GOING_DEAD, LAUNCHING, desired=3)

    assert action(seen) == RemoveMember(member_id(3))
    assert "removal first" in decide(seen).reason
    assert decide(seen).arithmetic == ("without i-3: 2 voters, healthy and staying 2 >= 2 quorum")


def test_an_alarmed_member_counts_as_dead():
    seen = view(HEALTHY, HEALTHY, Slot("alarmed", "Terminating:Wait"), desired=3)

    assert action(seen) == RemoveMember(member_id(3))


def test_the_dead_go_before_the_healthy():
    seen = view(HEALTHY, HEALTHY, HEALTHY, GOING, GOING_DEAD, desired=3)

    assert action(seen) == RemoveMember(member_id(5))


def test_a_dead_member_is_removed_although_a_healthy_one_is_held_at_its_end():
    """Its removal takes no vote away, and as long as it is there nobody can join."""
    seen = view(HEALTHY, GOING, GOING_DEAD, LAUNCHING, desired=3)

    assert action(seen) == RemoveMember(member_id(3))
    assert decide(seen).arithmetic == (
        "without i-3: 2 voters, answering and not ending 2 >= 2 quorum"
    )


@pytest.mark.parametrize("kind", ["dead", "alarmed"])
@pytest.mark.parametrize("leader", [1, 2])
def test_three_that_go_at_once_of_which_one_is_unwell_are_replaced(kind, leader):
    world = World.of(
        view(
            GOING,
            HEALTHY,
            Slot(kind, "Terminating:Wait"),
            LAUNCHING,
            desired=3,
            leader=leader,
        )
    )

    assert run(world).reason.startswith("settled")
    assert len(world.voters) == 3
    assert world.done[0] == "RemoveMember"


def test_a_dead_member_is_removed_although_an_alarm_stands_for_another():
    # An alarm takes no vote away; a removal that waited for its end would wait for a person.
    seen = view(HEALTHY, Slot("alarmed"), GOING_DEAD, desired=3)

    assert action(seen) == RemoveMember(member_id(3))


def test_an_alarmed_member_is_kept_if_the_rest_would_be_no_healthy_majority():
    seen = view(HEALTHY, DEAD, Slot("alarmed", "Terminating:Wait"), desired=3)

    assert action(seen) == Wait()
    assert "cannot be removed safely" in decide(seen).reason


# --- instances that end, and that nothing holds ---------------------------------------------------

ENDING = Slot(instance="Terminating:Proceed")


def test_two_of_three_that_end_are_removed_while_they_vote():
    """Otherwise the quorum would end with them."""
    seen = view(ENDING, ENDING, HEALTHY, desired=3, leader=1)

    assert action(seen) == RemoveMember(member_id(2))
    assert "i-1, i-2 will end and nothing holds them" in decide(seen).reason
    assert decide(seen).arithmetic == "without i-2: 2 voters, answering 2 >= 2 quorum"

    left = view(ENDING, HEALTHY, desired=3, leader=1)
    assert action(left) == TransferLeadership(member_id(1), member_id(2))
    moved = view(ENDING, HEALTHY, desired=3, leader=2)
    assert action(moved) == RemoveMember(member_id(1))


def test_the_dead_are_removed_before_those_that_end():
    seen = view(ENDING, GOING_DEAD, HEALTHY, desired=3, leader=1)

    assert action(seen) == RemoveMember(member_id(2))


def test_the_quorum_is_saved_even_while_a_learner_is_on_its_way():
    seen = view(ENDING, GOING_DEAD, HEALTHY, Slot("lagging", "Pending:Wait"), desired=3)

    assert action(seen) == RemoveMember(member_id(2))


def test_nothing_is_shrunk_if_those_that_last_are_a_majority():
    seen = view(ENDING, HEALTHY, HEALTHY, HEALTHY, desired=5, leader=3)

    assert decide(seen).reason == "i-1 is terminating and no hook holds it"


def test_nothing_is_shrunk_that_would_not_save_the_quorum():
    # i-2 may come back: its instance stays, and so does its vote.
    seen = view(ENDING, DEAD, HEALTHY, desired=3, leader=3)

    assert action(seen) == Wait()
    assert "and with them the quorum: only 1 of the 2 others answer" in decide(seen).reason


def test_nothing_is_shrunk_when_all_end():
    assert action(view(ENDING, ENDING, ENDING, desired=3)) == Wait()


def test_an_instance_that_begins_to_terminate_may_be_held_in_a_moment():
    """It is ``Terminating`` before its hook holds it, and after it without an end."""
    early = view(HEALTHY, HEALTHY, Slot(instance="Terminating"), desired=3)
    assert action(early) == Wait(soon=True)

    grace = POLICY.unheld_grace
    late = view(HEALTHY, HEALTHY, Slot(instance="Terminating", waited=grace + 1), desired=3)
    assert action(late) == RemoveMember(member_id(3))


# --- healthy victim: replacement first ------------------------------------------------------------


def test_a_healthy_member_waits_for_its_replacement():
    seen = view(HEALTHY, HEALTHY, GOING, desired=3)

    assert action(seen) == Wait()
    assert "i-3 waits for its replacement" in decide(seen).reason


def test_while_it_waits_the_replacement_joins():
    assert action(view(HEALTHY, HEALTHY, GOING, LAUNCHING, desired=3)) == AddLearner(
        "i-4", address(4)
    )


def test_once_the_replacement_votes_the_healthy_member_is_removed():
    seen = view(HEALTHY, HEALTHY, GOING, HEALTHY, desired=3)

    assert action(seen) == RemoveMember(member_id(3))


def test_the_replaced_member_is_removed_before_the_next_one_joins():
    seen = view(HEALTHY, HEALTHY, GOING, HEALTHY, LAUNCHING, desired=3)

    assert action(seen) == RemoveMember(member_id(3))


def test_where_several_are_replaced_the_next_one_joins_before_the_first_goes():
    seen = view(HEALTHY, GOING, GOING, HEALTHY, LAUNCHING, desired=3)

    assert action(seen) == AddLearner("i-5", address(5))


def test_there_is_never_more_than_one_voter_to_spare_for_that():
    seen = view(HEALTHY, GOING, GOING, HEALTHY, HEALTHY, LAUNCHING, desired=3)

    assert action(seen) == RemoveMember(member_id(2))


@pytest.mark.parametrize(
    ("desired", "slots"),
    [
        # Nothing holds one of those that go.
        (3, (HEALTHY, GOING, Slot(instance="Terminating:Proceed"), HEALTHY, LAUNCHING)),
        # Fewer are wanted, so that nobody is awaited.
        (2, (HEALTHY, GOING, GOING, HEALTHY, LAUNCHING)),
    ],
)
def test_the_next_one_does_not_keep_others_from_going(desired, slots):
    assert isinstance(action(view(*slots, desired=desired)), RemoveMember)


def test_while_a_member_is_unwell_the_replaced_ones_go_first():
    seen = view(replace(HEALTHY, member="alarmed"), GOING, GOING, HEALTHY, LAUNCHING, desired=3)

    assert not isinstance(action(seen), AddLearner)


def test_the_wait_for_a_replacement_has_a_deadline():
    waited = POLICY.replacement_deadline
    in_time = view(HEALTHY, HEALTHY, replace(GOING, waited=waited), desired=3)
    late = view(HEALTHY, HEALTHY, replace(GOING, waited=waited + 1), desired=3)

    assert action(in_time) == Wait()
    assert action(late) == RemoveMember(member_id(3))


def test_the_deadline_does_not_overrule_the_guard():
    seen = view(HEALTHY, DEAD, replace(GOING, waited=LATE), desired=3)

    assert action(seen) == Wait()
    assert "cannot be removed safely" in decide(seen).reason


def test_a_member_that_no_hook_holds_does_not_wait_for_a_replacement():
    seen = view(HEALTHY, HEALTHY, ENDING, desired=3)

    assert action(seen) == RemoveMember(member_id(3))


def test_whom_no_hook_holds_goes_before_those_that_are_held():
    seen = view(HEALTHY, HEALTHY, HEALTHY, GOING, ENDING, desired=3)

    assert action(seen) == RemoveMember(member_id(5))


def test_two_replacements_at_once_take_one_after_the_other():
    seen = view(HEALTHY, GOING, GOING, HEALTHY, desired=3)

    assert action(seen) == RemoveMember(member_id(2))


def test_three_terminating_at_once_wait_for_the_first_replacement():
    assert action(view(GOING, GOING, GOING, desired=3)) == Wait()
    assert action(view(GOING, GOING, GOING, LAUNCHING, desired=3)) == AddLearner("i-4", address(4))


# --- fewer members --------------------------------------------------------------------------------


def test_a_scale_in_removes_without_a_replacement():
    assert action(view(HEALTHY, HEALTHY, GOING, desired=2)) == RemoveMember(member_id(3))


def test_a_scale_in_from_three_to_one_removes_one_while_the_other_is_held():
    seen = view(HEALTHY, GOING, GOING, desired=1)

    assert action(seen) == RemoveMember(member_id(2))


def test_a_scale_in_does_not_count_on_members_that_nothing_holds():
    seen = view(HEALTHY, GOING, ENDING, desired=1)

    # i-3 will end by itself: it goes first, while i-2 is held.
    assert action(seen) == RemoveMember(member_id(3))


def test_the_last_voter_is_not_removed():
    seen = view(replace(GOING, waited=LATE), desired=1)

    assert action(seen) == Wait()
    assert "last voter" in decide(seen).reason


@pytest.mark.parametrize("kind", ["healthy", "alarmed"])
def test_a_group_scaled_to_zero_ends_with_its_last_member(kind):
    assert action(view(Slot(kind, "Terminating:Wait"), desired=0)) == let_go(1)


def test_a_group_scaled_to_zero_loses_its_members_one_by_one_and_the_leader_last():
    seen = view(GOING, GOING, GOING, desired=0, leader=1)

    assert action(seen) == RemoveMember(member_id(2))


# --- members without an instance ------------------------------------------------------------------


def test_a_dead_member_without_an_instance_is_removed_after_its_grace():
    grace = POLICY.stale_grace
    in_time = view(HEALTHY, HEALTHY, Slot("dead", GONE, grace), desired=3)
    late = view(HEALTHY, HEALTHY, Slot("dead", GONE, grace + 1), desired=3)

    assert action(in_time) == Wait()
    assert action(late) == RemoveMember(member_id(3))


def test_a_stale_member_goes_before_its_replacement_joins():
    seen = view(HEALTHY, HEALTHY, Slot("dead", GONE, LATE), LAUNCHING, desired=3)

    assert action(seen) == RemoveMember(member_id(3))


def test_stale_members_are_removed_one_a_pass_and_under_the_guard():
    stale = Slot("dead", GONE, LATE)

    assert action(view(HEALTHY, HEALTHY, HEALTHY, stale, stale)) == RemoveMember(member_id(4))
    assert action(view(ENDING, ENDING, stale, desired=3)) == Wait()


def test_a_member_that_answers_but_has_no_instance_is_told_of_and_left_alone():
    seen = view(HEALTHY, HEALTHY, Slot("healthy", GONE, LATE))

    assert action(seen) == Wait()
    assert "i-3 answers, but has no instance" in decide(seen).reason


def test_an_instance_with_the_address_of_a_stale_member_waits_until_that_is_gone():
    seen = view(HEALTHY, HEALTHY, Slot("dead", GONE, waited=1), LAUNCHING)
    seen = with_instance(seen, 4, address=address(3))
    assert action(seen) == Wait()

    stale = replace(seen, first_seen={str(member_id(3)): NOW - LATE})
    assert action(stale) == RemoveMember(member_id(3))

    gone = replace(stale, members=stale.members[:2])
    assert action(gone) == AddLearner("i-4", address(3))


# --- reports --------------------------------------------------------------------------------------


def test_a_cluster_that_is_as_it_should_be_is_settled():
    seen = view(HEALTHY, HEALTHY, HEALTHY)

    assert action(seen) == Wait()
    assert decide(seen).reason.startswith("settled")
    assert decide(seen).arithmetic == "voters 3, healthy 3, leaving 0, quorum 2, desired 3"


def test_an_instance_in_service_without_a_member_takes_a_person():
    assert action(view(HEALTHY, Slot(None))) == Stop()


def test_an_unwell_member_whose_instance_stays_is_told_of():
    seen = view(HEALTHY, HEALTHY, DEAD)

    assert action(seen) == Wait()
    assert "i-3" in decide(seen).reason


def test_the_same_view_leads_to_the_same_decision():
    seen = view(GOING, HEALTHY, HEALTHY, HEALTHY, LAUNCHING, desired=3)

    assert decide(seen) == decide(seen)


def test_nothing_at_all_is_a_view_too():
    assert action(ClusterView(cluster="main", desired=0)) == Wait()


def test_an_instance_whose_address_is_no_longer_told_keeps_its_member():
    # EC2 tells none of an instance that has just ended; that is no contradiction.
    seen = with_instance(view(HEALTHY, HEALTHY, Slot("dead", "Terminating")), 3, address=None)

    assert action(seen) == RemoveMember(member_id(3))


def test_an_instance_is_not_let_go_because_its_address_is_not_told():
    seen = with_instance(view(HEALTHY, HEALTHY, GOING, desired=3), 3, address=None)

    assert action(seen) == Wait()
    assert "i-3 waits for its replacement" in decide(seen).reason


def test_a_learner_that_has_not_found_the_leader_yet_is_looked_at_again_soon():
    lost = MemberStatus(NO_LEADER, TERM, LOG_END, LOG_END)
    seen = with_member(view(HEALTHY, Slot("synced", "Pending:Wait")), 2, status=lost)

    assert action(seen) == Wait(soon=True)
