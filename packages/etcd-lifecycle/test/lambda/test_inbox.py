"""What becomes of messages: hints are handed on, and nonsense is buried whole."""

import io

import pytest
from etcd_lifecycle.dependency import Dependency
from etcd_lifecycle.events import Hint
from etcd_lifecycle.inbox import Inbox, MalformedEventError
from etcd_lifecycle.telemetry import Telemetry
from function_stand_ins import TICK, Queue

FOREIGN = {
    "source": "aws.autoscaling",
    "detail-type": "EC2 Instance-launch Lifecycle Action",
    "detail": {"AutoScalingGroupName": "other"},
}


def inbox(queue, url="https://queue.example/dead.fifo"):
    return Inbox(
        "main",
        "etcd",
        url,
        lambda: queue,
        Dependency("SQS", lambda _: False),
        Telemetry("main", stream=io.StringIO()),
    )


def test_a_hint_is_handed_on_and_what_is_foreign_is_not():
    queue = Queue()

    assert inbox(queue).take(TICK) == [Hint("aws.events", "Scheduled Event")]
    assert inbox(queue).take(FOREIGN) == []
    assert queue.bodies == []


def test_what_is_no_event_fails_where_there_is_no_dead_letter_queue():
    with pytest.raises(MalformedEventError):
        inbox(Queue(), url=None).take({"source": "aws.autoscaling", "detail": []})


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
def test_what_is_no_message_is_buried_whole(event, buried):
    queue = Queue()

    assert inbox(queue).take(event) == []
    assert queue.bodies == [buried]
