"""Which errors of AWS are failures, which are answers, and what is said of them."""

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
)
from etcd_lifecycle.aws import Clients, error_code, explain, is_failure


def answered(code, status=400, operation="Operation"):
    response = {
        "Error": {"Code": code, "Message": "told"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(response, operation)


@pytest.mark.parametrize(
    "error",
    [
        answered("Throttling"),
        answered("ThrottlingException"),
        answered("RequestLimitExceeded", 503),
        answered("ProvisionedThroughputExceededException"),
        answered("ResourceContention"),
        answered("TransactionConflictException"),
        answered("InternalServerError"),
        answered("RequestTimeout"),
        answered("SlowDown", 503),
        answered("", 429),
        answered("InternalError", 500),
        answered("", 502),
        ConnectTimeoutError(endpoint_url="http://127.0.0.1"),
        EndpointConnectionError(endpoint_url="http://127.0.0.1"),
        ReadTimeoutError(endpoint_url="http://127.0.0.1"),
    ],
    ids=repr,
)
def test_failures(error):
    assert is_failure(error)


@pytest.mark.parametrize(
    "error",
    [
        answered("ValidationError"),
        answered("ConditionalCheckFailedException"),
        answered("ResourceNotFoundException"),
        answered("AccessDenied", 403),
        answered("ExpiredToken", 403),
        NoCredentialsError(),
        ParamValidationError(report="missing"),
        KeyError("ours"),
    ],
    ids=repr,
)
def test_answers(error):
    assert not is_failure(error)


@pytest.mark.parametrize(
    ("error", "mend"),
    [
        (
            answered("AccessDeniedException", operation="Query"),
            "the function's role must allow Query",
        ),
        (
            answered("UnauthorizedOperation", 403, "DescribeInstances"),
            "the function's role must allow DescribeInstances",
        ),
        (
            answered("ResourceNotFoundException", operation="UpdateItem"),
            "QUORATE_TABLE names 'lost': was it deleted, or is it in another Region?",
        ),
        (
            ConnectTimeoutError(endpoint_url="http://127.0.0.1"),
            "the function's subnets need a way there: a NAT gateway or a VPC endpoint",
        ),
    ],
    ids=repr,
)
def test_what_mends_an_error_is_told_after_it(monkeypatch, error, mend):
    monkeypatch.setenv("QUORATE_TABLE", "lost")
    assert explain(error) == f"{error}; {mend}"


@pytest.mark.parametrize(
    "error", [answered("ValidationError"), answered("ResourceNotFoundException"), KeyError("ours")]
)
def test_of_other_errors_nothing_is_added(error):
    assert explain(error) == str(error)


def test_error_code():
    assert error_code(answered("ValidationError")) == "ValidationError"
    assert error_code(NoCredentialsError()) == ""


def test_clients_neither_retry_nor_wait_long(monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    config = Clients().autoscaling.meta.config
    assert config.retries["total_max_attempts"] == 1
    assert (config.connect_timeout, config.read_timeout) == (2, 5)
