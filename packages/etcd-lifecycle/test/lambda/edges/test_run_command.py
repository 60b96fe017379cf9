"""Commands are sent, and their end is waited for. Requests and answers are judged by botocore."""

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import ANY, Stubber
from etcd_lifecycle.aws import is_failure
from etcd_lifecycle.dependency import FAILURE_THRESHOLD, Dependency
from etcd_lifecycle.run_command import Ended, NotEnded, ShellCommands

COMMAND = "0f" * 18
SENT = {"Command": {"CommandId": COMMAND}}


class Commands:
    """The real client with answers that were said before; time passes while it is slept."""

    def __init__(self):
        self.ssm = boto3.client(
            "ssm", region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b"
        )
        self.stub = Stubber(self.ssm)
        self.stub.activate()
        self.now = 0.0
        self.dependency = Dependency("SSM", is_failure, sleep=lambda _: None)

    def sleep(self, seconds):
        self.now += seconds

    def sends(self, *instances, lines=("true",), seconds="5"):
        expected = {
            "InstanceIds": list(instances),
            "DocumentName": "AWS-RunShellScript",
            "Comment": ANY,
            "TimeoutSeconds": 30,
            "Parameters": {"commands": list(lines), "executionTimeout": [seconds]},
        }
        self.stub.add_response("send_command", SENT, expected)
        return self

    def answers(self, instance, **answer):
        expected = {"CommandId": COMMAND, "InstanceId": instance}
        self.stub.add_response("get_command_invocation", answer, expected)
        return self

    def fails(self, operation, code):
        self.stub.add_client_error(operation, code)
        return self

    def run(self, *instances, patience=5.0, changes=False):
        commands = ShellCommands(
            self.ssm, self.dependency, clock=lambda: self.now, sleep=self.sleep
        )
        outcomes = commands.run(list(instances), ["true"], patience, changes=changes)
        self.stub.assert_no_pending_responses()
        return outcomes


def ended(code=0, stdout="", stderr=""):
    return {
        "Status": "Failed" if code else "Success",
        "ResponseCode": code,
        "StandardOutputContent": stdout,
        "StandardErrorContent": stderr,
    }


def test_one_command_goes_to_several_instances_and_each_end_is_told():
    commands = Commands().sends("i-1", "i-2")
    commands.answers("i-1", Status="Pending").answers("i-1", Status="InProgress")
    commands.answers("i-1", **ended(0, "out", "err")).answers("i-2", **ended(3, "", "no"))

    assert commands.run("i-1", "i-2") == {"i-1": Ended(0, "out", "err"), "i-2": Ended(3, "", "no")}
    assert commands.now == pytest.approx(0.6)


def test_right_after_it_was_sent_ssm_may_not_know_it_yet():
    commands = Commands().sends("i-1")
    commands.fails("get_command_invocation", "InvocationDoesNotExist").answers("i-1", **ended())

    assert commands.run("i-1") == {"i-1": Ended(0, "", "")}


@pytest.mark.parametrize(
    ("status", "why"),
    [("Pending", "has not taken the command within 1 s: it is down"), ("InProgress", "not ended")],
)
def test_patience_ends_and_it_may_run_yet(status, why):
    commands = Commands().sends("i-1", seconds="1")
    for _ in range(4):
        commands.answers("i-1", Status=status)

    (outcome,) = commands.run("i-1", patience=1.0).values()

    assert outcome.sent
    assert why in outcome.why


@pytest.mark.parametrize(
    ("answer", "sent"),
    [
        ({"Status": "TimedOut", "StatusDetails": "DeliveryTimedOut", "ResponseCode": -1}, False),
        ({"Status": "TimedOut", "StatusDetails": "ExecutionTimedOut", "ResponseCode": -1}, True),
        ({"Status": "Cancelled", "StatusDetails": "Cancelled", "ResponseCode": -1}, True),
    ],
)
def test_a_command_that_ends_otherwise_is_told(answer, sent):
    (outcome,) = Commands().sends("i-1").answers("i-1", **answer).run("i-1").values()

    assert outcome == NotEnded(f"the command has ended as {answer['StatusDetails']}", sent)


def test_an_instance_that_ssm_does_not_know_hides_no_other():
    commands = Commands().fails("send_command", "InvalidInstanceId").sends("i-1")
    commands.answers("i-1", **ended()).fails("send_command", "InvalidInstanceId")

    outcomes = commands.run("i-1", "i-2")

    assert outcomes["i-1"] == Ended(0, "", "")
    assert not outcomes["i-2"].sent
    assert "lacks the managed policy AmazonSSMManagedInstanceCore" in outcomes["i-2"].why


def test_a_refusal_is_explained_and_nothing_was_sent():
    (outcome,) = Commands().fails("send_command", "AccessDeniedException").run("i-1").values()

    assert not outcome.sent
    assert "the function's role must allow SendCommand" in outcome.why


def test_a_change_is_not_sent_again_and_a_read_is():
    once = Commands().fails("send_command", "InternalServerError")
    again = Commands().fails("send_command", "InternalServerError").sends("i-1")
    again.answers("i-1", **ended())

    (outcome,) = once.run("i-1", changes=True).values()

    assert outcome.sent  # perhaps
    assert again.run("i-1") == {"i-1": Ended(0, "", "")}


def test_an_end_that_cannot_be_seen_is_none():
    commands = Commands().sends("i-1").fails("get_command_invocation", "AccessDeniedException")

    (outcome,) = commands.run("i-1").values()

    assert outcome.sent
    assert "its end cannot be seen" in outcome.why


def test_while_the_circuit_is_open_nobody_is_asked():
    commands = Commands()
    for _ in range(FAILURE_THRESHOLD):
        commands.dependency.breaker.record_failure()

    (outcome,) = commands.run("i-1").values()

    assert not outcome.sent
    assert outcome.why.startswith("not asked: ")


def test_a_service_that_does_not_answer_may_have_been_asked():
    commands = Commands()
    commands.ssm.send_command = lambda **_: (_ for _ in ()).throw(
        EndpointConnectionError(endpoint_url="u")
    )

    (outcome,) = commands.run("i-1").values()

    assert outcome.sent
    assert "need a way there" in outcome.why
