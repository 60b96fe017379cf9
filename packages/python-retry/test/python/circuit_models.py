"""Models of circuits that two workers share, and a breadth-first check of all that can happen.

A model is the rule set of one breaker. `Ours` runs the pure step of the emitted module; the others
follow the published sources of other packages, reduced to their rules. The check goes through every
interleaving of admit, succeed, fail, ignore, interrupt, die, late results of the dead, and time.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import python_retry
from python_retry import CircuitBreaker

RESET = 2
LEASE = 2
THRESHOLD = 1
FOREVER = 10**9
CLOSED, OPEN, HALF_OPEN = "CLOSED", "OPEN", "HALF_OPEN"

ONE_PROBE = "no more live probes than are allowed: one, unless the model says otherwise"
SIDE_BY_SIDE = "calls through a closed circuit run side by side"
NO_LATE_CLOSE = "a late success does not close an open circuit"
NO_LATE_EXTENSION = "a late failure does not move the opening time"
NEUTRAL = "an ignored or interrupted call does not move the circuit"
OPEN_REFUSES = "an open circuit refuses until it is due"
NO_WEDGE = "a healthy dependency gets back to CLOSED in bounded steps"
LATE_IS_NEUTRAL = "a result of a lapsed lease changes nothing once its place is taken"
ALL = {
    ONE_PROBE,
    SIDE_BY_SIDE,
    NO_LATE_CLOSE,
    NO_LATE_EXTENSION,
    NEUTRAL,
    OPEN_REFUSES,
    NO_WEDGE,
    LATE_IS_NEUTRAL,
}


class Circuit(NamedTuple):
    """What the simple models need."""

    phase: str = CLOSED
    failures: int = 0
    opened_at: int = 0
    in_flight: int = 0  # probes, as far as the model counts them


class Call(NamedTuple):
    """An admitted call."""

    permit: object
    is_probe: bool
    began: int
    era: int  # openings before it


class State(NamedTuple):
    now: int  # monotonic
    shift: int  # how far the wall clock has moved away from it
    jumps: int  # that either clock may still make
    circuit: object
    calls: tuple  # of each worker: Call or None
    dead: tuple  # calls whose worker is gone; their result may come yet
    era: int


class Model:
    """The rules of a breaker. `lease` is how long a probe may hold its place."""

    lease = FOREVER
    probes = 1
    shift = 0  # of the wall clock, at the moment

    def initial(self):
        return Circuit()

    def phase(self, circuit):
        return circuit.phase

    def opened_at(self, circuit):
        return circuit.opened_at

    def admit(self, circuit, now):
        """Return the circuit and a permit, None if refused."""
        raise NotImplementedError

    def settle(self, circuit, permit, outcome, now):
        """Return the circuit after success, failure, ignore or interrupt."""
        raise NotImplementedError


class Consecutive(Model):
    """What most breakers do, before their particular rules: a naive machine without permits."""

    def due(self, circuit, now):
        return now - circuit.opened_at >= RESET

    def admit(self, circuit, now):
        if circuit.phase == OPEN:
            if not self.due(circuit, now):
                return circuit, None
            circuit = circuit._replace(phase=HALF_OPEN, in_flight=0)
        return circuit._replace(in_flight=circuit.in_flight + 1), ()

    def settle(self, circuit, permit, outcome, now):
        if outcome == "success":
            return Circuit()
        if outcome == "failure":
            return Circuit(OPEN, 0, now)
        return circuit


class Ours(Model):
    """The step of the emitted module."""

    def __init__(self, probes=1, lease=LEASE):
        self.rules = CircuitBreaker(THRESHOLD, RESET, lease=lease, half_open_max_calls=probes)
        self.probes, self.lease = probes, lease
        self.tickets = 0

    def initial(self):
        return self.freeze(python_retry._Circuit())

    def freeze(self, circuit):
        return tuple(sorted(circuit.__dict__.items()))

    def thaw(self, frozen):
        return python_retry._Circuit(**dict(frozen))

    def phase(self, circuit):
        return dict(circuit).get("phase", CLOSED)

    def opened_at(self, circuit):
        fields = dict(circuit)
        return fields["waits"][0][1][0] if fields.get("phase") == OPEN else None

    def step(self, circuit, event, permit, now):
        before = self.thaw(circuit)
        after, granted = python_retry._circuit_step(
            self.rules, before, event, permit, (now, 5e8 + now + self.shift)
        )
        return self.freeze(after), granted

    def admit(self, circuit, now):
        self.tickets += 1
        return self.step(circuit, "admit", (self.tickets, self.lease), now)

    def settle(self, circuit, permit, outcome, now):
        outcome = "ignore" if outcome == "interrupt" else outcome
        return self.step(circuit, outcome, permit, now)[0]


class PyBreaker(Consecutive):
    """pybreaker 1.4.1: the lock is held while the protected call runs."""

    def admit(self, circuit, now):
        return (circuit, None) if circuit.in_flight else super().admit(circuit, now)

    def settle(self, circuit, permit, outcome, now):
        outcome = "failure" if outcome == "interrupt" else outcome
        return super().settle(circuit, permit, outcome, now)._replace(in_flight=0)


class CircuitBreakerPackage(Consecutive):
    """circuitbreaker 2.1.3: half-open admits everyone; what is no failure closes."""

    def settle(self, circuit, permit, outcome, now):
        outcome = "failure" if outcome == "failure" else "success"
        return super().settle(circuit, permit, outcome, now)


class CircuitBreakerPackageWith(CircuitBreakerPackage):
    """circuitbreaker 2.1.3 as a context manager: the body runs without a check."""

    def admit(self, circuit, now):
        return circuit, ()


class Backon(Consecutive):
    """backon 4.4.2: a failure sets the opening time, also in OPEN; `with` checks nothing."""

    def admit(self, circuit, now):
        if circuit.phase == HALF_OPEN and circuit.in_flight:
            return circuit, None
        return super().admit(circuit, now)


class BackonWith(Backon):
    def admit(self, circuit, now):
        return circuit, ()


class Tenaz(Consecutive):
    """tenaz 2.2.0: an aborted probe keeps the only place; a success closes whatever there is."""

    def admit(self, circuit, now):
        if circuit.phase == HALF_OPEN and circuit.in_flight:
            return circuit, None
        return super().admit(circuit, now)


class Nopanic(Tenaz):
    """nopanic 0.2.1: what is ignored gives the place back, a cancellation does not."""

    def settle(self, circuit, permit, outcome, now):
        if outcome == "ignore" and circuit.phase == HALF_OPEN:
            return circuit._replace(in_flight=max(0, circuit.in_flight - 1))
        return super().settle(circuit, permit, outcome, now)


class Pyresilience(Consecutive):
    """pyresilience and purgatory: any number of probes."""


class Aiobreaker(Consecutive):
    """aiobreaker: the time of opening is in UTC, and is compared with the local time."""

    def __init__(self, hours_east):
        self.ahead = hours_east * 3600

    def due(self, circuit, now):
        return now + self.ahead - circuit.opened_at >= RESET


class Explorer:
    """Goes through all states of a model, breadth first, and keeps the first trace to each flaw."""

    def __init__(self, model, depth=FOREVER, properties=ALL, jumps=0):
        self.model = model
        self.depth = depth
        self.jumps = jumps
        self.wanted = properties
        self.states = 0
        self.flaws = {}

    def run(self):
        start = State(0, 0, self.jumps, self.model.initial(), (None, None), (), 0)
        seen = {self.key(start)}
        queue = deque([(start, ())])
        while queue:
            state, trace = queue.popleft()
            self.states += 1
            if NO_WEDGE in self.wanted and not self.recovers(state):
                self.flaws.setdefault(NO_WEDGE, trace)
            if len(trace) >= self.depth:
                continue
            for event in self.events(state):
                after = self.apply(state, event, (*trace, event))
                if after is not None and (key := self.key(after)) not in seen:
                    seen.add(key)
                    queue.append((after, (*trace, event)))
        return self.flaws

    def key(self, state):
        # Time is relative, and so are the names of generations and tickets.
        names = {}

        def canonical(value, field=""):
            if field in ("generation", "permit", "ticket"):
                return names.setdefault((field != "generation", value), len(names))
            if isinstance(value, dict):
                return tuple((k, canonical(v, k)) for k, v in sorted(value.items()))
            if field in ("began", "opened_at", "start") and not isinstance(value, tuple):
                return max(-9, value - state.now)
            return value

        circuit = state.circuit
        if isinstance(circuit, Circuit):
            base = circuit._replace(opened_at=max(-9, circuit.opened_at - state.now))
        else:
            fields = dict(circuit)
            base = (
                fields.get("phase"),
                canonical(fields.get("generation", 0), "generation"),
                fields.get("failures", 0),
                tuple(
                    (
                        canonical(ticket, "ticket"),
                        max(-9, start[0] - state.now),
                        self.wall_age(state, start),
                    )
                    for ticket, start, _ in fields.get("waits", ())
                ),
            )

        def call_key(call):
            if call is None:
                return None
            permit = call.permit
            if permit:
                permit = (
                    canonical(permit[0], "generation"),
                    canonical(permit[1], "ticket") if permit[1] else 0,
                )
            return permit, call.is_probe, max(-9, call.began - state.now), call.era == state.era

        dead = tuple(call_key(call) for call in state.dead)
        return state.jumps, base, tuple(call_key(call) for call in state.calls), dead

    def wall_age(self, state, instant):
        return instant and max(-9, instant[1] - 5e8 - state.now - state.shift)

    def events(self, state):
        yield ("time",)
        if state.jumps:
            for clock in ("wall", "monotonic"):
                for seconds in (-5, -1, 1, 5):
                    yield ("jump", clock, seconds)
        for worker, call in enumerate(state.calls):
            if call is None:
                yield ("admit", worker)
            else:
                for outcome in ("success", "failure", "ignore", "interrupt"):
                    yield (outcome, worker)
                if not state.dead:
                    yield ("die", worker)
        for outcome in ("success", "failure"):
            if state.dead:
                yield ("late", outcome)

    def live(self, state):
        return [
            call
            for call in (*state.calls, *state.dead)
            if call and call.is_probe and state.now - call.began < self.model.lease
        ]

    def flaw(self, name, trace):
        if name in self.wanted:
            self.flaws.setdefault(name, trace)

    def apply(self, state, event, trace):
        """Return the state after an event, None if nothing changed, and note each flaw."""
        self.model.shift = state.shift
        kind = event[0]
        if kind == "time":
            return state._replace(now=state.now + 1)
        if kind == "jump":
            moved = event[2] if event[1] == "monotonic" else 0
            shift = state.shift + event[2] - 2 * moved
            return state._replace(now=state.now + moved, shift=shift, jumps=state.jumps - 1)
        if kind == "admit":
            return self.admit(state, event[1], trace)
        if kind == "late":
            after = state._replace(dead=state.dead[1:])
            return self.settle(state, after, state.dead[0], event[1], trace)
        calls = list(state.calls)
        call, calls[event[1]] = calls[event[1]], None
        after = state._replace(calls=tuple(calls))
        if kind == "die":
            return after._replace(dead=(*state.dead, call))
        return self.settle(state, after, call, kind, trace)

    def admit(self, state, worker, trace):
        model = self.model
        before = model.phase(state.circuit)
        circuit, permit = model.admit(state.circuit, state.now)
        if permit is None:
            if before == CLOSED and any(state.calls):
                self.flaw(SIDE_BY_SIDE, trace)
            return state._replace(circuit=circuit) if circuit != state.circuit else None
        if before == OPEN and state.now - model.opened_at(state.circuit) < RESET:
            self.flaw(OPEN_REFUSES, trace)
        is_probe = model.phase(circuit) == HALF_OPEN
        calls = list(state.calls)
        calls[worker] = Call(permit, is_probe, state.now, state.era)
        after = state._replace(circuit=circuit, calls=tuple(calls))
        if len(self.live(after)) > model.probes:
            self.flaw(ONE_PROBE, trace)
        return after

    def settle(self, state, after, call, outcome, trace):
        model = self.model
        before = model.phase(state.circuit)
        circuit = model.settle(state.circuit, call.permit, outcome, state.now)
        phase = model.phase(circuit)
        if call.era < state.era and before == OPEN:
            if phase == CLOSED:
                self.flaw(NO_LATE_CLOSE, trace)
            if model.opened_at(circuit) != model.opened_at(state.circuit):
                self.flaw(NO_LATE_EXTENSION, trace)
        if outcome in ("ignore", "interrupt") and phase != before:
            self.flaw(NEUTRAL, trace)
        successors = [c for c in (*after.calls, *after.dead) if c and c.is_probe]
        lapse = call.began + model.lease
        taken = any(one.began >= lapse and one.era == call.era for one in successors)
        if call.is_probe and taken and circuit != state.circuit:
            self.flaw(LATE_IS_NEUTRAL, trace)
        opened = phase == OPEN and before != OPEN
        return after._replace(circuit=circuit, era=state.era + opened)

    def recovers(self, state):
        """Let all who are under way die, and a healthy caller come again and again."""
        circuit, now = state.circuit, state.now
        for _ in range(4):
            now += RESET + min(self.model.lease, 9)
            circuit, permit = self.model.admit(circuit, now)
            if permit is not None:
                circuit = self.model.settle(circuit, permit, "success", now)
            if self.model.phase(circuit) == CLOSED:
                return True
        return False
