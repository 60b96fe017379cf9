"""What the function is told by its secrets, and what it says if that is bad."""

import json

import pytest
from etcd_lifecycle.environment import ConfigurationError
from etcd_lifecycle.etcd_login import Credentials
from etcd_lifecycle.etcd_secrets import read_certificate, read_credentials
from etcd_lifecycle.etcd_tls import TlsMaterial
from function_stand_ins import CERTIFICATE


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
