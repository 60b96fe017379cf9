"""Whatever order events come in, and whatever AWS does meanwhile: it ends well, and nothing is lost.

Events are only hints, so that a schedule is when runs are made: often, seldom, twice at once, long
after what they are about. AWS is throttled, down for minutes, or answers what was true before.
"""

from dataclasses import dataclass, replace

import pytest
from cluster_services import NO_FAULTS, Faults, Services
from cluster_views import Slot, view
from cluster_world import World
from etcd_lifecycle.model import NoticeKind
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

MINUTE = 60.0
PATIENCE = 300
"""Minutes until everything has come to its end once nothing goes wrong any more."""


@dataclass(frozen=True)
class Step:
    """What happens, what goes wrong, and when runs are made.

    Attributes:
        happens: What happens to which instance: see `happen`.
        faults: What goes wrong during the runs of this step.
        runs: How many runs are made, one after the other.
        minutes: How long nobody looks then.
        skew: By how much the clock of the runs is wrong, in seconds.
    """

    happens: tuple[str, int] | None = None
    faults: Faults = NO_FAULTS
    runs: int = 1
    minutes: int = 1
    skew: float = 0.0


FAULTS = st.builds(
    Faults,
    down=st.booleans(),
    beats_fail=st.booleans(),
    stale=st.booleans(),
    overlap=st.booleans(),
    outcome=st.sampled_from(["done", "refused", "lost", "unanswered", "late"]),
)
STEPS = st.builds(
    Step,
    happens=st.none()
    | st.tuples(
        st.sampled_from(["terminate", "crash", "vanish", "interrupt", "grow", "shrink"]),
        st.integers(0, 4),
    ),
    faults=st.just(NO_FAULTS) | FAULTS,
    runs=st.integers(0, 3),
    minutes=st.integers(0, 12),
    skew=st.sampled_from([0.0, 0.0, -120.0, 45.0]),
)


def happen(world: World, what: str, number: int) -> dict[str, NoticeKind]:
    """Let something happen to an instance in service, unless it is more than a cluster survives.

    Returns:
        What EC2 says.
    """
    serving = sorted(one.id for one in world.instances.values() if one.state == "InService")
    if what == "grow":
        world.desired = min(world.desired + 1, 5)
    elif what == "shrink":
        world.desired = max(world.desired - 1, 1)
    if not serving or what in {"grow", "shrink"}:
        return {}
    chosen = serving[number % len(serving)]
    one = world.instances[chosen]
    answering = sum(each.status is not None for each in world.voters)
    staying = sum(
        each.status is not None and any(each.host == world.instances[i].address for i in serving)
        for each in world.voters
    )
    if what == "terminate":
        world.instances[chosen] = replace(one, state="Terminating:Wait")
    elif min(answering, staying) - 1 <= len(world.voters) // 2:
        return {}
    elif what == "crash":
        world.kill(chosen)
        world.instances[chosen] = replace(one, state="Terminating:Wait")
    else:
        # EC2 takes the instance before the next run, or after it if it says so before.
        world.instances[chosen] = replace(one, state="Terminating:Proceed")
        return {chosen: NoticeKind.INTERRUPTION} if what == "interrupt" else {}
    return {}


def play(size: int, steps: list[Step]) -> Services:
    world = World.of(view(*[Slot()] * size, desired=size), launches=10_000)
    services = Services(world)
    for step in steps:
        notices = happen(world, *step.happens) if step.happens else {}
        services.faults, services.skew = step.faults, step.skew
        for _ in range(step.runs):
            services.run(notices)
        for _ in range(step.minutes):
            services.pass_time(MINUTE)
    services.faults, services.skew = NO_FAULTS, 0.0
    for _ in range(PATIENCE):
        services.run()
        services.pass_time(MINUTE)
    return services


def is_settled(world: World) -> bool:
    return (
        len(world.voters) == len(world.members) == world.desired
        and all(one.healthy or one.status for one in world.voters)
        and {one.state for one in world.instances.values()} == {"InService"}
        and len(world.instances) == world.desired
    )


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
@given(size=st.sampled_from([1, 3, 5]), steps=st.lists(STEPS, min_size=1, max_size=8))
@example(size=3, steps=[Step(("terminate", n), runs=0) for n in range(3)])
@example(
    size=3,
    steps=[
        Step(("crash", 0), Faults(outcome="late"), runs=2),
        Step(("terminate", 0), Faults(stale=True), runs=3, minutes=0),
    ],
)
def test_every_schedule_ends_with_the_cluster_that_is_wanted(size, steps):
    services = play(size, steps)

    assert services.broken == []
    assert is_settled(services.world), services.world


@pytest.mark.parametrize("faults", [Faults(down=True), Faults(beats_fail=True)])
def test_an_outage_of_some_minutes_costs_no_hook(faults):
    steps = [Step(("terminate", 0))] + [Step(faults=faults)] * 30

    services = play(3, steps)
    assert services.broken == []
    assert is_settled(services.world)


@pytest.mark.parametrize("happens", ["terminate", "crash", "vanish", "shrink", "grow"])
@pytest.mark.parametrize("size", [3, 4])
def test_two_runs_that_both_hold_the_lease_do_no_harm(size, happens):
    steps = [Step((happens, 0), runs=0, minutes=6)] + [Step(faults=Faults(overlap=True))] * 20

    services = play(size, steps)
    assert services.overlaps > 0
    assert services.broken == []
    assert is_settled(services.world)


def test_this_test_sees_a_hook_that_ends_without_a_heartbeat():
    services = play(3, [Step(("terminate", 0), runs=0, minutes=62)])

    assert any("ended without a heartbeat" in one for one in services.broken)


def test_events_that_are_lost_late_or_doubled_change_nothing_but_the_time():
    def happens(runs, minutes):
        return play(3, [Step(("terminate", 0), runs=runs, minutes=minutes)]).world

    voters = [happens(*one).voters for one in [(1, 1), (0, 12), (3, 0), (3, 12)]]
    assert all({one.name for one in each} == {one.name for one in voters[0]} for each in voters)
