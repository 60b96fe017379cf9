"""Times how long one look at a cluster takes, as the function looks. Prints milliseconds as JSON.

What is recorded in DynamoDB and SSM is in memory here: it is the members that are timed.

    observe.py first|later ROUNDS ADDRESS...
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, cast

from etcd_lifecycle.etcd import EtcdEndpoints
from etcd_lifecycle.journal import Journal, Records
from etcd_lifecycle.model import Instance
from etcd_lifecycle.observe import Observer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from etcd_lifecycle.auto_scaling import AutoScalingGroup
    from etcd_lifecycle.join import JoinParameters


WARM_UP = 1
"""Looks that are not counted: threads are started."""


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


def main(which: str, rounds: int, addresses: list[str]) -> None:
    """Look at the members at the addresses, as in the first look of a run, or as in a later one.

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
    times = []
    for _ in range(WARM_UP + rounds):
        if which == "first":
            endpoints.keep(())
        started = time.perf_counter()
        view = observer.observe(len(instances), instances, time.time())
        times.append((time.perf_counter() - started) * 1000)
        if not view.quorate:
            raise RuntimeError(f"the cluster has no quorum: {dict(view.silent)}")
    print(json.dumps(times[WARM_UP:]))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
