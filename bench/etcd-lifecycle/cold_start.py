"""Times a cold start of the function in this fresh process. Prints milliseconds and MiB as JSON.

cold_start.py nothing|clients|function
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time

SERVICES = ("autoscaling", "dynamodb", "ec2", "ssm")
EACH_RUN = ("autoscaling", "dynamodb", "circuits", "ec2")
"""The clients that every run of the function needs; that of SSM is made when one has a use for it."""


def main(what: str) -> None:
    """Import and make what an invocation needs."""
    started = time.perf_counter()
    if what == "clients":
        import boto3

        for service in SERVICES:
            boto3.client(service)  # type: ignore[call-overload]  # any service will do
    elif what == "function":
        from etcd_lifecycle.handler import Function
        from etcd_lifecycle.settings import Settings
        from etcd_lifecycle.wiring import Wiring

        wiring = Wiring(Settings.read(os.environ))
        Function(wiring)
        for client in EACH_RUN:
            getattr(wiring.clients, client)  # each is made at its first use
    elapsed = (time.perf_counter() - started) * 1000
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"ms": elapsed, "mib": peak}))


if __name__ == "__main__":
    main(sys.argv[1])
