"""How an action reaches the part that carries it out, and what its answers mean."""

from dataclasses import replace

import pytest
from cluster_views import CLUSTER_ID, POLICY, Slot, address, member, member_id, view, with_member
from etcd_lifecycle.act import Actor, Outcome, Result
from etcd_lifecycle.etcd_errors import (
    AskedLearner,
    BadTransferee,
    EtcdError,
    LeaderChanged,
    LearnerNotReady,
    MemberNotFound,
    NoQuorum,
    NotALearner,
    NotAuthorized,
    NotEnoughStarted,
    NotEtcd,
    NotLeader,
    OutcomeUnknown,
    PeerUrlExists,
    RecentlyRemoved,
    TlsProblem,
    TooManyLearners,
    Unhealthy,
    Unreachable,
)
from etcd_lifecycle.model import (
    AddLearner,
    CompleteHook,
    HandOverJoin,
    HookResult,
    JoinConfiguration,
    Promote,
    RecordCluster,
    RemoveMember,
    Seed,
    SeedCluster,
    Stop,
    TerminateRetained,
    TransferLeadership,
    Transition,
    Wait,
)

THREE = view(Slot(), Slot(), Slot())
JOIN = JoinConfiguration("i-4", "i-4=http://192.0.2.4:2380", "existing", "main")


class Parts:
    """Stand-ins for the four parts that an actor works with; each writes down what it is asked.

    Attributes:
        answers: What a method answers, or raises; of a list, one after the other.
    """

    def __init__(self):
        self.asked = []
        self.answers = {}

    def part(self, *names):
        """A part with these methods."""
        parts = self

        class Part:
            pass

        for name in names:
            setattr(Part, name, _method(parts, name))
        return Part()

    def actor(self, *, joins=True):
        etcd = self

        class Endpoints:
            def at(self, host):
                etcd.asked.append(("at", host))
                return etcd.part("add_learner", "promote", "remove", "transfer_leadership")

        return Actor(
            self.part("complete", "terminate_retained"),
            self.part("create_seed", "mark_created", "record_member", "forget_member"),
            self.part("hand_over", "withdraw") if joins else None,
            Endpoints(),
            POLICY,
        )


def _method(parts, name):
    def method(_self, *arguments):
        parts.asked.append((name, *arguments))
        answer = parts.answers.get(name, True)
        if isinstance(answer, list):
            answer = answer.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return method


@pytest.fixture
def parts():
    return Parts()


def test_a_learner_is_added_through_the_leader_and_its_id_is_recorded(parts):
    parts.answers["add_learner"] = member(4, "unstarted", 0)

    assert parts.actor().act(AddLearner("i-4", address(4)), THREE).result is Result.DONE
    assert parts.asked == [
        ("at", address(1)),
        ("add_learner", "http://192.0.2.4:2380"),
        ("record_member", "i-4", member_id(4)),
    ]


def test_a_learner_whose_addition_is_not_known_is_not_recorded(parts):
    parts.answers["add_learner"] = OutcomeUnknown(None, "no answer")

    assert parts.actor().act(AddLearner("i-4", address(4)), THREE).result is Result.UNKNOWN
    assert [name for name, *_ in parts.asked] == ["at", "add_learner"]


def test_a_member_is_removed_through_another_one(parts):
    parts.actor().act(RemoveMember(member_id(1)), THREE)

    assert parts.asked == [("at", address(2)), ("remove", member_id(1))]


def test_a_voter_that_is_not_well_is_not_asked(parts):
    seen = view(Slot("dead"), Slot("alarmed"), Slot(), Slot(), leader=1)
    parts.actor().act(Promote(member_id(9)), seen)

    assert parts.asked[0] == ("at", address(3))


def test_a_change_that_a_new_leader_refuses_is_put_to_a_voter_that_has_been_there_for_longer(parts):
    parts.answers["remove"] = [Unhealthy(14, "unhealthy cluster"), True]
    outcome = parts.actor().act(RemoveMember(member_id(3)), THREE)

    assert outcome.result is Result.DONE
    assert parts.asked == [
        ("at", address(1)),
        ("remove", member_id(3)),
        ("at", address(2)),
        ("remove", member_id(3)),
    ]


def test_a_change_that_every_voter_refuses_is_not_for_now(parts):
    parts.answers["promote"] = Unhealthy(14, "unhealthy cluster")

    assert parts.actor().act(Promote(member_id(9)), THREE).result is Result.NOT_NOW
    assert [host for name, host in parts.asked if name == "at"] == [address(n) for n in (1, 2, 3)]


def test_a_change_of_which_nothing_was_heard_is_put_to_nobody_else(parts):
    parts.answers["remove"] = OutcomeUnknown(None, "no answer in time")

    assert parts.actor().act(RemoveMember(member_id(3)), THREE).result is Result.UNKNOWN
    assert parts.asked == [("at", address(1)), ("remove", member_id(3))]


def test_the_leadership_is_handed_over_by_the_leader_itself(parts):
    parts.actor().act(TransferLeadership(member_id(1), member_id(3)), THREE)

    assert parts.asked == [("at", address(1)), ("transfer_leadership", member_id(3))]


def test_without_a_voter_to_ask_it_is_an_error(parts):
    seen = with_member(view(Slot()), 1, status=None)

    with pytest.raises(EtcdError, match="no voter answers"):
        parts.actor().act(Promote(member_id(9)), seen)


def test_a_voter_with_an_alarm_is_asked_if_there_is_no_other(parts):
    seen = with_member(view(Slot()), 1, alarmed=True)

    assert parts.actor().act(Promote(member_id(9)), seen).result is Result.DONE
    assert parts.asked == [("at", address(1)), ("promote", member_id(9))]


def test_a_join_configuration_is_handed_over(parts):
    assert parts.actor().act(HandOverJoin("i-4", JOIN), THREE).result is Result.DONE
    assert parts.asked == [("hand_over", "i-4", JOIN)]


def test_a_member_whose_addition_was_interrupted_is_recorded_before_its_instance_joins(parts):
    interrupted = replace(view(Slot(), Slot(), Slot(), Slot(member="unstarted")), recorded={})

    assert parts.actor().act(HandOverJoin("i-4", JOIN), interrupted).result is Result.DONE
    assert parts.asked == [("record_member", "i-4", member_id(4)), ("hand_over", "i-4", JOIN)]


def test_a_member_that_is_recorded_is_not_recorded_again(parts):
    added = replace(view(Slot(member="unstarted")), recorded={"i-1": member_id(1)})

    assert parts.actor().act(HandOverJoin("i-1", JOIN), added).result is Result.DONE
    assert parts.asked == [("hand_over", "i-1", JOIN)]


def test_what_belongs_to_an_instance_goes_before_its_hook(parts):
    action = CompleteHook("i-2", Transition.TERMINATING, HookResult.CONTINUE)

    assert parts.actor().act(action, THREE).result is Result.DONE
    assert parts.asked == [
        ("withdraw", "i-2"),
        ("forget_member", "i-2"),
        ("complete", "i-2", Transition.TERMINATING, HookResult.CONTINUE),
    ]


def test_the_member_of_a_launched_instance_stays_recorded(parts):
    parts.actor().act(CompleteHook("i-2", Transition.LAUNCHING, HookResult.CONTINUE), THREE)

    assert ("forget_member", "i-2") not in parts.asked


def test_a_hook_that_is_gone_is_done_already(parts):
    parts.answers["complete"] = False
    action = CompleteHook("i-2", Transition.TERMINATING, HookResult.CONTINUE)

    assert parts.actor().act(action, THREE).result is Result.ALREADY


def test_a_seed_is_recorded_in_place_of_the_one_that_was_seen(parts):
    assert parts.actor().act(SeedCluster("i-1", Seed("i-9")), THREE).result is Result.DONE
    assert parts.asked == [("create_seed", "i-1", Seed("i-9"))]


def test_a_seed_that_another_run_recorded_first_is_left_to_the_next_look(parts):
    parts.answers["create_seed"] = False

    assert parts.actor().act(SeedCluster("i-1"), THREE).result is Result.NOT_NOW


def test_the_record_of_a_seeded_cluster_is_completed(parts):
    seen = view(Slot(), seed=Seed("i-1"))

    assert parts.actor().act(RecordCluster("i-1", CLUSTER_ID), seen).result is Result.DONE
    assert parts.asked == [("mark_created", "i-1", CLUSTER_ID)]


def test_a_cluster_that_was_there_before_gets_a_record_first(parts):
    seen = view(Slot(), seed=None)

    assert parts.actor().act(RecordCluster("i-1", CLUSTER_ID), seen).result is Result.DONE
    assert parts.asked == [("create_seed", "i-1"), ("mark_created", "i-1", CLUSTER_ID)]


@pytest.mark.parametrize("refusing", ["create_seed", "mark_created"])
def test_a_record_that_changed_in_between_is_left_to_the_next_look(parts, refusing):
    parts.answers[refusing] = False
    outcome = parts.actor().act(RecordCluster("i-1", CLUSTER_ID), view(Slot(), seed=None))

    assert outcome.result is Result.NOT_NOW


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (MemberNotFound, Result.ALREADY),
        (NotALearner, Result.ALREADY),
        (PeerUrlExists, Result.ALREADY),
        (OutcomeUnknown, Result.UNKNOWN),
        (AskedLearner, Result.NOT_NOW),
        (BadTransferee, Result.NOT_NOW),
        (LeaderChanged, Result.NOT_NOW),
        (LearnerNotReady, Result.NOT_NOW),
        (NoQuorum, Result.NOT_NOW),
        (NotEnoughStarted, Result.NOT_NOW),
        (NotLeader, Result.NOT_NOW),
        (RecentlyRemoved, Result.NOT_NOW),
        (TooManyLearners, Result.NOT_NOW),
        (Unhealthy, Result.NOT_NOW),
        (Unreachable, Result.NOT_NOW),
    ],
)
def test_an_answer_of_etcd_is_done_not_now_or_unknown(parts, error, result):
    parts.answers["promote"] = error(14, "as etcd says it", "192.0.2.1:2379")
    outcome = parts.actor().act(Promote(member_id(3)), THREE)

    assert outcome.result is result
    assert "as etcd says it" in outcome.detail


def test_of_an_instance_that_joined_by_its_own_means_nothing_is_withdrawn(parts):
    action = CompleteHook("i-1", Transition.TERMINATING, HookResult.CONTINUE)

    assert parts.actor(joins=False).act(action, THREE) == Outcome(Result.DONE)
    assert parts.asked == [
        ("forget_member", "i-1"),
        ("complete", "i-1", Transition.TERMINATING, HookResult.CONTINUE),
    ]


def test_nothing_is_handed_over_to_one_that_joins_by_its_own_means(parts):
    with pytest.raises(ValueError, match="by their own means"):
        parts.actor(joins=False).act(HandOverJoin("i-1", JOIN), THREE)


@pytest.mark.parametrize("error", [EtcdError, NotAuthorized, TlsProblem, NotEtcd])
def test_what_no_waiting_mends_is_raised(parts, error):
    parts.answers["promote"] = error(16, "no")

    with pytest.raises(error):
        parts.actor().act(Promote(member_id(3)), THREE)


@pytest.mark.parametrize("nothing", [Wait(), Wait(soon=True), Stop()])
def test_to_wait_or_stop_is_nothing_to_carry_out(parts, nothing):
    with pytest.raises(ValueError, match="nothing to carry out"):
        parts.actor().act(nothing, THREE)


def test_an_outcome_tells_its_detail_where_it_has_one():
    assert str(Outcome(Result.DONE)) == "done"
    assert str(Outcome(Result.NOT_NOW, "busy")) == "refused for now: busy"


@pytest.mark.parametrize(("there", "result"), [(True, Result.DONE), (False, Result.ALREADY)])
def test_a_retained_instance_is_terminated_through_the_group(parts, there, result):
    parts.answers["terminate_retained"] = there

    assert parts.actor().act(TerminateRetained("i-4"), THREE).result is result
    assert parts.asked == [("terminate_retained", "i-4")]


def test_both_hooks_are_completed_where_either_may_hold_and_the_member_stays(parts):
    """The state of an instance with a new root volume does not tell which hook holds it."""
    seen = view(Slot(), Slot(), Slot(instance="ReplacingRootVolume:Wait"))
    action = CompleteHook("i-3", Transition.TERMINATING, HookResult.CONTINUE)

    assert parts.actor().act(action, seen).result is Result.DONE
    assert parts.asked == [
        ("complete", "i-3", Transition.TERMINATING, HookResult.CONTINUE),
        ("complete", "i-3", Transition.LAUNCHING, HookResult.CONTINUE),
    ]
