"""Drives the emitted module with a clock, a sleep and randomness of its own, and reports as JSON."""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import gc
import logging
import os
import pickle
import queue
import random
import threading
import time

import python_retry
from python_retry import (
    CircuitBreaker,
    CircuitOpenError,
    retry_with_backoff,
    retry_with_circuit_breaker,
)

WAIT = 8  # seconds: how long a thread may take before the scenario fails


class Clock:
    """Stands still but for `advance` and `sleep`."""

    def __init__(self):
        self.now = 1000.0
        self.sleeps = []

    def __call__(self):
        return self.now

    def advance(self, seconds):
        self.now += seconds

    def sleep(self, seconds):
        self.sleeps.append(seconds)
        self.now += seconds


class Draws:
    """Draws the given numbers, over and over."""

    def __init__(self, numbers):
        self.numbers = list(numbers)

    def random(self):
        self.numbers.append(self.numbers.pop(0))
        return self.numbers[-1]


class Metrics:
    """Records the calls, with the keywords that the protocol names."""

    def __init__(self, *, broken=False):
        self.calls = []
        self.broken = broken

    def add_dimension(self, *, name, value):
        if self.broken:
            raise OSError("metrics are down")
        self.calls.append(["dimension", name, value])

    def add_metric(self, *, name, unit, value):
        self.calls.append(["metric", name, unit, value])

    def flush(self):
        self.calls.append(["flush"])


class PermanentError(ConnectionError):
    is_retriable = False


class Operation:
    """Does what the script says, one word for each call."""

    def __init__(self, script):
        self.script = list(script)
        self.calls = 0

    def __call__(self):
        self.calls += 1
        word = self.script.pop(0)
        if word == "ok":
            return f"value {self.calls}"
        if word == "none":
            return None
        if word == "coroutine":
            return self.coroutine()
        raise {
            "fail": ConnectionError,
            "permanent": PermanentError,
            "fatal": KeyError,
            "interrupt": KeyboardInterrupt,
            "exit": SystemExit,
            "cancel": asyncio.CancelledError,
        }[word](f"call {self.calls}")

    async def coroutine(self):
        return "never awaited"


class Records(logging.Handler):
    def __init__(self):
        super().__init__(logging.DEBUG)
        self.lines = []

    def emit(self, record):
        self.lines.append([record.levelname, record.getMessage()])

    def __enter__(self):
        logger = logging.getLogger("python_retry")
        logger.addHandler(self)
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
        return self

    def __exit__(self, *_):
        logging.getLogger("python_retry").removeHandler(self)


def observe(call):
    """Call, and tell what came back, an error included."""
    try:
        return {"value": call()}
    except CircuitOpenError as error:
        return {
            "raised": "CircuitOpenError",
            "name": error.name,
            "retry_after": error.retry_after,
            "text": str(error),
        }
    except BaseException as error:
        return {
            "raised": type(error).__name__,
            "text": str(error),
            "notes": list(getattr(error, "__notes__", [])),
        }


def numbers(value):
    """Turn "nan" and "inf" into what JSON cannot carry."""
    return float(value) if value in ("nan", "inf", "-inf") else value


def retry(script, options=None, draws=(0.5,), retriable=("ConnectionError",), metrics=None):
    clock = Clock()
    operation = Operation(script)
    logger = None if metrics is None else Metrics(broken=metrics == "broken")
    with Records() as records:
        outcome = observe(
            lambda: retry_with_backoff(
                operation,
                "fetch",
                retriable_exceptions=tuple(getattr(builtins, n) for n in retriable),
                metrics_logger=logger,
                clock=clock,
                sleep=clock.sleep,
                rng=Draws(draws),
                **(options or {}),
            )
        )
    return {
        **outcome,
        "calls": operation.calls,
        "sleeps": clock.sleeps,
        "logs": records.lines,
        "metrics": [] if logger is None else logger.calls,
    }


def guarded(calls, breaker=None, options=None):
    """Make calls through one breaker. A call is a script, or a number of seconds to let pass."""
    clock = Clock()
    circuit = CircuitBreaker(clock=clock, **(breaker or {}))
    report = []
    with Records() as records:
        for script in calls:
            if not isinstance(script, list):
                clock.advance(script)
                continue
            operation = Operation(script)
            clock.sleeps = []
            outcome = observe(
                lambda operation=operation: retry_with_circuit_breaker(
                    operation,
                    "fetch",
                    circuit,
                    retriable_exceptions=(ConnectionError,),
                    clock=clock,
                    sleep=clock.sleep,
                    rng=Draws([0.0]),
                    **(options or {}),
                )
            )
            report.append(
                {
                    **outcome,
                    "calls": operation.calls,
                    "sleeps": clock.sleeps,
                    "state": circuit.state,
                }
            )
    return {"calls": report, "logs": records.lines}


class Actor:
    """A thread that runs what it is given, so that one scenario can have callers of its own."""

    def __init__(self):
        self.tasks = queue.SimpleQueue()
        self.answers = queue.SimpleQueue()
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self):
        while (task := self.tasks.get()) is not None:
            self.answers.put(task())

    def do(self, task):
        self.tasks.put(task)
        return self.answers.get(timeout=WAIT)

    def end(self):
        self.tasks.put(None)
        self.thread.join(WAIT)


def breaker(options, steps):
    """Take steps: seconds to let pass, or "caller action". Report [answer, state] of each."""
    clock = Clock()
    circuit = CircuitBreaker(clock=clock, **options)
    actors = {}
    trace = []
    for step in steps:
        if not isinstance(step, str):
            clock.advance(step)
            trace.append([None, circuit.state])
            continue
        caller, action = step.split()
        if action == "dies":
            actors.pop(caller).end()
            trace.append([None, circuit.state])
            continue
        actor = actors.setdefault(caller, Actor())
        answer = actor.do(getattr(circuit, action))
        trace.append([answer, circuit.state])
    for actor in actors.values():
        actor.end()
    return trace


@contextlib.contextmanager
def slow_core():
    """Let other threads run between the moment a new state is computed and the one it is kept."""
    step = python_retry._circuit_step

    def slow_step(*args, **kwargs):
        result = step(*args, **kwargs)
        time.sleep(0.002)
        return result

    python_retry._circuit_step = slow_step
    try:
        yield
    finally:
        python_retry._circuit_step = step


def probes_at_a_barrier(threads, probes):
    """Let many threads call at once when the circuit is due; the probes end only after the rest."""
    clock = Clock()
    circuit = CircuitBreaker(1, 10, half_open_max_calls=probes, clock=clock)
    circuit.record_failure()
    clock.advance(10)
    barrier = threading.Barrier(threads)
    others_done = threading.Event()
    answers = queue.SimpleQueue()
    calls = queue.SimpleQueue()

    def operation():
        calls.put(1)
        if not others_done.wait(WAIT):
            raise TimeoutError("more callers than the allowed probes are in the operation")
        return "recovered"

    def caller():
        barrier.wait(WAIT)
        answers.put(retry_with_circuit_breaker(operation, "probe", circuit, max_retries=1))
        if answers.qsize() == threads - probes:
            others_done.set()

    crowd = [threading.Thread(target=caller) for _ in range(threads)]
    with slow_core():
        for thread in crowd:
            thread.start()
        for thread in crowd:
            thread.join(WAIT * 2)
    given = [answers.get(timeout=WAIT) for _ in range(threads)]
    return {
        "calls": calls.qsize(),
        "recovered": given.count("recovered"),
        "refused": given.count(None),
        "state": circuit.state,
    }


def failures_at_a_barrier(threads):
    """Let each of many threads report one failure at once; the last one must open the circuit."""
    circuit = CircuitBreaker(threads)
    barrier = threading.Barrier(threads)

    def caller():
        barrier.wait(WAIT)
        circuit.record_failure()

    crowd = [threading.Thread(target=caller) for _ in range(threads)]
    with slow_core():
        for thread in crowd:
            thread.start()
        for thread in crowd:
            thread.join(WAIT)
    return circuit.state


def inside_at_once(threads):
    """Count the operations that run at one time: each waits inside until all are inside."""
    circuit = CircuitBreaker()
    inside = threading.Barrier(threads)
    answers = queue.SimpleQueue()

    def caller():
        answers.put(
            retry_with_circuit_breaker(
                lambda: inside.wait(WAIT) >= 0, "meet", circuit, max_retries=1
            )
        )

    crowd = [threading.Thread(target=caller) for _ in range(threads)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join(WAIT * 2)
    return [answers.get(timeout=WAIT) for _ in range(threads)].count(True)


def refused_arguments(cases):
    """Make each call with bad arguments and report the error."""
    targets = {
        "CircuitBreaker": CircuitBreaker,
        "retry_with_backoff": lambda operation=list, operation_name="n", **options: (
            retry_with_backoff(operation, operation_name, **options)
        ),
        "retry_with_circuit_breaker": (
            lambda circuit_breaker=None, **options: retry_with_circuit_breaker(
                list, "n", circuit_breaker or CircuitBreaker(), **options
            )
        ),
    }
    special = {
        "BaseException": (BaseException,),
        "list": [ConnectionError],
        "KeyError": KeyError,
    }
    report = []
    for target, options in cases:
        arguments = {
            name: special[value] if name == "retriable_exceptions" else numbers(value)
            for name, value in options.items()
        }
        report.append(observe(lambda t=target, a=arguments: repr(targets[t](**a))))
    return report


def delays(cases):
    """Return the delay for each [attempt, base delay, jitter factor, draw]."""
    return [python_retry._backoff_delay(*case) for case in cases]


def delays_of_copies():
    """Return the first delay of each of two copies of this process, like two restored snapshots."""
    found = []
    for _ in range(2):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            random.seed(7)  # undoes that Python seeds its own generator anew after a fork
            sleeps = []
            retry_with_backoff(Operation(["fail", "ok"]), "copy", sleep=sleeps.append)
            os.write(writer, repr(sleeps[0]).encode())
            os._exit(0)
        os.close(writer)
        os.waitpid(child, 0)
        found.append(float(os.read(reader, 100)))
        os.close(reader)
    return found


def open_error_survives_pickling():
    error = pickle.loads(pickle.dumps(CircuitOpenError("inventory", 1.5)))
    return [error.name, error.retry_after, str(error), error.is_retriable]


def nested_retry():
    """Retry around a call that an open circuit refuses."""
    circuit = CircuitBreaker(1, name="inner")
    circuit.record_failure()
    outer = []

    def operation():
        outer.append(1)
        return retry_with_circuit_breaker(lambda: "no", "inner", circuit, raise_on_failure=True)

    answer = retry_with_backoff(operation, "outer", sleep=outer.append)
    return [answer, outer]


def traceback_cycles():
    """Count what the collector has to free after failed calls: frames that hold their own error."""
    with Records():
        gc.collect()
        gc.disable()
        try:
            for _ in range(10):
                retry_with_backoff(
                    Operation(["fail"]), "cycle", max_retries=1, raise_on_failure=False
                )
            return gc.collect()
        finally:
            gc.enable()


def public_surface():
    return sorted(python_retry.__all__)
