"""Who is asked to hand over, with what, and what is recorded of it. Requests are judged by botocore."""

import io
import json
import subprocess
import threading

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.stub import ANY, Stubber
from cluster_views import NOW, Slot, address, member_id, view
from etcd_lifecycle.act import Result
from etcd_lifecycle.aws import is_failure
from etcd_lifecycle.dependency import Dependency
from etcd_lifecycle.environment import ConfigurationError
from etcd_lifecycle.model import (
    OnPreparationFailure,
    Preparation,
    PreparationPolicy,
    PreparationState,
    PrepareRemoval,
)
from etcd_lifecycle.preparation import (
    HandOverCommand,
    HandOverFunction,
    PreparationError,
    Preparations,
    Request,
    _exports,
    _waiting,
)
from etcd_lifecycle.preparation_settings import (
    PreparationSettings,
    read_preparation_policy,
    read_preparation_settings,
)
from etcd_lifecycle.snapshot import RESERVE_SECONDS
from etcd_lifecycle.telemetry import Telemetry
from hypothesis import example, given, settings
from hypothesis import strategies as st

GOES = view(Slot(), Slot(), Slot(instance="Terminating:Wait"), desired=2)
PREPARE = PrepareRemoval("i-3", member_id(3))
REQUEST = Request("i-3", "192.0.2.3", "67", "main", 1_700_000_000.0)
TIMEOUT = 30.0


def dependency(name):
    return Dependency(name, is_failure, sleep=lambda _: None)


def aws(service):
    return boto3.client(
        service, region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b"
    )


def refusal(code):
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "SendCommand")


# --- what is recorded -----------------------------------------------------------------------------


class Asked:
    """Stands in for the means and the journal; what is asked takes no time, or all of the world's."""

    def __init__(self, answer="c-1", *, waits=True):
        self.answer = answer
        self.waits = waits
        self.asked = []
        self.recorded = []
        self.output = io.StringIO()
        self.left = 60.0
        self.now = NOW

    def ask(self, request, seconds, keep_alive):
        self.asked.append((request, seconds))
        # What is begun is known before anybody is asked.
        assert self.recorded or self.known
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def follow(self, instance_id, command):
        return PreparationState.DONE, f"{command} of {instance_id} has ended"

    def record_preparation(self, instance_id, preparation):
        assert instance_id == "i-3"
        self.recorded.append(preparation)

    def preparations(self):
        telemetry = Telemetry("main", stream=self.output)
        return Preparations(self, self, telemetry, "main", TIMEOUT, clock=lambda: self.now)

    def prepare(self, known=None):
        self.known = known
        seen = view(
            Slot(),
            Slot(),
            Slot(instance="Terminating:Wait"),
            preparations={"i-3": known} if known else {},
        )
        return self.preparations().prepare(
            PREPARE, seen, seconds_left=lambda: self.left, keep_alive=lambda: None
        )


def test_it_is_recorded_that_it_was_begun_and_that_it_is_done():
    asked = Asked("it returned")

    outcome = asked.prepare()

    assert (outcome.result, outcome.detail) == (Result.DONE, "it returned")
    assert asked.recorded == [
        Preparation(NOW),
        Preparation(NOW, PreparationState.DONE, "it returned"),
    ]
    ((request, seconds),) = asked.asked
    assert request == Request("i-3", address(3), "67", "main", NOW + TIMEOUT)
    assert seconds == TIMEOUT


def test_of_a_command_it_is_recorded_which_one_it_is():
    asked = Asked("c-1", waits=False)

    assert asked.prepare().detail == "command c-1 is sent"
    assert asked.recorded[-1] == Preparation(NOW, command="c-1")


def test_a_failure_is_recorded_and_logged_with_its_cause():
    asked = Asked(PreparationError("it failed: no such node"))

    outcome = asked.prepare()

    assert (outcome.result, outcome.detail) == (Result.FAILED, "it failed: no such node")
    assert asked.recorded[-1].state is PreparationState.FAILED
    assert "i-3 has not handed over: it failed" in json.loads(asked.output.getvalue())["message"]


def test_a_refusal_of_aws_is_a_failure_too_but_not_that_it_does_not_answer():
    refused = Asked(refusal("InvalidInstanceId"), waits=False)
    throttled = Asked(refusal("ThrottlingException"), waits=False)

    assert refused.prepare().result is Result.FAILED
    with pytest.raises(ClientError):
        throttled.prepare()
    assert throttled.recorded == [Preparation(NOW)]


def test_who_was_left_behind_is_asked_again_with_the_deadline_of_before():
    asked = Asked("it returned")

    asked.prepare(Preparation(NOW - 20))

    ((request, seconds),) = asked.asked
    assert (request.deadline, seconds) == (NOW + 10, 10)
    assert asked.recorded == [Preparation(NOW - 20, PreparationState.DONE, "it returned")]


@pytest.mark.parametrize(
    "known",
    [
        Preparation(NOW - 1e6),
        Preparation(NOW - 1e6, PreparationState.FAILED, "why"),
        Preparation(NOW - 1e6, command="c-0"),
    ],
)
def test_another_attempt_has_a_deadline_of_its_own(known):
    asked = Asked("it returned")

    asked.prepare(known)

    assert asked.recorded[0] == Preparation(NOW)


def test_the_time_of_the_run_being_over_is_no_failure():
    late = Asked("it returned")
    late.left = RESERVE_SECONDS
    assert late.prepare().result is Result.NOT_NOW
    assert late.asked == []

    cut = Asked(PreparationError("it did not return within 5 s"))
    cut.answer.__cause__ = ReadTimeoutError(endpoint_url="u")
    cut.left = RESERVE_SECONDS + 5
    outcome = cut.prepare()
    assert outcome.result is Result.NOT_NOW
    assert "give the function a timeout of at least 60 s" in outcome.detail
    assert cut.recorded == [Preparation(NOW)]


def test_only_commands_that_run_are_followed():
    recorded = {
        "i-1": Preparation(NOW, command="c-1"),
        "i-2": Preparation(NOW),
        "i-3": Preparation(NOW, PreparationState.FAILED, "why", "c-3"),
    }

    assert Asked().preparations().follow(recorded) == {
        **recorded,
        "i-1": Preparation(NOW, PreparationState.DONE, "c-1 of i-1 has ended", "c-1"),
    }


def test_what_is_waited_for_is_the_time_out_or_nothing():
    assert Asked(waits=True).preparations().waits == TIMEOUT
    assert Asked(waits=False).preparations().waits == 0


# --- a function of Lambda -------------------------------------------------------------------------


class Payload:
    def __init__(self, text):
        self.text = text

    def read(self):
        return self.text.encode()


class Invoked:
    """Stands in for boto3's client of Lambda, whose answers the end-to-end tests ask for."""

    def __init__(self, answer):
        self.answer = answer
        self.requests = []

    def invoke(self, **request):
        self.requests.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def call(answer):
    invoked = Invoked(answer)
    means = HandOverFunction("drain", lambda seconds: invoked, dependency("Lambda"))
    return invoked, lambda: means.ask(REQUEST, 30, lambda: None)


def test_a_function_is_called_once_with_what_it_needs():
    invoked, ask = call({"Payload": Payload("null")})

    assert ask() == "drain returned"
    (request,) = invoked.requests
    assert request["InvocationType"] == "RequestResponse"
    assert json.loads(request["Payload"]) == {
        "instanceId": "i-3",
        "privateIp": "192.0.2.3",
        "memberId": "67",
        "clusterName": "main",
        "deadline": "2023-11-14T22:13:20Z",
    }


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        ('{"errorType": "KeyError", "errorMessage": "no such node"}', "KeyError: no such node"),
        ('{"errorMessage": "Task timed out"}', "error: Task timed out"),
        ("gibberish", "gibberish"),
        ("[1]", "[1]"),
        ("x" * 300, "..." + "x" * 200),
    ],
)
def test_what_a_function_fails_with_is_told(payload, told):
    _, ask = call({"FunctionError": "Unhandled", "Payload": Payload(payload)})

    with pytest.raises(PreparationError) as raised:
        ask()
    assert str(raised.value) == f"drain failed: {told}"


def test_a_function_that_does_not_return_in_time_is_not_called_twice():
    invoked, ask = call(ReadTimeoutError(endpoint_url="u"))

    with pytest.raises(PreparationError, match="drain did not return within 30 s"):
        ask()
    assert len(invoked.requests) == 1


def test_nobody_follows_a_command_of_before():
    means = HandOverFunction("drain", Invoked, dependency("Lambda"))

    assert means.follow("i-3", "c-1") == (PreparationState.RUNNING, "")


def test_the_wait_ends_with_what_keeping_alive_raises():
    class LostError(Exception):
        pass

    def lost():
        raise LostError

    gate = threading.Event()
    try:
        with pytest.raises(LostError):
            _waiting(gate.wait, lost, 0.01)
    finally:
        gate.set()


# --- a command ------------------------------------------------------------------------------------


def command(stub_with):
    ssm = aws("ssm")
    stub = Stubber(ssm)
    stub_with(stub)
    stub.activate()
    return HandOverCommand(["set -e", "kubectl drain"], ssm, dependency("SSM")), stub


def test_a_command_is_sent_with_what_it_needs_and_its_time():
    expected = {
        "InstanceIds": ["i-3"],
        "DocumentName": "AWS-RunShellScript",
        "Comment": ANY,
        "TimeoutSeconds": 30,
        "Parameters": {
            "commands": [
                "export QUORATE_INSTANCE_ID=i-3",
                "export QUORATE_PRIVATE_IP=192.0.2.3",
                "export QUORATE_MEMBER_ID=67",
                "export QUORATE_CLUSTER_NAME=main",
                "export QUORATE_DEADLINE=2023-11-14T22:13:20Z",
                "set -e",
                "kubectl drain",
            ],
            "executionTimeout": ["120"],
        },
    }
    answer = {"Command": {"CommandId": "c" * 36}}
    means, stub = command(lambda one: one.add_response("send_command", answer, expected))

    assert means.ask(REQUEST, 120.9, lambda: None) == "c" * 36
    stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("answer", "state", "told"),
    [
        ({"Status": "Pending"}, PreparationState.RUNNING, ""),
        ({"Status": "InProgress"}, PreparationState.RUNNING, ""),
        ({"Status": "Delayed"}, PreparationState.RUNNING, ""),
        ({"Status": "Success"}, PreparationState.DONE, "has ended well"),
        (
            {"Status": "Failed", "StatusDetails": "Failed", "ResponseCode": 3}
            | {"StandardErrorContent": "no such node\n"},
            PreparationState.FAILED,
            ": Failed, exit code 3: no such node",
        ),
        (
            {"Status": "TimedOut", "StatusDetails": "DeliveryTimedOut", "ResponseCode": -1},
            PreparationState.FAILED,
            ": DeliveryTimedOut",
        ),
        ({"Status": "Cancelled"}, PreparationState.FAILED, ": Cancelled"),
    ],
)
def test_how_far_a_command_is_is_told(answer, state, told):
    means, _ = command(lambda one: one.add_response("get_command_invocation", answer))

    found, said = means.follow("i-3", "c" * 36)

    assert found is state
    assert said.endswith(told)


def test_a_command_that_was_sent_just_now_runs():
    means, _ = command(
        lambda one: one.add_client_error("get_command_invocation", "InvocationDoesNotExist")
    )
    assert means.follow("i-3", "c" * 36) == (PreparationState.RUNNING, "")

    means, _ = command(
        lambda one: one.add_client_error("get_command_invocation", "AccessDeniedException")
    )
    with pytest.raises(ClientError):
        means.follow("i-3", "c" * 36)


@settings(max_examples=60, deadline=None)
@given(value=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
@example("$(touch /tmp/no) `id` \" ' \\ \n ; exit 1")
@example("-n")
def test_no_value_is_taken_for_a_part_of_the_script(value):
    script = "\n".join([*_exports({"clusterName": value}), 'printf %s "$QUORATE_CLUSTER_NAME"'])

    ran = subprocess.run(["sh"], input=script.encode(), capture_output=True, check=True)

    assert ran.stdout.decode() == value
    assert ran.stderr == b""


# --- settings -------------------------------------------------------------------------------------

FUNCTION = {"QUORATE_BEFORE_REMOVAL_FUNCTION": "arn"}


def test_without_somebody_to_ask_nobody_is_asked():
    assert read_preparation_settings({}) is None
    assert read_preparation_policy({}) is None


def test_a_function_or_the_lines_of_a_script_are_read():
    assert read_preparation_settings(FUNCTION) == PreparationSettings("arn")
    assert read_preparation_policy(FUNCTION) == PreparationPolicy(30)
    lines = {"QUORATE_BEFORE_REMOVAL_COMMANDS": '["set -e", "drain"]'}
    assert read_preparation_settings(lines) == PreparationSettings("", ("set -e", "drain"))


def test_every_choice_about_it_is_read():
    assert read_preparation_policy(
        {
            **FUNCTION,
            "QUORATE_BEFORE_REMOVAL_TIMEOUT": "90",
            "QUORATE_BEFORE_REMOVAL_ON_FAILURE": "proceed",
            "QUORATE_BEFORE_REMOVAL_RETRY": "60",
        }
    ) == PreparationPolicy(90, OnPreparationFailure.PROCEED, 60)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"COMMANDS": "drain"}, "'drain', but must be a JSON array"),
        ({"COMMANDS": "[]"}, "must be a JSON array"),
        ({"COMMANDS": "[1]"}, "must be a JSON array"),
        ({"COMMANDS": '["a"]', "FUNCTION": "arn"}, "both set"),
        ({"TIMEOUT": "9"}, "TIMEOUT: set without QUORATE_BEFORE_REMOVAL_FUNCTION"),
        ({"FUNCTION": "arn", "TIMEOUT": "soon"}, "TIMEOUT is 'soon', but must be a number"),
        ({"FUNCTION": "arn", "ON_FAILURE": "stop"}, "'stop', but must be hold or proceed"),
    ],
)
def test_what_makes_no_sense_is_named(variables, message):
    environment = {f"QUORATE_BEFORE_REMOVAL_{name}": value for name, value in variables.items()}

    with pytest.raises(ConfigurationError, match=message):
        read_preparation_policy(environment)
