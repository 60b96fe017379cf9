"""Every view of up to three members: each decision keeps the rules, and every run has an end."""

import pytest
from cluster_rules import violations
from cluster_states import WITHOUT_MEMBER, views
from cluster_views import NOW, POLICY, Slot, view
from cluster_world import World, needs_nobody, run
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
from etcd_lifecycle.plan import plan

LONG = 1_000_000.0
BOTH_KINDS = ((), ("Pending:Wait", "Terminating:Wait"))


@pytest.mark.parametrize(
    ("members", "desired", "extras"),
    [
        (1, range(4), WITHOUT_MEMBER),
        (2, (0, 2, 3), WITHOUT_MEMBER),
        (3, (2, 3), BOTH_KINDS),
    ],
)
def test_each_decision_on_each_view_keeps_every_rule(members, desired, extras):
    looked = 0
    for seen in views(members, desired=desired, extras=extras, waits=(0, LONG)):
        decision = plan(seen, POLICY, NOW)
        broken = violations(seen, decision, POLICY)
        assert not broken, f"{broken}\n{decision}\n{seen}"
        looked += 1
    assert looked > 100


@pytest.mark.parametrize(("members", "desired"), [(1, (0, 1, 3)), (2, (0, 1, 3)), (3, (3,))])
def test_each_run_settles_unless_it_takes_a_person(members, desired):
    settled = 0
    for seen in views(members, desired=desired, extras=((),), waits=(0,)):
        if seen.leader is None:
            continue
        world = World.of(seen)
        end = run(world)
        if needs_nobody(world):
            assert end.reason.startswith("settled"), f"{end}\nfrom {seen}\n{world.story()}"
            assert len(world.voters) == world.desired, f"{seen}\n{world.story()}"
            settled += 1
    assert settled > 0


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
