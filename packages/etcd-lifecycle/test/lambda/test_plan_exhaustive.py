"""Every state of up to three members: each decision keeps the rules, and each comes to a good end.

`npx projen test:exhaustive` does the same with up to five.
"""

from collections import Counter
from dataclasses import replace

import pytest
from cluster_graph import (
    ALONE,
    LIVELOCK,
    OWN_JOIN,
    SETTLED,
    Exploration,
    Place,
    decode,
    encode,
    look,
    rescuable,
    starts,
)
from cluster_rules import violations
from cluster_views import POLICY, Slot, view
from cluster_world import World, run
from etcd_lifecycle.guard import guard
from etcd_lifecycle.model import (
    CompleteHook,
    Decision,
    HookResult,
    Instance,
    RemoveMember,
    Seed,
    TransferLeadership,
    Transition,
    Wait,
)
from etcd_lifecycle.situation import Situation


@pytest.mark.parametrize("launches", [True, False])
@pytest.mark.parametrize(
    ("members", "desired", "rare"),
    [(1, 1, True), (1, 3, True), (2, 0, True), (2, 2, True), (2, 3, False), (3, 3, False)],
)
def test_every_state_keeps_the_rules_and_is_saved_if_a_person_could_save_it(
    members, desired, rare, launches
):
    exploration = Exploration(desired, launches)
    for state in starts(members, rare=rare, alone=ALONE if members < 3 else ALONE[:2]):
        exploration.follow(state)

    assert exploration.wrong == []
    ends = Counter(exploration.ends.values())
    assert ends[LIVELOCK] == 0
    assert sum(ends.values()) > 100
    assert exploration.late > 0 or members == 1
    if launches and desired:
        assert ends[SETTLED] > 50


@pytest.mark.parametrize(("launches", "tooling"), [(True, True), (False, True), (True, False)])
@pytest.mark.parametrize(
    ("members", "desired", "rare"), [(1, 3, True), (2, 1, True), (2, 3, False)]
)
def test_so_does_every_state_of_a_cluster_whose_instances_join_by_their_own_means(
    members, desired, rare, launches, tooling
):
    exploration = Exploration(desired, launches, OWN_JOIN, tooling)
    for state in starts(members, rare=rare):
        exploration.follow(state)

    assert exploration.wrong == []
    kinds = exploration.actions.keys()
    assert "CompleteHook" in kinds
    assert "RemoveMember" in kinds or members == 1
    assert kinds.isdisjoint({"SeedCluster", "HandOverJoin", "AddLearner", "Promote"})
    ends = Counter(exploration.ends.values())
    if tooling:
        assert ends[LIVELOCK] == 0
        assert ends[SETTLED] > 50 or not launches


def test_members_are_interchangeable():
    places = [Place("healthy", "InService", leads=True), Place("dead", "Terminating:Wait")]

    assert encode(places) == encode(reversed(places))
    assert decode(encode(places)) in (places, places[::-1])


def complaints(desired, *places):
    """What is wrong with what becomes of these places."""
    exploration = Exploration(desired)
    exploration.follow(encode(places))
    return "\n".join(exploration.wrong)


def test_the_exploration_finds_a_planner_that_gives_up_a_state_that_could_be_saved(monkeypatch):
    """As the planner once did: a dead member was kept since a healthy one was held."""
    places = [
        Place("healthy", "InService", leads=True),
        Place("healthy", "Terminating:Wait"),
        Place("dead", "Terminating:Wait"),
        Place(None, "Pending:Wait"),
    ]
    assert rescuable(places)

    def strict(voters, victim, leaving, **_):
        return guard(voters, victim, {one.id: one for one in going(voters)}.values())

    def going(voters):
        return [one for one in voters if one.name in {"i-2", "i-3", "i-4"} and one.healthy]

    honest = Exploration(3)
    honest.follow(encode(places))
    assert honest.wrong == []

    monkeypatch.setattr("etcd_lifecycle.plan.guard", strict)
    mistaken = Exploration(3)
    mistaken.follow(encode(places))
    assert mistaken.wrong != []


def test_the_exploration_finds_a_planner_that_leaves_the_guard_to_etcd(monkeypatch):
    """What etcd refuses while a member is dead it does while one hangs."""

    def hopeful(voters, victim, leaving, **options):
        return replace(guard(voters, victim, leaving, **options), allowed=True)

    def explored(kind):
        return complaints(
            2,
            Place("healthy", "InService", leads=True),
            Place("healthy", "Terminating:Wait"),
            Place(kind, "InService"),
        )

    assert explored("hung") == ""
    monkeypatch.setattr("etcd_lifecycle.plan.guard", hopeful)
    assert "the action costs the quorum" not in explored("dead")
    assert "the action costs the quorum" in explored("hung")


def test_the_exploration_finds_a_planner_that_forgets_a_removal_that_may_still_come(monkeypatch):
    """One that hangs may hold the request, and etcd counts on it: nothing but the guard is careful."""
    start = [
        Place("healthy", "InService"),
        Place("healthy", "Terminating:Wait", leads=True),
        Place("healthy", "Terminating:Wait"),
        Place("hung", "InService"),
    ]

    assert complaints(1, *start) == ""
    monkeypatch.setattr("cluster_graph.look", lambda *seen: replace(look(*seen), removing=()))
    assert "a removal that comes late costs the quorum" in complaints(1, *start)


def test_the_exploration_finds_a_planner_that_hands_over_to_whoever_is_there(monkeypatch):
    places = [
        Place("healthy", "Terminating:Wait", leads=True),
        Place("behind", "InService"),
        Place("behind", "InService"),
    ]

    def explored():
        exploration = Exploration(2)
        exploration.follow(encode(places))
        return exploration

    patient = explored()
    assert patient.wrong == []
    assert patient.ends[encode(places)] == SETTLED
    monkeypatch.setattr(Situation, "may_lead_on", lambda *_: False)
    assert "far behind, while there is time" in "\n".join(explored().wrong)


def test_a_group_without_a_cluster_grows_into_one_of_three():
    world = World(
        desired=3,
        instances={f"i-{n}": Instance(f"i-{n}", "Pending:Wait", f"192.0.2.{n}") for n in (1, 2, 3)},
    )

    end = run(world)

    assert end.reason.startswith("settled")
    assert [one.learner for one in world.members.values()] == [False, False, False]
    assert {one.state for one in world.instances.values()} == {"InService"}
    assert world.seed == Seed("i-1", world.look().cluster_id)


def test_a_first_member_that_vanishes_before_the_cluster_lives_is_followed_by_another():
    world = World(
        desired=1,
        instances={"i-2": Instance("i-2", "Pending:Wait", "192.0.2.2")},
        seed=Seed("i-1"),
    )

    assert run(world).reason.startswith("settled")
    assert world.seed is not None
    assert world.seed.instance_id == "i-2"


@pytest.mark.parametrize(("start", "end"), [(3, 1), (5, 3), (5, 1), (4, 2)])
def test_a_scale_in_goes_member_by_member_with_a_majority_alive(start, end):
    leaving = start - end
    world = World.of(
        view(
            *[Slot(instance="Terminating:Wait")] * leaving,
            *[Slot()] * end,
            desired=end,
        )
    )

    assert run(world).reason.startswith("settled")
    assert len(world.voters) == end
    assert len(world.instances) == end
    changes = [kind for kind in world.done if kind != "CompleteHook"]
    assert changes == [*["RemoveMember"] * (leaving - 1), "TransferLeadership", "RemoveMember"]


@pytest.mark.parametrize("leader", [1, 2, 3])
def test_all_three_instances_that_go_at_once_are_replaced_one_by_one(leader):
    world = World.of(view(*[Slot(instance="Terminating:Wait")] * 3, desired=3, leader=leader))

    assert run(world).reason.startswith("settled")
    assert {one.name for one in world.voters}.isdisjoint({"i-1", "i-2", "i-3"})
    assert len(world.voters) == 3
    removed = [one.action for one in world.steps if isinstance(one.action, RemoveMember)]
    assert removed[-1] == RemoveMember(100 + leader)
    assert world.done.count("TransferLeadership") == 1


def test_a_cluster_that_is_scaled_to_zero_ends_with_its_leader_and_is_not_seeded_again():
    world = World.of(view(*[Slot(instance="Terminating:Wait")] * 3, desired=0, leader=2))

    run(world)
    assert world.instances == {}
    assert [one.id for one in world.members.values()] == [102]

    world.desired = 3
    end = run(world)
    assert end.action == Wait()
    assert "no quorum" in end.reason


def test_a_member_that_vanished_is_removed_before_its_replacement_joins():
    # etcd takes no new member as long as one is not connected.
    world = World.of(view(Slot(), Slot(), Slot("dead", "gone"), desired=3))

    assert run(world).reason.startswith("settled")
    assert world.done == [
        "RemoveMember",
        "AddLearner",
        "HandOverJoin",
        "Promote",
        "CompleteHook",
    ]


DONE_BADLY = [
    (
        "no healthy majority",
        view(Slot(instance="Terminating:Wait"), Slot("dead"), Slot(), leader=3),
        RemoveMember(101),
    ),
    (
        "not moved first",
        view(Slot(instance="Terminating:Wait"), Slot(), Slot()),
        RemoveMember(101),
    ),
    (
        "healthy voter that stays",
        view(Slot(instance="Terminating:Wait"), Slot(instance="Terminating"), Slot()),
        TransferLeadership(101, 102),
    ),
    (
        "go with its member",
        view(Slot(), Slot(instance="Terminating:Wait"), Slot()),
        CompleteHook("i-2", Transition.TERMINATING, HookResult.CONTINUE),
    ),
    ("settled, and yet a hook", view(Slot(), Slot(None, "Pending:Wait")), Wait()),
]


@pytest.mark.parametrize(("complaint", "seen", "action"), DONE_BADLY)
def test_the_rules_of_this_test_find_a_bad_decision(complaint, seen, action):
    broken = violations(seen, Decision(action, "settled", "1"), POLICY)

    assert any(complaint in one for one in broken), broken
