"""Which errors of AWS are failures, which are answers, and what is said of them."""

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    ReadTimeoutError,
)
from botocore.loaders import Loader
from etcd_lifecycle.aws import Clients, error_code, explain, is_failure
from etcd_lifecycle.ec2_description import EC2_DESCRIPTION


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


NAMES = ("autoscaling", "circuits", "dynamodb", "ec2", "s3", "secretsmanager", "sqs", "ssm")


@pytest.mark.parametrize("name", NAMES)
def test_each_client_is_of_a_service_that_is_known(monkeypatch, name):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    service = "dynamodb" if name == "circuits" else name
    assert getattr(Clients(), name).meta.service_model.service_name == service


def test_functions_are_invoked_with_as_much_time_as_they_get(monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client = Clients().invoker(77)
    assert (client.meta.service_model.service_name, client.meta.config.read_timeout) == (
        "lambda",
        77,
    )


def test_the_client_of_ssm_is_made_when_it_is_used(monkeypatch):
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.delenv("AWS_REGION", raising=False)
    unmade = Clients().ssm
    with pytest.raises(NoRegionError):
        unmade.get_parameters(Names=["/quorate/main/i-1"])


def parts_of(whole, part, at=""):
    """The places at which a part is not as the whole is."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return [
            place
            for key, value in part.items()
            for place in parts_of(whole.get(key), value, f"{at}/{key}")
        ]
    return [] if part == whole else [at]


def test_the_description_of_ec2_is_a_part_of_botocores():
    whole = Loader().load_service_model("ec2", "service-2", "2016-11-15")
    assert parts_of(whole, EC2_DESCRIPTION) == []


def test_the_description_of_ec2_describes_all_that_it_names():
    shapes = EC2_DESCRIPTION["shapes"]
    named = [
        member["shape"]
        for shape in shapes.values()
        for member in [*shape.get("members", {}).values(), *filter(None, [shape.get("member")])]
    ]
    (operation,) = EC2_DESCRIPTION["operations"].values()
    named += [operation["input"]["shape"], operation["output"]["shape"]]
    assert set(named) == set(shapes)
