"""Plays an outage of the Auto Scaling API of ten minutes, and measures what the function makes of it.

    outage.py KIND ENVIRONMENTS PHASE

The handler, its clients and the services behind them are real. Time is not: it is what the processor
worked, a fixed time for each answer of AWS, and all that is waited, in no time: for an answer that does
not come, and by whoever sleeps. So it does not matter what else the machine does. Ticks come each minute, one at a time as from a FIFO queue; what fails comes again when its
visibility time-out is over, and goes to the dead-letter queue after three times. What runs longer than
the function's timeout is killed, and its environment with it. Environments take turns.

The outage begins PHASE seconds after a tick. KIND says what is wrong:

========== ==================================================================
silent     no call gets an answer: each takes its time-out
errors     each call is answered at once, by an error
describing no description gets an answer, while heartbeats do
========== ==================================================================

Prints an object as JSON; see `report.ts` for what is in it.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import sys
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typing_extensions import Self

TICK_SECONDS = 60.0
HEALTHY_SECONDS = 2 * TICK_SECONDS
OUTAGE_SECONDS = 600.0
TICKS = 16

TIMEOUT_SECONDS = 60.0
"""The function's, by default; the construct's visibility time-out is 10 s more."""

VISIBILITY_SECONDS = TIMEOUT_SECONDS + 10
MOST_RECEIVES = 3
BATCH = 10
ANSWER_SECONDS = 0.02

DESCRIBE = "DescribeAutoScalingGroups"
HEARTBEAT = "RecordLifecycleActionHeartbeat"


class Killed(BaseException):
    """Lambda ended the invocation, as its time was over."""


class Time:
    """The processor's time, and waits that are skipped; in seconds from the beginning."""

    def __init__(self) -> None:
        self._epoch = time.time()
        self._begin = time.process_time()
        self._skipped = 0.0
        self.deadline = float("inf")

    @property
    def now(self) -> float:
        return time.process_time() - self._begin + self._skipped

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self._epoch + self.now

    def sleep(self, seconds: float) -> None:
        self._skipped += seconds
        if self.now > self.deadline:
            raise Killed

    def wait_until(self, moment: float) -> None:
        self._skipped += max(0.0, moment - self.now)

    def at_the_same_time(
        self, function: Callable[[Any], Any], *arguments: list[Any]
    ) -> Iterator[Any]:
        """Map, one after the other, but as if all had begun at once."""
        begin, longest, results = self._skipped, self._skipped, []
        for one in zip(*arguments, strict=True):
            self._skipped = begin
            results.append(function(*one))
            longest = max(longest, self._skipped)
        self._skipped = longest
        return iter(results)


TIME = Time()


class Pool:
    """Stands for a `ThreadPoolExecutor`, of which each thread would need a time of its own."""

    def __init__(self, _most: int) -> None:
        self.map = TIME.at_the_same_time

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


# Before anything takes them for its defaults.
time.monotonic, time.time, time.sleep = TIME.monotonic, TIME.time, TIME.sleep

from botocore.awsrequest import AWSResponse  # noqa: E402
from botocore.exceptions import ReadTimeoutError  # noqa: E402
from etcd_lifecycle import handler, observe, reconcile  # noqa: E402
from etcd_lifecycle.aws import READ_TIMEOUT  # noqa: E402
from etcd_lifecycle.settings import Settings  # noqa: E402
from etcd_lifecycle.wiring import Wiring  # noqa: E402

observe.ThreadPoolExecutor = reconcile.ThreadPoolExecutor = Pool  # type: ignore[assignment,misc]


class Refusal(io.BytesIO):
    """The body of an answer, as urllib3 has it."""

    def stream(self, **_: object) -> Iterator[bytes]:
        yield self.read()


@dataclass
class AutoScaling:
    """The way to the API, on which requests may end.

    Attributes:
        kind: What is wrong during the outage.
        begins: When it begins.
        calls: How often each operation was called during the outage.
        beats: When each heartbeat arrived.
    """

    kind: str
    begins: float
    calls: Counter[str] = field(default_factory=Counter)
    beats: list[float] = field(default_factory=list)

    @property
    def ends(self) -> float:
        """When it ends."""
        return self.begins + OUTAGE_SECONDS

    def before_send(self, request: Any, event_name: str, **_: object) -> AWSResponse | None:
        operation = event_name.rpartition(".")[2]
        if not self.begins <= TIME.now < self.ends:
            TIME.sleep(ANSWER_SECONDS)
            return None
        self.calls[operation] += 1
        if self.kind == "describing" and operation == HEARTBEAT:
            TIME.sleep(ANSWER_SECONDS)
            return None
        if self.kind == "errors":
            TIME.sleep(ANSWER_SECONDS)
            body = Refusal(
                b"<ErrorResponse><Error><Code>InternalFailure</Code></Error></ErrorResponse>"
            )
            return AWSResponse(request.url, 500, {}, body)
        TIME.sleep(READ_TIMEOUT)
        raise ReadTimeoutError(endpoint_url=request.url)

    def after_call(self, http_response: Any, model: Any, **_: object) -> None:
        if model.name == HEARTBEAT and http_response.status_code == HTTPStatus.OK:
            self.beats.append(TIME.now)


def answer_in_time(**_: object) -> None:
    """Let any other service answer."""
    TIME.sleep(ANSWER_SECONDS)


class Environment:
    """An execution environment of the function."""

    def __init__(self, service: AutoScaling) -> None:
        wiring = Wiring(Settings.read(os.environ))
        self.function = handler.Function(wiring)
        clients = wiring.clients
        for client in (clients.dynamodb, clients.circuits, clients.ec2, clients.ssm):
            client.meta.events.register("before-send", answer_in_time)
        events = clients.autoscaling.meta.events
        events.register("before-send.auto-scaling.*", service.before_send)
        events.register("after-call.auto-scaling.*", service.after_call)

    def invoke(self, ticks: int) -> list[dict[str, Any]]:
        """Run the handler. Returns what it logged."""
        handler._function = lambda: self.function  # type: ignore[assignment]  # noqa: SLF001
        tick = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(io.StringIO()):
            handler.handle({"Records": [{"body": json.dumps(tick)}] * ticks}, self)
        return [json.loads(line) for line in output.getvalue().splitlines()]

    # As Lambda's context

    @property
    def aws_request_id(self) -> str:
        return str(uuid.uuid4())

    @staticmethod
    def get_remaining_time_in_millis() -> float:
        return (TIME.deadline - TIME.now) * 1000


class Queue:
    """The FIFO queue of the cluster, and its dead-letter queue."""

    def __init__(self) -> None:
        self._due = [TICK_SECONDS * number for number in range(TICKS)]
        self._received: list[int] = []  # how often each message that waits has been received
        self._blocked_until = 0.0
        self.dead = 0

    def __bool__(self) -> bool:
        return bool(self._due or self._received)

    def receive(self) -> int:
        """Wait for messages, and receive a batch of them. Returns how many they are."""
        if not self._received:
            TIME.wait_until(self._due[0])
        TIME.wait_until(self._blocked_until)
        while self._due and self._due[0] <= TIME.now:
            self._received.append(0)
            self._due.pop(0)
        batch = min(len(self._received), BATCH)
        self._received[:batch] = [one + 1 for one in self._received[:batch]]
        return batch

    def delete(self, batch: int) -> None:
        """The messages of a batch are done."""
        del self._received[:batch]

    def keep(self, batch: int, received_at: float) -> None:
        """A batch has failed: it comes again, and keeps the others waiting until then."""
        self._blocked_until = received_at + VISIBILITY_SECONDS
        again = [one for one in self._received[:batch] if one < MOST_RECEIVES]
        self.dead += batch - len(again)
        self._received[:batch] = again


@dataclass
class Outcome:
    """What is counted from the beginning of the outage until the function has looked again.

    Attributes:
        outage_ends: When the outage ends.
        billed: Seconds that all runs took.
        runs: How many there were.
        failed: How many of them failed.
        killed: How many of these took all of their time.
        recovered: How many seconds after the outage the first run has decided something.
    """

    outage_ends: float
    billed: float = 0.0
    runs: int = 0
    failed: int = 0
    killed: int = 0
    recovered: float | None = None

    def add(self, seconds: float, lines: list[dict[str, Any]], *, failed: bool) -> None:
        """Count a run."""
        if self.recovered is not None:
            return
        self.billed += seconds
        self.runs += 1
        self.failed += failed
        if any("arithmetic" in line for line in lines):
            self.recovered = TIME.now - self.outage_ends


def play(kind: str, size: int, phase: float) -> dict[str, object]:
    """Play the outage for the queue and so many environments."""
    service = AutoScaling(kind, HEALTHY_SECONDS + phase)
    environments = [Environment(service) for _ in range(size)]
    queue = Queue()
    outcome = Outcome(service.ends)
    for turn in itertools.cycle(range(size)):
        if not queue:
            break
        batch = queue.receive()
        begin = TIME.now
        TIME.deadline = begin + TIMEOUT_SECONDS
        lines: list[dict[str, Any]] = []
        failed = False
        try:
            lines = environments[turn].invoke(batch)
        except Killed:
            failed = True
            outcome.killed += 1
            environments[turn] = Environment(service)
        except Exception:
            # Whatever it is, Lambda sees that it has failed; the report counts it.
            failed = True
        TIME.deadline = float("inf")
        if failed:
            queue.keep(batch, begin)
        else:
            queue.delete(batch)
        if begin >= service.begins:
            outcome.add(min(TIME.now - begin, TIMEOUT_SECONDS), lines, failed=failed)
    beats = sorted(service.beats)
    return {
        "billedSeconds": outcome.billed,
        "runs": outcome.runs,
        "failedRuns": outcome.failed,
        "killedRuns": outcome.killed,
        "deadLetters": queue.dead,
        "recoverySeconds": outcome.recovered,
        "describeCalls": service.calls[DESCRIBE],
        "heartbeatCalls": service.calls[HEARTBEAT],
        "longestSilence": max(after - before for before, after in itertools.pairwise(beats)),
    }


if __name__ == "__main__":
    print(json.dumps(play(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))))
