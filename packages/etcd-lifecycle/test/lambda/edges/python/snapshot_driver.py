"""Takes snapshots of a real etcd into a real bucket for tests in another language."""

import dataclasses
import io
import resource
import time

from etcd_lifecycle.aws import clients, is_failure
from etcd_lifecycle.dependency import Dependency
from etcd_lifecycle.etcd import EtcdEndpoints
from etcd_lifecycle.etcd_tls import TlsMaterial
from etcd_lifecycle.journal import Journal
from etcd_lifecycle.model import ClusterView, Member, TakeSnapshot
from etcd_lifecycle.partition import Partition
from etcd_lifecycle.snapshot import Snapshots
from etcd_lifecycle.snapshot_store import SnapshotStore
from etcd_lifecycle.telemetry import Telemetry

CLIENTS = clients()
CLUSTER = "main"


def journal(table):
    dependency = Dependency("DynamoDB", is_failure)
    return Journal(Partition(table, CLUSTER, CLIENTS.dynamodb, dependency))


def store(bucket, prefix):
    dependency = Dependency("S3", is_failure, sleep=lambda _: None)
    return SnapshotStore(bucket, prefix, CLUSTER, lambda: CLIENTS.s3, dependency)


def take(table, bucket, prefix, host, *, keep=None, seconds=60, tls=None):
    """Take a snapshot; return its outcome, and what is recorded of it."""
    endpoints = EtcdEndpoints(tls and TlsMaterial(**tls))
    report = endpoints.at(host).status()
    member = Member(report.member_id, "i-1", host, status=report.status)
    view = ClusterView(CLUSTER, 3, members=(member,), quorate=True, cluster_id=report.cluster_id)
    snapshots = Snapshots(
        store(bucket, prefix),
        endpoints,
        journal(table),
        Telemetry(CLUSTER, stream=io.StringIO()),
        keep=keep,
    )
    deadline = time.monotonic() + seconds
    outcome = snapshots.take(
        TakeSnapshot(member.id),
        view,
        seconds_left=lambda: deadline - time.monotonic(),
        keep_alive=lambda: None,
    )
    records = journal(table).load()
    return {
        "result": outcome.result.value,
        "detail": outcome.detail,
        "snapshot": records.snapshot and dataclasses.asdict(records.snapshot),
        "failure": records.snapshot_failure and records.snapshot_failure.reason,
        "cluster_id": str(report.cluster_id),
        "member_id": str(report.member_id),
        "version": report.status.version,
    }


def prune(bucket, prefix, keep):
    return store(bucket, prefix).prune(keep)


def peak_memory():
    """Return the most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
