"""Counterexamples to the rules of other packages (D7-D21), each beside ours on the same events.

Where a rule is not run here it is written down as a few lines; the packages' real code is compared in
the benchmark. The breadth-first checks of circuits find D1-D6, D8-D18 and D20 by themselves; D7, D19
and D21 are of retries and windows: there all sequences of what can happen are gone through here.
Plain functions, so that every interpreter can run them without pytest.
"""

from __future__ import annotations

import copy
import datetime as dt
import itertools
import statistics

from python_retry import CircuitBreaker, retry_call
from retry_support import Script, World, logs, raises
from test_store import Fleet


def test_d7_a_limit_that_is_looked_at_before_the_attempt_lets_one_more_begin():
    # backoff 2.2.1: elapsed is taken when an attempt begins, and compared after it has failed.
    def attempts_of_backoff(limit, takes):
        now, count = 0.0, 0
        while True:
            elapsed = now
            now, count = now + takes, count + 1
            if elapsed >= limit:
                return count, now

    assert attempts_of_backoff(1, 1.0) == (2, 2.0)
    world = World()
    operation = Script(OSError, world=world, takes=1.0)
    with raises(OSError):
        retry_call(operation, max_retries=99, base_delay=0, timeout=1, **world.options)
    assert (operation.calls, world.mono) == (1, 1001.0)


def test_d7_in_no_order_of_long_and_short_attempts_does_ours_begin_one_after_the_limit():
    def begins_of_backoff(takes, limit):
        now, begins = 0.0, []
        for seconds in takes:
            begins.append(now)
            now += seconds
            if begins[-1] >= limit:  # elapsed is that of the attempt's beginning
                break
        return begins

    found = []
    for takes in itertools.product((0.0, 0.5, 1.0, 3.0), repeat=4):
        if any(begin >= 1 for begin in begins_of_backoff(takes, 1)):
            found.append(takes)
        world = World()
        left, begins = list(takes), []

        def operation(world=world, left=left, begins=begins):
            begins.append(world.mono - 1000)
            world.advance(left.pop(0))
            raise OSError

        with raises(OSError):
            retry_call(operation, max_retries=4, base_delay=0, timeout=1, **world.options)
        assert all(begin < 1 for begin in begins), takes
    assert (1.0, 0.0, 0.0, 0.0) in found


def test_d8_a_probe_that_dies_takes_its_place_with_it():
    # interlock 2.7, coordinated: places are counted, and what was given to the dead never returns.
    given, served = 0, 0
    for _ in range(200):
        if given < 1:
            given += 1  # and dies
        else:
            served += given != 1
    assert served == 0
    fleet = Fleet(2, lease=10, store_ttl=0)
    fleet.trip()
    fleet.world.advance(60)
    assert fleet.breakers[0].acquire()  # and dies
    admitted = 0
    for _ in range(200):
        fleet.world.advance(1)
        permit = fleet.breakers[1].acquire()
        if permit:
            permit.success()
            admitted += 1
    assert admitted == 191


def test_d9_a_trip_that_a_background_thread_is_to_publish_is_lost_in_a_freeze():
    # interlock on Lambda: the write waits in a queue for a thread that a frozen sandbox never runs.
    fleet = Fleet(2)
    fleet.trip()  # the invocation ends here
    assert fleet.stored == "OPEN"


class Powertools:
    """Rules of the circuit breaker of Powertools for AWS Lambda (Python), over one item."""

    def __init__(self, table, threshold=2, recovery=60, success_threshold=1):
        self.table = table
        self.threshold = threshold
        self.recovery = recovery
        self.success_threshold = success_threshold
        self.failures = 0
        self.successes = 0

    def save_open(self, now):  # unconditional
        self.table.update(state="OPEN", opened_at=int(now), lease=0)

    def admit(self, now, down=False):
        if down:
            return "closed"  # fails open, and what was not saved is forgotten
        item = self.table
        if item.get("state", "CLOSED") == "CLOSED":
            return "closed"
        if item["state"] == "OPEN" and int(now) - item["opened_at"] < self.recovery:
            return None
        if item["state"] == "HALF_OPEN" and item["lease"] > int(now):
            return None
        item.update(state="HALF_OPEN", lease=int(now) + self.recovery)
        return "probe"

    def settle(self, admitted, ok, now, down=False):
        if admitted == "probe" and ok:
            self.successes += 1
            if self.successes >= self.success_threshold:
                self.successes = 0
                self.table.update(state="CLOSED")  # unconditional
        elif admitted == "probe":
            self.successes = 0
            self.save_open(now)  # unconditional
        elif ok:
            self.failures = 0
        else:
            self.failures += 1
            if self.failures >= self.threshold and not down:
                self.save_open(now)


def test_d10_successes_that_outlive_their_lease_close_too_early():
    table = {}
    a, b = (Powertools(table, success_threshold=3) for _ in range(2))
    a.save_open(0)
    for now in (60, 61):
        table["lease"] = 0
        a.settle(a.admit(now), True, now)
    b.settle(b.admit(200), False, 200)
    a.settle(a.admit(300), True, 300)
    assert table["state"] == "CLOSED"  # after one success since it was opened again
    fleet = Fleet(2, success_threshold=3, lease=10, store_ttl=0)
    fleet.trip()
    fleet.world.advance(60)
    for _ in range(2):
        fleet.breakers[0].acquire().success()
    fleet.breakers[1].acquire().failure()
    fleet.world.advance(60)
    fleet.breakers[0].acquire().success()
    assert fleet.stored == "HALF_OPEN"


def test_d11_a_zombie_closes_what_its_successor_has_opened():
    table = {}
    a, b = Powertools(table), Powertools(table)
    a.save_open(0)
    zombie = a.admit(60)
    b.settle(b.admit(130), False, 130)
    a.settle(zombie, True, 131)
    assert table["state"] == "CLOSED"
    fleet = Fleet(2, lease=60)
    fleet.trip()
    fleet.world.advance(60)
    zombie = fleet.breakers[0].acquire()
    fleet.world.advance(70)
    fleet.breakers[1].acquire().failure()
    zombie.success()
    assert fleet.stored == "OPEN"


def test_d12_late_trips_push_the_opening_forward_and_destroy_a_lease():
    table = {}
    a, b = Powertools(table), Powertools(table)
    late = [b.admit(0), b.admit(0)]
    a.save_open(0)
    assert a.admit(60) == "probe"
    for admitted in late:
        b.settle(admitted, False, 61)
    assert (table["state"], table["opened_at"]) == ("OPEN", 61)
    fleet = Fleet(2)
    late = [fleet.breakers[1].acquire() for _ in range(2)]
    fleet.trip()
    fleet.world.advance(60)
    probe = fleet.breakers[0].acquire()
    before = copy.deepcopy(fleet.store.items)
    for permit in late:
        permit.failure()
    assert probe
    assert fleet.store.items == before


def test_d13_without_the_store_a_trip_is_forgotten():
    peer, reached = Powertools({}), 0
    for now in range(50):
        if peer.admit(now, down=True):
            reached += 1
            peer.settle("closed", False, now, down=True)
    assert reached == 50
    fleet = Fleet(1)
    fleet.store.down = True
    reached = 0
    with logs():
        for _ in range(50):
            permit = fleet.breakers[0].acquire()
            if permit:
                reached += 1
                permit.failure()
    assert reached == fleet.threshold


class Dice:
    """Draws numbers that are the same in every Python."""

    def __init__(self, seed):
        self.state = seed

    def __call__(self, sides):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % sides


def failing_calls_until(open_ones, one_call, seed, environments=50):
    """Count the calls, each through an environment drawn at random, until so many have tripped."""
    dice = Dice(seed)
    tripped = set()
    for count in range(1, 100_000):
        which = dice(environments)
        if one_call(which):
            tripped.add(which)
        if len(tripped) >= open_ones:
            return count
    raise AssertionError("they never tripped")


def test_d14_failures_in_a_row_are_found_late_by_a_large_fleet():
    # Powertools: each environment counts for itself, and each must reach the threshold.
    # That holds for ours too: counts of a closed circuit stay in their environment, so that a
    # failing call costs no write either. What the store adds: the first trip is the last needed.
    def peers():
        fleet = [Powertools({}, threshold=5) for _ in range(50)]

        def one_call(which):
            fleet[which].settle("closed", False, 0)
            return fleet[which].table.get("state") == "OPEN"

        return one_call

    def ours(fleet):
        def one_call(which):
            permit = fleet.breakers[which].acquire()
            if permit:
                fleet.calls += 1
                permit.failure()
            return fleet.breakers[which].state == "OPEN"

        return one_call

    first = [failing_calls_until(1, peers(), seed) for seed in range(5)]
    assert 30 < statistics.median(first) < 150  # where one environment alone needs 5
    for seed in range(5):
        fleet = Fleet(50, 5, store_ttl=0)
        fleet.calls = 0
        assert failing_calls_until(1, ours(fleet), seed) == first[seed]
        failing_calls_until(50, ours(fleet), seed)
        assert fleet.calls == first[seed]  # not one more has reached the dependency
        assert failing_calls_until(50, peers(), seed) > 3 * fleet.calls


def test_d15_whole_seconds_end_an_opening_early():
    table = {}
    peer = Powertools(table)
    peer.save_open(10.9)
    assert peer.admit(70.0) == "probe"  # 59.1 s later
    world = World()
    breaker = CircuitBreaker(1, 60, **world.clocks)
    world.advance(0.9)
    breaker.record_failure()
    world.advance(59.1)
    assert not breaker.acquire()
    world.advance(0.9)
    assert breaker.acquire()


def test_d16_a_success_that_writes_what_it_has_loaded_closes_anothers_circuit():
    # circuitbreaker-lambda 1.0.1: every success writes the whole state, whatever is stored by now.
    table = {"state": "CLOSED"}
    loaded = dict(table)
    table["state"] = "OPEN"  # by another
    writes = 1
    table.update(loaded)
    assert (table["state"], writes) == ("CLOSED", 1)
    fleet = Fleet(2)
    slow = fleet.breakers[1].acquire()
    fleet.trip()
    slow.success()
    assert (fleet.stored, fleet.store.writes) == ("OPEN", 1)


def test_d17_each_stored_state_is_read_back_as_what_it_was():
    # circuitbreaker-lambda 1.0.1, Rust layer: writes HALF-OPEN, and reads HALF.
    parsed = {"OPEN": "OPEN", "HALF": "HALF_OPEN"}.get("HALF-OPEN", "CLOSED")
    assert parsed == "CLOSED"
    fleet = Fleet(2, max_reset_timeout=900, success_threshold=2, store_ttl=0, half_open_max_calls=2)
    for step in ("trip", "probe", "succeed", "isolate", "reset"):
        if step == "trip":
            fleet.trip()
        elif step == "probe":
            fleet.world.advance(60)
            probe = fleet.breakers[0].acquire()
        elif step == "succeed":
            probe.success()
        else:
            getattr(fleet.breakers[0], step)()
        fresh = fleet.start()
        fresh.acquire().ignore()
        assert fresh.state == fleet.breakers[0].state, step


def test_d18_an_error_of_the_store_discards_no_result():
    # gobreaker v2, distributed: the value is lost if the state cannot be saved after the call.
    fleet = Fleet(1, threshold=1)
    fleet.trip()
    fleet.world.advance(60)

    def operation():
        fleet.store.down = True
        return "value"

    with logs():
        value = retry_call(operation, circuit_breaker=fleet.breakers[0], **fleet.world.options)
    assert value == "value"
    assert fleet.breakers[0].state == "CLOSED"


def test_d19_what_is_older_than_the_window_counts_no_more_after_a_pause():
    # cockatiel, SamplingBreaker: a push rotates one window, however long the pause was.
    windows = [5, 5, 5]
    windows = [*windows[1:], 1]
    assert sum(windows) == 11
    world = World()
    breaker = CircuitBreaker(window=30.0, failure_rate=0.5, min_calls=5, **world.clocks)
    for _ in range(4):
        breaker.acquire().failure()
    world.advance(3600)
    breaker.acquire().failure()
    assert breaker.state == "CLOSED"


class SamplingBreaker:
    """cockatiel: five windows, of which one is rotated when it is over, whenever that is noticed."""

    def __init__(self):
        self.windows = [[0, 0] for _ in range(5)]
        self.since = 0.0

    def opens(self, now, failed):
        if now - self.since >= 6:
            self.windows = [*self.windows[1:], [0, 0]]
            self.since = now
        self.windows[-1][0] += failed
        self.windows[-1][1] += 1
        failures, calls = (sum(column) for column in zip(*self.windows, strict=True))
        return calls >= 3 and failures >= calls / 2


def test_d19_after_no_sequence_of_pauses_does_ours_count_what_is_too_old():
    found = []
    for gaps in itertools.product((1, 3600), repeat=4):
        for outcomes in itertools.product((True, False), repeat=4):
            peer, world = SamplingBreaker(), World()
            ours = CircuitBreaker(window=30.0, failure_rate=0.5, min_calls=3, **world.clocks)
            now, calls, peers_opened = 0, [], False
            for gap, failed in zip(gaps, outcomes, strict=True):
                now += gap
                world.advance(gap)
                calls.append((now, failed))
                recent = [bad for at, bad in calls if now - at < 30]
                due = len(recent) >= 3 and sum(recent) >= len(recent) / 2
                if peer.opens(now, failed) and not due and not peers_opened:
                    found.append((gaps, outcomes))
                peers_opened = peers_opened or due
                permit = ours.acquire()
                (permit.failure if failed else permit.success)()
                assert (ours.state == "OPEN") == due, (gaps, outcomes)
                if due:
                    break
    assert ((1, 1, 3600, 1), (True, True, True, True)) in found


def test_d20_the_time_zone_does_not_matter():
    # aiobreaker: opened_at in UTC is compared with the local time.
    berlin = dt.timezone(dt.timedelta(hours=2))
    opened_at = dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)
    opened_at, local = opened_at.replace(tzinfo=None), opened_at.astimezone(berlin)
    assert (local.replace(tzinfo=None) - opened_at).total_seconds() == 7200  # due at once
    world = World()
    breaker = CircuitBreaker(1, 60, clock=lambda: world.mono)  # with the real wall clock
    breaker.record_failure()
    assert not breaker.acquire()
    assert 59 < breaker.retry_after <= 60


def test_d21_a_clock_that_went_back_lets_nobody_sleep_for_ever():
    # botocore's adaptive mode: the wait is the amount that is missing over the rate, by wall time.
    last, now, rate = 1.7e9, 1.7e9 - 86_400, 0.5
    assert (1 - rate * (now - last)) / rate > 80_000
    world = World()

    def operation():
        world.epoch -= 86_400
        raise OSError

    with raises(OSError):
        retry_call(operation, timeout=60, **world.options)
    assert world.sleeps == [5.0, 10.0]
    breaker = CircuitBreaker(1, 60, **world.clocks)
    breaker.record_failure()
    world.epoch -= 86_400
    world.mono += 60
    assert breaker.acquire()


def test_d21_by_no_jumps_of_the_wall_clock_does_ours_sleep_longer():
    longest = 0.0
    for jumps in itertools.product((-86_400, 0, 3, 86_400), repeat=3):
        last, now, rate = 1.7e9, 1.7e9 + sum(jumps), 0.5
        longest = max(longest, (1 - rate * (now - last)) / rate)
        world = World()
        left = list(jumps)

        def operation(world=world, left=left):
            world.epoch += left.pop(0)
            raise OSError

        with raises(OSError):
            retry_call(operation, timeout=60, **world.options)
        assert world.sleeps in ([], [5.0], [5.0, 10.0]), jumps
    assert longest > 80_000
