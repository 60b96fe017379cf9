"""The breadth-first check of circuits that environments share: ours, and the defects of others.

D8-D18 of the list of defects, but for those of retries and windows (`test_peer_rules.py` has all of
them beside ours, on the same events). Plain functions, so that every interpreter can run them
without pytest.
"""

from __future__ import annotations

import shared_models as models
from shared_models import DUE, OursShared, Powertools, Search
from test_fleet_model import Store


def flaws_of(model, depth=6, **options):
    return Search(model, depth, **options).run()


def test_no_interleaving_of_two_environments_breaks_ours():
    for start in ((), DUE):
        search = Search(OursShared(), 8, start=start)
        assert search.run() == {}
        assert search.states > 2000


def test_no_outage_of_the_store_breaks_ours():
    # An environment that was cut off goes by its own view until it has reached the store again.
    by_its_own_view = {models.SAME_STATE, models.SIDE_BY_SIDE}
    for start in ((), DUE):
        search = Search(OursShared(), 6, start=start, outages=True)
        assert search.run().keys() <= by_its_own_view
        assert search.states > 1500


def test_no_interleaving_with_several_successes_or_fractions_of_a_second_breaks_ours():
    assert flaws_of(OursShared(success_threshold=2), start=DUE) == {}
    assert flaws_of(OursShared(), 7, tick=0.5) == {}


def test_no_interleaving_of_several_probes_breaks_ours():
    # Leases that outlast an opening: a probe may live on beside those of the next half-open circuit.
    one_of_two_died = (*DUE, ("admit", 0), ("admit", 1), ("die", 1))
    for start in (DUE, one_of_two_died):
        assert flaws_of(OursShared(probes=2, lease=4), start=start) == {}


def test_the_check_finds_a_store_without_conditions():
    class Careless(Store):
        def swap(self, name, version, state):
            self.item = (version + 1, state)

    flaws = flaws_of(OursShared(store=Careless), start=DUE)
    assert {models.NO_LATE_CLOSE, models.NO_LATE_EXTENSION, models.LEASE_STANDS} <= set(flaws)


def test_d8_interlock_is_wedged_by_a_probe_that_dies():
    flaws = flaws_of(models.Interlock(), 7)
    trip = ("admit", 0), ("failure", 0), ("time",), ("time",), ("poll", 0)
    assert flaws[models.NO_WEDGE] == (*trip, ("admit", 0))


def test_d9_interlock_leaves_a_trip_to_a_thread_that_a_freeze_stops():
    assert flaws_of(models.Interlock())[models.TRIP_IS_STORED] == (("admit", 0), ("failure", 0))


def test_d10_powertools_counts_successes_from_before_the_last_opening():
    options = {"start": DUE, "deaths": False}
    trace = flaws_of(Powertools(success_threshold=2), 9, **options)[models.ENOUGH]
    assert [event for event in trace if event[0] == "success"] == [("success", 0)] * 2
    assert ("failure", 1) in trace


def test_d11_powertools_lets_a_zombie_close():
    flaws = flaws_of(Powertools(), start=DUE)
    lapsed = (("admit", 0), ("time",), ("time",), ("admit", 1))
    assert flaws[models.NO_LATE_CLOSE] == (*lapsed, ("failure", 0), ("success", 1))
    assert models.LEASE_STANDS in flaws


def test_d12_powertools_lets_a_late_trip_move_the_opening():
    late = flaws_of(Powertools(), 4)[models.NO_LATE_EXTENSION]
    assert late == (("admit", 0), ("admit", 1), ("failure", 0), ("failure", 1))


def test_d13_powertools_forgets_its_own_trip_when_the_store_is_down():
    trace = flaws_of(Powertools(), 5, outages=True)[models.VIEW_HOLDS]
    assert trace[-2:] == (("failure", 0), ("admit", 0))
    assert ("down",) in trace


def test_d14_failures_in_a_row_that_fall_to_several_environments_open_neither_circuit():
    # True of ours as well, and meant: a failing call through a closed circuit costs no write. A
    # shared count would let the failures of unlike callers add up, and would write in a partial
    # outage what the store is to spare. What is shared is the trip: the first one is the last
    # needed, where each environment of the peer's fleet reaches the threshold for itself.
    for model in (Powertools(threshold=2), OursShared(threshold=2)):
        flaws = flaws_of(model, 5)
        apart = (("admit", 0), ("failure", 0), ("admit", 1), ("failure", 1))
        assert flaws[models.FLEET_COUNTS] == apart
    assert set(flaws) == {models.FLEET_COUNTS}


def test_d15_powertools_ends_an_opening_early_by_whole_seconds():
    trace = flaws_of(Powertools(), 8, tick=0.5, deaths=False)[models.OPEN_REFUSES]
    assert trace.count(("time",)) == 4
    assert trace[0] == ("time",)  # it opened half a second after a whole one


def test_d16_circuitbreaker_lambda_writes_each_success_and_overwrites_an_opening():
    flaws = flaws_of(models.CircuitBreakerLambda())
    assert flaws[models.HEALTHY_IS_FREE] == (("admit", 0), ("success", 0))
    assert models.NO_LATE_CLOSE in flaws
    assert models.ONE_PROBE in flaws


def test_d17_the_layer_of_circuitbreaker_lambda_reads_half_open_as_closed():
    assert models.SAME_STATE not in flaws_of(models.CircuitBreakerLambda())
    trace = flaws_of(models.CircuitBreakerLambdaLayer())[models.SAME_STATE]
    assert trace[-1] == ("admit", 0)


def test_d18_gobreaker_serialises_the_fleet_and_loses_results():
    flaws = flaws_of(models.Gobreaker(), outages=True)
    assert flaws[models.SIDE_BY_SIDE] == (("admit", 0), ("admit", 1))
    assert flaws[models.RESULT_KEPT] == (("admit", 0), ("down",), ("success", 0))
