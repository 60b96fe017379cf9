"""The breadth-first check of our circuit, and the defects that it finds in others' rules.

D1-D6 and D20 of the list of defects; `test_shared_models.py` has those of shared circuits. Plain functions, so that every interpreter can run them without pytest.
"""

from __future__ import annotations

import circuit_models as models
from circuit_models import Explorer


def flaws_of(model, depth=7):
    return Explorer(model, depth).run()


def test_no_interleaving_of_two_workers_breaks_ours():
    explorer = Explorer(models.Ours())
    assert explorer.run() == {}
    assert explorer.states > 500  # all there are: time, generations and tickets are relative


def test_no_interleaving_of_several_probes_breaks_ours():
    # Leases that outlast an opening: a probe may live on beside those of the next half-open circuit.
    for probes, lease in ((2, 3), (3, 5), (1, 5)):
        explorer = Explorer(models.Ours(probes, lease), 14)
        assert explorer.run() == {}
        assert explorer.states > 3000


def test_the_check_finds_probes_that_a_new_opening_forgets():
    class Forgetful(models.Ours):
        def settle(self, circuit, permit, outcome, now):
            after = self.thaw(super().settle(circuit, permit, outcome, now))
            opening = tuple(wait for wait in after.waits if wait[0] < 0)
            return self.freeze(after.to(waits=opening or after.waits))

    assert set(flaws_of(Forgetful(2, 3), 12)) == {models.ONE_PROBE}


def test_no_jump_of_either_clock_breaks_ours():
    # A clock that jumps lets a lease or an opening end early; that alone is what it can do.
    bound_to_time = {models.ONE_PROBE, models.OPEN_REFUSES}
    explorer = Explorer(models.Ours(), 8, models.ALL - bound_to_time, jumps=2)
    assert explorer.run() == {}
    assert explorer.states > 5000


def test_the_check_finds_what_leases_and_tickets_are_for():
    class WithoutTickets(models.Ours):
        def admit(self, circuit, now):
            self.tickets = 0
            return super().admit(circuit, now)

    class WithoutLease(models.Ours):
        def step(self, circuit, event, permit, now):
            permit = (permit[0], models.FOREVER) if event == "admit" else permit
            return super().step(circuit, event, permit, now)

    class WithoutGenerations(models.Ours):
        def settle(self, circuit, permit, outcome, now):
            if outcome == "failure" and self.phase(circuit) == models.OPEN:
                return self.freeze(
                    self.thaw(circuit).to(waits=((-1, (now, 5e8 + now), models.RESET),))
                )
            return super().settle(circuit, permit, outcome, now)

    assert set(flaws_of(WithoutTickets(), 9)) == {models.LATE_IS_NEUTRAL}
    assert set(flaws_of(WithoutLease(), 6)) == {models.NO_WEDGE}
    assert set(flaws_of(WithoutGenerations(), 6)) == {models.NO_LATE_EXTENSION}


def test_d1_pybreaker_serialises_calls_through_a_closed_circuit():
    flaws = flaws_of(models.PyBreaker())
    assert flaws[models.SIDE_BY_SIDE] == (("admit", 0), ("admit", 1))


def test_d2_circuitbreaker_admits_a_crowd_and_closes_on_interrupts():
    flaws = flaws_of(models.CircuitBreakerPackage())
    assert {models.ONE_PROBE, models.NEUTRAL, models.NO_LATE_CLOSE} <= set(flaws)
    assert len(flaws[models.ONE_PROBE]) == 6
    assert models.OPEN_REFUSES in flaws_of(models.CircuitBreakerPackageWith())


def test_d3_backon_extends_an_opening_by_late_failures_and_its_with_checks_nothing():
    assert models.NO_LATE_EXTENSION in flaws_of(models.Backon())
    assert models.OPEN_REFUSES in flaws_of(models.BackonWith())


def test_d4_tenaz_is_wedged_by_a_probe_that_is_aborted():
    flaws = flaws_of(models.Tenaz())
    assert models.NO_LATE_CLOSE in flaws
    assert flaws[models.NO_WEDGE][-1][0] in ("ignore", "interrupt", "admit")


def test_d5_nopanic_is_wedged_by_a_probe_that_is_cancelled():
    flaws = flaws_of(models.Nopanic())
    assert models.NO_WEDGE in flaws


def test_d6_pyresilience_and_purgatory_admit_a_crowd():
    assert models.ONE_PROBE in flaws_of(models.Pyresilience())


def test_d20_aiobreaker_is_out_by_the_offset_of_the_time_zone():
    assert models.OPEN_REFUSES in flaws_of(models.Aiobreaker(2))
    assert models.NO_WEDGE in flaws_of(models.Aiobreaker(-5))
    assert not flaws_of(models.Aiobreaker(0)).keys() & {models.OPEN_REFUSES, models.NO_WEDGE}
