"""What the function is told by its environment and by the secret, and what it says if that is bad."""

import json

import pytest
from etcd_lifecycle.etcd import TlsMaterial
from etcd_lifecycle.handler import ConfigurationError, Settings, read_certificate
from etcd_lifecycle.model import Policy, Transition

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
    assert settings.policy == Policy()


def test_every_choice_is_read():
    settings = Settings.read(
        {
            **REQUIRED,
            "QUORATE_CLIENT_PORT": "12379",
            "QUORATE_PEER_PORT": "12380",
            "QUORATE_REPLACEMENT_DEADLINE": "11",
            "QUORATE_LAUNCH_DEADLINE": "12.5",
            "QUORATE_STALE_GRACE": "13",
        }
    )

    assert settings.client_port == 12379
    assert settings.policy == Policy(
        replacement_deadline=11, launch_deadline=12.5, stale_grace=13, peer_port=12380
    )


def test_with_a_tls_secret_members_reach_each_other_by_https():
    settings = Settings.read({**REQUIRED, "QUORATE_TLS_SECRET": "arn"})

    assert settings.tls_secret == "arn"
    assert settings.policy.peer_url("192.0.2.1") == "https://192.0.2.1:2380"


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
