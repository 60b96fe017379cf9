"""What the tests of the features share."""

from __future__ import annotations

import contextlib
import importlib
import logging

WAIT = 8  # seconds: how long a thread may take before a test fails


class World:
    """Two clocks that stand still but for `advance` and `sleep`; a dice that is loaded."""

    def __init__(self, draw=0.0):
        self.mono = 1000.0
        self.epoch = 1.7e9
        self.draw = draw
        self.sleeps = []
        self.deadline = None

    def advance(self, seconds):
        self.mono += seconds
        self.epoch += seconds

    def sleep(self, seconds):
        self.sleeps.append(seconds)
        self.advance(seconds)

    def random(self):
        return self.draw

    def get_remaining_time_in_millis(self):
        return int((self.deadline - self.mono) * 1000)

    @property
    def clocks(self):
        return {"clock": lambda: self.mono, "wall": lambda: self.epoch, "rng": self}

    @property
    def options(self):
        return {**self.clocks, "sleep": self.sleep}


class Script:
    """An operation that does what it was told, one step a call; the last one over and over."""

    def __init__(self, *steps, world=None, takes=0.0):
        self.steps = list(steps)
        self.calls = 0
        self.world = world
        self.takes = takes

    def __call__(self):
        self.calls += 1
        if self.world:
            self.world.advance(self.takes)
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if isinstance(step, BaseException) or (
            isinstance(step, type) and issubclass(step, BaseException)
        ):
            raise step
        return step


class AwsError(Exception):
    def __init__(self, code, status=400, **metadata):
        super().__init__(code)
        self.response = {
            "Error": {"Code": code},
            "ResponseMetadata": {"HTTPStatusCode": status, **metadata},
        }


@contextlib.contextmanager
def raises(kind, text=""):
    caught = []
    try:
        yield caught
    except kind as error:
        caught.append(error)
    if not caught:
        raise AssertionError(f"{kind} was not raised")
    assert text in str(caught[0]), f"{text!r} is not in {caught[0]}"


@contextlib.contextmanager
def logs():
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append((record.levelname, record.getMessage()))
    logger = logging.getLogger("python_retry")
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        yield lines
    finally:
        logger.removeHandler(handler)
        logger.level, logger.propagate = before
        logger.setLevel(before[0])


def run_all(module_name):
    """Run all tests of a module; for interpreters that have no pytest."""
    tests = {
        name: test
        for name, test in vars(importlib.import_module(module_name)).items()
        if name.startswith("test_")
    }
    failures = []
    for name, test in tests.items():
        try:
            with logs():
                test()
        except BaseException as error:
            failures.append(f"{name}: {type(error).__name__}: {error}")
    return {"ran": len(tests), "failures": failures}
