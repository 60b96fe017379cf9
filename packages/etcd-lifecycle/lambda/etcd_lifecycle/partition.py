"""The items of one cluster in the DynamoDB table, as plain reads and writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from botocore.exceptions import ClientError

from .aws import error_code

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

    from .dependency import Dependency

Item: TypeAlias = "dict[str, Any]"
"""An item as DynamoDB's own protocol has it, with a type for each attribute."""


def integer(value: int) -> Item:
    """A whole number as an attribute."""
    return {"N": str(value)}


def timestamp(value: float) -> Item:
    """Seconds as an attribute, to the millisecond."""
    return {"N": f"{value:.3f}"}


def partition_key(cluster: str) -> str:
    """The partition key of all items of a cluster."""
    return f"cluster#{cluster}"


class Partition:
    """The items of one cluster.

    Each method may raise `python_retry.CircuitOpenError`, when the breaker refuses a call, and
    `botocore.exceptions.ClientError`, for an answer of DynamoDB that nobody expects.
    """

    def __init__(
        self, table: str, cluster: str, dynamodb: DynamoDBClient, dependency: Dependency
    ) -> None:
        """Take where it is; nothing is called yet.

        Args:
            table: The name of the table, with the keys ``pk`` and ``sk``.
            cluster: The name of the cluster.
            dynamodb: The client of DynamoDB.
            dependency: The dependency of DynamoDB.
        """
        self._table = table
        self._key = partition_key(cluster)
        self._dynamodb = dynamodb
        self._dependency = dependency

    def query(self, prefix: str, *, newest_first: bool = False, page: int = 1000) -> Iterator[Item]:
        """Yield the items whose sort key begins with a prefix, with all earlier writes."""
        request: Item = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :pk AND begins_with(sk, :prefix)",
            "ExpressionAttributeValues": {":pk": {"S": self._key}, ":prefix": {"S": prefix}},
            "ConsistentRead": True,
            "ScanIndexForward": not newest_first,
            "Limit": page,
        }
        while True:
            answer = self._dependency.call(lambda: self._dynamodb.query(**request), "Query")
            yield from answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def put(self, sort_key: str, attributes: Item) -> None:
        """Write an item, in place of any earlier one."""
        item = {**self._primary_key(sort_key), **attributes}
        self._dependency.call(
            lambda: self._dynamodb.put_item(TableName=self._table, Item=item), "PutItem"
        )

    def update(
        self, sort_key: str, expression: str, values: Item, condition: str | None = None
    ) -> Item | None:
        """Change attributes of an item, or make it.

        Returns:
            The item as it is now; None when the condition did not hold.
        """
        conditional: Item = {} if condition is None else {"ConditionExpression": condition}
        try:
            answer = self._dependency.call(
                lambda: self._dynamodb.update_item(
                    TableName=self._table,
                    Key=self._primary_key(sort_key),
                    UpdateExpression=expression,
                    ExpressionAttributeValues=values,
                    ReturnValues="ALL_NEW",
                    **conditional,
                ),
                "UpdateItem",
            )
        except ClientError as error:
            if error_code(error) == "ConditionalCheckFailedException":
                return None
            raise
        return dict(answer["Attributes"])

    def delete(self, sort_key: str) -> None:
        """Delete an item; one that is absent is fine."""
        self._dependency.call(
            lambda: self._dynamodb.delete_item(
                TableName=self._table, Key=self._primary_key(sort_key)
            ),
            "DeleteItem",
        )

    def _primary_key(self, sort_key: str) -> Item:
        return {"pk": {"S": self._key}, "sk": {"S": sort_key}}
