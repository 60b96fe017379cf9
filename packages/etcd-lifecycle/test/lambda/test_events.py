"""A message is a hint, nothing for this cluster, or nonsense."""

import json

import pytest
from etcd_lifecycle.events import (
    Hint,
    Ignored,
    Malformed,
    read_event,
    read_message,
)
from etcd_lifecycle.model import NoticeKind
from hypothesis import given
from hypothesis import strategies as st

GROUP = "etcd"

LIFECYCLE = {
    "source": "aws.autoscaling",
    "detail-type": "EC2 Instance-terminate Lifecycle Action",
    "detail": {
        "AutoScalingGroupName": GROUP,
        "EC2InstanceId": "i-1",
        "LifecycleHookName": "etcd-terminating",
        "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING",
        "Origin": "AutoScalingGroup",
        "Destination": "EC2",
    },
}
TICK = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}


def detail(**changes):
    return {**LIFECYCLE, "detail": {**LIFECYCLE["detail"], **changes}}


def test_a_lifecycle_event_of_the_group_is_a_hint_that_names_the_instance():
    assert read_event(LIFECYCLE, GROUP) == Hint(
        "aws.autoscaling", "EC2 Instance-terminate Lifecycle Action", "i-1"
    )


def test_the_tick_of_the_schedule_is_a_hint():
    assert read_event(TICK, GROUP) == Hint("aws.events", "Scheduled Event")


def test_a_move_to_the_warm_pool_is_a_hint_like_any_other():
    assert isinstance(read_event(detail(Destination="WarmPool"), GROUP), Hint)


def test_an_event_of_the_group_without_an_instance_is_a_hint():
    event = {**LIFECYCLE, "detail": {"AutoScalingGroupName": GROUP}}

    assert read_event(event, GROUP) == Hint(LIFECYCLE["source"], LIFECYCLE["detail-type"])


def test_an_event_of_another_group_is_ignored_by_name():
    read = read_event(detail(AutoScalingGroupName="etcd-2"), GROUP)

    assert isinstance(read, Ignored)
    assert "etcd-2" in read.why


def test_an_event_of_another_service_is_ignored_by_name():
    read = read_event({**LIFECYCLE, "source": "aws.ec2"}, GROUP)

    assert isinstance(read, Ignored)
    assert "aws.ec2" in read.why


def test_the_test_notification_of_a_new_hook_is_ignored():
    notification = {
        "Service": "AWS Auto Scaling",
        "Event": "autoscaling:TEST_NOTIFICATION",
        "AutoScalingGroupName": GROUP,
    }

    assert isinstance(read_event(notification, GROUP), Ignored)


@pytest.mark.parametrize("kind", list(NoticeKind))
def test_what_ec2_says_of_an_instance_is_a_hint_that_says_it(kind):
    event = {
        "source": "aws.ec2",
        "detail-type": kind.value,
        "detail": {"instance-id": "i-1", "instance-action": "terminate"},
    }

    read = read_event(event, GROUP)
    assert read == Hint("aws.ec2", kind.value, "i-1")
    assert read.notice is kind
    assert isinstance(read_event({**event, "detail": {}}, GROUP), Malformed)


def test_other_hints_are_no_notice():
    assert read_event(TICK, GROUP).notice is None
    assert read_event(LIFECYCLE, GROUP).notice is None


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        "text",
        7,
        {},
        {"source": "aws.autoscaling"},
        {"detail-type": "Scheduled Event"},
        {"source": 7, "detail-type": "Scheduled Event"},
        {**LIFECYCLE, "detail": None},
        {**LIFECYCLE, "detail": []},
        {**LIFECYCLE, "detail": {}},
        {**LIFECYCLE, "detail": {"AutoScalingGroupName": None}},
    ],
)
def test_what_cannot_be_an_event_is_malformed_with_a_reason(event):
    read = read_event(event, GROUP)

    assert isinstance(read, Malformed)
    assert read.why


@pytest.mark.parametrize("body", ["", "{", "no JSON", '{"source": "aws.events"', "[1", "\x00"])
def test_a_body_that_is_no_json_is_malformed(body):
    read = read_message(body, GROUP)

    assert isinstance(read, Malformed)
    assert "JSON" in read.why


def test_a_body_is_read_like_the_event_in_it():
    assert read_message(json.dumps(LIFECYCLE), GROUP) == read_event(LIFECYCLE, GROUP)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["source", "detail-type", "detail", "AutoScalingGroupName", "Event"]),
            inner | st.sampled_from(["aws.autoscaling", "aws.events", GROUP]),
        )
    ),
    max_leaves=8,
)


@given(ANYTHING)
def test_whatever_comes_is_told_without_an_error(event):
    assert isinstance(read_event(event, GROUP), (Hint, Ignored, Malformed))


@given(st.text())
def test_whatever_text_comes_is_told_without_an_error(body):
    assert isinstance(read_message(body, GROUP), (Hint, Ignored, Malformed))
