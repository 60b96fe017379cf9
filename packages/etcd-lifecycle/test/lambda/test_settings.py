"""What the function is told by its environment, and what it says if that is bad."""

import pytest
from etcd_lifecycle.access_settings import EtcdctlSettings
from etcd_lifecycle.circuit_settings import CircuitSettings
from etcd_lifecycle.dependency import CALL_ATTEMPTS, RESET_TIMEOUT
from etcd_lifecycle.environment import ConfigurationError
from etcd_lifecycle.model import (
    AtDeadline,
    Join,
    OnSnapshotFailure,
    Policy,
    PreparationPolicy,
    SnapshotPolicy,
    Transition,
)
from etcd_lifecycle.preparation_settings import PreparationSettings
from etcd_lifecycle.settings import Settings
from etcd_lifecycle.snapshot_settings import SnapshotSettings
from function_stand_ins import REQUIRED

NUMBERS = [
    "QUORATE_CLIENT_PORT",
    "QUORATE_PEER_PORT",
    "QUORATE_REPLACEMENT_DEADLINE",
    "QUORATE_LAUNCH_DEADLINE",
    "QUORATE_STALE_GRACE",
]


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
        ("QUORATE_CIRCUIT_FAILURES", "0", "'0', but must be a whole number of 1 or more"),
        ("QUORATE_CIRCUIT_FAILURES", "2.5", "'2.5', but must be a whole number of 1 or more"),
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
        ("QUORATE_SNAPSHOT_KEEP", "1.5", "'1.5', but must be a whole number of 0 or more"),
        ("QUORATE_SNAPSHOT_KEEP", "-1", "'-1', but must be a whole number of 0 or more"),
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
@pytest.mark.parametrize("text", ["0", "65536", "2379.5"])
def test_what_is_no_port_is_refused(name, text):
    with pytest.raises(
        ConfigurationError, match=f"{name} is '{text}', but must be a whole number from 1 to 65535"
    ):
        Settings.read({**REQUIRED, name: text})


@pytest.mark.parametrize("name", NUMBERS)
def test_an_empty_number_is_its_default(name):
    assert Settings.read({**REQUIRED, name: ""}) == Settings.read(REQUIRED)
