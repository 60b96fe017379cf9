"""One execution environment of the function for tests in another language: it outlives an invocation."""

import contextlib
import io
import json
import uuid

import botocore.client
from etcd_lifecycle import handler

_TICK = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
_CALLS = []

_make_api_call = botocore.client.BaseClient._make_api_call


def _recorded(self, operation, params):
    prefix = params.get("ExpressionAttributeValues", {}).get(":prefix")
    _CALLS.append(f"{operation} {prefix['S']}" if prefix else operation)
    return _make_api_call(self, operation, params)


botocore.client.BaseClient._make_api_call = _recorded


class _Context:
    def __init__(self):
        self.aws_request_id = str(uuid.uuid4())

    def get_remaining_time_in_millis(self):
        return 60_000


def invoke():
    """Run a tick of the schedule. Returns the lines that it logged, and what it called of AWS."""
    _CALLS.clear()
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        handler.handle(_TICK, _Context())
    lines = [json.loads(line) for line in output.getvalue().splitlines()]
    return {
        "messages": [line["message"] for line in lines if "message" in line],
        "openCircuits": [line["OpenCircuits"] for line in lines if "OpenCircuits" in line],
        "calls": list(_CALLS),
    }
