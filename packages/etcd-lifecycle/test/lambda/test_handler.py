"""What the function is told by its environment and by the secret, and what it says if that is bad."""

import json
import traceback
from dataclasses import replace

import pytest
from botocore.exceptions import ClientError
from etcd_lifecycle import handler
from etcd_lifecycle.access_settings import EtcdctlSettings
from etcd_lifecycle.dependency import CALL_ATTEMPTS, RESET_TIMEOUT
from etcd_lifecycle.etcd import Credentials, EtcdEndpoints, TlsMaterial
from etcd_lifecycle.etcdctl import EtcdctlEndpoints
from etcd_lifecycle.events import OVERRIDE_SECONDS, OverrideError
from etcd_lifecycle.handler import (
    SECRET_SECONDS,
    CircuitSettings,
    ConfigurationError,
    Function,
    MalformedEventError,
    Settings,
    SnapshotSettings,
    read_certificate,
    read_credentials,
)
from etcd_lifecycle.model import (
    AtDeadline,
    Join,
    NoticeKind,
    OnSnapshotFailure,
    Policy,
    PreparationPolicy,
    SnapshotPolicy,
    Transition,
)
from etcd_lifecycle.preparation import HandOverCommand, HandOverFunction
from etcd_lifecycle.preparation_settings import PreparationSettings
from python_retry import CircuitOpenError

REQUIRED = {
    "QUORATE_CLUSTER": "main",
    "QUORATE_GROUP": "etcd",
    "QUORATE_LAUNCH_HOOK": "launching",
    "QUORATE_TERMINATE_HOOK": "terminating",
    "QUORATE_TABLE": "table",
    "QUORATE_PARAMETER_PREFIX": "/quorate",
    "QUORATE_DEAD_LETTER_QUEUE_URL": "https://queue.example/dead.fifo",
}
NUMBERS = [
    "QUORATE_CLIENT_PORT",
    "QUORATE_PEER_PORT",
    "QUORATE_REPLACEMENT_DEADLINE",
    "QUORATE_LAUNCH_DEADLINE",
    "QUORATE_STALE_GRACE",
]
CERTIFICATE = {"ca": "the authority", "certificate": "the certificate", "key": "the private key"}


def test_what_is_required_is_enough_and_the_rest_has_defaults():
    settings = Settings.read(REQUIRED)

    assert settings.cluster == "main"
    assert settings.hooks == {
        Transition.LAUNCHING: "launching",
        Transition.TERMINATING: "terminating",
    }
    assert settings.client_port == 2379
    assert settings.tls_secret is None
    assert settings.auth_secret is None
    assert settings.policy == Policy()


def test_every_choice_is_read():
    settings = Settings.read(
        {
            **REQUIRED,
            "QUORATE_CLIENT_PORT": "12379",
            "QUORATE_PEER_PORT": "12380",
            "QUORATE_REPLACEMENT_DEADLINE": "11",
            "QUORATE_AT_DEADLINE": "retain",
            "QUORATE_LAUNCH_DEADLINE": "12.5",
            "QUORATE_STALE_GRACE": "13",
        }
    )

    assert settings.client_port == 12379
    assert settings.policy == Policy(
        replacement_deadline=11,
        at_deadline=AtDeadline.RETAIN,
        launch_deadline=12.5,
        stale_grace=13,
        peer_port=12380,
    )


def test_instances_that_join_by_their_own_means_are_told_nothing():
    needless = {
        "QUORATE_LAUNCH_HOOK",
        "QUORATE_PARAMETER_PREFIX",
        "QUORATE_DEAD_LETTER_QUEUE_URL",
    }
    others = {name: one for name, one in REQUIRED.items() if name not in needless}
    settings = Settings.read({**others, "QUORATE_JOIN": "instance"})

    assert settings.policy == Policy(join=Join.INSTANCE)
    assert settings.hooks == {Transition.TERMINATING: "terminating"}
    assert settings.dead_letter_queue_url is None
    with pytest.raises(
        ConfigurationError,
        match="lacks QUORATE_LAUNCH_HOOK, QUORATE_PARAMETER_PREFIX, QUORATE_DEAD_LETTER_QUEUE_URL",
    ):
        Settings.read({**others, "QUORATE_JOIN": "learner"})


def test_another_way_to_join_is_refused():
    with pytest.raises(
        ConfigurationError, match="QUORATE_JOIN is 'kubeadm', but must be learner or instance"
    ):
        Settings.read({**REQUIRED, "QUORATE_JOIN": "kubeadm"})


def test_with_a_tls_secret_members_reach_each_other_by_https():
    settings = Settings.read({**REQUIRED, "QUORATE_TLS_SECRET": "arn"})

    assert settings.tls_secret == "arn"
    assert settings.policy.peer_url("192.0.2.1") == "https://192.0.2.1:2380"


BACKED_UP = {**REQUIRED, "QUORATE_SNAPSHOT_BUCKET": "backups"}


def test_without_a_bucket_no_snapshot_is_taken():
    settings = Settings.read({**REQUIRED, "QUORATE_SNAPSHOT_BUCKET": ""})

    assert settings.snapshots is None
    assert settings.policy.snapshots is None


def test_with_a_bucket_one_is_taken_before_each_removal_and_all_are_kept():
    settings = Settings.read(BACKED_UP)

    assert settings.snapshots == SnapshotSettings("backups", "", None)
    assert settings.policy.snapshots == SnapshotPolicy(
        before_removal=True, on_failure=OnSnapshotFailure.STOP, interval=None
    )


def test_every_choice_about_snapshots_is_read():
    settings = Settings.read(
        {
            **BACKED_UP,
            "QUORATE_SNAPSHOT_PREFIX": "etcd/",
            "QUORATE_SNAPSHOT_BEFORE_REMOVAL": "false",
            "QUORATE_SNAPSHOT_ON_FAILURE": "warn",
            "QUORATE_SNAPSHOT_INTERVAL": "3600",
            "QUORATE_SNAPSHOT_KEEP": "24",
            "QUORATE_SNAPSHOT_MAX_AGE": "60",
            "QUORATE_SNAPSHOT_RETRY": "30",
        }
    )

    assert settings.snapshots == SnapshotSettings("backups", "etcd/", 24)
    assert settings.policy.snapshots == SnapshotPolicy(
        before_removal=False,
        on_failure=OnSnapshotFailure.WARN,
        interval=3600,
        max_age=60,
        retry=30,
    )


def test_circuits_are_shared_unless_they_are_not_to_be():
    assert Settings.read(REQUIRED).circuits == CircuitSettings(
        shared=True, failures=CALL_ATTEMPTS, seconds=RESET_TIMEOUT
    )
    settings = Settings.read(
        {
            **REQUIRED,
            "QUORATE_CIRCUITS_SHARED": "false",
            "QUORATE_CIRCUIT_FAILURES": "4",
            "QUORATE_CIRCUIT_SECONDS": "0.5",
        }
    )
    assert settings.circuits == CircuitSettings(shared=False, failures=4, seconds=0.5)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("QUORATE_CIRCUITS_SHARED", "no", "'no', but must be true or false"),
        ("QUORATE_CIRCUIT_FAILURES", "0", "0.0, but must be a whole number of 1 or more"),
        ("QUORATE_CIRCUIT_FAILURES", "2.5", "2.5, but must be a whole number of 1 or more"),
        ("QUORATE_CIRCUIT_SECONDS", "soon", "'soon', but must be a number"),
    ],
)
def test_a_choice_about_circuits_that_is_none_is_named(name, value, message):
    with pytest.raises(ConfigurationError, match=f"{name} is {message}"):
        Settings.read({**REQUIRED, name: value})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("QUORATE_SNAPSHOT_BEFORE_REMOVAL", "yes", "'yes', but must be true or false"),
        ("QUORATE_SNAPSHOT_ON_FAILURE", "ignore", "'ignore', but must be stop or warn"),
        ("QUORATE_SNAPSHOT_INTERVAL", "hourly", "'hourly', but must be a number"),
        ("QUORATE_SNAPSHOT_KEEP", "1.5", "1.5, but must be a whole number"),
        ("QUORATE_SNAPSHOT_KEEP", "-1", "'-1', but must be a number"),
    ],
)
def test_a_choice_about_snapshots_that_is_none_is_named(name, value, message):
    with pytest.raises(ConfigurationError, match=f"{name} is {message}"):
        Settings.read({**BACKED_UP, name: value})


def test_choices_about_snapshots_without_a_bucket_are_refused():
    with pytest.raises(
        ConfigurationError, match="QUORATE_SNAPSHOT_KEEP: set without QUORATE_SNAPSHOT_BUCKET"
    ):
        Settings.read({**REQUIRED, "QUORATE_SNAPSHOT_KEEP": "24"})


def test_who_is_asked_to_hand_over_is_read():
    settings = Settings.read({**REQUIRED, "QUORATE_BEFORE_REMOVAL_FUNCTION": "drain"})

    assert settings.preparation == PreparationSettings("drain")
    assert settings.policy.preparation == PreparationPolicy(30)
    assert Settings.read(REQUIRED).preparation is None


def test_without_certificates_of_its_own_it_is_told_that_members_have_some():
    settings = Settings.read({**REQUIRED, "QUORATE_ETCDCTL": "{}", "QUORATE_PEER_SCHEME": "https"})

    assert settings.etcdctl == EtcdctlSettings()
    assert settings.policy.peer_scheme == "https"
    with pytest.raises(ConfigurationError, match="QUORATE_PEER_SCHEME is 'ftp'"):
        Settings.read({**REQUIRED, "QUORATE_PEER_SCHEME": "ftp"})


@pytest.mark.parametrize(
    ("variables", "access", "seconds"),
    [({}, EtcdEndpoints, 25), ({"QUORATE_ETCDCTL": "{}"}, EtcdctlEndpoints, 75)],
)
def test_the_way_to_the_members_is_the_one_that_is_said(variables, access, seconds, monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    function = Function(Settings.read({**REQUIRED, **variables}))

    assert isinstance(function._reconciler.observer._endpoints, access)
    assert function._reconciler.round_seconds == seconds


@pytest.mark.parametrize(
    ("variables", "means"),
    [
        ({"QUORATE_BEFORE_REMOVAL_FUNCTION": "drain"}, HandOverFunction),
        ({"QUORATE_BEFORE_REMOVAL_COMMANDS": '["drain"]'}, HandOverCommand),
    ],
)
def test_observer_and_reconciler_share_what_asks_instances(variables, means, monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    function = Function(Settings.read({**REQUIRED, **variables}))
    preparations = function._reconciler.preparations

    assert isinstance(preparations._means, means)
    assert function._reconciler.observer._preparations is preparations


def test_the_auth_secret_is_read_from_a_variable_of_its_own():
    assert Settings.read({**REQUIRED, "QUORATE_AUTH_SECRET": "arn"}).auth_secret == "arn"


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("value", [None, ""])
def test_an_absent_or_empty_variable_is_named(name, value):
    environment = {**REQUIRED, name: value} if value is not None else dict(REQUIRED)
    if value is None:
        del environment[name]

    with pytest.raises(ConfigurationError, match=name):
        Settings.read(environment)


def test_all_absent_variables_are_named_at_once():
    with pytest.raises(ConfigurationError) as raised:
        Settings.read({})

    assert all(name in str(raised.value) for name in REQUIRED)


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_that_is_none_is_named_with_its_text(name):
    with pytest.raises(ConfigurationError, match=f"{name} is 'soon'"):
        Settings.read({**REQUIRED, name: "soon"})


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("text", ["-1", "nan", "inf"])
def test_a_number_that_measures_nothing_is_refused(name, text):
    with pytest.raises(ConfigurationError, match=f"{name} is '{text}'"):
        Settings.read({**REQUIRED, name: text})


@pytest.mark.parametrize("name", ["QUORATE_CLIENT_PORT", "QUORATE_PEER_PORT"])
def test_a_port_beyond_the_last_one_is_refused(name):
    with pytest.raises(ConfigurationError, match="from 0 to 65535"):
        Settings.read({**REQUIRED, name: "65536"})


@pytest.mark.parametrize("name", NUMBERS)
def test_an_empty_number_is_its_default(name):
    assert Settings.read({**REQUIRED, name: ""}) == Settings.read(REQUIRED)


def test_the_certificate_is_a_json_object_of_three_texts():
    assert read_certificate(json.dumps(CERTIFICATE)) == TlsMaterial(
        "the authority", "the certificate", "the private key"
    )


def test_further_keys_of_the_secret_are_let_be():
    assert read_certificate(json.dumps({**CERTIFICATE, "note": 1})).ca_pem == "the authority"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "the private key",
        '{"key": "the private key"',
        "[]",
        "null",
        '"the private key"',
        json.dumps({**CERTIFICATE, "ca": None}),
        json.dumps({**CERTIFICATE, "certificate": ["the private key"]}),
        json.dumps({key: value for key, value in CERTIFICATE.items() if key != "ca"}),
        json.dumps({key: value for key, value in CERTIFICATE.items() if key != "certificate"}),
        json.dumps({key: value for key, value in CERTIFICATE.items() if key != "key"}),
    ],
)
def test_any_other_secret_is_refused_without_showing_it(text):
    with pytest.raises(ConfigurationError, match="ca, certificate and key") as raised:
        read_certificate(text)

    assert "the private key" not in str(raised.value)
    # Nor in a traceback, which would go to the log: it shows what an error was raised from.
    assert raised.value.__context__ is None


def test_the_user_is_a_json_object_of_two_texts_among_others():
    text = json.dumps({"username": "root", "password": "hunter2", "engine": "etcd"})

    assert read_credentials(text) == Credentials("root", "hunter2")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hunter2",
        '["hunter2"]',
        json.dumps({"username": "root"}),
        json.dumps({"password": "hunter2"}),
        json.dumps({"username": "", "password": "hunter2"}),
        json.dumps({"username": "root", "password": ""}),
        json.dumps({"username": "root", "password": ["hunter2"]}),
    ],
)
def test_any_other_auth_secret_is_refused_without_showing_it(text):
    with pytest.raises(ConfigurationError, match="username and password") as raised:
        read_credentials(text)

    assert "hunter2" not in str(raised.value)
    assert raised.value.__context__ is None


TICK = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}


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


class SecretsManager:
    """Stands for the service: has one secret, while it is allowed to be read."""

    def __init__(self, value):
        self.value = value
        self.allowed = True
        self.calls = 0

    def get_secret_value(self, *, SecretId):  # noqa: N803 -- as boto3 has it
        self.calls += 1
        if not self.allowed:
            error = {"Code": "AccessDeniedException", "Message": f"not {SecretId}"}
            raise ClientError({"Error": error}, "GetSecretValue")
        return {"SecretString": self.value}


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
def function(monkeypatch, clock):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    reconciler = Reconciler()
    monkeypatch.setattr(Function, "_make_reconciler", lambda _: reconciler)
    alone = {"QUORATE_AUTH_SECRET": "the secret", "QUORATE_CIRCUITS_SHARED": "false"}
    function = Function(Settings.read({**REQUIRED, **alone}))
    function.reconciler = reconciler
    function.secrets = SecretsManager('{"username": "root", "password": "hunter2"}')
    vars(function._clients)["secretsmanager"] = function.secrets
    return function


class Queue:
    """Stands for the service, and notes what it is sent."""

    def __init__(self):
        self.bodies = []

    def send_message(self, *, MessageBody, **_):  # noqa: N803 -- as boto3 has it
        self.bodies.append(MessageBody)


class TestMessages:
    """What a run does with what it is invoked with."""

    def test_what_is_no_event_fails_where_there_is_no_dead_letter_queue(self, function):
        function.settings = replace(function.settings, dead_letter_queue_url=None)

        with pytest.raises(MalformedEventError):
            function.handle({"source": "aws.autoscaling", "detail": []}, "run", 60.0)

    @pytest.mark.parametrize(
        ("event", "buried"),
        [
            (None, "null"),
            ([], "[]"),
            (5, "5"),
            ("Records", '"Records"'),
            ({"Records": None}, '{"Records": null}'),
            ({"Records": [None]}, "null"),
            ({"Records": [{"Sns": {"Message": "x"}}]}, '{"Sns": {"Message": "x"}}'),
            ({"Records": [{"body": ""}]}, " "),
            ({"Records": [{"body": "[" * 100_000}]}, "[" * 100_000),
        ],
    )
    def test_what_is_no_message_is_buried_whole_and_nothing_is_done(
        self, function, clock, event, buried
    ):
        queue = vars(function._clients)["sqs"] = Queue()
        function.handle(event, "run", clock.now + 60)
        assert queue.bodies == [buried]
        assert function.reconciler.asked == []


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

    def test_an_order_from_the_queue_is_none(self, function, clock, monkeypatch):
        """Who may send messages is not who may invoke the function."""
        function._journal = journal = Journal()
        buried = []
        monkeypatch.setattr(function, "_bury", buried.append)
        order = {"remove": "i-3", "operator": "somebody", "reason": "its disk is broken"}
        body = json.dumps({"override": order})
        function.handle({"Records": [{"body": body}]}, "run", clock.now + 60)

        assert journal.overrides == []
        assert buried == [body]


class TestCircuits:
    """Every run tells which services are not called for now, also one that fails by them."""

    @staticmethod
    def counts(capsys):
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return [line["OpenCircuits"] for line in lines if "OpenCircuits" in line]

    def test_a_run_tells_that_none_is_open(self, function, clock, capsys):
        function.handle(TICK, "run", clock.now + 60)
        assert self.counts(capsys) == [0]

    def test_a_run_that_fails_tells_it_too(self, function, clock, capsys):
        function.secrets.allowed = False
        for one in function._dependencies[:2]:
            for _ in range(CALL_ATTEMPTS):
                one.breaker.record_failure()
        with pytest.raises(CircuitOpenError):
            function.handle(TICK, "run", clock.now + 60)
        assert self.counts(capsys) == [2]

    def test_a_message_that_is_no_reason_to_look_tells_nothing(self, function, clock, capsys):
        function.handle({"source": "aws.ec2", "detail-type": "x", "detail": {}}, "run", clock.now)
        assert self.counts(capsys) == []


def test_a_certificate_of_which_the_end_is_not_known_does_not_end_the_run(
    function, clock, capsys, monkeypatch
):
    settings = Settings.read({**REQUIRED, "QUORATE_TLS_SECRET": "the secret"})
    monkeypatch.setattr(function, "settings", settings)
    function.secrets.value = json.dumps(CERTIFICATE)
    function.handle(TICK, "run", clock.now + 60)
    assert function.reconciler.asked == ["run"]
    assert "it is not known when the certificate ends: there is no" in capsys.readouterr().out
