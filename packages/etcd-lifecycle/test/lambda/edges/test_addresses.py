"""EC2 is asked for the addresses of instances that are new, and of nobody else."""

import boto3
from botocore.stub import Stubber
from etcd_lifecycle.auto_scaling import AutoScalingGroup
from etcd_lifecycle.dependency import Dependency
from etcd_lifecycle.model import Transition

HOOKS = {Transition.TERMINATING: "terminate"}


class Services:
    """Auto Scaling and EC2, which must be asked in the order in which answers are prepared."""

    def __init__(self):
        settings = {
            "region_name": "us-east-1",
            "aws_access_key_id": "a",
            "aws_secret_access_key": "b",
        }
        clients = [boto3.client(name, **settings) for name in ("autoscaling", "ec2")]
        self.stubs = [Stubber(client) for client in clients]
        for stub in self.stubs:
            stub.activate()
        parts = [Dependency(name, lambda _error: True) for name in ("Auto Scaling", "EC2")]
        self.group = AutoScalingGroup("etcd", HOOKS, tuple(clients), tuple(parts))

    def have(self, *instance_ids):
        instances = [
            {
                "InstanceId": one,
                "AvailabilityZone": "a",
                "LifecycleState": "InService",
                "HealthStatus": "Healthy",
                "ProtectedFromScaleIn": False,
            }
            for one in instance_ids
        ]
        group = {
            "AutoScalingGroupName": "etcd",
            "MinSize": 1,
            "MaxSize": 3,
            "DesiredCapacity": 2,
            "DefaultCooldown": 300,
            "AvailabilityZones": ["a"],
            "HealthCheckType": "EC2",
            "CreatedTime": 0,
            "Instances": instances,
        }
        self.stubs[0].add_response("describe_auto_scaling_groups", {"AutoScalingGroups": [group]})

    def expect_question_for(self, *instance_ids, answer):
        found = [{"InstanceId": one, "PrivateIpAddress": at} for one, at in answer.items()]
        self.stubs[1].add_response(
            "describe_instances",
            {"Reservations": [{"Instances": found}]},
            {"Filters": [{"Name": "instance-id", "Values": list(instance_ids)}]},
        )

    def addresses(self):
        found = {one.id: one.address for one in self.group.describe().instances}
        for stub in self.stubs:
            stub.assert_no_pending_responses()
        return found


def test_an_address_is_asked_for_once():
    services = Services()
    services.have("i-1", "i-2")
    services.expect_question_for("i-1", "i-2", answer={"i-1": "192.0.2.1", "i-2": "192.0.2.2"})
    assert services.addresses() == {"i-1": "192.0.2.1", "i-2": "192.0.2.2"}

    services.have("i-1", "i-2")
    assert services.addresses() == {"i-1": "192.0.2.1", "i-2": "192.0.2.2"}


def test_a_new_instance_is_asked_for_until_it_has_an_address():
    services = Services()
    services.have("i-1")
    services.expect_question_for("i-1", answer={"i-1": "192.0.2.1"})
    services.addresses()

    services.have("i-1", "i-2")
    services.expect_question_for("i-2", answer={})
    assert services.addresses() == {"i-1": "192.0.2.1", "i-2": None}

    services.have("i-1", "i-2")
    services.expect_question_for("i-2", answer={"i-2": "192.0.2.2"})
    assert services.addresses() == {"i-1": "192.0.2.1", "i-2": "192.0.2.2"}


def test_an_instance_that_has_ended_is_forgotten():
    services = Services()
    services.have("i-1")
    services.expect_question_for("i-1", answer={"i-1": "192.0.2.1"})
    services.addresses()
    services.have()
    assert services.addresses() == {}

    services.have("i-1")
    services.expect_question_for("i-1", answer={"i-1": "192.0.2.3"})
    assert services.addresses() == {"i-1": "192.0.2.3"}
