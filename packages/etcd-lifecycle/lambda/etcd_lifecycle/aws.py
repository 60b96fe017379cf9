"""The clients of AWS, and what their errors mean. The only place that makes clients.

They are botocore's own: boto3 would make the same ones, and bring along what nothing here uses.
"""

from __future__ import annotations

import functools
import os
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as AwsConnectionError
from botocore.loaders import Loader
from python_retry import aws_classify

from .ec2_description import EC2_DESCRIPTION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_autoscaling import AutoScalingClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient

CONNECT_TIMEOUT: Final = 2.0
"""Seconds for a connection to a service of AWS."""

READ_TIMEOUT: Final = 5.0
"""Seconds for each read of its answer."""

UPLOAD_TIMEOUT: Final = 20.0
"""Seconds for S3 to answer to a part of a snapshot, which is some MiB long."""

CIRCUITS_TIMEOUT: Final = 0.5
"""Seconds for a connection to the store of shared circuits, and for its answer: no run waits longer."""

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


_SERVICES: Final = (
    "autoscaling",
    "dynamodb",
    "ec2",
    "lambda",
    "s3",
    "secretsmanager",
    "sqs",
    "ssm",
)
"""The services of which `Clients` has a client."""


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


class _Descriptions(Loader):
    """Botocore's descriptions of services, without those that a cold start would read for nothing."""

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002 -- botocore's
        """The services that are called here; to find all would be to look into 800 folders."""
        return list(_SERVICES)

    def load_service_model(
        self, service_name: str, type_name: str, api_version: str | None = None
    ) -> Any:  # noqa: ANN401 -- JSON
        """The description of a service; of EC2, the part that is needed."""
        if (service_name, type_name) == ("ec2", "service-2"):
            return EC2_DESCRIPTION
        return super().load_service_model(service_name, type_name, api_version)


class _WhenUsed:
    """Stands for a client that is made when something of it is first asked for."""

    def __init__(self, make: Callable[[], object]) -> None:
        self._make = make

    @cached_property
    def _client(self) -> object:
        return self._make()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 -- whatever the client has
        return getattr(self._client, name)


@functools.cache
def _session() -> botocore.session.Session:
    """The session of this environment, which keeps the descriptions that it has read."""
    session = botocore.session.get_session()
    session.register_component("data_loader", _Descriptions())
    return session


class LambdaClient(Protocol):
    """What is called of boto3's client of Lambda."""

    def invoke(self, **request: object) -> Mapping[str, Any]:
        """Call a function."""


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

    def _make(self, service: str, config: Config | None = None) -> Any:  # noqa: ANN401 -- any client
        merged = self._config.merge(config) if config else self._config
        return _session().create_client(service, config=merged)

    @cached_property
    def autoscaling(self) -> AutoScalingClient:
        """Amazon EC2 Auto Scaling."""
        return cast("AutoScalingClient", self._make("autoscaling"))

    @cached_property
    def dynamodb(self) -> DynamoDBClient:
        """Amazon DynamoDB."""
        return cast("DynamoDBClient", self._make("dynamodb"))

    @cached_property
    def circuits(self) -> DynamoDBClient:
        """Amazon DynamoDB for the circuits that are shared: it is not waited for."""
        brief = Config(connect_timeout=CIRCUITS_TIMEOUT, read_timeout=CIRCUITS_TIMEOUT)
        return cast("DynamoDBClient", self._make("dynamodb", brief))

    @cached_property
    def ec2(self) -> EC2Client:
        """Amazon EC2; it knows what `EC2_DESCRIPTION` holds."""
        return cast("EC2Client", self._make("ec2"))

    def invoker(self, seconds: float) -> LambdaClient:
        """AWS Lambda, with so many seconds for the answer of a function; made anew each time."""
        return cast("LambdaClient", self._make("lambda", Config(read_timeout=seconds)))

    @cached_property
    def s3(self) -> S3Client:
        """Amazon S3, with more time for each answer."""
        return cast("S3Client", self._make("s3", Config(read_timeout=UPLOAD_TIMEOUT)))

    @cached_property
    def secretsmanager(self) -> SecretsManagerClient:
        """AWS Secrets Manager."""
        return cast("SecretsManagerClient", self._make("secretsmanager"))

    @cached_property
    def sqs(self) -> SQSClient:
        """Amazon SQS."""
        return cast("SQSClient", self._make("sqs"))

    @cached_property
    def ssm(self) -> SSMClient:
        """AWS Systems Manager, which most runs have nothing to ask: it may be handed on unmade."""
        return cast("SSMClient", _WhenUsed(lambda: self._make("ssm")))


def clients() -> Clients:
    """Return clients with short time-outs and without retries of their own."""
    return Clients()
