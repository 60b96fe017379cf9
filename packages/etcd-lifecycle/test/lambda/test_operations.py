"""What a person may ask the function for, and that nothing in its queue can."""

import io

import pytest
from etcd_lifecycle.events import operation_of
from etcd_lifecycle.model import Join, Policy
from etcd_lifecycle.operation_context import OperationContext
from etcd_lifecycle.operations import NotUnderstoodError, Operations
from etcd_lifecycle.telemetry import Telemetry

EVENT = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}


@pytest.mark.parametrize("value", [True, {}, None])
def test_an_event_with_the_name_of_an_operation_asks_for_it(value):
    assert operation_of({"plan": value}) == "plan"


@pytest.mark.parametrize(
    "event",
    [
        {},
        EVENT,
        {**EVENT, "plan": True},
        {"Records": [{"body": '{"plan": true}'}]},
        {"Records": [], "plan": True},
        {"other": True},
    ],
)
def test_no_other_event_does(event):
    assert operation_of(event) is None


def operations(**parts):
    """Operations that look at nothing: what is not understood must not get that far."""
    nothing = dict.fromkeys(("group", "observer", "endpoints", "journal", "policy", "telemetry"))
    return Operations(OperationContext(**{**nothing, **parts}, lease_seconds=30))


ORDER = {
    "do": "order",
    "snapshot": "s3://backups/1.db",
    "snapshot_revision": 5,
    "bump_revision": 1000,
    "generation": 0,
    "operator": "alice",
    "unreachable_are_lost": False,
}


@pytest.mark.parametrize(
    "value",
    [
        True,
        {},
        {"do": "reboot"},
        {"do": "cancel"},
        {"do": "cancel", "operator": 7},
        {"do": "order"},
        {**ORDER, "bump_revision": "1000"},
        {**ORDER, "unreachable_are_lost": 1},
        {**ORDER, "yes": True},
        {name: one for name, one in ORDER.items() if name != "operator"},
    ],
)
def test_a_recovery_that_is_not_understood_is_an_error_before_anything_else(value):
    with pytest.raises(NotUnderstoodError, match=r"^recover: "):
        operations().run({"recover": value}, "run", lambda: 60)


@pytest.mark.parametrize("value", [True, {}, {"do": "reboot"}, {"do": "compact"}])
def test_so_is_maintenance(value):
    with pytest.raises(NotUnderstoodError, match=r"^maintain: "):
        operations().run({"maintain": value}, "run", lambda: 60)


def test_instances_that_join_by_their_own_means_take_no_order_to_restore():
    asked = operations(
        policy=Policy(join=Join.INSTANCE),
        telemetry=Telemetry("main", stream=io.StringIO()),
    )

    answer = asked.run({"recover": ORDER}, "run", lambda: 60.0)
    assert "restore the snapshot by their tooling" in answer["refused"]
