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

OUTAGE_BEGINS, OUTAGE_ENDS, END = 60.0, 660.0, 900.0
ARRIVALS_PER_SECOND = 10.0
ENVIRONMENTS = 40
FAILURE_TAKES, SUCCESS_TAKES = 1.0, 0.05
ATTEMPTS, BASE_DELAY, THRESHOLD, RESET = 3, 0.2, 5, 30
EPOCH = 1.7e9
SEEDS = (1, 2, 3)


class World:
    """Virtual time: one thread runs at a time, the one whose moment has come."""

    def __init__(self, seed):
        self.now = 0.0
        self.queue = []
        self.order = itertools.count()
        self.turn = threading.Semaphore(0)
        self.random = random.Random(seed)

    def at(self, moment, wake):
        heapq.heappush(self.queue, (moment, next(self.order), wake))

    def sleep(self, seconds):
        gate = threading.Semaphore(0)
        self.at(self.now + max(0.0, seconds), gate.release)
        self.turn.release()
        gate.acquire()

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


class Dependency:
    def __init__(self, world, failure_rate):
        self.world = world
        self.failure_rate = failure_rate
        self.reached = 0  # during the outage
        self.reached_late = 0  # in its last nine minutes, when all may know of it

    def __call__(self):
        world = self.world
        if OUTAGE_BEGINS <= world.now < OUTAGE_ENDS:
            self.reached += 1
            self.reached_late += world.now >= OUTAGE_BEGINS + 60
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

        def call():
            value = naive.retry_with_circuit_breaker(dependency, "x", breaker, ATTEMPTS, BASE_DELAY)
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
        return lambda: retrying(breaker.call, dependency)

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

    numbers = itertools.count()
    config = CircuitBreakerConfig(
        failure_threshold=THRESHOLD, recovery_timeout=RESET, success_threshold=1
    )

    def environment():
        return circuit_breaker(
            name=f"environment {world.random.random()} {next(numbers)}",
            persistence_store=Memory(),
            config=config,
        )(lambda: dependency())

    return environment


def ours(world, dependency, store=None, **options):
    import python_retry

    own = {"clock": lambda: world.now, "wall": lambda: EPOCH + world.now, "rng": world.random}

    def environment():
        breaker = python_retry.CircuitBreaker(
            THRESHOLD, RESET, name="x", store=store, **options, **own
        )
        budget = python_retry.RetryBudget()
        return lambda: python_retry.retry_call(
            dependency,
            "x",
            max_retries=ATTEMPTS,
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


POLICIES = {
    "no retry": no_retry,
    "by hand": by_hand,
    "tenacity + pybreaker": tenacity_with_pybreaker,
    "Powertools": powertools,
    "ours": ours,
    "ours, with store": ours_with_store,
    "ours, retries-only": ours_retries_only,
}


def simulate(policy, failure_rate, seed):
    world = World(seed)
    dependency = Dependency(world, failure_rate)
    environment = policy(world, dependency)
    idle = [environment() for _ in range(ENVIRONMENTS)]
    count = SimpleNamespace(billed=0.0, during=0, served=0, last_failure=OUTAGE_ENDS, series={})
    started = ENVIRONMENTS

    def arrive():
        nonlocal started
        gap = world.random.expovariate(ARRIVALS_PER_SECOND)
        if world.now + gap < END:
            world.at(world.now + gap, lambda: world.spawn(arrive))
        if idle:
            call = idle.pop(world.random.randrange(len(idle)))
        else:  # Lambda starts another environment when all are busy
            call = environment()
            started += 1
        begun = world.now
        during = OUTAGE_BEGINS <= begun < OUTAGE_ENDS
        served = True
        try:
            call()
        except Exception:
            served = False
        count.billed += world.now - begun
        count.during += during
        count.served += during and served
        if not served and begun >= OUTAGE_ENDS:
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
        "late": dependency.reached_late,
        "billed": count.billed,
        "served": count.served / count.during,
        "recovery": count.last_failure - OUTAGE_ENDS,
        "environments": started,
        "series": sorted(count.series.items()),
    }


def main():
    logging.disable(logging.CRITICAL)
    threading.stack_size(256 * 1024)
    rates = [float(rate) for rate in sys.argv[1:]] or [0.1, 0.3, 0.5, 0.8, 1.0]
    found = {}
    for rate in rates:
        for name, policy in POLICIES.items():
            runs = [simulate(policy, rate, seed) for seed in SEEDS]
            found.setdefault(name, {})[str(rate)] = runs[0] | {
                key: statistics.mean(run[key] for run in runs)
                for key in ("reached", "late", "billed", "served", "recovery", "environments")
            }
            print(name, rate, file=sys.stderr)
    settings = {
        "environments": ENVIRONMENTS,
        "arrivals": ARRIVALS_PER_SECOND,
        "minutes": (OUTAGE_ENDS - OUTAGE_BEGINS) / 60,
        "reset": RESET,
        "attempts": ATTEMPTS,
        "threshold": THRESHOLD,
        "seeds": len(SEEDS),
    }
    print(json.dumps({"settings": settings, "policies": found}))


if __name__ == "__main__":
    main()
