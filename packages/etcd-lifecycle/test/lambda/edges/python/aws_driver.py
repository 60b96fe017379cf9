"""Calls the parts that use AWS for tests in another language: JSON in, JSON out."""

import dataclasses

from etcd_lifecycle.auto_scaling import AutoScalingGroup
from etcd_lifecycle.aws import clients, is_failure
from etcd_lifecycle.dependency import FAILURE_THRESHOLD, Dependency
from etcd_lifecycle.join import JoinParameters
from etcd_lifecycle.journal import Journal
from etcd_lifecycle.journal_items import JournalEntry
from etcd_lifecycle.model import (
    HookResult,
    JoinConfiguration,
    Notice,
    NoticeKind,
    Override,
    Preparation,
    PreparationState,
    RestoreOrder,
    Seed,
    Transition,
)
from etcd_lifecycle.partition import Partition

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


def retains(name):
    return group(name).describe().retains


def terminate_retained(name, instance_id):
    return group(name).terminate_retained(instance_id)


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


def items(name):
    answer = CLIENTS.dynamodb.scan(TableName=name, ConsistentRead=True)
    return sorted(answer["Items"], key=lambda item: item["sk"]["S"])


def journal(table, cluster):
    return Journal(Partition(table, cluster, CLIENTS.dynamodb, DYNAMODB))


def load(table, cluster):
    records = journal(table, cluster).load()
    return {
        "seed": records.seed and written(records.seed),
        "recorded": {key: str(value) for key, value in records.recorded.items()},
        "first_seen": records.first_seen,
        "notices": {key: [one.kind.name, one.time] for key, one in records.notices.items()},
        "preparations": {
            key: [one.begun, one.state.value, one.detail, one.command]
            for key, one in records.preparations.items()
        },
        "override": records.override and dataclasses.asdict(records.override),
        "removing": sorted(str(one) for one in records.removing),
    }


def written(seed):
    """The record of the seed, with ids as texts."""
    restore = seed.restore
    return {
        "instance_id": seed.instance_id,
        "cluster_id": seed.cluster_id and str(seed.cluster_id),
        "generation": seed.generation,
        "restore": restore
        and {**dataclasses.asdict(restore), "lost_cluster_id": str(restore.lost_cluster_id)},
        "retired": [str(one) for one in seed.retired],
    }


def record_preparation(table, cluster, instance_id, begun, state, detail, command):
    preparation = Preparation(begun, PreparationState(state), detail, command)
    journal(table, cluster).record_preparation(instance_id, preparation)


def forget_preparation(table, cluster, instance_id):
    journal(table, cluster).forget_preparation(instance_id)


def record_notice(table, cluster, instance_id, kind, now):
    journal(table, cluster).record_notice(instance_id, Notice(NoticeKind[kind], now))


def record_override(table, cluster, override):
    journal(table, cluster).record_override(Override(**override))


def forget_override(table, cluster):
    journal(table, cluster).forget_override()


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


def record_progress(table, cluster, key, now, lag):
    journal(table, cluster).record_progress(key, now, lag)


def lags(table, cluster):
    return dict(journal(table, cluster).load().lags)


def record(table, cluster, entries):
    one = journal(table, cluster)
    for entry in entries:
        one.record(JournalEntry(**entry))


def read_journal(table, cluster, limit):
    return [dataclasses.asdict(entry) for entry in journal(table, cluster).read_journal(limit)]


def lease(table, cluster, owner, method, now, arguments):
    """Call a method of an owner's lease at a time; return its answer and the fence."""
    NOW[0] = now
    key = (table, cluster, owner)
    if key not in LEASES:
        LEASES[key] = journal(table, cluster).lease(owner, clock=lambda: NOW[0])
    answer = getattr(LEASES[key], method)(**arguments)
    return [answer, LEASES[key].fence]


def order_recovery(table, cluster, snapshot, bump_revision, lost_cluster_id):
    """Order a recovery on the record as it is now."""
    one = journal(table, cluster)
    order = RestoreOrder(snapshot, bump_revision, int(lost_cluster_id))
    return one.order_recovery(one.load().seed, order)


def order_as_seen_before(table, cluster, snapshot, lost_cluster_id):
    """Order it twice on the same record, as two people would; return what each is told."""
    one = journal(table, cluster)
    seen = one.load().seed
    order = RestoreOrder(snapshot, 1, int(lost_cluster_id))
    return [one.order_recovery(seen, order), one.order_recovery(seen, order)]


def cancel_recovery(table, cluster):
    one = journal(table, cluster)
    return one.cancel_recovery(one.load().seed)


def create_next_seed(table, cluster, instance_id):
    """Choose the first member in place of whatever is recorded."""
    one = journal(table, cluster)
    return one.create_seed(instance_id, one.load().seed)
