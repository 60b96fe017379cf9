"""Models of circuits whose state two environments share, and all that can happen to them.

A model is the rule set of one breaker over one stored item and what each environment keeps for
itself. `OursShared` runs real breakers of the module; the others follow the published sources of
other packages, reduced to their rules. The search goes, breadth first, through every interleaving
of admit, succeed, fail, die, late results of the dead, time, and a store that is down.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from circuit_models import CLOSED, FOREVER, HALF_OPEN, LEASE, OPEN, RESET
from python_retry import CircuitBreaker
from stored_state import phase_of
from test_fleet_model import VOLATILE
from test_fleet_model import Store as SharedItem

ONE_PROBE = "no more live probes in the whole fleet than are allowed: one, unless a model has more"
SIDE_BY_SIDE = "calls through a closed circuit run side by side"
OPEN_REFUSES = "an open circuit refuses until it is due"
NO_LATE_CLOSE = "a late success does not close an open circuit"
NO_LATE_EXTENSION = "a late failure does not move the opening time"
LEASE_STANDS = "only who holds the lease ends a half-open circuit"
ENOUGH = "as many successes close as must, counted since the last opening"
TRIP_IS_STORED = "a trip is in the store when its call ends"
VIEW_HOLDS = "without the store an environment keeps to the opening that it knows of"
HEALTHY_IS_FREE = "a healthy call writes nothing"
RESULT_KEPT = "what the operation returned is returned"
FLEET_COUNTS = "failures in a row open the circuit, whichever environments they fell to"
SAME_STATE = "what an environment reads is what was stored"
NO_WEDGE = "a healthy dependency gets back to CLOSED in bounded steps"


class Call(NamedTuple):
    """An admitted call."""

    permit: object
    is_probe: bool
    began: float
    era: int  # openings before it


class State(NamedTuple):
    now: float
    memory: object  # the model's: the item, and what each environment keeps
    calls: tuple  # of each environment: Call or None
    dead: tuple  # (environment, call) whose result may come yet
    down: bool
    opened_at: float | None  # true time of the stored opening
    era: int  # openings so far
    successes: int  # of probes, since the last opening
    in_a_row: int  # failures of the fleet, in CLOSED
    known: tuple  # of each environment: when it tripped without the store, or None


class Item(NamedTuple):
    phase: str = CLOSED
    opened_at: float = 0
    lease: float = 0
    writes: int = 0
    given: int = 0  # probes that were admitted


class Memory(NamedTuple):
    """What the simple models need."""

    item: Item = Item()
    mine: tuple = (None, None)  # of each environment


class Shared:
    """The rules of a breaker that shares its state."""

    lease = FOREVER
    probes = 1
    threshold = 1
    success_threshold = 1

    def start(self):
        return Memory()

    def phase(self, memory):
        return memory.item.phase

    def writes(self, memory):
        return memory.item.writes

    def key(self, memory, permits, now):
        """Return what tells two states apart: time is relative, and so are names."""
        item = memory.item
        aged = item._replace(opened_at=item.opened_at - now, lease=item.lease - now, writes=0)
        mine = tuple(one - now if isinstance(one, float) else one for one in memory.mine)
        return aged, mine, tuple(permits)

    def keep(self, memory, which, value):
        mine = list(memory.mine)
        mine[which] = value
        return memory._replace(mine=tuple(mine))

    def write(self, memory, down=False, **fields):
        if down:
            return memory
        item = memory.item._replace(writes=memory.item.writes + 1, **fields)
        return memory._replace(item=item)

    def is_probe(self, permit):
        return permit[0] == "probe"

    def keeps_result(self, down):
        return True

    def reads_as(self, memory, which, now):
        """Return the phase that an environment takes from the store."""
        return memory.item.phase

    def admit(self, memory, which, now, down):
        """Return the memory and a permit, None if refused."""
        raise NotImplementedError

    def settle(self, memory, which, permit, outcome, now, down):
        raise NotImplementedError


class OursShared(Shared):
    """Two real breakers over one item."""

    def __init__(self, threshold=1, success_threshold=1, store=SharedItem, probes=1, lease=LEASE):
        self.probes, self.lease = probes, lease
        self.threshold = threshold
        self.success_threshold = success_threshold
        self.now = 0.0
        self.store = store()
        self.breakers = [
            CircuitBreaker(
                threshold,
                RESET,
                name="fleet",
                half_open_max_calls=probes,
                lease=lease,
                success_threshold=success_threshold,
                store=self.store,
                store_ttl=0,
                clock=lambda: 100 + self.now,
                wall=lambda: 5e8 + self.now,
                rng=self,
            )
            for _ in range(2)
        ]

    def random(self):
        return 0.5

    def save(self):
        mine = tuple(tuple(getattr(b, name) for name in VOLATILE) for b in self.breakers)
        return self.store.item, mine

    def load(self, memory, now, down):
        self.now, self.store.down = now, down
        self.store.item, mine = memory
        for breaker, values in zip(self.breakers, mine, strict=True):
            for name, value in zip(VOLATILE, values, strict=True):
                setattr(breaker, name, value)

    def start(self):
        return self.save()

    def phase(self, memory):
        return phase_of(memory[0] and memory[0][1])

    def writes(self, memory):
        return memory[0][0] if memory[0] else 0

    def key(self, memory, permits, now):
        names = {}

        def canonical(value):
            if hasattr(value, "phase"):
                value = vars(value)
            if isinstance(value, dict):
                return tuple((key, canonical(value[key])) for key in sorted(value))
            if isinstance(value, (tuple, list)):
                return tuple(canonical(one) for one in value)
            if isinstance(value, int) and value > 1e6:
                return ("ticket", names.setdefault(value, len(names)))
            if isinstance(value, float) and value > 90:
                return ("moment", max(-9.0, value - (5e8 if value > 5e7 else 100) - now))
            return value

        return canonical((memory, permits))

    def is_probe(self, permit):
        return permit[1] != 0

    def reads_as(self, memory, which, now):
        self.load(memory, now, False)
        fresh = self.breakers[which]
        fresh._version, fresh._read_at, fresh._store_errors = 0, None, 0
        fresh._refresh()
        return fresh.state

    def admit(self, memory, which, now, down):
        self.load(memory, now, down)
        permit = self.breakers[which]._acquire()
        return self.save(), permit

    def settle(self, memory, which, permit, outcome, now, down):
        self.load(memory, now, down)
        self.breakers[which]._advance(outcome, permit)
        return self.save()


class Powertools(Shared):
    """Powertools 3.37: an elected probe with a lease, verdicts and trips without conditions."""

    lease = RESET  # of a probe: the recovery time-out

    def __init__(self, threshold=1, success_threshold=1):
        self.threshold = threshold
        self.success_threshold = success_threshold

    def start(self):
        return Memory(mine=((0, 0), (0, 0)))  # (failures in a row, successes of probes)

    def admit(self, memory, which, now, down):
        item = memory.item
        if down or item.phase == CLOSED:  # without the store: as if it was closed
            return memory, ("closed",)
        if item.phase == OPEN and int(now) - item.opened_at < RESET:
            return memory, None
        if item.phase == HALF_OPEN and item.lease > int(now):
            return memory, None
        return self.write(memory, phase=HALF_OPEN, lease=int(now) + RESET), ("probe",)

    def settle(self, memory, which, permit, outcome, now, down):
        failures, successes = memory.mine[which]
        opened = {"phase": OPEN, "opened_at": int(now), "lease": 0}
        if self.is_probe(permit) and outcome == "success":
            if successes + 1 < self.success_threshold:
                memory = self.write(memory, down, lease=0)
                return self.keep(memory, which, (failures, successes + 1))
            return self.keep(self.write(memory, down, phase=CLOSED), which, (0, 0))
        if self.is_probe(permit):
            return self.keep(self.write(memory, down, **opened), which, (failures, 0))
        if outcome == "success":
            return self.keep(memory, which, (0, successes))
        if failures + 1 < self.threshold:
            return self.keep(memory, which, (failures + 1, successes))
        return self.keep(self.write(memory, down, **opened), which, (0, successes))


class Interlock(Shared):
    """interlock 2.7, coordinated: places for probes are counted, and never come back by themselves.

    Its writes wait for a thread in the background; `poll` runs it.
    """

    def admit(self, memory, which, now, down):
        item = memory.item
        if item.phase == CLOSED:
            return memory, ("closed",)
        if item.phase == OPEN and now - item.opened_at < RESET:
            return memory, None
        if item.phase == HALF_OPEN and item.given >= 1:
            return memory, None
        given = 1 if item.phase == OPEN else item.given + 1
        return self.write(memory, phase=HALF_OPEN, given=given), ("probe", given)

    def settle(self, memory, which, permit, outcome, now, down):
        if not self.is_probe(permit):
            trips = memory.item.phase == CLOSED and outcome == "failure"
            return self.keep(memory, which, now) if trips else memory
        if memory.item.phase != HALF_OPEN:
            return memory
        if outcome == "success":
            return self.write(memory, phase=CLOSED)
        return self.write(memory, phase=OPEN, opened_at=now, given=0)

    def poll(self, memory, which):
        if memory.mine[which] is None:
            return memory
        memory = self.write(memory, phase=OPEN, opened_at=memory.mine[which], given=0)
        return self.keep(memory, which, None)


class CircuitBreakerLambda(Shared):
    """circuitbreaker-lambda 1.0.1: each call loads the state, and its success writes it back."""

    def is_probe(self, permit):
        return permit[1] == HALF_OPEN

    def admit(self, memory, which, now, down):
        phase = self.reads_as(memory, which, now)
        if phase == OPEN:
            if now - memory.item.opened_at < RESET:
                return memory, None
            return self.write(memory, phase=HALF_OPEN), ("loaded", HALF_OPEN)
        return memory, ("loaded", phase)

    def settle(self, memory, which, permit, outcome, now, down):
        if outcome == "failure":
            return self.write(memory, phase=OPEN, opened_at=now)
        return self.write(memory, phase=CLOSED)


class CircuitBreakerLambdaLayer(CircuitBreakerLambda):
    """Its layer in Rust: HALF-OPEN is written, and read back as CLOSED."""

    def reads_as(self, memory, which, now):
        return CLOSED if memory.item.phase == HALF_OPEN else memory.item.phase


class Gobreaker(Shared):
    """gobreaker v2, distributed: the store's lock is held while the call runs, up to a limit."""

    def admit(self, memory, which, now, down):
        item = memory.item
        held = [at for at in memory.mine if at is not None and now - at < LEASE]
        if held or down:
            return memory, None
        if item.phase == OPEN:
            if now - item.opened_at < RESET:
                return memory, None
            memory = self.write(memory, phase=HALF_OPEN)
        return self.keep(memory, which, now), ("generation", memory.item.given)

    def settle(self, memory, which, permit, outcome, now, down):
        memory = self.keep(memory, which, None)
        generation = memory.item.given + 1
        if permit[1] != memory.item.given:
            return memory
        if outcome == "failure":
            return self.write(memory, down, phase=OPEN, opened_at=now, given=generation)
        if memory.item.phase == HALF_OPEN:
            return self.write(memory, down, phase=CLOSED, given=generation)
        return memory

    def keeps_result(self, down):
        return not down  # the error of the store is returned in its place


DUE = (("admit", 0), ("failure", 0), ("time",), ("time",))
"""Environment 0 has tripped, and a probe is due."""


class Search:
    """Goes through what can happen, breadth first, and keeps the shortest trace to each flaw."""

    def __init__(self, model, depth, *, start=(), outages=False, deaths=True, tick=1.0):
        self.model = model
        self.depth = depth
        self.outages = outages
        self.deaths = deaths
        self.tick = tick
        self.states = 0
        self.flaws = {}
        memory = model.start()
        self.start = State(0.0, memory, (None, None), (), False, None, 0, 0, 0, (None, None))
        for event in start:
            self.start = self.apply(self.start, event, ())

    def run(self):
        seen = {self.key(self.start)}
        queue = deque([(self.start, ())])
        while queue:
            state, trace = queue.popleft()
            self.states += 1
            if not self.recovers(state):
                self.flaw(NO_WEDGE, trace)
            for which in (0, 1):
                if not state.down and self.misread(state, which):
                    self.flaw(SAME_STATE, trace)
            if len(trace) == self.depth:
                continue
            for event in self.events(state):
                longer = (*trace, event)
                after = self.apply(state, event, longer)
                if (key := self.key(after)) not in seen:
                    seen.add(key)
                    queue.append((after, longer))
        return self.flaws

    def misread(self, state, which):
        stored = self.model.phase(state.memory)
        return self.model.reads_as(state.memory, which, state.now) != stored

    def flaw(self, name, trace):
        self.flaws.setdefault(name, trace)

    def key(self, state):
        def age(moment):
            return None if moment is None else max(-9.0, moment - state.now)

        def call(one):
            return one and (one.is_probe, age(one.began), one.era - state.era)

        calls = tuple(call(one) for one in state.calls)
        dead = tuple((which, call(one)) for which, one in state.dead)
        permits = [one and one.permit for one in (*state.calls, *(c for _, c in state.dead))]
        memory = self.model.key(state.memory, permits, state.now)
        known = tuple(age(one) for one in state.known)
        rest = (state.down, state.successes, min(state.in_a_row, 3), state.now % 1.0)
        return memory, calls, dead, known, age(state.opened_at), rest

    def events(self, state):
        yield ("time",)
        for which, call in enumerate(state.calls):
            if hasattr(self.model, "poll"):
                yield ("poll", which)
            if call is None:
                yield ("admit", which)
                continue
            yield ("success", which)
            yield ("failure", which)
            if self.deaths and not state.dead:
                yield ("die", which)
        if state.dead:
            yield ("late", "success")
            yield ("late", "failure")
        if self.outages:
            yield ("up" if state.down else "down",)

    def apply(self, state, event, trace):
        kind = event[0]
        if kind == "time":
            return state._replace(now=state.now + self.tick)
        if kind in ("up", "down"):
            return state._replace(down=kind == "down")
        if kind == "poll":
            return self.look(state, self.model.poll(state.memory, event[1]))
        if kind == "admit":
            return self.admit(state, event[1], trace)
        return self.end(state, event, trace)

    def end(self, state, event, trace):
        """Let a call end: its result comes, comes late, or never comes."""
        kind = event[0]
        if kind == "late":
            (which, call), *rest = state.dead
            return self.settle(state._replace(dead=tuple(rest)), which, call, event[1], trace)
        which = event[1]
        calls = list(state.calls)
        call, calls[which] = calls[which], None
        state = state._replace(calls=tuple(calls))
        if kind == "die":
            return state._replace(dead=(*state.dead, (which, call)))
        return self.settle(state, which, call, kind, trace)

    def look(self, state, memory):
        """Take over what the model has stored, and note when it opened."""
        was, now = self.model.phase(state.memory), self.model.phase(memory)
        state = state._replace(memory=memory)
        if now == OPEN and was != OPEN:
            state = state._replace(opened_at=state.now, era=state.era + 1, successes=0, in_a_row=0)
        return state

    def live(self, state):
        calls = [*state.calls, *(call for _, call in state.dead)]
        return [c for c in calls if c and c.is_probe and state.now - c.began < self.model.lease]

    def admit(self, state, which, trace):
        model = self.model
        before = model.phase(state.memory)
        memory, permit = model.admit(state.memory, which, state.now, state.down)
        told = model.writes(memory) != model.writes(state.memory)
        state = self.look(state, memory)
        if permit is None:
            if before == CLOSED and any(state.calls) and not state.down:
                self.flaw(SIDE_BY_SIDE, trace)
            return state
        due = state.opened_at is None or state.now - state.opened_at >= RESET
        if before == OPEN and not due and not state.down:
            self.flaw(OPEN_REFUSES, trace)
        known = state.known[which]
        if state.down and known is not None and state.now - known < RESET:
            self.flaw(VIEW_HOLDS, trace)
        calls = list(state.calls)
        # Without the store an environment may probe by its own view; the fleet does not know of it.
        is_probe = model.is_probe(permit) and (told or not self.outages)
        calls[which] = Call(permit, is_probe, state.now, state.era)
        state = state._replace(calls=tuple(calls))
        if len(self.live(state)) > model.probes:
            self.flaw(ONE_PROBE, trace)
        return state

    def settle(self, state, which, call, outcome, trace):
        model, before = self.model, state
        memory = model.settle(state.memory, which, call.permit, outcome, state.now, state.down)
        was, now = model.phase(before.memory), model.phase(memory)
        if call.is_probe and outcome == "success" and was == HALF_OPEN:
            state = state._replace(successes=state.successes + 1)
        if was == HALF_OPEN and now == CLOSED and state.successes < model.success_threshold:
            self.flaw(ENOUGH, trace)
        if outcome == "success" and not model.keeps_result(state.down):
            self.flaw(RESULT_KEPT, trace)
        self.judge_moves(state, memory, call, outcome, trace)
        state = self.look(state, memory)
        if was == CLOSED and not call.is_probe and call.era == before.era:
            state = self.count(state, outcome, now, trace)
        if not state.down:
            return state._replace(known=(None, None))
        if outcome == "failure" and model.threshold == 1 and state.known[which] is None:
            known = list(state.known)
            known[which] = state.now
            state = state._replace(known=tuple(known))
        return state

    def judge_moves(self, state, memory, call, outcome, trace):
        """Note what a result has moved that is not its to move."""
        model = self.model
        was, now = model.phase(state.memory), model.phase(memory)
        moved = model.writes(memory) != model.writes(state.memory)
        late = call.era < state.era
        others = [c for c in (*state.calls, *(c for _, c in state.dead)) if c and c.is_probe]
        lapse = call.began + model.lease
        taken = any(one.began >= lapse or one.era > call.era for one in others)
        if late and was == OPEN and moved:
            self.flaw(NO_LATE_CLOSE if now == CLOSED else NO_LATE_EXTENSION, trace)
        if was == HALF_OPEN != now and (not call.is_probe or late or taken):
            self.flaw(LEASE_STANDS, trace)
        if was == CLOSED and outcome == "success" and moved:
            self.flaw(HEALTHY_IS_FREE, trace)

    def count(self, state, outcome, now, trace):
        """Count the failures in a row of the whole fleet."""
        in_a_row = state.in_a_row + 1 if outcome == "failure" else 0
        # After an outage of the store a trip may wait until it is asked again.
        if in_a_row >= self.model.threshold and now == CLOSED and not self.outages:
            self.flaw(TRIP_IS_STORED if self.model.threshold == 1 else FLEET_COUNTS, trace)
        return state._replace(in_a_row=0 if now == OPEN else in_a_row)

    def recovers(self, state):
        """Let all who are under way die and the store be up; healthy callers must close it."""
        model, memory, now = self.model, state.memory, state.now
        for _ in range(4 + model.success_threshold):
            now += RESET + min(model.lease, 9) + 40  # a store that failed is left alone for a while
            for which in (0, 1):
                memory, permit = model.admit(memory, which, now, False)
                if permit is not None:
                    memory = model.settle(memory, which, permit, "success", now, False)
            if model.phase(memory) == CLOSED:
                return True
        return False
