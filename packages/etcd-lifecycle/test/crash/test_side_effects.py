"""The watch over the function misses nothing: what has no name is told, and what has one can be a death."""

import http.client
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import boto3
import pytest
from botocore.config import Config

_HERE = Path(__file__).parent
_NOWHERE = Path("/nowhere/at/all")
_LISTS = sorted((_HERE / "side-effects").glob("*.txt"))

_LEARNER = json.dumps({"peerURLs": ["http://10.0.0.4:2380"], "isLearner": True})
_NAMES = {
    **dict.fromkeys(("10.0.0.4", "i-4", "4"), "the replacement"),
    "127.0.0.1": "the server",
}
_ADD = "add the replacement as a learner"


def _load():
    spec = importlib.util.spec_from_file_location("side_effects", _HERE / "side_effects.py")
    module = importlib.util.module_from_spec(spec)
    # Its classes look themselves up there.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


side_effects = _load()


class _Server(HTTPServer):
    """Answers everything with nothing in it, and remembers it."""

    timeout = 0.01

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.arrived = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.arrived.append(self.headers.get("x-amz-target") or self.path)
        kind = self.headers.get("content-type", "")
        # S3 is answered in XML, of which nothing is something.
        answer = b"{}" if "json" in kind else b""
        if "form" in kind:
            # Auto Scaling is asked in a form, and answers in XML.
            action = parse_qs(body)[b"Action"][0]
            answer = b"<%bResponse><%bResult/></%bResponse>" % (action, action, action)
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_DELETE = do_GET = do_PUT = do_POST  # noqa: N815

    def log_message(self, *_args):
        pass


@pytest.fixture
def server():
    with _Server() as server:
        yield server


class _Watched:
    """What was told of a process, how it ended, and what arrived of it at the server."""

    def __init__(self, records, killed, arrived):
        self.effects = [one["effect"] for one in records if "effect" in one]
        self.unknown = [one["unknown"] for one in records if "unknown" in one]
        self.errors = [one["error"] for one in records if "error" in one]
        self.killed = killed
        self.arrived = arrived


def _watch(act, server, point=None, moment=None):
    """Do something in a process of its own that is watched."""
    request = {
        "names": _NAMES,
        "newcomer": "the newcomer",
        "context": "the start",
        "point": point,
        "moment": moment,
    }
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        # As where the function is watched: a compiled file that is written is none of its acts.
        sys.dont_write_bytecode = True
        side_effects.watch(side_effects.Recorder(request, writer))
        try:
            act(server.url)
        except Exception as error:
            os.write(writer, (json.dumps({"error": repr(error)}) + "\n").encode())
        os._exit(0)
    os.close(writer)
    ended, status = 0, 0
    while not ended:
        server.handle_request()
        ended, status = os.waitpid(child, os.WNOHANG)
    with os.fdopen(reader) as records:
        told = [json.loads(line) for line in records]
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    return _Watched(told, killed, server.arrived)


def _client(service, url):
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="eu-central-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
        config=Config(retries={"total_max_attempts": 1}),
    )


def _etcd(url, path, body="{}"):
    connection = http.client.HTTPConnection(url.removeprefix("http://"))
    connection.request("POST", path, body, {"content-type": "application/json"})
    connection.getresponse().read()


def _put_item(url, key, **attributes):
    _client("dynamodb", url).put_item(
        TableName="t", Item={"pk": {"S": "cluster#c"}, "sk": {"S": key}, **attributes}
    )


def _update_item(url, key):
    _client("dynamodb", url).update_item(
        TableName="t", Key={"pk": {"S": "cluster#c"}, "sk": {"S": key}}
    )


def _delete_item(url, key):
    _client("dynamodb", url).delete_item(
        TableName="t", Key={"pk": {"S": "cluster#c"}, "sk": {"S": key}}
    )


def _send_datagram(url):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"", ("127.0.0.1", int(url.rpartition(":")[2])))


UNKNOWN = {
    "an operation of AWS": lambda url: _client("dynamodb", url).delete_table(TableName="t"),
    "an operation of another service": lambda url: _client("ssm", url).delete_parameter(Name="p"),
    "a new item of the table": lambda url: _put_item(url, "state#other"),
    "another update of the table": lambda url: _update_item(url, "state#other"),
    "another deletion from the table": lambda url: _delete_item(url, "state#other"),
    "a change of etcd": lambda url: _etcd(url, "/v3/kv/put"),
    "an alarm that is raised": lambda url: _etcd(
        url, "/v3/maintenance/alarm", '{"action": "ACTIVATE"}'
    ),
    "a request by another library": lambda url: urllib.request.urlopen(url).close(),
    "a connection": lambda url: socket.create_connection(
        ("127.0.0.1", int(url.rpartition(":")[2]))
    ).close(),
    "a datagram": _send_datagram,
    "a process": lambda _url: subprocess.run(["/bin/true"], check=True),
    "a fork": lambda _url: os.fork() or os._exit(0),
    "a command": lambda _url: os.system("true"),
    "a file": lambda _url: _NOWHERE.write_text("", encoding="utf-8"),
    "a removed file": lambda _url: _NOWHERE.unlink(),
    "a renamed file": lambda _url: _NOWHERE.rename("/nowhere/else"),
}


@pytest.mark.parametrize("act", UNKNOWN.values(), ids=UNKNOWN)
def test_what_has_no_name_is_told(act, server):
    watched = _watch(act, server)

    assert watched.unknown
    assert watched.effects == []


READS = {
    "the table": lambda url: _client("dynamodb", url).query(TableName="t"),
    "the warm pool": lambda url: _client("autoscaling", url).describe_warm_pool(
        AutoScalingGroupName="g"
    ),
    "a command": lambda url: _client("ssm", url).get_command_invocation(
        CommandId="c" * 36, InstanceId="i-4"
    ),
    "the members": lambda url: _etcd(url, "/v3/cluster/member/list"),
    "a key": lambda url: _etcd(url, "/v3/kv/range"),
    "a status": lambda url: _etcd(url, "/v3/maintenance/status"),
    "a snapshot": lambda url: _etcd(url, "/v3/maintenance/snapshot"),
    "the objects of a bucket": lambda url: _client("s3", url).list_objects_v2(Bucket="b"),
    "the alarms": lambda url: _etcd(url, "/v3/maintenance/alarm", '{"action": "GET"}'),
}


@pytest.mark.parametrize("act", READS.values(), ids=READS)
def test_a_read_is_no_side_effect(act, server):
    watched = _watch(act, server)

    assert (watched.effects, watched.unknown, watched.errors) == ([], [], [])
    assert len(watched.arrived) == 1


def _put_preparation(url):
    key = {"pk": {"S": "cluster#c"}, "sk": {"S": "state#prepare#i-4"}}
    _client("dynamodb", url).put_item(TableName="t", Item={**key, "state": {"S": "running"}})


def _update_seed(url, *names):
    _client("dynamodb", url).update_item(
        TableName="t",
        Key={"pk": {"S": "cluster#c"}, "sk": {"S": "state#seed"}},
        ExpressionAttributeValues={name: {"S": "v"} for name in names},
    )


_DISARM = json.dumps({"action": "DEACTIVATE", "alarm": "NOSPACE", "memberID": "4"})

EFFECTS = {
    _ADD: lambda url: _etcd(url, "/v3/cluster/member/add", _LEARNER),
    "record the member of the replacement": lambda url: _put_item(url, "state#member#i-4"),
    "forget the member of the replacement": lambda url: _delete_item(url, "state#member#i-4"),
    "record the notice of the replacement": lambda url: _put_item(url, "state#notice#i-4"),
    "terminate the replacement, which is retained": lambda url: _client(
        "autoscaling", url
    ).terminate_instance_in_auto_scaling_group(
        InstanceId="i-4", ShouldDecrementDesiredCapacity=False
    ),
    "record that the hand-over of the replacement is running": _put_preparation,
    "forget the hand-over of the replacement": lambda url: _delete_item(url, "state#prepare#i-4"),
    "have a function hand over for the replacement": lambda url: _client("lambda", url).invoke(
        FunctionName="f", Payload=b'{"instanceId": "i-4"}'
    ),
    "have the replacement run a command to hand over": lambda url: _client("ssm", url).send_command(
        InstanceIds=["i-4"], DocumentName="AWS-RunShellScript"
    ),
    "open the circuit of EC2": lambda url: _put_item(
        url, "circuit#EC2", state={"S": '{"phase": "OPEN"}'}
    ),
    "record the snapshot": lambda url: _put_item(url, "state#snapshot"),
    "record that a snapshot failed": lambda url: _put_item(url, "state#snapshot-failure"),
    "abort the upload of a snapshot": lambda url: _client("s3", url).abort_multipart_upload(
        Bucket="b", Key="k", UploadId="u"
    ),
    "upload part 3 of a snapshot": lambda url: _client("s3", url).upload_part(
        Bucket="b", Key="k", UploadId="u", PartNumber=3, Body=b"data"
    ),
    "record the override": lambda url: _put_item(url, "state#override"),
    "forget the override": lambda url: _delete_item(url, "state#override"),
    "compact the revisions": lambda url: _etcd(url, "/v3/kv/compaction"),
    "defragment the member of the server": lambda url: _etcd(url, "/v3/maintenance/defragment"),
    "disarm the alarm NOSPACE of the replacement": lambda url: _etcd(
        url, "/v3/maintenance/alarm", _DISARM
    ),
    "record the order to recover": lambda url: _update_seed(url, ":next", ":snapshot", ":cluster"),
    "take the order to recover back": lambda url: _update_seed(url, ":next", ":cluster"),
    "record the cluster id": lambda url: _update_seed(url, ":instance", ":cluster"),
    "record the seed": lambda url: _update_seed(url, ":instance"),
    "hand over the join configuration of the replacement": lambda url: _client(
        "ssm", url
    ).put_parameter(Name="/quorate/c/i-4", Value="v"),
}


@pytest.mark.parametrize(("name", "act"), EFFECTS.items(), ids=EFFECTS)
def test_a_side_effect_is_told_by_its_name(name, act, server):
    watched = _watch(act, server)

    assert (watched.effects, watched.unknown, watched.errors) == ([name], [], [])
    assert len(watched.arrived) == 1


@pytest.mark.parametrize(("name", "act"), EFFECTS.items(), ids=EFFECTS)
@pytest.mark.parametrize(("moment", "arrived"), [("before", 0), ("after", 1)])
def test_the_process_dies_before_a_side_effect_or_before_its_answer(
    name, act, moment, arrived, server
):
    def acts(url):
        act(url)
        _etcd(url, "/v3/cluster/member/list")

    watched = _watch(acts, server, name, moment)

    assert watched.killed
    assert watched.effects == [name]
    assert len(watched.arrived) == arrived


def test_no_side_effect_is_numbered_twice():
    assert len(_LISTS) == 14
    for path in _LISTS:
        listed = path.read_text(encoding="utf-8").splitlines()
        assert len(set(listed)) == len(listed), path.name
