"""What a person may ask the function for, and that nothing in its queue can."""

import pytest
from etcd_lifecycle.operations import operation_of

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
