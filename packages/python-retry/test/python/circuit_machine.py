"""Hypothesis drives an emitted breaker, in any interpreter, beside the circuit of the documentation.

Hypothesis itself runs in the development environment; the breaker answers over a pipe. Only what is
public is used, so that a text in which the private names are shortened is driven alike.
"""

from __future__ import annotations

from circuit_reference import ReferenceCircuit, Rules
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from machine import run_machine
from remote import Remote

OUTCOMES = st.sampled_from(["success", "failure", "failure", "ignore"])
CALLERS = st.sampled_from("abc")
WORDS = st.sampled_from(["ok", "none", "fail", "fail", "fail", "permanent", "fatal", "interrupt"])


@st.composite
def breaker_options(draw, features):
    """Draw options of a breaker, of those that a text with these features has."""
    options = {
        "failure_threshold": draw(st.integers(1, 3)),
        "reset_timeout": draw(st.integers(1, 20)),
        "half_open_max_calls": draw(st.sampled_from([1, 2, 2, 3])),
        "lease": draw(st.integers(1, 30) | st.just(40)),
    }
    if "recovery" in features:
        options["success_threshold"] = draw(st.integers(1, 3))
        options["max_reset_timeout"] = draw(st.none() | st.integers(1, 60))
    if "windows" in features and draw(st.booleans()):
        options["window"] = draw(st.integers(3, 6))
        options["min_calls"] = 3
        options["failure_rate"] = 0.5
    return options


def machine_for(remote, features, seen, reference):  # noqa: C901 -- the rules of one machine
    """Return the machine for a text with these features; it adds what it has seen to `seen`."""
    forms = ["thread", "permit"] if "calls" in features else ["thread"]

    class Machine(RuleBasedStateMachine):
        @initialize(options=breaker_options(features))
        def start(self, options):
            self.circuit = reference(Rules(**options))
            self.held = {}  # (caller, form) to permit
            self.answer = remote("start", options)

        def tell(self, *request):
            self.answer = remote(*request)
            return self.answer[0]

        @rule(seconds=st.integers(0, 40))
        def let_time_pass(self, seconds):
            self.tell("advance", seconds, seconds)
            self.circuit.advance(seconds, seconds)

        @rule(mono=st.integers(0, 40), wall=st.integers(-100, 100))
        def let_a_clock_jump(self, mono, wall):
            self.tell("advance", mono, wall)
            self.circuit.advance(mono, wall)

        @precondition(lambda self: self.circuit.state in ("OPEN", "HALF_OPEN"))
        @rule(more=st.integers(-1, 1))
        def let_the_rest_of_the_wait_pass(self, more):
            seconds = max(0, self.circuit.retry_after + more)
            self.let_time_pass(seconds)

        @precondition(lambda self: self.circuit.state in ("OPEN", "HALF_OPEN"))
        @rule(caller=CALLERS, form=st.sampled_from(forms))
        def probe(self, caller, form):
            if self.circuit.state == "OPEN":
                self.let_the_rest_of_the_wait_pass(0)
            self.ask(caller, form)

        @precondition(lambda self: len(self.circuit.probes) > 1 and len(self.held) > 1)
        @rule(which=st.integers(0, 9))
        def fail_beside_another(self, which):
            self.settle(which, "failure")

        @precondition(lambda self: self.circuit.state == "CLOSED")
        @rule(failures=st.integers(1, 3))
        def fail(self, failures):
            for _ in range(failures):
                self.call(["fail"] * 4, 1, 0, "call")

        @rule(caller=CALLERS, form=st.sampled_from(forms))
        def ask(self, caller, form):
            if (caller, form) in self.held:
                return
            permit = self.circuit.admit()
            assert self.tell(f"ask_{form}", caller) == (permit is not None)
            if permit is not None:
                self.held[caller, form] = permit

        @precondition(lambda self: self.held)
        @rule(which=st.integers(0, 9), outcome=OUTCOMES)
        def settle(self, which, outcome):
            caller, form = sorted(self.held)[which % len(self.held)]
            self.circuit.settle(self.held.pop((caller, form)), outcome)
            self.tell(f"settle_{form}", caller, outcome)

        @rule(caller=CALLERS, outcome=st.sampled_from(["success", "failure"]))
        def record_without_asking(self, caller, outcome):
            if (caller, "thread") not in self.held:
                self.circuit.settle_without_permit(outcome)
                self.tell("settle_thread", caller, outcome)

        @precondition(lambda self: self.held)
        @rule(which=st.integers(0, 9))
        def die(self, which):
            caller, form = sorted(self.held)[which % len(self.held)]
            del self.held[caller, form]
            self.tell(f"die_{form}", caller)

        @rule(
            script=st.lists(WORDS, min_size=4, max_size=4),
            max_retries=st.integers(1, 4),
            base_delay=st.integers(0, 8),
            scope=st.sampled_from(["call", "attempt"]),
        )
        def call(self, script, max_retries, base_delay, scope):
            expected = self.circuit.call(script, max_retries, base_delay, scope)
            assert self.tell("call", script, max_retries, base_delay, scope) == [*expected]
            seen.add(f"call: {expected[0]}")

        # Seldom: a circuit that is moved by hand shows little of its own moves.
        @precondition(lambda self: "control" in features and self.circuit.era % 3 == 2)
        @rule(command=st.sampled_from(["isolate", "trip", "reset", "reset"]))
        def command(self, command):
            self.circuit.command(command)
            self.tell("command", command)

        @invariant()
        def is_as_documented(self):
            if hasattr(self, "answer"):
                assert self.answer[1:] == [self.circuit.state, self.circuit.retry_after]

        def teardown(self):
            if hasattr(self, "circuit"):
                seen.update(self.circuit.seen)

    return Machine


class ForgetsLeases(ReferenceCircuit):
    """A dead probe keeps its place."""

    @property
    def live(self):
        return dict(self.probes)


class ForgetsEarlierProbes(ReferenceCircuit):
    """A probe that is under way counts no more once the circuit has opened again."""

    def move(self, state):
        super().move(state)
        self.probes = {}


class TakesLateResults(ReferenceCircuit):
    """A failure that arrives while the circuit is open moves the opening time."""

    def settle(self, permit, outcome):
        if self.state == "OPEN" and outcome == "failure":
            self.opened_at = self.now
        super().settle(permit, outcome)


class CountsIgnored(ReferenceCircuit):
    """An error that is not retriable counts like any other."""

    def settle(self, permit, outcome):
        super().settle(permit, "failure" if outcome == "ignore" else outcome)


class RetriesProbes(ReferenceCircuit):
    """A call in HALF_OPEN is retried like any other."""

    def call(self, script, max_retries, base_delay, scope):
        if self.state == "HALF_OPEN" and scope == "call" and self.admit():
            return super().call(script[1:], max_retries, base_delay, scope)
        return super().call(script, max_retries, base_delay, scope)


REFERENCES = {
    one.__name__: one
    for one in (
        ReferenceCircuit,
        ForgetsLeases,
        ForgetsEarlierProbes,
        TakesLateResults,
        CountsIgnored,
        RetriesProbes,
    )
}


def run(python, directory, features, reference="ReferenceCircuit"):
    """Drive the emitted text in `directory`; return what was seen, and where the two differed."""
    remote = Remote(python, directory, "circuit_subject")
    return run_machine(
        lambda seen: machine_for(remote, features, seen, REFERENCES[reference]),
        remote,
        steps=50,
        shrink=reference == "ReferenceCircuit",
    )
