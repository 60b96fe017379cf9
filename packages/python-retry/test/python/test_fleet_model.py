"""A breadth-first check of two environments that share one item of a store.

The breakers are real ones of the module; what is explored is every order of admit, succeed, fail,
ignore, die, late results, time (so that leases lapse), reads that come late, a store that is down
or loses the answer to a write, and clocks that jump. Plain functions, so that every interpreter can run them without pytest.
"""

from __future__ import annotations

import copy
from collections import deque

from python_retry import CircuitBreaker
from retry_support import logs
from stored_state import opened_at, phase_of, tickets_of

RESET, LEASE = 2, 2
VOLATILE = (
    "_circuit",
    "_version",
    "_ahead",
    "_read_at",
    "_read_for",
    "_store_errors",
    "_store_failed_at",
    "_store_pause",
)


class Store:
    def __init__(self):
        self.item = None
        self.down = False
        self.loses = False  # the answer to the next write

    def read(self, name):
        if self.down:
            raise TimeoutError
        return self.item

    def swap(self, name, version, state):
        if self.down:
            raise TimeoutError
        if (self.item[0] if self.item else 0) != version:
            return self.item or (0, {})
        self.item = (version + 1, state)
        if self.loses:
            self.loses = False
            raise TimeoutError
        return None


class Fleet:
    """Two breakers that can be put into any state that they had before."""

    def __init__(self, probes=1, lease=LEASE):
        self.probes, self.lease = probes, lease
        self.now = 0.0
        self.closed_at = 0.0  # when the stored circuit has closed last
        self.mono = [0.0, 0.0]  # how far each worker's clocks have jumped
        self.wall = [0.0, 0.0]
        self.store = Store()
        self.breakers = [self.breaker(0), self.breaker(1)]
        self.permits = [None, None]  # (permit, when it was granted)
        self.dead = []  # (worker, permit, when)
        self.jumps = 0
        self.outage = False

    def breaker(self, worker):
        return CircuitBreaker(
            1,
            RESET,
            name="fleet",
            half_open_max_calls=self.probes,
            lease=self.lease,
            store=self.store,
            store_ttl=1e6,
            clock=lambda: 100 + self.now + self.mono[worker],
            wall=lambda: 5e8 + self.now + self.wall[worker],
            rng=self,
        )

    def random(self):
        return 0.5

    def save(self):
        return (
            self.now,
            tuple(self.mono),
            tuple(self.wall),
            self.store.item,
            (self.store.down, self.store.loses),
            tuple(tuple(getattr(b, name) for name in VOLATILE) for b in self.breakers),
            tuple(self.permits),
            tuple(self.dead),
            self.jumps,
            self.outage,
            self.closed_at,
        )

    def load(self, saved):
        self.now, mono, wall, self.store.item, trouble, breakers, permits, dead, *rest = saved
        self.store.down, self.store.loses = trouble
        self.mono, self.wall = list(mono), list(wall)
        self.permits, self.dead = list(permits), list(dead)
        self.jumps, self.outage, self.closed_at = rest
        for breaker, values in zip(self.breakers, breakers, strict=True):
            for name, value in zip(VOLATILE, values, strict=True):
                setattr(breaker, name, value)

    def key(self):
        """The state with time, versions and names made relative."""
        names = {}
        base = self.store.item[1]["generation"] if self.store.item else 0
        version = self.store.item[0] if self.store.item else 0

        def name(ticket):
            return names.setdefault(ticket, len(names)) if ticket else None

        def age(instant, worker=None):
            wall = instant[1] if isinstance(instant, tuple) else instant
            off = self.wall[worker] if worker is not None else 0
            found = [max(-6.0, wall - 5e8 - self.now - off)]
            if worker is not None:
                found.append(max(-6.0, instant[0] - 100 - self.now - self.mono[worker]))
            return tuple(found)

        def circuit(c, worker):
            return (
                c.phase,
                c.generation - base,
                tuple((name(t), age(s, worker), n) for t, s, n in c.waits),
                c.reopens > 0,
            )

        def permit(entry):
            if entry is None:
                return None
            (generation, ticket, _), at = entry
            return generation - base, name(ticket), max(-6.0, at - self.now)

        item = self.store.item and (
            self.store.item[1]["phase"],
            tuple((name(t), age(s), n) for t, s, n in self.store.item[1]["waits"]),
        )
        workers = tuple(
            (
                circuit(b._circuit, w),
                b._version - version,
                b._ahead,
                b._read_at is None,
                b._store_errors and age(b._store_failed_at, w),
                permit(self.permits[w]),
            )
            for w, b in enumerate(self.breakers)
        )
        dead = tuple((w, permit((p, at))) for w, p, at in self.dead)
        trouble = self.store.down, self.store.loses, self.outage
        closed = max(-6.0, self.closed_at - self.now) if self.outage else 0
        return item, workers, dead, trouble, self.jumps, closed

    def events(self, *, jumps, outages):
        outcomes = ("success", "failure", "ignore")
        yield ("time",)
        for worker in (0, 1):
            yield ("read", worker)
            if self.permits[worker] is None:
                yield ("admit", worker)
                continue
            yield from ((outcome, worker) for outcome in outcomes)
            if not self.dead:
                yield ("die", worker)
        if self.jumps < jumps:
            clocks, seconds = ("mono", "wall"), (-3.0, 3.0)
            yield from (("jump", w, c, s) for w in (0, 1) for c in clocks for s in seconds)
        if self.dead:
            yield from (("late", outcome) for outcome in outcomes)
        if outages and (self.store.down or not self.outage):
            yield ("store up" if self.store.down else "store down",)
        if outages and not self.outage:
            yield ("lose an answer",)

    def do(self, event):
        kind = event[0]
        worker = event[1] if len(event) > 1 else None
        if kind == "time":
            self.now += 1
        elif kind == "read":
            self.breakers[worker]._read_at = None  # the next call reads
            self.breakers[worker]._refresh()
        elif kind == "admit":
            permit = self.breakers[worker]._acquire()
            if permit is not None:
                self.permits[worker] = (permit, self.now)
        elif kind == "die":
            self.dead.append((worker, *self.permits[worker]))
            self.permits[worker] = None
        elif kind == "late":
            worker, permit, _ = self.dead.pop()
            self.breakers[worker]._advance(event[1], permit)
        elif kind == "jump":
            getattr(self, event[2])[worker] += event[3]
            self.jumps += 1
        elif kind in ("store up", "store down"):
            self.store.down = kind == "store down"
            self.outage = True
        elif kind == "lose an answer":
            self.store.loses = self.outage = True
        else:
            permit, _ = self.permits[worker]
            self.permits[worker] = None
            self.breakers[worker]._advance(kind, permit)

    def live_probes(self):
        held = [p for p in self.permits if p] + [(p, at) for _, p, at in self.dead]
        return [p for p, at in held if p[1] and self.now - at < self.lease]


def check(fleet, before, event, trace):
    """Assert what must hold after each single event."""
    old, new = before[3], fleet.store.item
    settles = event[0] in ("success", "failure", "ignore", "late")
    if not fleet.outage and not fleet.jumps:
        assert len(fleet.live_probes()) <= fleet.probes, ("too many live probes", trace)
    if new:
        assert len(tickets_of(new[1])) <= fleet.probes, ("more leases than probes allowed", trace)
    if old is new:
        return
    check_openings(fleet, phase_of(old and old[1]), new[1], trace)
    if not old:
        return
    if settles and old[1]["phase"] == "OPEN":
        raise AssertionError(("a result changed an open circuit", trace))
    if old[1]["phase"] == "HALF_OPEN":
        if event[0] == "late":
            _, permit, _ = before[7][-1]
        elif settles:
            permit, _ = before[6][event[1]]
        else:
            permit = None
        if new[1]["phase"] != "HALF_OPEN" or (settles and new != old):
            tickets = [ticket for ticket, _, _ in old[1]["waits"]]
            mine = permit[1] if permit else None
            assert mine in tickets, ("a verdict without the lease", trace)


def check_openings(fleet, was, new, trace):
    """Assert that no trip of earlier opens a circuit that has closed since."""
    now = phase_of(new)
    if was != "CLOSED" == now:
        fleet.closed_at = fleet.now
    if was == "CLOSED" and now == "OPEN" and not fleet.jumps:
        opened = opened_at(new) - 5e8
        assert opened >= fleet.closed_at, ("a trip from before it closed opened it again", trace)
        assert fleet.now - opened < RESET, ("a trip that was over opened the circuit", trace)


def recovers(fleet):
    """Let whoever is under way die and the store be up; a healthy caller must close the circuit."""
    fleet.store.down = False
    for _ in range(4):
        fleet.now += RESET + fleet.lease + 40  # the pauses of a failed store end too
        for worker in (0, 1):
            fleet.breakers[worker]._read_at = None
            permit = fleet.breakers[worker]._acquire()
            if permit:
                fleet.breakers[worker]._advance("success", permit)
        if {breaker.state for breaker in fleet.breakers} == {"CLOSED"}:
            return True
    return False


def explore(depth, *, jumps=0, outages=False, start=(), **options):
    fleet = Fleet(**options)
    with logs():
        for event in start:
            fleet.do(event)
        first = fleet.save()
        seen = {fleet.key()}
        waiting = deque([(first, ())])
        while waiting:
            saved, trace = waiting.popleft()
            fleet.load(saved)
            assert recovers(fleet), ("the circuit never closes again", trace)
            if len(trace) == depth:
                continue
            fleet.load(saved)
            for event in list(fleet.events(jumps=jumps, outages=outages)):
                fleet.load(saved)
                fleet.do(event)
                longer = (*trace, event)
                check(fleet, saved, event, longer)
                key = fleet.key()
                if key not in seen:
                    seen.add(key)
                    waiting.append((fleet.save(), longer))
    return len(seen)


DUE = (("read", 1), ("admit", 0), ("failure", 0), ("time",), ("time",))
"""Worker 0 tripped the circuit, worker 1 has not heard of it, and the probe is due."""


def test_from_the_start():
    assert explore(9) > 1000


def test_from_an_opening_that_is_due():
    assert explore(9, start=DUE) > 4000


def test_with_several_probes_whose_leases_outlast_an_opening():
    assert explore(7, start=DUE, probes=2, lease=4) > 3000
    one_of_two_died = (*DUE, ("admit", 0), ("read", 1), ("admit", 1), ("die", 1))
    assert explore(7, start=one_of_two_died, probes=2, lease=4) > 500


def test_with_a_store_that_goes_down_or_loses_an_answer():
    assert explore(6, outages=True, start=DUE) > 4000


def test_with_a_trip_whose_answer_was_lost():
    lost = (("read", 1), ("lose an answer",), ("admit", 0), ("failure", 0))
    assert explore(8, outages=True, start=lost) > 2000


def test_with_clocks_that_jump():
    assert explore(6, jumps=1, start=DUE) > 4000


def test_with_both():
    assert explore(5, jumps=1, outages=True, start=DUE) > 4000


def test_the_check_finds_a_store_without_conditions():
    class Careless(Store):
        def swap(self, name, version, state):
            self.item = (version + 1, copy.deepcopy(state))

    original = globals()["Store"]
    globals()["Store"] = Careless
    try:
        explore(6, start=DUE)
    except AssertionError as error:
        found = error.args[0][0]
    else:
        found = None
    finally:
        globals()["Store"] = original
    assert found in (
        "too many live probes",
        "a verdict without the lease",
        "a result changed an open circuit",
    )
