"""Kills the process at a chosen side effect: loaded by Python itself before the handler.

The file that QUORATE_TEST_CRASH_FILE names holds one line: ``before`` or ``after``, and the name of a
side effect. The first time that the function comes to it, the file is removed and the process gets
SIGKILL: before the request is sent, or after its answer has arrived and before anybody has seen it.
"""

from __future__ import annotations

import http.client
import os
import signal
from pathlib import Path

import botocore.client

_CRASH_FILE = Path(os.environ["QUORATE_TEST_CRASH_FILE"])
_READS = ("Describe", "Get", "List", "Query")
_CHANGES_OF_ETCD = (
    "/v3/cluster/member/add",
    "/v3/cluster/member/promote",
    "/v3/cluster/member/remove",
    "/v3/maintenance/transfer-leadership",
)


def _come_to(moment, effect):
    try:
        wanted = _CRASH_FILE.read_text().strip()
    except FileNotFoundError:
        return
    if wanted == f"{moment} {effect}":
        _CRASH_FILE.unlink()
        os.kill(os.getpid(), signal.SIGKILL)


_make_api_call = botocore.client.BaseClient._make_api_call
_request = http.client.HTTPConnection.request
_getresponse = http.client.HTTPConnection.getresponse


def _observed_api_call(self, operation_name, api_params):
    if operation_name.startswith(_READS):
        return _make_api_call(self, operation_name, api_params)
    _come_to("before", operation_name)
    answer = _make_api_call(self, operation_name, api_params)
    _come_to("after", operation_name)
    return answer


def _observed_request(self, method, url, *args, **kwargs):
    self.requested = url
    if url in _CHANGES_OF_ETCD:
        _come_to("before", url)
    return _request(self, method, url, *args, **kwargs)


def _observed_getresponse(self, *args, **kwargs):
    response = _getresponse(self, *args, **kwargs)
    if getattr(self, "requested", "") in _CHANGES_OF_ETCD:
        _come_to("after", self.requested)
    return response


botocore.client.BaseClient._make_api_call = _observed_api_call
http.client.HTTPConnection.request = _observed_request
http.client.HTTPConnection.getresponse = _observed_getresponse
