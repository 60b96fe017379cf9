"""Runs the code that writes metrics, and tells which metrics it wrote."""

import contextlib
import io
import json
from dataclasses import replace

from cluster_views import NOW, POLICY, Slot, view
from etcd_lifecycle.handler import Function
from etcd_lifecycle.model import PreparationPolicy, SnapshotPolicy, StoredSnapshot
from etcd_lifecycle.settings import Settings
from etcd_lifecycle.wiring import Wiring
from function_stand_ins import REQUIRED, TICK, SecretsManager
from test_reconcile import Scene
from test_snapshot import Parts


def written(certificate):
    """Each metric as namespace, name, and dimensions with their values, by everything that writes.

    Args:
        certificate: The certificate of the function, in PEM form.
    """
    lines = [*_of_runs(), *_of_snapshots(), *_of_an_invocation(certificate)]
    return sorted(
        {
            (
                directive["Namespace"],
                metric["Name"],
                tuple((name, line[name]) for name in sorted(dimensions)),
            )
            for line in lines
            if "_aws" in line
            for directive in line["_aws"]["CloudWatchMetrics"]
            for dimensions in directive["Dimensions"]
            for metric in directive["Metrics"]
        }
    )


def _of_runs():
    settled = view(Slot(), Slot(), Slot())
    snapshot = StoredSnapshot("key", 42, 1000, taken=NOW - 61, stored=NOW - 60)
    backed_up = Scene(
        [replace(settled, snapshot=snapshot)],
        policy=replace(POLICY, snapshots=SnapshotPolicy(), preparation=PreparationPolicy(30)),
    )
    contradictory = Scene([replace(settled, foreign=("192.0.2.1",))])
    return [*backed_up.run().lines, *contradictory.run().lines]


def _of_snapshots():
    stored, failed = Parts(), Parts(chunks=[])
    stored.take()
    failed.take()
    return [*stored.lines, *failed.lines]


def _of_an_invocation(certificate):
    wiring = Wiring(Settings.read({**REQUIRED, "QUORATE_TLS_SECRET": "the secret"}))
    secret = {"ca": certificate, "certificate": certificate, "key": "the private key"}
    vars(wiring.clients)["secretsmanager"] = SecretsManager(json.dumps(secret))
    scene = Scene([view(Slot(), Slot(), Slot())])
    scene.reconciler.run = lambda *_: None
    wiring.reconciler = lambda _: scene.reconciler
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        Function(wiring).handle(TICK, "run-1", float("inf"))
    return [json.loads(line) for line in output.getvalue().splitlines()]
