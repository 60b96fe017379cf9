"""Where the instances' own tooling joins their members, only removal is the function's."""

from dataclasses import replace

import pytest
from cluster_graph import OWN_JOIN
from cluster_rules import violations
from cluster_views import (
    GONE,
    NOW,
    Slot,
    address,
    instance,
    instance_id,
    member_id,
    view,
    with_instance,
    with_member,
)
from etcd_lifecycle.identity import identify
from etcd_lifecycle.model import (
    AddLearner,
    ClusterView,
    CompleteHook,
    Decision,
    HookResult,
    Join,
    RecordCluster,
    RemoveMember,
    SnapshotPolicy,
    Stop,
    TakeSnapshot,
    TransferLeadership,
    Transition,
    Wait,
)
from etcd_lifecycle.plan import plan

LATE = OWN_JOIN.launch_deadline + 1
ABANDON = CompleteHook("i-4", Transition.LAUNCHING, HookResult.ABANDON)


def nodes(*slots, **changes):
    """A view of members that are named as kubeadm names them, and have answered where they are."""
    made = view(*slots, **changes)
    for number, slot in enumerate(slots, start=1):
        if slot.member and slot.member != "unstarted":
            made = with_member(made, number, name=f"ip-192-0-2-{number}.internal")
    seen = {
        instance_id(number): member_id(number)
        for number, slot in enumerate(slots, start=1)
        if slot.instance != GONE and slot.member not in {None, "unstarted"}
    }
    return replace(made, recorded=changes.get("recorded", seen))


def decide(seen, policy=OWN_JOIN):
    decision = plan(seen, policy, NOW)
    assert violations(seen, decision, policy) == []
    return decision


# Launches


def test_an_instance_that_has_not_joined_yet_is_left_to_its_tooling():
    decision = decide(nodes(Slot(), Slot(), Slot(), Slot(None, "Pending:Wait")))

    assert decision.action == Wait()
    assert decision.reason == "i-4 is to join by its own means"


def test_what_hinders_it_is_named():
    seen = nodes(Slot(), Slot(), Slot("dead"), Slot(None, "Pending:Wait"))

    assert "for which ip-192-0-2-3.internal must be well, or gone" in decide(seen).reason


@pytest.mark.parametrize("kind", ["unstarted", "lagging", "synced", "silent"])
def test_a_learner_is_waited_for_and_neither_promoted_nor_told_anything(kind):
    decision = decide(nodes(Slot(), Slot(), Slot(), Slot(kind, "Pending:Wait")))

    assert decision.action == Wait(soon=kind in {"lagging", "synced"})
    assert "of i-4 is to be promoted there" in decision.reason


def test_the_launch_goes_on_when_the_member_votes_and_reads():
    seen = nodes(Slot(), Slot(), Slot(), Slot("healthy", "Pending:Wait", reads=True))

    assert decide(seen).action == CompleteHook("i-4", Transition.LAUNCHING, HookResult.CONTINUE)


def test_a_launch_that_comes_to_nothing_while_a_whole_line_could_join_is_abandoned():
    line = OWN_JOIN.launch_deadline * 5
    for waited, action in ((line, Wait()), (line + 1, ABANDON)):
        seen = nodes(Slot(), Slot(), Slot(), Slot(None, "Pending:Wait", waited=waited))
        assert decide(seen).action == action


def test_a_learner_of_such_a_launch_goes_first_so_that_nobody_promotes_it_meanwhile():
    seen = nodes(Slot(), Slot(), Slot(), Slot("synced", "Pending:Wait", waited=LATE))

    assert decide(seen).action == RemoveMember(104)


def test_a_learner_of_an_instance_in_service_is_never_removed():
    old = {"i-3": NOW, str(member_id(3)): NOW - 100 * LATE}
    seen = replace(nodes(Slot(), Slot(), Slot("silent")), first_seen=old)
    decision = decide(seen)

    assert decision.action == Wait()
    assert "terminate the instance, or remove the learner by 'override'" in decision.reason


def test_a_learner_that_takes_too_long_does_not_keep_a_dead_voter_in():
    waits = {"i-4": NOW, "i-3": NOW, str(member_id(4)): NOW}
    seen = nodes(Slot(), Slot(), Slot("dead", "Terminating:Wait"), Slot("silent"), desired=3)

    assert isinstance(decide(replace(seen, first_seen=waits)).action, Wait)
    waits[str(member_id(4))] = NOW - LATE
    assert decide(replace(seen, first_seen=waits)).action == RemoveMember(103)


@pytest.mark.parametrize(("waited", "action"), [(0, Wait()), (LATE, Stop())])
def test_without_a_launch_hook_an_instance_joins_while_it_is_in_service(waited, action):
    seen = nodes(Slot(), Slot(), Slot(), Slot(None, waited=waited))

    assert decide(seen).action == action


# Departures


def test_a_healthy_member_waits_for_its_replacement_to_be_promoted():
    seen = nodes(Slot(), Slot(), Slot(instance="Terminating:Wait"), desired=3)

    assert "waits for its replacement to be promoted" in decide(seen).reason


def test_the_leader_hands_over_and_is_removed_once_there_are_enough():
    seen = nodes(*[Slot()] * 3, Slot(instance="Terminating:Wait"), desired=3, leader=4)

    assert isinstance(decide(seen).action, TransferLeadership)
    follows = nodes(*[Slot()] * 3, Slot(instance="Terminating:Wait"), desired=3)
    assert decide(follows).action == RemoveMember(104)


def test_a_snapshot_comes_first_here_too():
    policy = replace(OWN_JOIN, snapshots=SnapshotPolicy())
    seen = nodes(*[Slot()] * 3, Slot(instance="Terminating:Wait"), desired=3)

    assert isinstance(decide(seen, policy).action, TakeSnapshot)


@pytest.mark.parametrize("kind", ["unstarted", "synced", "silent"])
def test_a_learner_leaves_with_its_instance(kind):
    seen = nodes(*[Slot()] * 3, Slot(kind, "Terminating:Wait"), desired=3)

    assert decide(seen).action == RemoveMember(104)


def test_the_guard_is_the_same():
    seen = nodes(
        Slot(),
        Slot("dead"),
        Slot(instance="Terminating:Wait", waited=OWN_JOIN.replacement_deadline + 1),
        desired=3,
    )
    decision = decide(seen)

    assert decision.action == Wait()
    assert "cannot be removed safely" in decision.reason


@pytest.mark.parametrize(("waited", "goes"), [(0, False), (OWN_JOIN.stale_grace + 1, True)])
@pytest.mark.parametrize("kind", ["unstarted", "silent", "dead"])
def test_what_an_instance_left_behind_that_is_gone_is_removed_after_a_while(kind, waited, goes):
    seen = nodes(*[Slot()] * 3, Slot(kind, GONE, waited=waited), desired=3)

    assert isinstance(decide(seen).action, RemoveMember) == goes


# The beginning


def unborn(*states, **changes):
    return ClusterView(
        "main",
        len(states),
        tuple(instance(number, state) for number, state in enumerate(states, start=1)),
        **changes,
    )


def test_no_cluster_is_seeded():
    decision = decide(unborn("Pending:Wait", "Pending:Wait"))

    assert decision.action == Wait()
    assert "i-1, i-2 is to start the cluster by its own means" in decision.reason


def test_an_instance_that_does_not_start_it_in_time_is_replaced():
    decision = decide(unborn("Pending:Wait", first_seen={"i-1": NOW - LATE}))

    assert decision.action == CompleteHook("i-1", Transition.LAUNCHING, HookResult.ABANDON)


def test_the_cluster_that_answers_is_recorded():
    seen = replace(nodes(Slot(instance="Pending:Wait")), seed=None)

    assert decide(seen).action == RecordCluster("i-1", 0xC1)


def test_two_clusters_at_the_beginning_are_a_matter_for_a_person():
    decision = decide(unborn("Pending:Wait", "Pending:Wait", foreign=(address(1), address(2))))

    assert decision.action == Stop()
    assert decision.reason == (
        "192.0.2.1, 192.0.2.2 do not belong to one cluster, and none is recorded yet"
    )


def test_instances_in_service_that_nobody_answers_for_are_not_let_go():
    assert decide(unborn("InService", "Terminating:Wait")).action == Stop()


# Which member is whose

THREE = nodes(Slot(), Slot(), Slot())


def numbers(seen):
    found = identify(seen, Join.INSTANCE)
    return {
        int(key.removeprefix("i-")): one.id - member_id(0) for key, one in found.members.items()
    }


def contradictions(seen):
    return identify(seen, Join.INSTANCE).contradictions


def test_a_member_belongs_to_the_instance_at_whose_address_it_answers_whatever_its_name():
    assert numbers(replace(THREE, recorded={})) == {1: 1, 2: 2, 3: 3}
    assert contradictions(replace(THREE, recorded={})) == ()


def test_a_dead_member_belongs_to_the_instance_where_it_has_answered():
    seen = with_member(THREE, 2, status=None)

    assert numbers(seen) == {1: 1, 2: 2, 3: 3}
    # Also if its peer URL holds a name, or EC2 tells no address (any more).
    assert numbers(with_member(seen, 2, host="node-2.internal")) == {1: 1, 2: 2, 3: 3}
    assert numbers(with_instance(seen, 2, address=None)) == {1: 1, 2: 2, 3: 3}


@pytest.mark.parametrize("kind", ["unstarted", "dead"])
def test_one_that_has_never_answered_belongs_to_the_instance_that_has_its_address(kind):
    assert numbers(nodes(Slot(), Slot(kind), Slot(), recorded={})) == {1: 1, 2: 2, 3: 3}


def test_a_dead_member_of_an_instance_that_is_gone_does_not_go_over_to_the_next_at_its_address():
    seen = nodes(Slot(), Slot(), Slot("dead", GONE), Slot(None, "Pending:Wait"))
    seen = with_instance(seen, 4, address=address(3))
    seen = replace(seen, recorded={**seen.recorded, "i-3": member_id(3)})

    assert numbers(seen) == {1: 1, 2: 2}
    assert [one.id for one in identify(seen, Join.INSTANCE).orphans] == [member_id(3)]


def test_a_member_that_answers_where_its_disk_was_moved_to_belongs_there():
    seen = nodes(Slot(), Slot(), Slot(), recorded={"i-9": member_id(3)})

    assert numbers(seen) == {1: 1, 2: 2, 3: 3}
    assert contradictions(seen) == ()


def test_a_member_that_was_on_one_instance_and_is_at_the_address_of_another_is_a_contradiction():
    seen = replace(THREE, recorded={"i-1": member_id(2)})

    assert contradictions(seen) == (
        "member ip-192-0-2-2.internal was that of i-1, but is at 192.0.2.2, the address of i-2",
    )
    assert decide(seen).action == Stop()


def test_two_members_of_one_instance_are_a_contradiction():
    seen = with_member(with_member(THREE, 3, host=address(2)), 2, status=None)
    seen = replace(seen, recorded={"i-1": member_id(1), "i-2": member_id(2)})

    assert contradictions(seen) == (
        "i-2 has the members ip-192-0-2-2.internal and ip-192-0-2-3.internal, but runs one only",
    )


# The rules of these tests


DONE_BADLY = [
    ("tooling does", nodes(Slot(), Slot(None, "Pending:Wait")), AddLearner("i-2", address(2))),
    ("may be about to promote", nodes(Slot(), Slot("synced")), RemoveMember(102)),
    (
        "while a learner is on its way in",
        nodes(*[Slot()] * 3, Slot(instance="Terminating:Wait"), Slot("synced"), desired=3),
        RemoveMember(104),
    ),
]


@pytest.mark.parametrize(("complaint", "seen", "action"), DONE_BADLY)
def test_the_rules_of_this_test_find_a_bad_decision(complaint, seen, action):
    broken = violations(seen, Decision(action, "so", "1"), OWN_JOIN)

    assert any(complaint in one for one in broken), broken
