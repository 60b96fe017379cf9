"""Which parts the function is made of, by its settings."""

import pytest
from etcd_lifecycle.etcd import EtcdEndpoints
from etcd_lifecycle.etcdctl import EtcdctlEndpoints
from etcd_lifecycle.preparation import HandOverCommand, HandOverFunction
from etcd_lifecycle.settings import Settings
from etcd_lifecycle.wiring import Wiring
from function_stand_ins import REQUIRED


def reconciler(variables, monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    wiring = Wiring(Settings.read({**REQUIRED, **variables}))
    return wiring.reconciler(wiring.endpoints())


@pytest.mark.parametrize(
    ("variables", "access", "seconds"),
    [({}, EtcdEndpoints, 25), ({"QUORATE_ETCDCTL": "{}"}, EtcdctlEndpoints, 75)],
)
def test_the_way_to_the_members_is_the_one_that_is_said(variables, access, seconds, monkeypatch):
    made = reconciler(variables, monkeypatch)

    assert isinstance(made.observer._endpoints, access)
    assert made.round_seconds == seconds


@pytest.mark.parametrize(
    ("variables", "means"),
    [
        ({"QUORATE_BEFORE_REMOVAL_FUNCTION": "drain"}, HandOverFunction),
        ({"QUORATE_BEFORE_REMOVAL_COMMANDS": '["drain"]'}, HandOverCommand),
    ],
)
def test_observer_and_reconciler_share_what_asks_instances(variables, means, monkeypatch):
    made = reconciler(variables, monkeypatch)

    assert isinstance(made.preparations._means, means)
    assert made.observer._preparations is made.preparations
