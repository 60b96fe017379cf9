"""Runs the function's engine on a real cluster that loses its quorum in the midst of a removal.

What AWS keeps is in memory here: it is etcd that is asked.
"""

import io
import os
import signal
import time
from dataclasses import replace

from etcd_lifecycle.act import Actor, Result
from etcd_lifecycle.auto_scaling import GroupDescription
from etcd_lifecycle.etcd import EtcdEndpoint, EtcdEndpoints, Timeouts
from etcd_lifecycle.journal import Records
from etcd_lifecycle.model import Instance, Policy, RemoveMember, Seed
from etcd_lifecycle.observe import Observer
from etcd_lifecycle.outages import Outages
from etcd_lifecycle.reconcile import Reconciler
from etcd_lifecycle.telemetry import Telemetry

RUN_SECONDS = 60.0
"""What a run believes it may take."""

BETWEEN_RUNS = 0.5
MOST_RUNS = 60


class ImpatientEndpoints(EtcdEndpoints):
    """Endpoints that wait a second for a change, and no longer for a quorum."""

    def at(self, address):
        timeouts = Timeouts(quorum=1.0, change=1.0)
        return self._known.setdefault(address, EtcdEndpoint(address, timeouts=timeouts))


class InMemory:
    """The group, the journal with its lease, and the join parameters."""

    def __init__(self, instances, leaving, cluster_id):
        self.instances = {
            one["id"]: Instance(
                one["id"],
                "Terminating:Wait" if one["id"] == leaving else "InService",
                one["address"],
            )
            for one in instances
        }
        self.wanted = len(instances) - 1
        self.seed = Seed(instances[0]["id"], cluster_id)
        self.seen = {}
        self.removals = Records()
        self.entries = []

    # The group

    def describe(self):
        return GroupDescription(self.wanted, tuple(self.instances.values()))

    def heartbeat(self, instance_id, transition):
        return instance_id in self.instances

    def complete(self, instance_id, transition, result):
        return self.instances.pop(instance_id, None) is not None

    # The journal, and its lease

    def load(self):
        return replace(self.removals, seed=self.seed, first_seen=self.seen)

    def first_seen(self, keys, now, known):
        self.seen = {key: known.get(key, now) for key in keys}
        return self.seen

    def record(self, entry):
        self.entries.append({"action": entry.action, "outcome": entry.outcome})

    def forget_member(self, instance_id):
        """No member ids are recorded here."""

    def lease(self, owner, **_):
        return self

    def acquire(self):
        return True

    def renew(self, *, removing=()):
        if removing:
            self.removals = Records(removing=frozenset(removing), removing_since=time.time())
        return True

    def settle(self, member_id):
        self.removals = replace(self.removals, removing=self.removals.removing - {member_id})

    def release(self):
        return True

    # The join parameters

    def read(self, instance_ids):
        return {}

    def withdraw(self, instance_id):
        """Nobody was told how to join."""


class Pausing:
    """Carries actions out, the first removal while other members are paused."""

    def __init__(self, actor, pids, resumed):
        self.actor = actor
        self.pids = pids
        self.resumed = resumed

    def act(self, action, view):
        if not isinstance(action, RemoveMember) or not self.pids:
            return self.actor.act(action, view)
        pids, self.pids = self.pids, {}
        for pid in pids.values():
            os.kill(pid, signal.SIGSTOP)
        outcome = self.actor.act(action, view)
        if outcome.result is not Result.UNKNOWN:
            raise AssertionError(f"without a quorum a removal was {outcome}")
        os.kill(pids[self.resumed], signal.SIGCONT)
        return outcome


def scale_in(instances, leaving, pids, resumed):
    """Run until the leaving instance is let go; return what was recorded.

    Args:
        instances: The instances, with ``id`` (the name of the member) and ``address``.
        leaving: The id of the one that a terminate hook holds.
        pids: The processes to pause when it is to be removed, by instance id.
        resumed: The id of the one that is resumed when the removal has timed out.
    """
    endpoints = ImpatientEndpoints()
    cluster_id = endpoints.at(instances[0]["address"]).status().cluster_id
    memory = InMemory(instances, leaving, cluster_id)
    policy = Policy()
    actor = Actor(memory, memory, memory, endpoints, policy)
    telemetry = Telemetry("main", stream=io.StringIO())
    reconciler = Reconciler(
        group=memory,
        observer=Observer("main", memory, memory, memory, endpoints),
        actor=Pausing(actor, pids, resumed),
        journal=memory,
        policy=policy,
        telemetry=telemetry,
        outages=Outages([], memory, telemetry),
    )
    for _ in range(MOST_RUNS):
        reconciler.run("run", lambda: RUN_SECONDS)
        if leaving not in memory.instances:
            return memory.entries
        time.sleep(BETWEEN_RUNS)
    raise TimeoutError(f"{leaving} was not let go; recorded: {memory.entries}")
