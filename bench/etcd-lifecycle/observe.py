"""Times how long one look at a cluster takes, as the function looks. Prints milliseconds as JSON.

``first`` and ``later`` time the members alone, in the first look of a run and in a later one: what is
recorded in DynamoDB and SSM is in memory. ``whole`` times all that a look asks for: Auto Scaling and
DynamoDB by the function's own clients, as its environment variables say, and the members.

    observe.py first|later|whole ROUNDS ADDRESS...
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING, cast

from etcd_lifecycle.etcd import EtcdEndpoints
from etcd_lifecycle.journal import Journal, Records
from etcd_lifecycle.model import Instance
from etcd_lifecycle.observe import Observer
from etcd_lifecycle.settings import Settings
from etcd_lifecycle.wiring import Wiring

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from etcd_lifecycle.auto_scaling import AutoScalingGroup
    from etcd_lifecycle.join import JoinParameters
    from etcd_lifecycle.model import ClusterView


WARM_UP = 1
"""Looks that are not counted: threads are started, clients made and addresses learnt."""


class _NothingRecorded:
    """Neither a journal's records nor join parameters."""

    def load(self) -> Records:
        return Records()

    def read(self, _: Iterable[str]) -> Mapping[str, str]:
        return {}

    def first_seen(
        self, keys: Iterable[str], now: float, known: Mapping[str, float]
    ) -> Mapping[str, float]:
        return {key: known.get(key, now) for key in keys}


def _look_at_members(addresses: list[str], *, first: bool) -> Callable[[], ClusterView]:
    """Return a look at the members alone.

    The observer is the same one, as it is for the invocations of a function. For a first look there
    are new connections and closed breakers each time.
    """
    nothing = _NothingRecorded()
    instances = tuple(
        Instance(f"i-{number}", "InService", address) for number, address in enumerate(addresses)
    )
    endpoints = EtcdEndpoints()
    observer = Observer(
        "bench",
        cast("AutoScalingGroup", None),
        cast("Journal", nothing),
        cast("JoinParameters", nothing),
        endpoints,
    )

    def look() -> ClusterView:
        if first:
            endpoints.keep(())
        return observer.observe(len(instances), instances, time.time())

    return look


def _look_at_everything() -> Callable[[], ClusterView]:
    """Return a look as a run takes it, which changes nothing."""
    wiring = Wiring(Settings.read(os.environ))
    observer = wiring.reconciler(wiring.endpoints()).observer
    return lambda: observer.look(wiring.group.describe(), time.time())


def main(which: str, rounds: int, addresses: list[str]) -> None:
    """Look at the members at the addresses."""
    look = (
        _look_at_everything()
        if which == "whole"
        else _look_at_members(addresses, first=which == "first")
    )
    times = []
    for _ in range(WARM_UP + rounds):
        started = time.perf_counter()
        view = look()
        times.append((time.perf_counter() - started) * 1000)
        if not view.quorate or len(view.members) != len(addresses):
            raise RuntimeError(f"the members were not all seen: {dict(view.silent)}")
    print(json.dumps(times[WARM_UP:]))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
