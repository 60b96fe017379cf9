"""Simulates an outage of a dependency of many Lambda environments; prints JSON.

Each policy is the real code of its package. Every invocation runs in a thread of its own that gives
control back whenever it waits, so that time is virtual and the order of events is exact.
"""

from __future__ import annotations

import datetime as dt
import heapq
import itertools
import json
import logging
import random
import statistics
import sys
import threading
from types import SimpleNamespace

OUTAGE_BEGINS, OUTAGE_TAKES, END = 60.0, 600.0, 900.0
ARRIVALS_PER_SECOND = 10.0
ENVIRONMENTS = 40
FAILURE_TAKES, SUCCESS_TAKES = 1.0, 0.05
ATTEMPTS, BASE_DELAY, THRESHOLD, RESET = 3, 0.2, 5, 30
EPOCH = 1.7e9
SEEDS = (1, 2, 3, 4)
RATES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
PLOTTED = 1.0  # the rate of which the course over time is kept


class World:
    """Virtual time: one thread runs at a time, the one whose moment has come."""

    def __init__(self, seed):
        self.now = 0.0
        self.queue = []
        self.order = itertools.count()
        self.turn = gate()
        self.random = random.Random(seed)

    def at(self, moment, wake):
        heapq.heappush(self.queue, (moment, next(self.order), wake))

    def sleep(self, seconds):
        moment = self.now + max(0.0, seconds)
        if not self.queue or self.queue[0][0] > moment:
            self.now = moment  # nobody else comes before: no need to change threads
            return
        mine = gate()
        self.at(moment, mine.release)
        self.turn.release()
        mine.acquire()

    def spawn(self, function):
        def body():
            try:
                function()
            finally:
                self.turn.release()

        threading.Thread(target=body, daemon=True).start()

    def run(self):
        while self.queue:
            self.now, _, wake = heapq.heappop(self.queue)
            wake()
            self.turn.acquire()


def gate():
    """Return a lock that is taken: whoever acquires it waits until another releases it."""
    lock = threading.Lock()
    lock.acquire()
    return lock


class Dependency:
    """Fails at a rate while the outage lasts, and counts the calls that reach it meanwhile."""

    def __init__(self, world, failure_rate, outage_ends):
        self.world = world
        self.failure_rate = failure_rate
        self.outage_ends = outage_ends
        self.reached = 0
        self.probes = 0

    def behind(self, is_half_open):
        """Return the call as a breaker makes it, which tells whether its circuit is half open."""

        def call():
            if OUTAGE_BEGINS <= self.world.now < self.outage_ends:
                self.probes += is_half_open()
            return self()

        return call

    def __call__(self):
        world = self.world
        if OUTAGE_BEGINS <= world.now < self.outage_ends:
            self.reached += 1
            if world.random.random() < self.failure_rate:
                world.sleep(FAILURE_TAKES)
                raise ConnectionError("down")
        world.sleep(SUCCESS_TAKES)
        return "value"


class MemoryStore:
    def __init__(self):
        self.items = {}
        self.writes = 0

    def read(self, name):
        return self.items.get(name)

    def swap(self, name, version, state):
        self.writes += 1
        there = self.items.get(name)
        if (there[0] if there else 0) != version:
            return there or (0, {})
        self.items[name] = (version + 1, state)
        return None


def no_retry(world, dependency):
    return lambda: lambda: dependency()


def by_hand(world, dependency):
    import naive

    naive.time = SimpleNamespace(time=lambda: EPOCH + world.now, sleep=world.sleep)
    naive.random = world.random

    def environment():
        breaker = naive.CircuitBreaker(THRESHOLD, RESET)
        operation = dependency.behind(lambda: breaker.state == "HALF_OPEN")

        def call():
            value = naive.retry_with_circuit_breaker(operation, "x", breaker, ATTEMPTS, BASE_DELAY)
            if value is None:
                raise ConnectionError

        return call

    return environment


def tenacity_with_pybreaker(world, dependency):
    import pybreaker
    import tenacity

    class Now(dt.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls.fromtimestamp(EPOCH + world.now, tz)

    pybreaker.datetime = Now

    def environment():
        breaker = pybreaker.CircuitBreaker(THRESHOLD, RESET)
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(ATTEMPTS),
            wait=tenacity.wait_random_exponential(multiplier=BASE_DELAY),
            retry=tenacity.retry_if_not_exception_type(pybreaker.CircuitBreakerError),
            sleep=world.sleep,
            reraise=True,
        )
        operation = dependency.behind(lambda: breaker.current_state == "half-open")
        return lambda: retrying(breaker.call, operation)

    return environment


def powertools(world, dependency):
    import dataclasses

    from aws_lambda_powertools.utilities.circuit_breaker import (
        CircuitBreakerConfig,
        CircuitState,
        base,
        circuit_breaker,
    )
    from aws_lambda_powertools.utilities.circuit_breaker.persistence import base as persistence

    clock = SimpleNamespace(
        now=lambda: SimpleNamespace(timestamp=lambda: EPOCH + world.now),
    )
    base.dt = persistence.dt = SimpleNamespace(datetime=clock)
    items = {}

    class Memory(persistence.CircuitBreakerPersistenceLayer):
        """The conditions of its DynamoDB layer. One name an environment, one item for all."""

        def _get_record(self, name):
            return items["x"] and dataclasses.replace(items["x"], name=name) if items else None

        def _put_record(self, record, condition=None, expected_opened_at=None):
            there = items.get("x")
            if condition == "half_open":
                free = there and there.state == CircuitState.OPEN and not there.half_open_owner
                if free and expected_opened_at is not None:
                    free = there.opened_at == expected_opened_at
                lapsed = (
                    there
                    and there.state == CircuitState.HALF_OPEN
                    and (there.probe_lease_expiry or 0) <= int(EPOCH + world.now)
                )
                if not (free or lapsed):
                    raise persistence.CircuitBreakerExistingLockError
            items["x"] = record

        def _update_record(self, record):
            items["x"] = dataclasses.replace(
                items["x"],
                state=record.state,
                failure_count=record.failure_count,
                opened_at=record.opened_at,
                half_open_owner=None,
                probe_lease_expiry=None,
            )

    def is_half_open():
        return bool(items) and items["x"].state == CircuitState.HALF_OPEN

    numbers = itertools.count()
    config = CircuitBreakerConfig(
        failure_threshold=THRESHOLD, recovery_timeout=RESET, success_threshold=1
    )

    def environment():
        return circuit_breaker(
            name=f"environment {world.random.random()} {next(numbers)}",
            persistence_store=Memory(),
            config=config,
        )(dependency.behind(is_half_open))

    return environment


def ours(world, dependency, attempts=ATTEMPTS, store=None, **options):
    import python_retry

    own = {"clock": lambda: world.now, "wall": lambda: EPOCH + world.now, "rng": world.random}

    def environment():
        breaker = python_retry.CircuitBreaker(
            THRESHOLD, RESET, name="x", store=store, **options, **own
        )
        budget = python_retry.RetryBudget()
        operation = dependency.behind(lambda: breaker.state == "HALF_OPEN")
        return lambda: python_retry.retry_call(
            operation,
            "x",
            max_retries=attempts,
            base_delay=BASE_DELAY,
            jitter="full",
            circuit_breaker=breaker,
            budget=budget,
            sleep=world.sleep,
            **own,
        )

    return environment


def ours_retries_only(world, dependency):
    return ours(world, dependency, mode="retries-only")


def ours_with_store(world, dependency):
    return ours(world, dependency, store=MemoryStore())


def ours_with_store_alone(world, dependency):
    return ours(world, dependency, attempts=1, store=MemoryStore())


POLICIES = {
    "no retry": no_retry,
    "by hand": by_hand,
    "tenacity + pybreaker": tenacity_with_pybreaker,
    "Powertools": powertools,
    "ours": ours,
    "ours, with store": ours_with_store,
    "ours, with store, no retry": ours_with_store_alone,
    "ours, retries-only": ours_retries_only,
}


def simulate(policy, failure_rate, seed):
    """Return what one outage comes to.

    Its end lies elsewhere in the time of an opening for each seed: how long the recovery takes is
    mostly how much of an opening is left then.
    """
    random.seed(seed)  # for packages that cannot be given a generator
    world = World(seed)
    ends = OUTAGE_BEGINS + OUTAGE_TAKES + RESET * ((seed - 0.5) / len(SEEDS) - 0.5)
    dependency = Dependency(world, failure_rate, ends)
    environment = policy(world, dependency)
    idle = [environment() for _ in range(ENVIRONMENTS)]
    count = SimpleNamespace(billed=0.0, during=0, served=0, last_failure=ends, series={})

    def arrive():
        gap = world.random.expovariate(ARRIVALS_PER_SECOND)
        if world.now + gap < END:
            world.at(world.now + gap, lambda: world.spawn(arrive))
        # Lambda starts another environment when all are busy.
        call = idle.pop(world.random.randrange(len(idle))) if idle else environment()
        begun = world.now
        during = OUTAGE_BEGINS <= begun < ends
        served = True
        try:
            call()
        except Exception:
            served = False
        count.billed += world.now - begun
        count.during += during
        count.served += during and served
        if not served and begun >= ends:
            count.last_failure = max(count.last_failure, begun)
        idle.append(call)

    def sample(moment=0):
        count.series[moment] = dependency.reached
        if moment < END:
            world.at(moment + 10, lambda: world.spawn(lambda: sample(moment + 10)))

    world.at(0.0, lambda: world.spawn(arrive))
    world.at(0.0, lambda: world.spawn(sample))
    world.run()
    return {
        "reached": dependency.reached,
        "billed": count.billed,
        "probes": dependency.probes,
        "recovery": count.last_failure - ends,
        "served": 100 * count.served / count.during,
        "series": sorted(count.series.items()),
    }


def summarize(runs):
    """Return [mean, standard error] of each figure over the seeds."""
    return {
        key: [
            round(statistics.mean(run[key] for run in runs), 2),
            round(statistics.stdev(run[key] for run in runs) / len(runs) ** 0.5, 2),
        ]
        for key in ("reached", "billed", "probes", "recovery", "served")
    }


def main():
    """Simulate all policies; or one, at one rate, with one seed, if they are named."""
    logging.disable(logging.CRITICAL)
    threading.stack_size(256 * 1024)
    if sys.argv[1:]:
        name, rate, seed = sys.argv[1:]
        print(json.dumps(simulate(POLICIES[name], float(rate), int(seed))))
        return
    found, series = {}, {}
    for rate in RATES:
        for name, policy in POLICIES.items():
            runs = [simulate(policy, rate, seed) for seed in SEEDS]
            found.setdefault(name, {})[f"{100 * rate:g}"] = summarize(runs)
            if rate == PLOTTED:
                series[name] = runs[0]["series"]
            print(f"{name}, {100 * rate:g} %", file=sys.stderr)
    settings = {
        "environments": ENVIRONMENTS,
        "arrivals": ARRIVALS_PER_SECOND,
        "minutes": OUTAGE_TAKES / 60,
        "reset": RESET,
        "attempts": ATTEMPTS,
        "threshold": THRESHOLD,
        "seeds": len(SEEDS),
        "plotted": 100 * PLOTTED,
        "plotted_ends": OUTAGE_BEGINS + OUTAGE_TAKES + RESET * (0.5 / len(SEEDS) - 0.5),
    }
    print(json.dumps({"settings": settings, "figures": found, "series": series}))


if __name__ == "__main__":
    main()
