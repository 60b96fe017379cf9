"""Writes down each call of AWS that this process makes: loaded by Python itself before anything else.

The file that QUORATE_TEST_CALLS_FILE names gets a line of JSON for each: the service, the operation,
and its parameters. The function and the AWS CLI of the instances both use botocore.
"""

import json
import os

import botocore.client

_FILE = os.environ["QUORATE_TEST_CALLS_FILE"]
_make_api_call = botocore.client.BaseClient._make_api_call


def _recorded_api_call(self, operation_name, api_params):
    call = {
        "service": self.meta.service_model.service_name,
        "operation": operation_name,
        "parameters": api_params,
    }
    line = json.dumps(call, default=lambda value: f"<{type(value).__name__}>") + "\n"
    # One write, so that lines of several processes do not mix.
    file = os.open(_FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)
    return _make_api_call(self, operation_name, api_params)


botocore.client.BaseClient._make_api_call = _recorded_api_call
