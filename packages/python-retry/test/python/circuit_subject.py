"""An emitted breaker that does what it is told over a pipe, in whatever interpreter runs this.

One JSON list a line: a command and its arguments. The answer to each is [result, state of the
circuit, its retry_after]; or {"error": traceback}. Standard library only.
"""

from __future__ import annotations

from python_retry import CircuitBreaker, retry_with_circuit_breaker
from remote import serve
from retry_support import World
from scenarios import Actor, Operation

RAISED = {
    "ConnectionError": "fail",
    "PermanentError": "permanent",
    "KeyError": "fatal",
    "KeyboardInterrupt": "interrupt",
    "CircuitOpenError": "refused",
}


class Subject:
    def __init__(self):
        self.actors = {}

    def start(self, options):
        for caller in list(self.actors):
            self.die_thread(caller)
        self.world = World()
        self.permits = {}
        self.breaker = CircuitBreaker(**self.world.clocks, **options)

    def advance(self, mono, wall):
        self.world.mono += mono
        self.world.epoch += wall

    def ask_thread(self, caller):
        if caller not in self.actors:
            self.actors[caller] = Actor()
        answer = self.actors[caller].do(self.breaker.can_execute)
        if answer is not True and answer is not False:
            raise AssertionError(f"can_execute returned {answer!r}")
        return answer

    def settle_thread(self, caller, outcome):
        method = "release" if outcome == "ignore" else f"record_{outcome}"
        if caller not in self.actors:
            self.actors[caller] = Actor()
        self.actors[caller].do(getattr(self.breaker, method))

    def die_thread(self, caller):
        self.actors.pop(caller).end()

    def ask_permit(self, caller):
        self.permits[caller] = self.breaker.acquire()
        return bool(self.permits[caller])

    def settle_permit(self, caller, outcome):
        getattr(self.permits[caller], outcome)()

    def die_permit(self, caller):
        del self.permits[caller]

    def command(self, name):
        getattr(self.breaker, name)()

    def call(self, script, max_retries, base_delay, scope):
        operation = Operation(script)
        try:
            retry_with_circuit_breaker(
                operation,
                "call",
                self.breaker,
                max_retries,
                base_delay,
                0,
                (ConnectionError,),
                breaker_scope=scope,
                raise_on_failure=True,
                clock=lambda: self.world.mono,
                sleep=self.world.sleep,
                rng=self.world,
            )
        except (Exception, KeyboardInterrupt) as error:
            return [RAISED[type(error).__name__], operation.calls]
        return ["value", operation.calls]

    def answer(self, command, *arguments):
        result = getattr(self, command)(*arguments)
        return [result, self.breaker.state, self.breaker.retry_after]


def main():
    serve(Subject())
