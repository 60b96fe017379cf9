"""Names every side effect of the function, and kills the process at a chosen one.

Each request that leaves the process is looked at where it leaves: botocore's calls, and the requests
of ``http.client``. It either reads, or it is a side effect with a name in the words of the design
("remove the member of the victim"). What is neither is told as unknown, and so is a connection that
was opened in any other way: no side effect can be added without the tests getting to know it.

The same effect on the same thing is one point, however often polling repeats it. The lease is renewed
all the time: its renewals are told apart by the last change before them.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import sys
import threading
from urllib.parse import urlsplit

import botocore.client

_READS_OF_AWS = frozenset(
    {
        "DescribeAutoScalingGroups",
        "DescribeInstances",
        "DescribeWarmPool",
        "GetCommandInvocation",
        "GetParameters",
        "GetSecretValue",
        "ListObjectsV2",
        "Query",
    }
)
_READS_OF_ETCD = frozenset(
    {
        "/v3/cluster/member/list",
        "/v3/kv/range",
        "/v3/maintenance/snapshot",
        "/v3/maintenance/status",
    }
)
_OTHER_WAYS_OUT = frozenset(
    {
        *("os.exec", "os.fork", "os.posix_spawn", "os.system", "subprocess.Popen"),
        *("os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink"),
    }
)


_RENEWAL_SECONDS = 10
"""How long the answer to something that lasts is held back at most."""


class Recorder:
    """What one invocation did, told through a pipe as it happens: the process may end at any moment."""

    def __init__(self, request, pipe):
        self._names = request["names"]
        self._newcomer = request["newcomer"]
        self._context = request["context"]
        self._point = request.get("point")
        self._moment = request.get("moment")
        self._pipe = pipe
        self._renewed = threading.Event()

    def name_of(self, thing):
        """Return the part that an instance, an address or a member plays in the scenario."""
        return self._names.get(str(thing), self._newcomer)

    def before(self, effect):
        """Come to a side effect that has not happened yet."""
        name = self._in_full(effect)
        self._tell(name)
        self._die_at("before", name)
        if effect.lease:
            self._renewed.set()
        if effect.lasting:
            self._set_context(effect)
            self._renewed.clear()

    def after(self, effect):
        """Come from a side effect that has happened, and of which nobody has heard yet.

        The answer to one that lasts comes when the lease has been renewed meanwhile, as it would be if
        there were more to do.
        """
        if effect.lasting:
            self._renewed.wait(_RENEWAL_SECONDS)
        self._die_at("after", self._in_full(effect))
        if not (effect.passing or effect.lasting):
            self._set_context(effect)

    def unknown(self, what):
        """Something left the process, and nobody knows what it does."""
        self._write({"unknown": what})

    def _in_full(self, effect):
        return f"{effect.name} after: {self._context}" if effect.lease else effect.name

    def _set_context(self, effect):
        self._context = effect.name
        self._write({"context": effect.name})

    def _tell(self, name):
        self._write({"effect": name})

    def _die_at(self, moment, name):
        if (moment, name) == (self._moment, self._point):
            os.kill(os.getpid(), signal.SIGKILL)

    def _write(self, record):
        os.write(self._pipe, (json.dumps(record) + "\n").encode())


class Effect:
    """A side effect: its name, and whether it says something about the effects after it.

    A passing one does not. A lasting one already does when it begins, as others come meanwhile.
    """

    def __init__(self, name, *, lease=False, passing=False, lasting=False):
        self.name = name
        self.lease = lease
        self.passing = passing or lease
        self.lasting = lasting


def _lease(params):
    values = params["ExpressionAttributeValues"]
    if ":one" in values:
        return Effect("acquire the lease", lease=True)
    if float(values[":until"]["N"]) == 0:
        return Effect("release the lease", lease=True)
    return Effect("renew the lease", lease=True)


def _seed(params):
    values = params["ExpressionAttributeValues"]
    if ":snapshot" in values:
        return Effect("record the order to recover")
    if ":next" in values:
        return Effect("take the order to recover back")
    if ":cluster" in values:
        return Effect("record the cluster id")
    return Effect("record the seed")


def _waiting(verb, key, name_of):
    what = "the member of " if key.isdecimal() else ""
    return Effect(f"{verb} since when {what}{name_of(key)} waits", passing=True)


def _update_item(params, name_of):
    key = params["Key"]["sk"]["S"]
    if key == "state#lease":
        return _lease(params)
    if key == "state#seed":
        return _seed(params)
    if key.startswith("state#seen#"):
        return _waiting("remember", key.removeprefix("state#seen#"), name_of)
    return None


_PHASES = {
    "CLOSED": "close the circuit of",
    "HALF_OPEN": "let a probe go to",
    "OPEN": "open the circuit of",
}

_PUTS = {
    "state#override": Effect("record the override"),
    "state#snapshot": Effect("record the snapshot"),
    "state#snapshot-failure": Effect("record that a snapshot failed"),
}


def _put_item(params, name_of):
    key = params["Item"]["sk"]["S"]
    if key.startswith("state#member#"):
        return Effect(f"record the member of {name_of(key.removeprefix('state#member#'))}")
    if key.startswith("journal#"):
        return Effect(f"write {_action(params['Item']['action']['S'], name_of)} into the journal")
    if key.startswith("circuit#"):
        phase = json.loads(params["Item"]["state"]["S"])["phase"]
        return Effect(f"{_PHASES[phase]} {key.removeprefix('circuit#')}", passing=True)
    if key.startswith("state#notice#"):
        return Effect(f"record the notice of {name_of(key.removeprefix('state#notice#'))}")
    if key.startswith("state#prepare#"):
        name = name_of(key.removeprefix("state#prepare#"))
        return Effect(f"record that the hand-over of {name} is {params['Item']['state']['S']}")
    return _PUTS.get(key)


def _action(text, name_of):
    if text.startswith("TakeSnapshot("):
        # Which voter gives it is chance.
        return "TakeSnapshot"
    whom = re.search(r"(?:instance_id='|member_id=)([\w-]+)", text)
    return text.partition("(")[0] + (f" of {name_of(whom[1])}" if whom else "")


def _delete_item(params, name_of):
    key = params["Key"]["sk"]["S"]
    if key.startswith("state#member#"):
        return Effect(f"forget the member of {name_of(key.removeprefix('state#member#'))}")
    if key.startswith("state#seen#"):
        return _waiting("forget", key.removeprefix("state#seen#"), name_of)
    if key.startswith("state#prepare#"):
        return Effect(f"forget the hand-over of {name_of(key.removeprefix('state#prepare#'))}")
    if key == "state#override":
        return Effect("forget the override")
    return None


def _of_parameter(verb):
    def effect(params, name_of):
        name = params["Name"] if "Name" in params else params["Names"][0]
        return Effect(f"{verb} the join configuration of {name_of(name.rpartition('/')[2])}")

    return effect


def _of_hook(verb, **kind):
    def effect(params, name_of):
        result = params.get("LifecycleActionResult", "")
        name = f"{verb} the {params['LifecycleHookName']} hook of {name_of(params['InstanceId'])}"
        return Effect(f"{name}{result and f' with {result}'}", **kind)

    return effect


def _of_snapshot(text):
    return lambda params, _name_of: Effect(text.format(**params))


_CHANGES_OF_AWS = {
    "AbortMultipartUpload": _of_snapshot("abort the upload of a snapshot"),
    "CompleteLifecycleAction": _of_hook("complete"),
    "CompleteMultipartUpload": _of_snapshot("complete the upload of a snapshot"),
    "CreateMultipartUpload": _of_snapshot("begin the upload of a snapshot"),
    "DeleteItem": _delete_item,
    "DeleteObjects": _of_snapshot("delete old snapshots"),
    "DeleteParameters": _of_parameter("withdraw"),
    "Invoke": lambda params, name_of: Effect(
        f"have a function hand over for {name_of(json.loads(params['Payload'])['instanceId'])}"
    ),
    "PutItem": _put_item,
    "PutParameter": _of_parameter("hand over"),
    "RecordLifecycleActionHeartbeat": _of_hook("heartbeat for", passing=True),
    "SendCommand": lambda params, name_of: Effect(
        f"have {name_of(params['InstanceIds'][0])} run a command to hand over"
    ),
    "SendMessage": lambda _params, _name_of: Effect("bury a message"),
    "TerminateInstanceInAutoScalingGroup": lambda params, name_of: Effect(
        f"terminate {name_of(params['InstanceId'])}, which is retained"
    ),
    "UpdateItem": _update_item,
    "UploadPart": _of_snapshot("upload part {PartNumber} of a snapshot"),
}

_CHANGES_OF_ETCD = {
    "/v3/cluster/member/add": lambda body, name_of: Effect(
        f"add {name_of(urlsplit(body['peerURLs'][0]).hostname)} as a learner"
    ),
    "/v3/cluster/member/promote": lambda body, name_of: Effect(
        f"promote the member of {name_of(body['ID'])}"
    ),
    "/v3/cluster/member/remove": lambda body, name_of: Effect(
        f"remove the member of {name_of(body['ID'])}"
    ),
    "/v3/kv/compaction": lambda _body, _name_of: Effect("compact the revisions"),
    "/v3/maintenance/alarm": lambda body, name_of: (
        Effect(f"disarm the alarm {body['alarm']} of {name_of(body['memberID'])}")
        if body["action"] == "DEACTIVATE"
        else None
    ),
    "/v3/maintenance/transfer-leadership": lambda _body, _name_of: Effect("move the leadership"),
}


def _change_of_etcd(connection, url, body, name_of):
    if url == "/v3/maintenance/defragment":
        # The lease is renewed meanwhile, before or after the answer as it happens.
        return Effect(f"defragment the member of {name_of(connection.host)}", lasting=True)
    if url not in _CHANGES_OF_ETCD:
        return None
    return _CHANGES_OF_ETCD[url](json.loads(body), name_of)


class _Here(threading.local):
    """Whether this thread is sending something that is known."""

    known = False


def watch(recorder):
    """Tell the recorder of everything that leaves this process from now on."""
    here = _Here()
    _watch_aws(recorder, here)
    _watch_requests(recorder)
    _watch_connections(recorder, here)


def _watch_aws(recorder, here):
    make_api_call = botocore.client.BaseClient._make_api_call

    def observed(self, operation, params):
        here.known = True
        try:
            if operation in _READS_OF_AWS:
                return make_api_call(self, operation, params)
            named = _CHANGES_OF_AWS.get(operation, lambda *_: None)(params, recorder.name_of)
            if named is None:
                recorder.unknown(f"{operation} {json.dumps(params, default=str)}")
                return make_api_call(self, operation, params)
            recorder.before(named)
            answer = make_api_call(self, operation, params)
            recorder.after(named)
            return answer
        finally:
            here.known = False

    botocore.client.BaseClient._make_api_call = observed


def _watch_requests(recorder):
    """Look at the requests to etcd; those to AWS do not come by here, but by the connections."""
    connection = http.client.HTTPConnection
    request = connection.request
    getresponse = connection.getresponse

    def observed_request(self, method, url, body=None, headers=None, **kwargs):
        self.effect = _change_of_etcd(self, url, body, recorder.name_of)
        if self.effect is not None:
            recorder.before(self.effect)
        elif not (url in _READS_OF_ETCD or _reads_alarms(url, body)):
            recorder.unknown(f"{method} {url} {body}")
        self.classified = True
        return request(self, method, url, body, headers or {}, **kwargs)

    def observed_getresponse(self, *args, **kwargs):
        response = getresponse(self, *args, **kwargs)
        effect = getattr(self, "effect", None)
        if effect is not None and response.status == http.client.OK:
            recorder.after(effect)
        return response

    connection.request = observed_request
    connection.getresponse = observed_getresponse


def _watch_connections(recorder, here):
    """Find what goes neither through botocore nor through a request that was looked at."""
    connection = http.client.HTTPConnection
    connect = connection.connect
    putrequest = connection.putrequest

    def observed_connect(self):
        outer, here.known = here.known, True
        try:
            return connect(self)
        finally:
            here.known = outer

    def observed_putrequest(self, method, url, *args, **kwargs):
        if not (here.known or getattr(self, "classified", False)):
            recorder.unknown(f"{method} {url}")
        return putrequest(self, method, url, *args, **kwargs)

    def audit(event, args):
        if event in _OTHER_WAYS_OUT or (event == "open" and _writes(args)):
            recorder.unknown(f"{event} {args}")
        elif event in {"socket.connect", "socket.sendmsg", "socket.sendto"} and not here.known:
            recorder.unknown(f"{event} {args[1]}")

    connection.connect = observed_connect
    connection.putrequest = observed_putrequest
    sys.addaudithook(audit)


def _reads_alarms(url, body):
    return url == "/v3/maintenance/alarm" and json.loads(body) == {"action": "GET"}


def _writes(args):
    return bool(args[2] & (os.O_WRONLY | os.O_RDWR)) and args[0] != os.devnull
