"""Keeps the circuits of AWS's services in the table, so that all environments of the function share them.

Events and ticks come one at a time, but what a person asks for is run beside them, and Lambda starts
a new environment whenever it likes: each would have to learn anew that a service is down.

`python_retry.DynamoDBStore` says what is written and when: at transitions only, and only over what
the writer has read. Here is where: the items ``circuit#<service>`` of the cluster's own partition.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from python_retry import DynamoDBStore

from .partition import partition_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.client import Exceptions
    from python_retry import CircuitStore

    from .partition import Item

FRESH_SECONDS: Final = 5.0
"""For how long what was read of all circuits is good for those that have not been asked for yet."""

RETENTION_SECONDS: Final = 7 * 24 * 3600
"""How long a circuit is kept after its last transition: longer than any environment lives."""

_CIRCUIT: Final = "circuit#"


class _CircuitItems:
    """Shows the circuits of one partition as items with the key ``id``, which the store asks for.

    All are read at once, and each is handed out once: a run that calls several services reads once.
    """

    def __init__(
        self, partition: str, dynamodb: Callable[[], DynamoDBClient], clock: Callable[[], float]
    ) -> None:
        self._partition = partition
        self._dynamodb = dynamodb
        self._clock = clock
        self._read_at = float("-inf")
        self._found: dict[str, Item] = {}
        self._handed_out: set[str] = set()

    @property
    def exceptions(self) -> Exceptions:
        """The classes of the client's errors."""
        return self._dynamodb().exceptions

    def get_item(self, *, TableName: str, Key: Item, ConsistentRead: bool) -> Item:  # noqa: N803
        """Return a circuit, as the client would with such a key."""
        name = Key["id"]["S"]
        if name in self._handed_out or self._clock() - self._read_at >= FRESH_SECONDS:
            read_at = self._clock()
            answer = self._dynamodb().query(
                TableName=TableName,
                KeyConditionExpression="pk = :pk AND begins_with(sk, :prefix)",
                ExpressionAttributeValues={
                    ":pk": {"S": self._partition},
                    ":prefix": {"S": _CIRCUIT},
                },
                ConsistentRead=ConsistentRead,
            )
            self._found = {item["id"]["S"]: dict(item) for item in answer["Items"]}
            self._handed_out = set()
            self._read_at = read_at
        self._handed_out.add(name)
        return {"Item": self._found[name]} if name in self._found else {}

    def put_item(self, *, Item: Item, **request: Any) -> object:  # noqa: ANN401, N803
        """Write a circuit, as the client would, with the keys of the table."""
        keys = {
            "pk": {"S": self._partition},
            "sk": {"S": _CIRCUIT + Item["id"]["S"]},
            "expires": {"N": str(int(self._clock()) + RETENTION_SECONDS)},
        }
        return self._dynamodb().put_item(Item={**Item, **keys}, **request)


def shared_circuits(
    table: str,
    cluster: str,
    dynamodb: Callable[[], DynamoDBClient],
    *,
    clock: Callable[[], float] = time.time,
) -> CircuitStore:
    """Return the store of a cluster's circuits.

    Args:
        table: The name of the table, with the keys ``pk`` and ``sk``.
        cluster: The name of the cluster.
        dynamodb: Returns a client of DynamoDB, which should wait for a moment only and not retry:
            the breakers do without the store when it fails.
        clock: Returns seconds since the epoch.
    """
    return DynamoDBStore(table, _CircuitItems(partition_key(cluster), dynamodb, clock))
