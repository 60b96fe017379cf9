"""One circuit for many processes: each breaker below stands for an environment of its own.

Plain functions, so that every interpreter can run them without pytest.
"""

from __future__ import annotations

import copy
import json
import random

from python_retry import CircuitBreaker, CircuitOpenError, retry_call
from retry_support import Script, World, logs, raises
from stored_state import opened_at, phase_of, tickets_of


class MemoryStore:
    """Does what a store must do, counts the calls, and fails when told to."""

    def __init__(self):
        self.items = {}
        self.reads = 0
        self.writes = 0
        self.down = False
        self.lost_answer = False

    def read(self, name):
        self.reads += 1
        if self.down:
            raise TimeoutError("the store is down")
        return copy.deepcopy(self.items.get(name))

    def swap(self, name, version, state):
        self.writes += 1
        if self.down:
            raise TimeoutError("the store is down")
        there = self.items.get(name)
        if (there[0] if there else 0) != version:
            return copy.deepcopy(there) if there else (0, {})
        self.items[name] = (version + 1, json.loads(json.dumps(state)))
        if self.lost_answer:
            raise TimeoutError("the answer was lost")
        return None


class Fleet:
    """Environments that share a store and the time."""

    def __init__(self, environments=2, threshold=2, store=None, **options):
        self.world = World()
        self.store = MemoryStore() if store is None else store
        self.options = options
        self.threshold = threshold
        self.breakers = [self.start() for _ in range(environments)]

    def start(self, **options):
        return CircuitBreaker(
            self.threshold,
            60,
            **{
                "name": "inventory",
                "store": self.store,
                "store_ttl": 5,
                **self.world.clocks,
                **self.options,
                **options,
            },
        )

    def trip(self, which=0):
        for _ in range(self.threshold):
            self.breakers[which].acquire().failure()

    @property
    def stored(self):
        return phase_of(self.store.items["inventory"][1])


def test_healthy_calls_cost_no_write_and_reads_are_cached():
    fleet = Fleet(1)
    for _ in range(100):
        assert (
            retry_call(Script("ok"), circuit_breaker=fleet.breakers[0], **fleet.world.options)
            == "ok"
        )
    assert (fleet.store.reads, fleet.store.writes) == (1, 0)
    fleet.world.advance(6)
    fleet.breakers[0].acquire().success()
    assert (fleet.store.reads, fleet.store.writes) == (2, 0)
    fleet.breakers[0].acquire().failure()
    fleet.breakers[0].acquire().success()
    assert fleet.store.writes == 0


def test_reads_are_jittered_by_a_fifth():
    for draw, seconds in ((0.0, 4), (0.999, 5.9)):
        fleet = Fleet(1)
        fleet.world.draw = draw
        fleet.breakers[0].acquire()
        fleet.world.advance(seconds - 0.1)
        fleet.breakers[0].acquire()
        assert fleet.store.reads == 1
        fleet.world.advance(0.2)
        fleet.breakers[0].acquire()
        assert fleet.store.reads == 2


def test_a_trip_reaches_the_others_and_new_environments():
    fleet = Fleet(2)
    fleet.breakers[1].acquire()
    fleet.trip()
    assert (fleet.breakers[0].state, fleet.stored, fleet.store.writes) == ("OPEN", "OPEN", 1)
    fleet.world.advance(5)
    assert not fleet.breakers[1].acquire()
    assert fleet.breakers[1].retry_after == 55.0
    with raises(CircuitOpenError):
        retry_call(Script("ok"), circuit_breaker=fleet.start(), **fleet.world.options)


def test_one_probe_for_the_whole_fleet():
    fleet = Fleet(5)
    fleet.trip()
    fleet.world.advance(60)
    permits = [breaker.acquire() for breaker in fleet.breakers]
    assert [bool(permit) for permit in permits].count(True) == 1
    winner = next(permit for permit in permits if permit)
    winner.success()
    assert fleet.stored == "CLOSED"
    fleet.world.advance(6)
    assert all(breaker.acquire() for breaker in fleet.breakers)


def test_copies_of_a_process_name_their_probes_apart():
    fleet = Fleet(1)
    fleet.trip()
    fleet.world.advance(60)
    tickets = []
    for _ in range(2):
        random.seed(7)  # as two environments that were restored from one snapshot
        probe = fleet.breakers[0].acquire()
        tickets += tickets_of(fleet.store.items["inventory"][1])
        probe.ignore()
    assert len(set(tickets)) == 2


def test_losing_the_race_for_the_probe_adopts_the_winners_view_at_once():
    fleet = Fleet(2, store_ttl=10_000)
    fleet.trip()
    for breaker in fleet.breakers:
        breaker.acquire()
    fleet.world.advance(60)
    assert fleet.breakers[1].acquire()
    refused = fleet.breakers[0].acquire()
    assert not refused
    assert fleet.breakers[0].state == "HALF_OPEN"
    assert refused.retry_after == 60.0


def test_a_zombie_can_neither_close_nor_extend():
    for outcome in ("success", "failure", "ignore"):
        fleet = Fleet(2, lease=10)
        fleet.trip()
        fleet.world.advance(60)
        zombie = fleet.breakers[0].acquire()
        assert zombie
        fleet.world.advance(10)
        successor = fleet.breakers[1].acquire()
        assert successor
        before = copy.deepcopy(fleet.store.items)
        getattr(zombie, outcome)()
        assert fleet.store.items == before
        successor.failure()
        before = copy.deepcopy(fleet.store.items)
        getattr(fleet.breakers[0].acquire(), outcome)()
        assert fleet.store.items == before


def test_a_late_failure_does_not_move_the_opening_time():
    fleet = Fleet(2, threshold=1)
    late = fleet.breakers[1].acquire()
    fleet.trip(0)
    opened = opened_at(fleet.store.items["inventory"][1])
    fleet.world.advance(30)
    late.failure()
    assert opened_at(fleet.store.items["inventory"][1]) == opened
    assert fleet.breakers[1].retry_after == 30.0


def test_successes_are_counted_in_the_store_and_start_anew_with_a_lease():
    fleet = Fleet(2, success_threshold=3, lease=10, store_ttl=0)
    fleet.trip()
    fleet.world.advance(60)
    for _ in range(2):
        fleet.breakers[0].acquire().success()
    dead = fleet.breakers[0].acquire()
    assert dead
    fleet.world.advance(10)
    fleet.breakers[1].acquire().success()
    assert fleet.stored == "HALF_OPEN"
    fleet.breakers[0].acquire().success()
    fleet.breakers[1].acquire().success()
    assert fleet.stored == "CLOSED"


def test_while_the_store_is_down_a_trip_protects_locally_and_is_published_later():
    fleet = Fleet(2, store_ttl=1)
    fleet.breakers[0].acquire()
    fleet.store.down = True
    with logs() as lines:
        fleet.trip()
        operation = Script(OSError)
        for _ in range(50):
            with raises(CircuitOpenError):
                retry_call(operation, circuit_breaker=fleet.breakers[0], **fleet.world.options)
    assert operation.calls == 0
    assert sum("the store failed" in text for _, text in lines) == 1
    fleet.store.down = False
    fleet.world.advance(2)
    assert not fleet.breakers[0].acquire()
    assert fleet.stored == "OPEN"
    fleet.world.advance(1)
    assert not fleet.breakers[1].acquire()
    assert fleet.breakers[1].retry_after == 57.0


def lose_the_answer_to_a_trip(**options):
    fleet = Fleet(2, threshold=1, store_ttl=1, **options)
    fleet.store.lost_answer = True
    fleet.trip(0)
    fleet.store.lost_answer = False
    assert fleet.stored == "OPEN"
    return fleet


def test_a_trip_whose_answer_was_lost_does_not_open_the_circuit_again_once_it_has_closed():
    fleet = lose_the_answer_to_a_trip()
    fleet.world.advance(60)
    fleet.breakers[1].acquire().success()
    before = copy.deepcopy(fleet.store.items)
    assert phase_of(before["inventory"][1]) == "CLOSED"
    assert fleet.breakers[0].acquire()
    assert fleet.store.items == before
    assert fleet.breakers[0].state == "CLOSED"


def test_a_trip_whose_answer_was_lost_does_not_undo_the_reset_of_an_operator():
    fleet = lose_the_answer_to_a_trip()
    fleet.world.advance(10)
    fleet.breakers[1].reset()
    before = copy.deepcopy(fleet.store.items)
    assert fleet.breakers[0].acquire()
    assert fleet.store.items == before


def test_a_trip_that_is_over_when_the_store_answers_again_is_not_written():
    fleet = Fleet(2, threshold=1, store_ttl=1)
    fleet.breakers[0].acquire()
    fleet.store.down = True
    fleet.trip(0)
    fleet.store.down = False
    fleet.world.advance(60)
    assert fleet.breakers[0].acquire()
    assert fleet.breakers[0].state == "CLOSED"
    assert fleet.store.items == {}


def test_a_probe_that_outlives_its_half_open_circuit_keeps_its_place_in_the_fleet():
    fleet = Fleet(3, threshold=1, half_open_max_calls=2, lease=100, store_ttl=0)
    fleet.trip(0)
    fleet.world.advance(60)
    one, other = (breaker.acquire() for breaker in fleet.breakers[:2])
    assert all((one, other))
    one.failure()
    fleet.world.advance(60)
    assert [bool(breaker.acquire()) for breaker in fleet.breakers] == [True, False, False]
    other.success()  # of an older half-open circuit: dropped
    assert fleet.stored == "HALF_OPEN"
    assert fleet.breakers[1].retry_after == 40.0
    fleet.world.advance(40)
    assert [bool(breaker.acquire()) for breaker in fleet.breakers] == [True, False, False]


def test_a_store_that_fails_is_left_alone_for_longer_and_longer():
    fleet = Fleet(1, store_ttl=0)
    fleet.store.down = True
    asked = []
    for second in range(120):
        before = fleet.store.reads
        fleet.breakers[0].acquire()
        if fleet.store.reads > before:
            asked.append(second)
        fleet.world.advance(1)
    assert asked == [0, 1, 3, 7, 15, 31, 47, 63, 79, 95, 111]


def test_the_last_known_view_holds_while_the_store_is_down():
    fleet = Fleet(2, store_ttl=1)
    fleet.trip()
    assert not fleet.breakers[1].acquire()
    fleet.store.down = True
    fleet.world.advance(59)
    assert not fleet.breakers[1].acquire()
    fleet.world.advance(1)
    probe = fleet.breakers[1].acquire()  # by what is known, the circuit is due
    assert probe
    probe.success()
    assert fleet.breakers[1].state == "CLOSED"
    # The store has not heard of it, and nothing without its lease may close it there.
    fleet.store.down = False
    fleet.world.advance(40)
    assert fleet.stored == "OPEN"
    fleet.breakers[1].acquire().success()
    assert (fleet.breakers[1].state, fleet.stored) == ("CLOSED", "CLOSED")


def test_a_cold_start_without_a_view_is_closed():
    fleet = Fleet(1)
    fleet.store.down = True
    assert fleet.start().acquire()


def test_a_write_whose_answer_was_lost_is_found_again():
    fleet = Fleet(2, lease=10, store_ttl=1)
    fleet.trip()
    fleet.world.advance(60)
    fleet.store.lost_answer = True
    probe = fleet.breakers[0].acquire()
    assert probe
    fleet.store.lost_answer = False
    fleet.world.advance(3)
    assert not fleet.breakers[1].acquire()
    probe.success()
    assert fleet.stored == "CLOSED"


def test_a_record_that_was_deleted_is_a_reset():
    fleet = Fleet(1)
    fleet.trip()
    fleet.store.items.clear()
    fleet.world.advance(60)
    assert fleet.breakers[0].acquire()
    assert fleet.breakers[0].state == "CLOSED"


def test_commands_of_an_operator_reach_the_fleet():
    fleet = Fleet(2, store_ttl=1)
    fleet.breakers[0].isolate()
    fleet.world.advance(2)
    assert not fleet.breakers[1].acquire()
    assert fleet.breakers[1].state == "ISOLATED"
    fleet.breakers[1].reset()
    fleet.world.advance(2)
    assert fleet.breakers[0].acquire()


def test_openings_grow_over_the_fleet():
    fleet = Fleet(2, max_reset_timeout=600, store_ttl=0)
    fleet.trip()
    fleet.world.advance(60)
    fleet.breakers[0].acquire().failure()
    fleet.world.advance(120)
    fleet.breakers[1].acquire().failure()
    assert fleet.breakers[1].retry_after == 240.0


def test_environments_may_disagree_about_the_monotonic_clock():
    fleet = Fleet(1, store_ttl=0)
    other = fleet.start(clock=lambda: fleet.world.mono - 999_000)
    fleet.trip()
    assert not other.acquire()
    assert other.retry_after == 60.0
    fleet.world.advance(60)
    assert other.acquire()


def test_listeners_hear_of_transitions_by_others():
    heard = []
    fleet = Fleet(1, store_ttl=0)
    other = fleet.start(listener=heard.append)
    fleet.trip()
    other.acquire()
    assert heard == [{"event": "transition", "name": "inventory", "from": "CLOSED", "to": "OPEN"}]
