"""Properties of the delay and of the breaker, over whatever Hypothesis can think of."""

from __future__ import annotations

import python_retry
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from python_retry import CircuitBreaker, retry_with_backoff

YEAR = 31_536_000.0


@given(
    attempt=st.integers(1, 10_000),
    base_delay=st.floats(0, 1e308) | st.integers(0, 10**300),
    jitter_factor=st.floats(0, 1e308),
    draw=st.floats(0, 1, exclude_max=True),
)
def test_a_delay_lies_between_the_backoff_and_its_jitter(attempt, base_delay, jitter_factor, draw):
    delay = python_retry._backoff_delay(attempt, base_delay, jitter_factor, draw)
    exact = min(base_delay * 2 ** min(attempt - 1, 62), YEAR)
    assert exact <= delay <= min(exact * (1 + jitter_factor) * (1 + 1e-12), YEAR)


@given(
    failures=st.integers(0, 8),
    max_retries=st.integers(1, 6),
    draws=st.lists(st.floats(0, 1, exclude_max=True), min_size=8, max_size=8),
)
def test_attempts_and_sleeps_are_as_many_as_the_failures_call_for(failures, max_retries, draws):
    sleeps = []
    calls = []

    class Rng:
        def random(self):
            return draws[len(sleeps)]

    def operation():
        calls.append(1)
        if len(calls) <= failures:
            raise ConnectionError
        return "ok"

    answer = retry_with_backoff(
        operation, "property", max_retries, 2, 0.5, sleep=sleeps.append, rng=Rng()
    )
    assert len(calls) == min(failures + 1, max_retries)
    assert answer == ("ok" if failures < max_retries else None)
    assert len(sleeps) == len(calls) - 1
    assert sleeps == [2 * 2**n * (1 + 0.5 * draws[n]) for n in range(len(sleeps))]


class Circuit(RuleBasedStateMachine):
    """A breaker beside a plain replay of its pure core: the shortcuts without a lock must agree."""

    @initialize(
        failure_threshold=st.integers(1, 3),
        reset_timeout=st.integers(0, 20),
        probes=st.integers(1, 3),
        lease=st.integers(1, 30),
    )
    def start(self, failure_threshold, reset_timeout, probes, lease):
        self.now = 100.0
        self.breaker = CircuitBreaker(
            failure_threshold,
            reset_timeout,
            half_open_max_calls=probes,
            lease=lease,
            clock=lambda: self.now,
            wall=lambda: 5e8 + self.now,
        )
        self.replay = self.breaker._circuit
        self.permits = []  # (permit, end of its lease), until they are settled

    @property
    def instant(self):
        return (self.now, 5e8 + self.now)

    def step(self, event, permit):
        return python_retry._circuit_step(self.breaker, self.replay, event, permit, self.instant)

    @rule(seconds=st.integers(0, 40))
    def let_time_pass(self, seconds):
        before = self.breaker._circuit
        self.now += seconds
        assert self.breaker._circuit is before

    @rule()
    def admit(self):
        before = self.breaker._circuit
        permit = self.breaker._acquire()
        ticket = permit[1] if permit and permit[1] else 1
        self.replay, expected = self.step("admit", (ticket, self.breaker.lease))
        assert (permit and permit[:2]) == (expected and expected[:2])
        if permit is not None:
            assert not permit[1] or permit[:2] not in [known[:2] for known, _ in self.permits]
            self.permits.append((permit, self.now + self.breaker.lease))
        if before.phase == "OPEN":
            due = self.now - before.waits[0][1][0] >= self.breaker.reset_timeout
            assert (permit is not None) == due

    @precondition(lambda self: self.permits)
    @rule(which=st.integers(0, 100), outcome=st.sampled_from(["success", "failure", "ignore"]))
    def settle(self, which, outcome):
        permit, _ = self.permits.pop(which % len(self.permits))
        before = self.breaker._circuit
        self.breaker._advance(outcome, permit)
        self.replay, nothing = self.step(outcome, permit)
        assert nothing is None
        if permit[0] != before.generation or before.phase == "OPEN":
            assert self.breaker._circuit is before, "a late result moved the circuit"
        if self.breaker._circuit.phase != before.phase:
            assert self.breaker._circuit.generation == before.generation + 1

    @precondition(lambda self: self.permits)
    @rule(which=st.integers(0, 100))
    def die(self, which):
        self.permits.pop(which % len(self.permits))

    @invariant()
    def agrees_with_the_core(self):
        fields = set(vars(self.breaker._circuit)) | set(vars(self.replay))
        for name in fields:
            assert getattr(self.breaker._circuit, name) == getattr(self.replay, name)

    @invariant()
    def never_more_live_probes_than_allowed(self):
        live = [permit for permit, until in self.permits if permit[1] and until > self.now]
        assert len(live) <= self.breaker.half_open_max_calls
        places = [ticket for ticket, *_ in self.breaker._circuit.waits if ticket > 0]
        assert len(places) <= self.breaker.half_open_max_calls

    @invariant()
    def keeps_to_its_threshold(self):
        circuit = self.breaker._circuit
        assert circuit.failures < self.breaker.failure_threshold
        openings = [number for number, wait in enumerate(circuit.waits) if wait[0] < 0]
        assert openings == ([0] if circuit.phase == "OPEN" else [])

    @invariant()
    def a_healthy_dependency_gets_back_to_closed(self):
        later = self.now + self.breaker.reset_timeout + self.breaker.lease
        now = (later, 5e8 + later)
        step, breaker = python_retry._circuit_step, self.breaker
        state, permit = step(breaker, breaker._circuit, "admit", (7, breaker.lease), now)
        assert permit is not None
        state, _ = step(breaker, state, "success", permit, now)
        assert state.phase == "CLOSED"


TestCircuit = Circuit.TestCase
