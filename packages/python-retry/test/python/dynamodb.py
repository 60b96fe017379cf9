"""DynamoDBStore against a local endpoint through real boto3, and a probe that is killed."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import types
import uuid

import boto3
from botocore import endpoint
from botocore.config import Config
from botocore.retries import standard
from gate import Gate
from python_retry import (
    CircuitBreaker,
    DynamoDBStore,
    aws_classify,
    aws_is_retriable,
    retry_call,
)
from retry_support import World, logs

TABLE = "circuits"


def client():
    return boto3.client("dynamodb")


def create_table():
    client().create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


class CountingStore(DynamoDBStore):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.calls = []

    def read(self, name):
        self.calls.append("read")
        return super().read(name)

    def swap(self, name, version, state):
        self.calls.append("write")
        return super().swap(name, version, state)


def compare_and_swap():
    """Write in each situation there is, and report what came back."""
    store = DynamoDBStore(TABLE)
    name = uuid.uuid4().hex
    return [
        store.read(name),
        store.swap(name, 3, {"phase": "OPEN"}),  # no item, but one was expected
        store.swap(name, 0, {"phase": "OPEN", "waits": [[2**52, 1.5, 60.0]]}),
        store.swap(name, 0, {"phase": "CLOSED"}),  # an item, but none was expected
        store.swap(name, 1, {"phase": "HALF_OPEN"}),
        store.swap(name, 1, {"phase": "CLOSED"}),  # an older version was expected
        store.read(name),
    ]


def life_of_a_circuit():
    """Trip, refuse, probe once, refuse a zombie, close; report states and calls of the store."""
    world = World()
    name = uuid.uuid4().hex
    stores = [CountingStore(TABLE) for _ in range(2)]
    first, second = (
        CircuitBreaker(2, 60, name=name, lease=10, store=store, store_ttl=5, **world.clocks)
        for store in stores
    )
    report = {}
    for _ in range(50):
        first.acquire().success()
        second.acquire().success()
    report["healthy"] = [list(store.calls) for store in stores]
    for _ in range(2):
        first.acquire().failure()
    world.advance(5)
    report["refused"] = [bool(one.acquire()) for one in (first, second)]
    world.advance(55)
    zombie = second.acquire()
    report["probes"] = [bool(zombie), bool(first.acquire())]
    world.advance(10)
    successor = first.acquire()
    zombie.success()
    report["after the zombie"] = stores[0].read(name)[1]["phase"]
    successor.success()
    report["after the successor"] = stores[0].read(name)[1]["phase"]
    world.advance(6)
    report["admitted"] = [bool(one.acquire()) for one in (first, second)]
    report["writes"] = [store.calls.count("write") for store in stores]
    return report


def probes_of_a_fleet(environments):
    """Let many environments, each with a thread, ask for the probe at once."""
    world = World()
    name = uuid.uuid4().hex

    def start():
        return CircuitBreaker(1, 60, name=name, store=DynamoDBStore(TABLE), **world.clocks)

    fleet = [start() for _ in range(environments)]
    fleet[0].record_failure()
    for breaker in fleet:
        assert not breaker.acquire()
    world.advance(60)
    barrier = threading.Barrier(environments)
    granted = []

    def caller(breaker):
        barrier.wait(20)
        if breaker.acquire():
            granted.append(breaker)

    crowd = [threading.Thread(target=caller, args=[breaker]) for breaker in fleet]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join(20)
    return len(granted)


def store_down():
    """Point the store at a port where nobody listens: how long it holds a call, and what holds."""
    world = World()
    os.environ["AWS_ENDPOINT_URL_DYNAMODB"] = "http://127.0.0.1:9"
    try:
        breaker = CircuitBreaker(2, 60, name="down", store=DynamoDBStore(TABLE), **world.clocks)
    finally:
        del os.environ["AWS_ENDPOINT_URL_DYNAMODB"]
    with logs():
        answers = [bool(breaker.acquire())]
        for _ in range(2):
            breaker.acquire().failure()
        answers.append(bool(breaker.acquire()))
    return [answers, breaker.state]


@contextlib.contextmanager
def store_behind_a_gate():
    """Yield a gate before the emulator, and a function that makes stores which go through it."""
    with Gate(os.environ["AWS_ENDPOINT_URL"]) as gate:

        def make():
            os.environ["AWS_ENDPOINT_URL_DYNAMODB"] = gate.url
            try:
                return DynamoDBStore(TABLE, timeout=0.3)
            finally:
                del os.environ["AWS_ENDPOINT_URL_DYNAMODB"]

        yield gate, make


def life_without_a_store(trouble):
    """Let a store fail under a fleet that knows of an opening; report what holds meanwhile."""
    world = World()
    name = uuid.uuid4().hex
    report = {}
    with store_behind_a_gate() as (gate, make), logs() as lines:
        first, second, third = (
            CircuitBreaker(2, 60, name=name, lease=10, store=make(), store_ttl=5, **world.clocks)
            for _ in range(3)
        )
        third.acquire().success()  # it has seen the circuit closed, and nothing since
        for _ in range(2):
            first.acquire().failure()
        world.advance(5)
        report["known"] = bool(second.acquire())
        gate.trouble = trouble
        asked = gate.requests
        world.advance(6)
        report["the view holds"] = [bool(one.acquire()) for one in (first, second)]
        report["requests"] = gate.requests - asked  # one for each: no second attempt
        for _ in range(20):
            first.acquire()
            second.acquire()
        report["requests of 40 more calls"] = gate.requests - asked - 2
        third.acquire().failure()
        report["its own trip holds"] = [bool(third.acquire())]
        third.record_failure()
        report["its own trip holds"].append(bool(third.acquire()))
        report["warnings"] = sum("the store failed" in text for _, text in lines)
        gate.trouble = None
        world.advance(40)
        report["after the pause"] = bool(third.acquire())
        version, stored = DynamoDBStore(TABLE).read(name)
        report["stored"] = [version, stored["phase"]]
        world.advance(30)
        probe = second.acquire()
        report["one probe"] = [bool(probe), bool(first.acquire()), bool(third.acquire())]
        probe.success()
        world.advance(7)
        report["closed for all"] = [bool(one.acquire()) for one in (first, second, third)]
    return report


@contextlib.contextmanager
def two_behind_a_gate(world, name):
    """Yield a gate, and two environments that share a circuit by a store behind it."""
    with store_behind_a_gate() as (gate, make), logs():
        yield (
            gate,
            *(
                CircuitBreaker(
                    1, 60, name=name, lease=10, store=make(), store_ttl=1, **world.clocks
                )
                for _ in range(2)
            ),
        )


def lose_the_answer_to_a_write():
    """Let the write of a probe's lease come through, but not its answer."""
    world = World()
    name = uuid.uuid4().hex
    with two_behind_a_gate(world, name) as (gate, first, second):
        first.record_failure()
        world.advance(60)
        gate.trouble = "loses answers"
        probe = first.acquire()
        gate.trouble = None
        world.advance(3)
        report = [bool(probe), bool(second.acquire())]
        probe.success()
        return [*report, DynamoDBStore(TABLE).read(name)[1]["phase"], first.state]


def lose_the_answer_to_a_trip():
    """Let a trip come through but not its answer; another closes the circuit before it is known."""
    world = World()
    name = uuid.uuid4().hex
    with two_behind_a_gate(world, name) as (gate, first, second):
        gate.trouble = "loses answers"
        first.record_failure()
        gate.trouble = None
        stored = DynamoDBStore(TABLE).read(name)[1]["phase"]
        world.advance(60)
        probe = second.acquire()
        probe.success()
        closed = DynamoDBStore(TABLE).read(name)
        report = [stored, bool(probe), closed[1]["phase"], bool(first.acquire())]
        return [*report, first.state, DynamoDBStore(TABLE).read(name) == closed]


def layers_of_retries():
    """Count the requests that one call costs when botocore has retried, in each way it gives up."""

    def through(client):
        asked = gate.requests
        made = []

        def operation():
            made.append(1)
            return client.get_item(TableName=TABLE, Key={"id": {"S": "x"}})

        try:
            retry_call(
                operation,
                sleep=lambda _: None,
                classify=aws_classify,
                is_retriable=aws_is_retriable,
            )
        except Exception as error:
            metadata = error.response["ResponseMetadata"]
            gave_up = [
                key for key in ("MaxAttemptsReached", "RetryQuotaReached") if key in metadata
            ]
            return {
                "error": error.response["Error"]["Code"],
                "gave up": gave_up,
                "outcome": aws_classify(error),
                "attempts of ours": len(made),
                "requests": gate.requests - asked,
            }

    def start(attempts):
        retries = {"mode": "standard", "total_max_attempts": attempts}
        return boto3.client("dynamodb", endpoint_url=gate.url, config=Config(retries=retries))

    original = endpoint.time
    # botocore's own back-off, which is not what is looked at here.
    endpoint.time = types.SimpleNamespace(sleep=lambda _: None, time=original.time)
    try:
        with Gate(os.environ["AWS_ENDPOINT_URL"]) as gate, logs():
            gate.trouble = "throttled"
            alone, three = start(1), start(3)
            report = [through(alone), through(three)]
            for _ in range(200):  # until botocore's quota of retries is used up
                last = through(three)
                if "RetryQuotaReached" in last["gave up"]:
                    return [*report, last]
            return [*report, "the quota was never used up"]
    finally:
        endpoint.time = original


def outcomes_of_real_errors():
    """Provoke errors of boto3 and report [class, classification, worth a retry] of each."""
    cheap = {"TableName": TABLE, "Item": {"id": {"S": "x"}}}
    once = Config(retries={"total_max_attempts": 1, "mode": "standard"})
    nowhere = boto3.client("dynamodb", endpoint_url="http://127.0.0.1:9", config=once)
    provoked = [
        lambda: client().put_item(**cheap, ConditionExpression="attribute_exists(id)"),
        lambda: client().get_item(TableName="no-such-table", Key={"id": {"S": "x"}}),
        lambda: client().get_item(TableName=TABLE),
        nowhere.list_tables,
    ]
    report = []
    for call in provoked:
        try:
            call()
        except Exception as error:
            kind = type(error).__name__
            report.append([kind, aws_classify(error), aws_is_retriable(error)])
    return report


def codes_of_botocore():
    """Return what botocore's standard mode throttles, and how each code is classified here."""

    class AnswerError(Exception):
        def __init__(self, code, status):
            self.response = {
                "Error": {"Code": code},
                "ResponseMetadata": {"HTTPStatusCode": status},
            }

    throttled = standard.ThrottledRetryableChecker()._THROTTLED_ERROR_CODES
    transient = standard.TransientRetryableChecker()
    return {
        "throttled": sorted({aws_classify(AnswerError(code, 400)) for code in throttled}),
        "transient": sorted(
            {aws_classify(AnswerError(code, 400)) for code in transient._TRANSIENT_ERROR_CODES}
            | {aws_classify(AnswerError("x", s)) for s in transient._TRANSIENT_STATUS_CODES}
        ),
    }


PROBER = """
import sys, time
from python_retry import CircuitBreaker, DynamoDBStore, retry_call
breaker = CircuitBreaker(1, 0.2, name=sys.argv[1], lease=1.5, store=DynamoDBStore("circuits"))

def hangs():
    print("probing", flush=True)
    time.sleep(60)

while True:
    try:
        retry_call(hangs, circuit_breaker=breaker)
    except Exception:
        time.sleep(0.05)
"""


def kill_in_the_middle_of_a_probe():
    """Kill a process that holds the probe; report how the circuit went on without it."""
    name = uuid.uuid4().hex
    breaker = CircuitBreaker(1, 0.2, name=name, lease=1.5, store=DynamoDBStore(TABLE), store_ttl=0)
    breaker.record_failure()
    with subprocess.Popen(
        [sys.executable, "-c", PROBER, name],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        text=True,
    ) as prober:
        line = prober.stdout.readline()
        started = time.monotonic()
        os.kill(prober.pid, signal.SIGKILL)
        prober.wait(10)
    refused = not breaker.acquire() and breaker.state == "HALF_OPEN"
    while not (probe := breaker.acquire()):
        assert time.monotonic() - started < 10, "the lease of the dead prober holds for ever"
        time.sleep(0.05)
    healed_after = time.monotonic() - started
    probe.success()
    return {
        "line": line.strip(),
        "refused while leased": refused,
        "healed by the lease": healed_after > 0.5,
        "state": breaker.state,
    }


def ask_a_silent_endpoint():
    """Ask a store whose endpoint accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()
        os.environ["AWS_ENDPOINT_URL_DYNAMODB"] = f"http://{host}:{port}"
        try:
            store = DynamoDBStore("table", timeout=0.2)
            try:
                store.read("circuit")
                error = "none"
            except Exception as caught:
                error = type(caught).__name__
        finally:
            del os.environ["AWS_ENDPOINT_URL_DYNAMODB"]
        server.settimeout(0.2)
        connections = 0
        while True:
            try:
                server.accept()[0].close()
            except TimeoutError:
                return [error, connections]
            connections += 1
