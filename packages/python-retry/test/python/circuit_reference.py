"""A circuit as the documentation tells it, in the plainest way: what the emitted text must equal."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Rules:
    """Options of a breaker, and what of them the features of the text do not have."""

    failure_threshold: int
    reset_timeout: int
    half_open_max_calls: int
    lease: int
    success_threshold: int = 1
    max_reset_timeout: int | None = None
    window: int | None = None
    failure_rate: float | None = None
    min_calls: int = 10


class ReferenceCircuit:
    """States and transitions by the table in the docstring of `CircuitBreaker`.

    A permit is (era, probe): the era rises at each change of state, the probe is None for a call
    through a closed circuit.
    """

    def __init__(self, rules):
        self.rules = rules
        self.mono = self.wall = 0.0
        self.state = "CLOSED"
        self.era = 0
        self.failures = 0
        self.recent = []
        self.opened_at = None
        self.open_for = 0
        self.probes = {}
        self.probes_ever = 0
        self.successes = 0
        self.reopens = 0
        self.seen = set()

    def advance(self, mono, wall):
        self.mono += mono
        self.wall += wall

    def elapsed(self, since):
        return max(0, self.mono - since[0], self.wall - since[1])

    @property
    def now(self):
        return (self.mono, self.wall)

    @property
    def live(self):
        return {p: at for p, at in self.probes.items() if self.elapsed(at) < self.rules.lease}

    @property
    def retry_after(self):
        if self.state == "ISOLATED":
            return float("inf")
        waits = [0]
        if self.state == "OPEN":
            waits.append(self.open_for - self.elapsed(self.opened_at))
        if self.state != "CLOSED" and len(self.probes) >= self.rules.half_open_max_calls:
            waits.append(min(self.rules.lease - self.elapsed(at) for at in self.probes.values()))
        return max(waits)

    def move(self, state):
        self.seen.add(f"{self.state} -> {state}")
        self.state = state
        self.era += 1
        self.failures = self.successes = 0
        self.recent = []

    def open(self, reopens):
        self.move("OPEN")
        self.opened_at = self.now
        self.reopens = reopens
        self.open_for = self.rules.reset_timeout
        if self.rules.max_reset_timeout is not None:
            longest = max(self.rules.max_reset_timeout, self.rules.reset_timeout)
            self.open_for = min(self.rules.reset_timeout * 2**reopens, longest)

    def close(self):
        self.move("CLOSED")
        self.reopens = 0

    def admit(self):
        """Return a permit, or None."""
        if self.state == "CLOSED":
            return (self.era, None)
        if self.state == "ISOLATED":
            return None
        if self.state == "OPEN" and self.elapsed(self.opened_at) < self.open_for:
            self.seen.add("refused while open")
            return None
        live = self.live
        if len(live) >= self.rules.half_open_max_calls:
            self.seen.add("refused while half open")
            return None
        if self.state == "OPEN":
            self.move("HALF_OPEN")
            if live:
                self.seen.add("a probe beside one of an earlier opening")
        if len(live) < len(self.probes):
            self.seen.add("a lease lapsed")
            self.successes = 0
        self.probes = live
        self.probes_ever += 1
        self.probes[self.probes_ever] = self.now
        return (self.era, self.probes_ever)

    def settle(self, permit, outcome):
        era, probe = permit
        if era != self.era:
            self.seen.add("a late result")
        elif self.state == "CLOSED":
            self.count(outcome)
        elif probe not in self.probes:
            self.seen.add("a result without a place")
        elif outcome == "ignore":
            self.seen.add("an ignored probe")
            del self.probes[probe]
        elif outcome == "failure":
            del self.probes[probe]
            self.open(self.reopens + 1)
        else:
            del self.probes[probe]
            self.successes += 1
            if self.successes >= self.rules.success_threshold:
                self.close()

    def settle_without_permit(self, outcome):
        self.settle((self.era, None), outcome)

    def count(self, outcome):
        if outcome == "ignore":
            return
        failed = outcome == "failure"
        if self.rules.window is not None:
            self.recent = [*self.recent, failed][-self.rules.window :]
            share = sum(self.recent) / len(self.recent)
            if len(self.recent) >= self.rules.min_calls and share >= self.rules.failure_rate:
                self.open(0)
        elif not failed:
            self.failures = 0
        else:
            self.failures += 1
            if self.failures >= self.rules.failure_threshold:
                self.open(0)

    def command(self, command):
        if command == "isolate":
            self.move("ISOLATED")
        elif command == "trip":
            self.open(0)
        else:
            self.close()

    def call(self, script, max_retries, base_delay, scope):
        """Return how a call through `retry_with_circuit_breaker` ends, and in how many attempts.

        A call ends with "value", "refused" or the name of the error that ended it.
        """
        permit = None
        for attempt in range(1, max_retries + 1):
            permit = permit or self.admit()
            if permit is None:
                return ("refused" if attempt == 1 else "fail"), attempt - 1
            word = script[attempt - 1]
            if word in ("ok", "none"):
                self.settle(permit, "success")
                return "value", attempt
            if word != "fail":
                self.settle(permit, "ignore")
                return word, attempt
            last = attempt == max_retries or permit[1] is not None
            if last or scope == "attempt":
                self.settle(permit, "failure")
                permit = None
            if last or (scope == "attempt" and self.state != "CLOSED"):
                return "fail", attempt
            self.advance(base_delay * 2 ** (attempt - 1), base_delay * 2 ** (attempt - 1))
        raise AssertionError("unreachable")
