"""Times one call through each package, and what importing each costs; prints JSON.

    measure.py [quick]

Rounds are interleaved, so that what else the machine does falls on all alike; times are process time,
less that of a bare call or of an empty module, as medians. With "quick" there are few rounds: enough
to see that all runs, not to say how fast.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import io
import json
import logging
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

QUICK = sys.argv[1:] == ["quick"]
ROUNDS, CALLS = (1, 100) if QUICK else (41, 2000)
IMPORT_ROUNDS = 1 if QUICK else 15
COMPILE_ROUNDS = 1 if QUICK else 201
# What Lambda's bootstrap has loaded before the handler's module.
LAMBDA_BASE = "import json, logging, threading, traceback, http.client, random, time"


# As in a deployed package: compiled files are written once, and used.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def operation():
    return "value"


def subjects():
    """Return the calls to time, by group and name."""
    import backoff
    import circuitbreaker
    import interlock
    import naive
    import nopanic
    import purgatory
    import pybreaker
    import pyresilience
    import python_retry
    import python_retry_core
    import stamina
    import tenacity
    import tenaz

    logging.getLogger("python_retry").addHandler(logging.NullHandler())
    logging.getLogger("python_retry").propagate = False
    retrying = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(3), wait=tenacity.wait_exponential_jitter()
    )
    ours = python_retry.CircuitBreaker()
    own_open = python_retry.CircuitBreaker(1, 1e6)
    own_open.record_failure()
    core = python_retry_core.CircuitBreaker()
    core_open = python_retry_core.CircuitBreaker(1, 1e6)
    core_open.record_failure()
    py_breaker, py_open = (pybreaker.CircuitBreaker(5, 60) for _ in range(2))
    py_open.open()
    both = pybreaker.CircuitBreaker(5, 60)
    by_hand = naive.CircuitBreaker()
    purgatory_breaker = purgatory.SyncCircuitBreakerFactory(default_threshold=5)
    interlock_breaker = interlock.CircuitBreaker(name="bench")
    interlock_open = interlock.CircuitBreaker(name="open")
    interlock_open.force_open()
    circuit_open = circuitbreaker.CircuitBreaker(1, 10**6)
    with contextlib.suppress(ZeroDivisionError):
        circuit_open.call(lambda: 1 / 0)

    def rejected(call):
        def run():
            try:
                call()
            except Exception:
                return

        return run

    def enter(breaker):
        with breaker:
            operation()

    def fail():
        raise ValueError("x", 1.0)

    return {
        "retry": {
            "by hand": lambda: naive.retry_with_backoff(operation, "x"),
            "ours": lambda: python_retry.retry_with_backoff(operation, "x"),
            "ours, the core alone": lambda: python_retry_core.retry_with_backoff(operation, "x"),
            "ours, retry_call": lambda: python_retry.retry_call(operation),
            "ours, retry_call with a timeout": lambda: python_retry.retry_call(
                operation, timeout=5
            ),
            "nopanic": nopanic.retry()(operation),
            "tenaz": tenaz.retry()(operation),
            "pyresilience": pyresilience.resilient(retry=pyresilience.RetryConfig())(operation),
            "backoff": backoff.on_exception(backoff.expo, Exception, max_tries=3)(operation),
            "stamina": stamina.retry(on=Exception, attempts=3)(operation),
            "tenacity, Retrying": lambda: retrying(operation),
            "tenacity, decorator": tenacity.retry(stop=tenacity.stop_after_attempt(3))(operation),
        },
        "breaker": {
            "by hand, with retry": lambda: naive.retry_with_circuit_breaker(
                operation, "x", by_hand
            ),
            "ours, with retry": lambda: python_retry.retry_with_circuit_breaker(
                operation, "x", ours
            ),
            "ours, the core alone, with retry": (
                lambda: python_retry_core.retry_with_circuit_breaker(operation, "x", core)
            ),
            "ours, breaker.call": lambda: ours.call(operation),
            "circuitbreaker": circuitbreaker.circuit(operation),
            "purgatory": purgatory_breaker("x")(operation),
            "nopanic": nopanic.CircuitBreaker()(operation),
            "pybreaker": lambda: py_breaker.call(operation),
            "pyresilience, with retry": pyresilience.resilient(
                retry=pyresilience.RetryConfig(),
                circuit_breaker=pyresilience.CircuitBreakerConfig(),
            )(operation),
            "interlock": lambda: interlock_breaker.call_sync(operation),
            "tenacity + pybreaker": lambda: retrying(both.call, operation),
        },
        "open": {
            "ours, can_execute": own_open.can_execute,
            "ours, the core alone, can_execute": core_open.can_execute,
            "ours, the core alone, retry_with_circuit_breaker": (
                lambda: python_retry_core.retry_with_circuit_breaker(operation, "x", core_open)
            ),
            "ours, retry_with_circuit_breaker": lambda: python_retry.retry_with_circuit_breaker(
                operation, "x", own_open
            ),
            "ours, retry_with_circuit_breaker that raises": rejected(
                lambda: python_retry.retry_with_circuit_breaker(
                    operation, "x", own_open, raise_on_failure=True
                )
            ),
            "ours, retry_call": rejected(
                lambda: python_retry.retry_call(operation, "x", circuit_breaker=own_open)
            ),
            "ours, breaker.call": rejected(lambda: own_open.call(operation)),
            "ours, with breaker": rejected(lambda: enter(own_open)),
            "an error alone, raised and caught": rejected(fail),
            "pybreaker": rejected(lambda: py_open.call(operation)),
            "circuitbreaker": rejected(lambda: circuit_open.call(operation)),
            "interlock": rejected(lambda: interlock_open.call_sync(operation)),
        },
    }


def time_calls():
    groups = {"bare": {"bare call": lambda: operation()}, **subjects()}
    flat = {(group, name): call for group, calls in groups.items() for name, call in calls.items()}
    taken = {key: [] for key in flat}
    loop = range(CALLS)
    gc.disable()
    for _ in range(ROUNDS):
        for key, call in flat.items():
            begun = time.process_time()
            for _ in loop:
                call()
            taken[key].append((time.process_time() - begun) / CALLS * 1e6)
    gc.enable()
    bare = statistics.median(taken.pop(("bare", "bare call")))
    found = {}
    for (group, name), times in taken.items():
        found.setdefault(group, {})[name] = statistics.median(times) - bare
    return bare, found


def cost_of(code):
    """Return CPU milliseconds of a fresh interpreter that runs code."""
    program = f"{LAMBDA_BASE}\n{code}"
    process = subprocess.Popen([sys.executable, "-c", program], env=ENVIRONMENT)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    assert status == 0, code
    return (usage.ru_utime + usage.ru_stime) * 1000


def new_modules(module):
    code = f"""{LAMBDA_BASE}
import sys
before = set(sys.modules)
import {module}
print(len(set(sys.modules) - before - {{"{module}", "__future__"}}))"""
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return int(answer.stdout)


def time_imports():
    modules = [
        "python_retry_core", "python_retry", "python_retry_core_compact", "python_retry_compact",
        "pybreaker", "circuitbreaker",
        "backoff", "tenacity", "stamina", "nopanic", "tenaz", "pyresilience", "interlock",
        "aws_lambda_powertools.utilities.circuit_breaker",
    ]  # fmt: skip
    programs = {"nothing": ""} | {module: f"import {module}" for module in modules}
    for program in programs.values():
        cost_of(program)
    taken = {name: [] for name in programs}
    for _ in range(IMPORT_ROUNDS):
        for name, program in programs.items():
            taken[name].append(cost_of(program))
    base = statistics.median(taken.pop("nothing"))
    counts = {module: new_modules(module) for module in modules}
    return {
        name: {"ms": statistics.median(times) - base, "modules": counts.get(name)}
        for name, times in taken.items()
    }


def time_compiling():
    """Return milliseconds that each compact text takes to compile and to run, beyond an empty one."""
    texts = {"nothing": ""}
    for module in ("python_retry_alone", "python_retry_core_compact", "python_retry_compact"):
        texts[module] = Path(importlib.util.find_spec(module).origin).read_text("utf-8")
    taken = {name: [] for name in texts}
    gc.disable()
    for _ in range(COMPILE_ROUNDS):
        for name, text in texts.items():
            begun = time.process_time()
            exec(compile(text, name, "exec"), {"__name__": "emitted"})  # noqa: S102
            taken[name].append((time.process_time() - begun) * 1000)
        gc.collect()
    gc.enable()
    base = statistics.median(taken.pop("nothing"))
    return {name: statistics.median(times) - base for name, times in taken.items()}


def main():
    with contextlib.redirect_stdout(io.StringIO()):
        bare, calls = time_calls()
    print(
        json.dumps(
            {
                "python": sys.version.split()[0],
                "bare": bare,
                "calls": calls,
                "compiled": time_compiling(),
                "imports": time_imports(),
            }
        )
    )


if __name__ == "__main__":
    main()
