"""Where shared circuits are kept, how often they are read, and what a table that fails does to them."""

from datetime import datetime, timezone

import pytest
from botocore.exceptions import ClientError
from etcd_lifecycle.circuits import FRESH_SECONDS, RETENTION_SECONDS, shared_circuits
from etcd_lifecycle.dependency import Dependency
from python_retry import CircuitOpenError

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc).timestamp()
OPEN = {"phase": "OPEN", "generation": 1, "opened_at": NOW, "open_for": 15.0, "probes": []}


class DownError(Exception):
    """The service fails."""


class Table:
    """Stands for a client of DynamoDB with one table: what it is asked, and what is in it."""

    class exceptions:  # noqa: N801 -- as boto3 has it
        ConditionalCheckFailedException = ClientError

    def __init__(self):
        self.items = {}
        self.calls = []
        self.down = False

    def query(self, **request):
        self.calls.append("query")
        if self.down:
            raise DownError
        values = request["ExpressionAttributeValues"]
        assert request["ConsistentRead"]
        return {
            "Items": [
                item
                for (pk, sk), item in self.items.items()
                if pk == values[":pk"]["S"] and sk.startswith(values[":prefix"]["S"])
            ]
        }

    def put_item(self, *, Item, **request):  # noqa: N803 -- as boto3 has it
        self.calls.append("put")
        if self.down:
            raise DownError
        key = (Item["pk"]["S"], Item["sk"]["S"])
        there = self.items.get(key)
        (expected,) = request.get("ExpressionAttributeValues", {":none": None}).values()
        if (there and there["version"]) != expected:
            raise ClientError({"Error": {}, "Item": there or {}}, "PutItem")
        self.items[key] = Item


@pytest.fixture
def table():
    return Table()


class Clock:
    now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def environment(table, clock):
    """The store of one environment."""
    return shared_circuits("table", "main", lambda: table, clock=clock)


def test_a_circuit_is_an_item_of_the_clusters_partition_that_ends_by_itself(table, clock):
    assert environment(table, clock).swap("Auto Scaling", 0, OPEN) is None

    (item,) = table.items.values()
    assert item["pk"] == {"S": "cluster#main"}
    assert item["sk"] == {"S": "circuit#Auto Scaling"}
    assert item["expires"] == {"N": str(int(NOW) + RETENTION_SECONDS)}
    assert environment(table, clock).read("Auto Scaling") == (1, OPEN)


def test_it_is_written_only_over_what_was_read(table, clock):
    one, other = environment(table, clock), environment(table, clock)
    assert one.swap("EC2", 0, OPEN) is None
    assert other.swap("EC2", 0, {}) == (1, OPEN)
    assert other.swap("EC2", 1, {}) is None


def test_one_read_is_good_for_all_circuits_but_only_once_for_each(table, clock):
    store = environment(table, clock)
    store.swap("Auto Scaling", 0, OPEN)
    table.calls.clear()

    assert store.read("Auto Scaling") == (1, OPEN)
    assert store.read("EC2") is None
    assert store.read("SSM") is None
    assert table.calls == ["query"]

    # Whoever asks again wants to know what it is now.
    store.read("EC2")
    assert table.calls == ["query"] * 2


def test_what_was_read_gets_old(table, clock):
    store = environment(table, clock)
    store.read("Auto Scaling")
    environment(table, clock).swap("EC2", 0, OPEN)
    clock.now += FRESH_SECONDS

    assert store.read("EC2") == (1, OPEN)


def test_circuits_of_another_cluster_are_others(table, clock):
    shared_circuits("table", "other", lambda: table, clock=clock).swap("EC2", 0, OPEN)
    assert environment(table, clock).read("EC2") is None


def dependency(store):
    return Dependency("EC2", lambda error: isinstance(error, DownError), store=store)


def fail():
    raise DownError


def test_a_healthy_call_writes_nothing_and_reads_once(table, clock):
    service = dependency(environment(table, clock))
    for _ in range(10):
        service.call(lambda: "value", "call")
    assert table.calls == ["query"]


def test_one_environment_opens_the_circuit_of_all(table, clock):
    one, other = dependency(environment(table, clock)), dependency(environment(table, clock))
    for _ in range(2):
        with pytest.raises(DownError):
            one.call(fail, "call")
    assert table.calls.count("put") == 1

    calls = []
    with pytest.raises(CircuitOpenError):
        other.call(lambda: calls.append("called"), "call")
    assert calls == []
    assert other.is_down


def test_a_table_that_fails_neither_stops_a_call_nor_a_circuit(table, clock):
    table.down = True
    service = dependency(environment(table, clock))
    assert service.call(lambda: "value", "call") == "value"

    for _ in range(2):
        with pytest.raises(DownError):
            service.call(fail, "call")
    with pytest.raises(CircuitOpenError):
        service.call(lambda: "value", "call")
    # And it is left alone for a while.
    assert len(table.calls) == 1
