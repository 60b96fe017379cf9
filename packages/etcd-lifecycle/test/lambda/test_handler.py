"""What an invocation does with what it is given, and with secrets that it cannot read."""

import json
import traceback

import pytest
from etcd_lifecycle import handler
from etcd_lifecycle.dependency import CALL_ATTEMPTS
from etcd_lifecycle.environment import ConfigurationError
from etcd_lifecycle.etcd_secrets import SECRET_SECONDS
from etcd_lifecycle.events import OVERRIDE_SECONDS, OverrideError
from etcd_lifecycle.handler import Function
from etcd_lifecycle.model import NoticeKind
from etcd_lifecycle.settings import Settings
from etcd_lifecycle.wiring import Wiring
from function_stand_ins import CERTIFICATE, REQUIRED, TICK, Queue, SecretsManager
from python_retry import CircuitOpenError


class Reconciler:
    """Stands for the run, and notes which kind of it was asked for."""

    def __init__(self):
        self.asked = []
        self.notices = []

    def run(self, run_id, seconds_left, notices):
        self.asked.append("run")
        self.notices.append(notices)

    def keep_held(self):
        self.asked.append("keep held")


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 1000.0

        def monotonic(self):
            return self.now

        def time(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(handler, "time", clock)
    return clock


@pytest.fixture
def wiring(monkeypatch, clock):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    alone = {"QUORATE_AUTH_SECRET": "the secret", "QUORATE_CIRCUITS_SHARED": "false"}
    wiring = Wiring(Settings.read({**REQUIRED, **alone}))
    wiring.secrets.clock = clock.monotonic
    return wiring


@pytest.fixture
def function(monkeypatch, wiring):
    reconciler = Reconciler()
    monkeypatch.setattr(wiring, "reconciler", lambda _: reconciler)
    function = Function(wiring)
    function.reconciler = reconciler
    function.secrets = SecretsManager('{"username": "root", "password": "hunter2"}')
    vars(wiring.clients)["secretsmanager"] = function.secrets
    return function


class TestSecrets:
    """What a run does when it cannot read its secrets."""

    def test_a_run_reads_them_once_in_a_while(self, function, clock):
        for seconds in (0, SECRET_SECONDS - 1, 1):
            clock.now += seconds
            function.handle(TICK, "run", clock.now + 60)
        assert function.secrets.calls == 2
        assert function.reconciler.asked == ["run"] * 3

    def test_one_that_is_wrong_is_named_and_not_shown(self, function, clock):
        function.secrets.value = '{"username": "root", "pass": "hunter2"}'
        with pytest.raises(
            ConfigurationError,
            match=r"^the secret the secret, which QUORATE_AUTH_SECRET names: .*username and passw",
        ) as raised:
            function.handle(TICK, "run", clock.now + 60)
        assert "hunter2" not in "".join(traceback.format_exception(raised.value))

    @pytest.mark.parametrize("value", [None, "no JSON"])
    def test_without_any_instances_are_kept_held_and_nothing_else_is_done(
        self, function, clock, value
    ):
        function.secrets.allowed = value is not None
        function.secrets.value = value
        with pytest.raises(ConfigurationError):
            function.handle(TICK, "run", clock.now + 60)
        assert function.reconciler.asked == ["keep held"]

    def test_the_error_names_the_secret_and_what_mends_it(self, function, clock):
        function.secrets.allowed = False
        with pytest.raises(
            ConfigurationError,
            match=r"^the secret the secret, which QUORATE_AUTH_SECRET names, cannot .* must allow GetS",
        ):
            function.handle(TICK, "run", clock.now + 60)

    def test_those_of_before_are_used_on_when_new_ones_cannot_be_read(
        self, function, clock, capsys
    ):
        function.handle(TICK, "run", clock.now + 60)
        function.secrets.allowed = False
        clock.now += SECRET_SECONDS
        function.handle(TICK, "run", clock.now + 60)
        assert function.reconciler.asked == ["run", "run"]
        assert "the secrets of before are used: the secret the secret" in capsys.readouterr().out

    def test_new_ones_are_taken_up(self, function, wiring, clock):
        made = []
        wiring.reconciler = lambda _: (
            made.append(wiring.secrets.credentials.password) or function.reconciler
        )
        for password in ("hunter2", "hunter2", "hunter3"):
            function.secrets.value = json.dumps({"username": "root", "password": password})
            function.handle(TICK, "run", clock.now + 60)
            clock.now += SECRET_SECONDS
        assert made == ["hunter2", "hunter3"]


class Journal:
    """Stands for the journal, and notes what is recorded."""

    def __init__(self):
        self.overrides = []
        self.entries = []

    def record_override(self, override):
        self.overrides.append(override)

    def record(self, entry):
        self.entries.append(entry)


class TestWhatIsTold:
    """What EC2 says of instances, and what an operator orders."""

    def test_what_ec2_says_comes_to_the_run(self, function, clock):
        bodies = [
            {
                "source": "aws.ec2",
                "detail-type": NoticeKind.INTERRUPTION.value,
                "detail": {"instance-id": "i-1"},
            },
            TICK,
        ]
        event = {"Records": [{"body": json.dumps(body)} for body in bodies]}
        function.handle(event, "run", clock.now + 60)

        assert function.reconciler.notices == [{"i-1": NoticeKind.INTERRUPTION}]

    def test_an_order_is_recorded_and_journalled_before_the_run(self, function, clock):
        function._journal = journal = Journal()
        order = {"remove": "i-3", "operator": "somebody", "reason": "its disk is broken"}
        function.handle({"override": order}, "run", clock.now + 60)

        (override,) = journal.overrides
        assert (override.member, override.expires) == ("i-3", clock.now + OVERRIDE_SECONDS)
        (entry,) = journal.entries
        assert entry.reason == "somebody ordered it: its disk is broken"
        assert function.reconciler.asked == ["run"]

    def test_an_order_that_is_not_complete_is_told_to_who_gave_it(self, function, clock):
        function._journal = journal = Journal()
        with pytest.raises(OverrideError, match=r"override\.reason"):
            function.handle(
                {"override": {"remove": "i-3", "operator": "somebody"}}, "run", clock.now + 60
            )
        assert journal.overrides == []
        assert function.reconciler.asked == []

    def test_an_order_from_the_queue_is_none(self, function, wiring, clock):
        """Who may send messages is not who may invoke the function."""
        function._journal = journal = Journal()
        queue = vars(wiring.clients)["sqs"] = Queue()
        order = {"remove": "i-3", "operator": "somebody", "reason": "its disk is broken"}
        body = json.dumps({"override": order})
        function.handle({"Records": [{"body": body}]}, "run", clock.now + 60)

        assert journal.overrides == []
        assert queue.bodies == [body]
        assert function.reconciler.asked == []


class TestCircuits:
    """Every run tells which services are not called for now, also one that fails by them."""

    @staticmethod
    def counts(capsys):
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return [line["OpenCircuits"] for line in lines if "OpenCircuits" in line]

    def test_a_run_tells_that_none_is_open(self, function, clock, capsys):
        function.handle(TICK, "run", clock.now + 60)
        assert self.counts(capsys) == [0]

    def test_a_run_that_fails_tells_it_too(self, function, wiring, clock, capsys):
        function.secrets.allowed = False
        for one in wiring.dependencies[:2]:
            for _ in range(CALL_ATTEMPTS):
                one.breaker.record_failure()
        with pytest.raises(CircuitOpenError):
            function.handle(TICK, "run", clock.now + 60)
        assert self.counts(capsys) == [2]

    def test_a_message_that_is_no_reason_to_look_tells_nothing(self, function, clock, capsys):
        function.handle({"source": "aws.ec2", "detail-type": "x", "detail": {}}, "run", clock.now)
        assert self.counts(capsys) == []


def test_a_certificate_of_which_the_end_is_not_known_does_not_end_the_run(
    function, wiring, clock, capsys
):
    wiring.secrets.tls_secret, wiring.secrets.auth_secret = "the secret", None
    function.secrets.value = json.dumps(CERTIFICATE)
    function.handle(TICK, "run", clock.now + 60)
    assert function.reconciler.asked == ["run"]
    assert "it is not known when the certificate ends: there is no" in capsys.readouterr().out
