"""Environments that share one item of a store, and do what they are told over a pipe.

Each environment has loaded the emitted text as a module of its own, and has clocks of its own. One
JSON list a line: a command and its arguments. The answer to each is [result, [state, retry_after,
reads so far] of each environment, the stored item, what was written meanwhile]; or {"error":
traceback}. Only public names are used. Standard library only.
"""

from __future__ import annotations

import copy
import importlib.util
import json
import sys
from pathlib import Path

from remote import serve

TEXT = next(path for folder in sys.path if (path := Path(folder, "python_retry.py")).exists())
RAISED = {"ConnectionError": "fail", "KeyError": "fatal", "KeyboardInterrupt": "interrupt"}


class Item:
    """What the store holds under the one name there is, with all that it held before."""

    def __init__(self):
        self.history = [None]
        self.written = []  # [environment, before, after] since the last answer


class Store:
    """The item as one environment sees it: it may be out of reach, answer late, or lose answers."""

    def __init__(self, item, number):
        self.item = item
        self.number = number
        self.down = False
        self.lag = 0  # versions by which a read is behind
        self.loses = False  # the answer to the next write
        self.reads = 0

    def read(self, name):
        self.reads += 1
        if self.down:
            raise TimeoutError("out of reach")
        latest = len(self.item.history) - 1
        return copy.deepcopy(self.item.history[max(0, latest - self.lag)])

    def fits(self, there, version):
        return (there[0] if there else 0) == version

    def swap(self, name, version, state):
        if self.down:
            raise TimeoutError("out of reach")
        there = self.item.history[-1]
        if not self.fits(there, version):
            return copy.deepcopy(there) or (0, {})
        after = (version + 1, json.loads(json.dumps(state)))
        self.item.history.append(after)
        self.item.written.append([self.number, there and there[1], after[1]])
        if self.loses:
            self.loses = False
            raise TimeoutError("the answer was lost")
        return None


class WithoutConditions(Store):
    """A flaw: writes whatever there is."""

    def fits(self, there, version):
        return True


class Environment:
    def __init__(self, item, number, options, flaw):
        spec = importlib.util.spec_from_file_location(f"environment_{number}", TEXT)
        self.module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.module)
        self.number = number
        self.time = {"mono": 1000.0 + 7 * number, "wall": 1.7e9}
        self.frozen = set()
        self.flaw = flaw
        self.store = (WithoutConditions if flaw == "without conditions" else Store)(item, number)
        if flaw == "with eternal leases":
            options = {**options, "lease": 1e9}
        self.breaker = self.module.CircuitBreaker(
            name="fleet",
            store=self.store,
            clock=lambda: self.time["mono"],
            wall=lambda: self.time["wall"],
            rng=self,
            **options,
        )

    def random(self):
        return 0.5

    def advance(self, seconds):
        for clock in self.time:
            if clock not in self.frozen:
                self.time[clock] += seconds


class Subject:
    def start(self, environments, options, flaw):
        self.options, self.flaw = options, flaw
        self.item = Item()
        self.permits = {}
        self.fleet = [Environment(self.item, n, options, flaw) for n in range(environments)]

    def advance(self, seconds):
        for environment in self.fleet:
            environment.advance(seconds)

    def jump(self, number, clock, seconds):
        self.fleet[number].time[clock] += seconds

    def freeze(self, number, clock):
        self.fleet[number].frozen.add(clock)

    def thaw(self):
        for environment in self.fleet:
            environment.frozen.clear()

    def reach(self, number, down, lag, loses):
        store = self.fleet[number].store
        store.down, store.lag, store.loses = down, lag, loses

    def restart(self, number):
        """Put a new environment, which has seen nothing, in the place of one."""
        before = self.fleet[number]
        self.fleet[number] = after = Environment(self.item, number, self.options, self.flaw)
        after.time, after.frozen = before.time, before.frozen
        store = before.store
        after.store.down, after.store.lag, after.store.loses = store.down, store.lag, store.loses

    def ask(self, number, key):
        permit = self.fleet[number].breaker.acquire()
        if permit:
            self.permits[key] = (self.fleet[number], permit)
        return bool(permit)

    def settle(self, key, outcome):
        environment, permit = self.permits.pop(key)
        if self.flaw == "that counts late failures" and outcome == "failure":
            environment.breaker.trip()
        getattr(permit, outcome)()

    def call(self, number, words, attempts):
        """Make a call with retries; return how it ended and how often it was attempted."""
        environment = self.fleet[number]
        module = environment.module
        kinds = {"fail": ConnectionError, "fatal": KeyError, "interrupt": KeyboardInterrupt}
        made = []

        def operation():
            made.append(words[len(made)])
            if made[-1] in kinds:
                raise kinds[made[-1]]
            return made[-1]

        try:
            ended = module.retry_call(
                operation,
                max_retries=attempts,
                base_delay=0,
                retriable_exceptions=ConnectionError,
                circuit_breaker=environment.breaker,
                clock=lambda: environment.time["mono"],
                sleep=lambda _: None,
                rng=environment,
            )
        except module.CircuitOpenError:
            ended = "refused"
        except (Exception, KeyboardInterrupt) as error:
            ended = RAISED[type(error).__name__]
        there = self.item.history[-1]
        if self.flaw == "that writes each success" and ended == "ok" and there:
            environment.store.swap("fleet", *there)
        return [ended, len(made)]

    def answer(self, command, *arguments):
        result = getattr(self, command)(*arguments)
        written, self.item.written = self.item.written, []
        seen = [[e.breaker.state, e.breaker.retry_after, e.store.reads] for e in self.fleet]
        return [result, seen, self.item.history[-1], written]


def main():
    serve(Subject())
