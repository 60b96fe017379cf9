"""What the group says of its warm pool and of retention, in the service's own shapes."""

import boto3
import pytest
from botocore.stub import Stubber
from etcd_lifecycle.auto_scaling import AutoScalingGroup
from etcd_lifecycle.dependency import Dependency
from etcd_lifecycle.model import Instance, Transition

HOOKS = {Transition.LAUNCHING: "launch", Transition.TERMINATING: "terminate"}
GROUP = {
    "AutoScalingGroupName": "etcd",
    "MinSize": 1,
    "MaxSize": 3,
    "DesiredCapacity": 1,
    "DefaultCooldown": 300,
    "AvailabilityZones": ["a"],
    "HealthCheckType": "EC2",
    "CreatedTime": 0,
}


def instance(instance_id, state):
    return {
        "InstanceId": instance_id,
        "AvailabilityZone": "a",
        "LifecycleState": state,
        "HealthStatus": "Healthy",
        "ProtectedFromScaleIn": False,
    }


def describe(group, pool=None):
    settings = {"region_name": "us-east-1", "aws_access_key_id": "a", "aws_secret_access_key": "b"}
    autoscaling, ec2 = (boto3.client(name, **settings) for name in ("autoscaling", "ec2"))
    parts = [Dependency(name, lambda _error: True) for name in ("Auto Scaling", "EC2")]
    with Stubber(autoscaling) as stubs, Stubber(ec2) as others:
        answer = {"AutoScalingGroups": [{**GROUP, **group}]}
        stubs.add_response(
            "describe_auto_scaling_groups", answer, {"AutoScalingGroupNames": ["etcd"]}
        )
        if pool is not None:
            stubs.add_response(
                "describe_warm_pool", {"Instances": pool}, {"AutoScalingGroupName": "etcd"}
            )
        others.add_response("describe_instances", {"Reservations": []})
        described = AutoScalingGroup("etcd", HOOKS, (autoscaling, ec2), parts).describe()
        stubs.assert_no_pending_responses()
    return described


def test_instances_of_the_warm_pool_are_described_with_those_of_the_group():
    described = describe(
        {
            "Instances": [instance("i-1", "InService")],
            "WarmPoolConfiguration": {"MinSize": 1},
        },
        [instance("i-2", "Warmed:Pending:Wait"), instance("i-3", "Warmed:Terminated")],
    )

    assert sorted(described.instances, key=lambda one: one.id) == [
        Instance("i-1", "InService", None, "a"),
        Instance("i-2", "Warmed:Pending:Wait", None, "a"),
    ]


def test_a_group_without_a_warm_pool_is_not_asked_for_it():
    assert len(describe({"Instances": [instance("i-1", "InService")]}).instances) == 1


@pytest.mark.parametrize(("action", "retains"), [("retain", True), ("terminate", False)])
def test_the_group_says_whether_it_retains(action, retains):
    policy = {"RetentionTriggers": {"TerminateHookAbandon": action}}
    described = describe(
        {"Instances": [instance("i-1", "InService")], "InstanceLifecyclePolicy": policy}
    )

    assert described.retains is retains
