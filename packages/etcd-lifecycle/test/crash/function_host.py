"""Runs invocations of the function, each in a process of its own that may be killed at any point.

Each line of standard input asks for one invocation; each line of standard output says how it ended:

    {"event": ..., "environment": {...}, "names": {...}, "newcomer": ..., "hanging": [...],
     "context": ..., "point": ..., "moment": ...}
    {"ended": "returned" | "raised" | "killed", "records": [...]}

The last record is what the function answered, or its error, unless it was killed.

The process of an invocation is forked from this one, which has imported everything, read botocore's
descriptions of the services and called nothing: a start takes milliseconds, and no invocation knows of
another. Ends when standard input does.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
import uuid

import side_effects
from etcd_lifecycle import aws, handler, plan, recovery, wiring
from etcd_lifecycle.etcd import EtcdEndpoint, EtcdEndpoints, Timeouts
from etcd_lifecycle.etcd_gateway import SOCKET_MARGIN

_TIME_LIMIT_MS = 60_000

_SOON = 0.05 - SOCKET_MARGIN
"""The socket waits `SOCKET_MARGIN` longer: 0.05 s. What etcd itself is told is not read where it hangs."""


class _Endpoints(EtcdEndpoints):
    """Soon gives a member up that is known to hang: it does not answer, however long one waits.

    All others have the time-outs of the function, lest a busy machine make them seem to hang.
    """

    hanging = frozenset()

    def at(self, address):
        if address not in self.hanging:
            return super().at(address)
        timeouts = Timeouts(status=_SOON, starting=_SOON)
        return self._known.setdefault(address, EtcdEndpoint(address, timeouts=timeouts))


class _Context:
    aws_request_id = ""

    def get_remaining_time_in_millis(self):
        return _TIME_LIMIT_MS


def _invoke(request, pipe):
    """Run one invocation in this process. Returns the exit status."""
    os.environ.update(request["environment"])
    _Endpoints.hanging = frozenset(request["hanging"])
    side_effects.watch(side_effects.Recorder(request, pipe))
    context = _Context()
    context.aws_request_id = str(uuid.uuid4())
    try:
        answer = handler.handle(request["event"], context)
    except Exception:
        os.write(pipe, (json.dumps({"error": traceback.format_exc()}) + "\n").encode())
        return 1
    os.write(pipe, (json.dumps({"answer": answer}) + "\n").encode())
    return 0


def _run(request):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        # What the function logs must not mix with the answers.
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        os._exit(_invoke(request, writer))
    os.close(writer)
    with os.fdopen(reader) as records:
        told = [json.loads(line) for line in records]
    _, status = os.waitpid(child, 0)
    return {"ended": _how(status), "records": told}


def _how(status):
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return "killed"
    return "returned" if status == 0 else "raised"


def main():
    """Serve invocations, one after the other."""
    # Members start between the runs, so that a run need not wait for one: see crash-cluster.ts.
    plan.STARTING_SECONDS = 0
    # Members whose quorum is lost for good elect nobody meanwhile.
    recovery.RECHECK_SECONDS = 0
    wiring.EtcdEndpoints = _Endpoints
    # Clients that nobody uses: what botocore reads for them is kept in its session.
    idle = aws.clients()
    for client in (idle.autoscaling, idle.dynamodb, idle.ec2, idle.s3, idle.sqs, idle.ssm):
        _ = client.meta
    idle.invoker(1)
    for line in sys.stdin:
        print(json.dumps(_run(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
