"""The clients of AWS, and what their errors mean. The only place that makes boto3 clients."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Final

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as AwsConnectionError
from python_retry import aws_classify

from .circuits import STORE_TIMEOUT

if TYPE_CHECKING:
    from mypy_boto3_autoscaling import AutoScalingClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient

    from .preparation import LambdaClient

CONNECT_TIMEOUT: Final = 2.0
"""Seconds for a connection to a service of AWS."""

READ_TIMEOUT: Final = 5.0
"""Seconds for each read of its answer."""

UPLOAD_TIMEOUT: Final = 20.0
"""Seconds for S3 to answer to a part of a snapshot, which is some MiB long."""

_FURTHER_RETRIABLE_CODES: Final = frozenset(
    {
        # Auto Scaling: "a pending update to an Auto Scaling resource".
        "ResourceContention",
        # DynamoDB: another write of the same item was under way.
        "TransactionConflictException",
    }
)
"""Codes beside those that `python_retry` knows, of services that are called here."""

_DENIED_CODES: Final = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
_ABSENT_CODES: Final = frozenset(
    {
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
        "ResourceNotFoundException",
    }
)
_NAMED_BY: Final = {
    "Query": "QUORATE_TABLE",
    "PutItem": "QUORATE_TABLE",
    "UpdateItem": "QUORATE_TABLE",
    "DeleteItem": "QUORATE_TABLE",
    "SendMessage": "QUORATE_DEAD_LETTER_QUEUE_URL",
}
"""The variable that names what an operation works on, where there is only one such."""


def error_code(error: Exception) -> str:
    """Return the error code that a service answered with; empty if it did not answer."""
    return error.response.get("Error", {}).get("Code", "") if isinstance(error, ClientError) else ""


def explain(error: Exception) -> str:
    """Return what an error says, with what mends it where a service of AWS leaves that out.

    Args:
        error: What a run ended with.
    """
    if isinstance(error, (AwsConnectionError, HTTPClientError)):
        return f"{error}; the function's subnets need a way there: a NAT gateway or a VPC endpoint"
    if not isinstance(error, ClientError):
        return str(error)
    code, operation = error_code(error), error.operation_name
    if code in _DENIED_CODES:
        return f"{error}; the function's role must allow {operation}"
    variable = _NAMED_BY.get(operation)
    if code in _ABSENT_CODES and variable:
        name = os.environ.get(variable, "")
        return f"{error}; {variable} names {name!r}: was it deleted, or is it in another Region?"
    return str(error)


def is_failure(error: Exception) -> bool:
    """Tell a failure of a service (no answer, throttling, internal error) from an answer.

    Args:
        error: What a boto3 call raised.

    Returns:
        Whether to try again. False for what will not change by itself: an invalid request, a failed
        condition, something that does not exist, a denied access, missing credentials.
    """
    if isinstance(error, ClientError):
        return error_code(error) in _FURTHER_RETRIABLE_CODES or aws_classify(error) in {
            "throttle",
            "failure",
        }
    return isinstance(error, (AwsConnectionError, HTTPClientError))


class Clients:
    """The clients of AWS, each made at its first use.

    They do not retry: that is done around them, in one place, where it is counted.
    """

    def __init__(self) -> None:
        """Take region, credentials and endpoints from the environment, as boto3 does."""
        self._config = Config(
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
            retries={"mode": "standard", "total_max_attempts": 1},
        )

    @cached_property
    def autoscaling(self) -> AutoScalingClient:
        """Amazon EC2 Auto Scaling."""
        return boto3.client("autoscaling", config=self._config)

    @cached_property
    def dynamodb(self) -> DynamoDBClient:
        """Amazon DynamoDB."""
        return boto3.client("dynamodb", config=self._config)

    @cached_property
    def circuits(self) -> DynamoDBClient:
        """Amazon DynamoDB for the circuits that are shared: it is not waited for."""
        brief = Config(connect_timeout=STORE_TIMEOUT, read_timeout=STORE_TIMEOUT)
        return boto3.client("dynamodb", config=self._config.merge(brief))

    @cached_property
    def ec2(self) -> EC2Client:
        """Amazon EC2."""
        return boto3.client("ec2", config=self._config)

    def invoker(self, seconds: float) -> LambdaClient:
        """AWS Lambda, with so many seconds for the answer of a function; made anew each time."""
        config = self._config.merge(Config(read_timeout=seconds))
        client: LambdaClient = boto3.client("lambda", config=config)
        return client

    @cached_property
    def s3(self) -> S3Client:
        """Amazon S3, with more time for each answer."""
        return boto3.client("s3", config=self._config.merge(Config(read_timeout=UPLOAD_TIMEOUT)))

    @cached_property
    def secretsmanager(self) -> SecretsManagerClient:
        """AWS Secrets Manager."""
        return boto3.client("secretsmanager", config=self._config)

    @cached_property
    def sqs(self) -> SQSClient:
        """Amazon SQS."""
        return boto3.client("sqs", config=self._config)

    @cached_property
    def ssm(self) -> SSMClient:
        """AWS Systems Manager."""
        return boto3.client("ssm", config=self._config)


def clients() -> Clients:
    """Return clients with short time-outs and without retries of their own."""
    return Clients()
