"""Calls the parts that use AWS for tests in another language: JSON in, JSON out."""

import dataclasses

from etcd_lifecycle.auto_scaling import AutoScalingGroup
from etcd_lifecycle.aws import clients, is_failure
from etcd_lifecycle.dependency import FAILURE_THRESHOLD, Dependency
from etcd_lifecycle.join import JoinParameters
from etcd_lifecycle.journal import Journal, JournalEntry
from etcd_lifecycle.model import HookResult, JoinConfiguration, Seed, Transition

CLIENTS = clients()
AUTO_SCALING = Dependency("Auto Scaling", is_failure)
EC2 = Dependency("EC2", is_failure)
SSM = Dependency("SSM", is_failure)
DYNAMODB = Dependency("DynamoDB", is_failure)
LEASES = {}
NOW = [0.0]


# --- auto_scaling ---------------------------------------------------------------------------------


def group(name):
    hooks = {Transition.LAUNCHING: "launch", Transition.TERMINATING: "terminate"}
    return AutoScalingGroup(name, hooks, (CLIENTS.autoscaling, CLIENTS.ec2), (AUTO_SCALING, EC2))


def describe(name):
    desired, instances, _ = group(name).describe()
    return {"desired": desired, "instances": [dataclasses.asdict(one) for one in instances]}


def heartbeat(name, instance_id, transition):
    return group(name).heartbeat(instance_id, Transition[transition])


def complete(name, instance_id, transition, result):
    return group(name).complete(instance_id, Transition[transition], HookResult[result])


def open_the_circuit_of_auto_scaling():
    for _ in range(FAILURE_THRESHOLD):
        AUTO_SCALING.breaker.record_failure()
    return AUTO_SCALING.breaker.state


# --- join -----------------------------------------------------------------------------------------


def joins(cluster):
    return JoinParameters("/quorate/", cluster, CLIENTS.ssm, SSM)


def hand_over(cluster, instance_id, join):
    joins(cluster).hand_over(instance_id, JoinConfiguration(**join))


def read_joins(cluster, instance_ids):
    read = joins(cluster).read(instance_ids)
    return {instance_id: dataclasses.asdict(join) for instance_id, join in read.items()}


def withdraw(cluster, instance_id):
    joins(cluster).withdraw(instance_id)


def write_parameter(name, value):
    CLIENTS.ssm.put_parameter(Name=name, Value=value, Type="String", Overwrite=True)


# --- journal --------------------------------------------------------------------------------------


def create_table(name):
    CLIENTS.dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
    )


def items(name):
    answer = CLIENTS.dynamodb.scan(TableName=name, ConsistentRead=True)
    return sorted(answer["Items"], key=lambda item: item["sk"]["S"])


def journal(table, cluster):
    return Journal(table, cluster, CLIENTS.dynamodb, DYNAMODB)


def load(table, cluster):
    records = journal(table, cluster).load()
    return {
        "seed": records.seed
        and {
            "instance_id": records.seed.instance_id,
            "cluster_id": records.seed.cluster_id and str(records.seed.cluster_id),
        },
        "recorded": {key: str(value) for key, value in records.recorded.items()},
        "first_seen": records.first_seen,
    }


def read_by_pages(table, cluster, page):
    """Return the instances with a recorded member, read a page of so many items at a time."""
    query = journal(table, cluster)._items.query("state#member#", page=page)
    return [item["sk"]["S"].removeprefix("state#member#") for item in query]


def seed(value):
    return value and Seed(value["instance_id"], value["cluster_id"] and int(value["cluster_id"]))


def create_seed(table, cluster, instance_id, replaces=None):
    return journal(table, cluster).create_seed(instance_id, seed(replaces))


def mark_created(table, cluster, instance_id, cluster_id):
    return journal(table, cluster).mark_created(instance_id, int(cluster_id))


def record_member(table, cluster, instance_id, member_id):
    journal(table, cluster).record_member(instance_id, int(member_id))


def forget_member(table, cluster, instance_id):
    journal(table, cluster).forget_member(instance_id)


def first_seen(table, cluster, keys, now, known=None):
    one = journal(table, cluster)
    return dict(one.first_seen(keys, now, one.load().first_seen if known is None else known))


def record(table, cluster, entries):
    one = journal(table, cluster)
    for entry in entries:
        one.record(JournalEntry(**entry))


def read_journal(table, cluster, limit):
    return [dataclasses.asdict(entry) for entry in journal(table, cluster).read_journal(limit)]


def lease(table, cluster, owner, method, now):
    """Call a method of an owner's lease at a time; return its answer and the fence."""
    NOW[0] = now
    key = (table, cluster, owner)
    if key not in LEASES:
        LEASES[key] = journal(table, cluster).lease(owner, clock=lambda: NOW[0])
    answer = getattr(LEASES[key], method)()
    return [answer, LEASES[key].fence]
