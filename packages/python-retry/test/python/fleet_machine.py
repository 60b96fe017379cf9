"""Hypothesis drives a fleet that shares one circuit, in any interpreter, and watches the store.

What is checked is what the documentation promises of a shared circuit, from outside: by the answers
of the environments, by each write to the store, and by a time that no environment knows. Clocks
jump, freeze and disagree; the store is out of reach, answers late, and loses answers; environments
end in the middle of a probe; results come when they are no longer waited for.
"""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
)
from machine import run_machine
from remote import Remote
from stored_state import opened_at, phase_of, tickets_of

ENVIRONMENTS = 3
WHICH = st.integers(0, ENVIRONMENTS - 1)
OUTCOMES = st.sampled_from(["success", "failure", "failure", "ignore"])
WORDS = st.sampled_from(["ok", "fail", "fail", "fail", "fatal", "interrupt"])
FAULTS = st.sets(st.sampled_from(["clocks", "outages", "stale reads"]), max_size=3)
EPOCH = 1.7e9  # what the wall clocks of all environments show at first
LONGEST_PAUSE = 64  # seconds for which a store that failed may be left alone, and more

TOO_MANY = "more probes are live than are allowed"
NO_LEASE = "a verdict was written without the lease"
OPEN_CHANGED = "a result changed an open circuit"
EARLY = "an open circuit admitted before it was due"
FALSE_TIME = "an opening was written with a time that is not its own"
OLD_TRIP = "a trip from before the circuit closed, or one that is over, opened the circuit"
IDLE = "a write that is no transition"
HEALTHY_WRITE = "a healthy call cost a write"
MANY_READS = "a healthy call read more than once"
UNHEARD = "a call was admitted although the environment must know of the opening"
PROBE_RETRIED = "a probe was retried"
WEDGED = "a healthy dependency does not get back to CLOSED"


@st.composite
def fleet_options(draw):
    return {
        "failure_threshold": draw(st.integers(1, 2)),
        "reset_timeout": draw(st.integers(5, 30)),
        "half_open_max_calls": draw(st.sampled_from([1, 1, 2])),
        "lease": draw(st.integers(5, 40)),
        "store_ttl": draw(st.sampled_from([0, 5])),
    }


def machine_for(remote, seen, flaw):  # noqa: C901 -- the rules of one machine
    """Return the machine; it adds what it has seen to `seen`."""

    class Machine(RuleBasedStateMachine):
        @initialize(options=fleet_options(), faults=FAULTS)
        def start(self, options, faults):
            self.options, self.faults = options, faults
            self.now = 0
            self.off = 0  # seconds by which any two clocks may disagree on an interval
            self.frozen = False
            self.item = None
            self.keys = 0
            # Key to (environment, ticket or None, true time of the grant, is a probe, may settle).
            self.held = {}
            self.tripped_at = 0  # when the stored circuit opened, by the clock of who opened it
            self.closed_at = 0  # when it closed last
            self.read_at = [None] * ENVIRONMENTS
            self.reads = [0] * ENVIRONMENTS
            self.states = ["CLOSED"] * ENVIRONMENTS
            self.before = None
            self.tell("start", ENVIRONMENTS, options, flaw)

        def tell(self, *request):
            """Send a command, and check whatever was written meanwhile."""
            result, environments, item, self.written = remote(*request)
            self.before, self.item = self.item, item and item[1]
            for number, (state, _, reads) in enumerate(environments):
                if reads != self.reads[number]:
                    self.read_at[number] = self.now
                self.reads[number], self.states[number] = reads, state
            for _, before, after in self.written:
                self.check_write(request[0], before, after)
            return result

        def check_write(self, command, before, after):
            was, now = phase_of(before), phase_of(after)
            seen.add(f"{was} -> {now}")
            old, new = tickets_of(before), tickets_of(after)
            assert len(new) <= self.options["half_open_max_calls"], TOO_MANY
            if was == "OPEN":
                assert command in ("ask", "call"), OPEN_CHANGED
                assert now == "HALF_OPEN", OPEN_CHANGED
                passed = self.now - self.tripped_at + self.off
                assert passed >= self.options["reset_timeout"], EARLY
            assert (was, old) != (now, new), IDLE
            if was == "HALF_OPEN" and now != "HALF_OPEN":
                # A call with retries takes and settles its permit in one command.
                mine = self.settling if command == "settle" else self.taken(before)
                assert mine in old, NO_LEASE
                assert command != "settle" or self.may_settle, NO_LEASE
                # What is still under way lives on, but its result will be dropped.
                self.held = {key: (*one[:4], False) for key, one in self.held.items()}
            if was == "HALF_OPEN" == now and command == "settle":
                assert old - new == {self.settling}, NO_LEASE
            if now == "OPEN":
                # A trip that the store has missed is written later, with the time it was made.
                self.tripped_at = opened_at(after) - EPOCH
                age = self.now - self.tripped_at
                assert age >= -self.off, FALSE_TIME
                assert age <= self.off or "outages" in self.faults, FALSE_TIME
                assert self.tripped_at >= self.closed_at - self.off, OLD_TRIP
                assert age < self.options["reset_timeout"] + self.off, OLD_TRIP
            if was != "CLOSED" == now:
                self.closed_at = self.now

        def taken(self, until):
            """Return the ticket that was added by the writes of this command before a state."""
            for _, before, after in self.written:
                if before == until:
                    return None
                if added := tickets_of(after) - tickets_of(before):
                    (ticket,) = added
                    return ticket
            return None

        def live(self):
            """Return the probes under way whose lease cannot have lapsed by any clock."""
            lease = self.options["lease"] - self.off
            return [one for one in self.held.values() if one[3] and self.now - one[2] < lease]

        def must_know(self, number):
            """Tell whether an environment must know of what the store held before this command."""
            read_at = self.read_at[number]
            return not self.faults and (
                read_at is None or self.now - read_at > 1.2 * self.options["store_ttl"]
            )

        def check_admission(self, number, knew):
            if phase_of(self.before) == "OPEN" and not self.written:
                assert not knew, UNHEARD

        @rule(seconds=st.integers(0, 40))
        def let_time_pass(self, seconds):
            self.now += seconds
            self.off += seconds if self.frozen else 0
            self.tell("advance", seconds)

        @precondition(lambda self: self.item and phase_of(self.item) == "OPEN")
        @rule(more=st.integers(-1, 1))
        def let_the_opening_pass(self, more):
            due = self.tripped_at + self.options["reset_timeout"]
            self.let_time_pass(max(0, due - self.now + more))

        @precondition(lambda self: self.live())
        @rule(which=WHICH, more=st.integers(-1, 1))
        def let_a_lease_pass(self, which, more):
            until = min(one[2] for one in self.live()) + self.options["lease"]
            self.let_time_pass(max(0, until - self.now + more))
            self.ask(which)

        @precondition(lambda self: "clocks" in self.faults and self.off < 12)
        @rule(which=WHICH, clock=st.sampled_from(["mono", "wall"]), seconds=st.integers(-8, 8))
        def let_a_clock_jump(self, which, clock, seconds):
            self.off += abs(seconds)
            self.tell("jump", which, clock, seconds)

        @precondition(lambda self: "clocks" in self.faults and not self.frozen)
        @rule(which=WHICH, clock=st.sampled_from(["mono", "wall"]))
        def freeze_a_clock(self, which, clock):
            self.frozen = True
            self.tell("freeze", which, clock)

        @precondition(lambda self: "clocks" in self.faults and self.frozen)
        @rule()
        def thaw(self):
            self.frozen = False
            self.tell("thaw")

        @precondition(lambda self: self.faults & {"outages", "stale reads"})
        @rule(which=WHICH, down=st.booleans(), lag=st.integers(0, 2), loses=st.booleans())
        def change_the_way_to_the_store(self, which, down, lag, loses):
            outages, stale = "outages" in self.faults, "stale reads" in self.faults
            self.tell("reach", which, down and outages, lag * stale, loses and outages)

        @precondition(lambda self: self.held or self.item)
        @rule(which=WHICH)
        def end_an_environment(self, which):
            self.held = {key: one for key, one in self.held.items() if one[0] != which}
            self.tell("restart", which)
            self.read_at[which] = None

        @precondition(lambda self: "CLOSED" in self.states)
        @rule(which=WHICH)
        def fail(self, which):
            for _ in range(2):
                self.call(which, ["fail"] * 3, 1)

        @precondition(lambda self: self.item and phase_of(self.item) == "OPEN")
        @rule(which=WHICH, cut_off=st.booleans())
        def probe(self, which, cut_off):
            if cut_off:
                self.change_the_way_to_the_store(which, True, 0, False)
            self.let_the_opening_pass(0)
            self.ask(which)

        @rule(which=WHICH)
        def ask(self, which):
            self.keys += 1
            knew = self.must_know(which)
            if not self.tell("ask", which, self.keys):
                seen.add("refused")
                return
            self.check_admission(which, knew)
            ticket = next(iter(tickets_of(self.item) - tickets_of(self.before)), None)
            is_probe = ticket is not None or self.states[which] == "HALF_OPEN"
            if is_probe and ticket is None:
                seen.add("a probe of a view of one's own")
                assert "outages" in self.faults, TOO_MANY
            if tickets_of(self.before) - tickets_of(self.item):
                seen.add("a lease lapsed")
            self.held[self.keys] = (which, ticket, self.now, is_probe, True)
            shared = [one for one in self.live() if one[1] is not None]
            assert len(shared) <= self.options["half_open_max_calls"], TOO_MANY

        @precondition(lambda self: self.held)
        @rule(outcome=OUTCOMES)
        def settle_the_newest(self, outcome):
            self.settle(max(self.held), outcome)

        @precondition(lambda self: self.held)
        @rule(which=st.integers(0, 9), outcome=OUTCOMES)
        def settle_any(self, which, outcome):
            self.settle(sorted(self.held)[which % len(self.held)], outcome)

        def settle(self, key, outcome):
            _, self.settling, _, is_probe, self.may_settle = self.held.pop(key)
            self.tell("settle", key, outcome)
            if is_probe and self.settling not in tickets_of(self.before):
                seen.add("a verdict without a place")
            if phase_of(self.before) == "OPEN":
                seen.add("a result while open")

        @rule(
            which=WHICH, words=st.lists(WORDS, min_size=3, max_size=3), attempts=st.integers(1, 3)
        )
        def call(self, which, words, attempts):
            knew = self.must_know(which)
            ended, made = self.tell("call", which, words, attempts)
            seen.add(f"call: {ended}")
            if made:
                self.check_admission(which, knew)
            if any(tickets_of(after) - tickets_of(before) for _, before, after in self.written):
                assert made == 1, PROBE_RETRIED

        @precondition(lambda self: "CLOSED" in self.states and phase_of(self.item) == "CLOSED")
        @rule(which=WHICH)
        def make_a_healthy_call(self, which):
            if self.states[which] == "CLOSED":
                before = self.reads[which]
                ended, _ = self.tell("call", which, ["ok"], 1)
                assert ended == "ok", WEDGED
                assert self.written == [], HEALTHY_WRITE
                assert self.reads[which] <= before + 1, MANY_READS

        def let_the_dependency_be_well(self):
            """All that is wrong ends, and healthy callers come: the circuit must close for all."""
            self.held = {}
            self.frozen = False
            self.tell("thaw")
            for which in range(ENVIRONMENTS):
                self.tell("reach", which, False, 0, False)
            for _ in range(4):
                self.let_time_pass(
                    self.options["reset_timeout"] + self.options["lease"] + self.off + LONGEST_PAUSE
                )
                for which in range(ENVIRONMENTS):
                    self.tell("call", which, ["ok"], 1)
                if {*self.states, phase_of(self.item)} == {"CLOSED"}:
                    return
            raise AssertionError(WEDGED)

        def teardown(self):
            if hasattr(self, "options"):
                self.let_the_dependency_be_well()

    return Machine


def run(python, directory, flaw=""):
    """Drive the emitted text in `directory`; return what was seen, and what was found wrong."""
    remote = Remote(python, directory, "fleet_subject")
    return run_machine(
        lambda seen: machine_for(remote, seen, flaw), remote, steps=40, shrink=not flaw
    )
