"""What etcdctl is told, and what its words mean. The words are those of etcdctl 3.6.16."""

import base64
import json
import os
import subprocess
import sys
import time

import pytest
from etcd_lifecycle.access_settings import EtcdctlSettings, read_etcdctl_settings
from etcd_lifecycle.environment import ConfigurationError
from etcd_lifecycle.etcd_errors import (
    BadTransferee,
    EtcdError,
    LearnerNotReady,
    MemberNotFound,
    NoQuorum,
    NotEtcd,
    NotLeader,
    OutcomeUnknown,
    PeerUrlExists,
    Refused,
    TlsProblem,
    Unhealthy,
    Unreachable,
)
from etcd_lifecycle.etcdctl import (
    DELIVERY_PATIENCE,
    EtcdctlEndpoints,
    answer_of,
    arguments_for,
    render,
)
from etcd_lifecycle.model import Instance
from etcd_lifecycle.run_command import Ended, NotEnded
from hypothesis import example, given, settings
from hypothesis import strategies as st

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
HOSTILE = [
    "$(touch /tmp/pwned)",
    "`id`",
    "; exit 1 #",
    "' || true '",
    '"',
    "\\",
    "line\nbreak",
    "-x",
    "",
    "* ?",
    "ü€\t",
]

# Prints its arguments and what it knows of the way to the member.
SPY = f"""#!{sys.executable}
import json, os, sys
known = {{key: value for key, value in os.environ.items() if key.startswith("ETCDCTL_")}}
print(json.dumps([sys.argv[1:], known]))
"""


@pytest.fixture(scope="module")
def spy(tmp_path_factory):
    program = tmp_path_factory.mktemp("spy") / "etcd ctl'$(id)"
    program.write_text(SPY, encoding="utf-8")
    program.chmod(0o755)
    return str(program)


def shell(lines):
    script = "\n".join(lines).encode()
    environment = {"PATH": os.environ["PATH"]}
    return subprocess.run(["sh"], input=script, capture_output=True, check=False, env=environment)


# --- the script -----------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None)
@given(arguments=st.lists(TEXT, max_size=6))
@example(HOSTILE)
def test_arguments_arrive_as_they_are_and_no_shell_reads_them(spy, arguments):
    ran = shell(render(EtcdctlSettings(spy, ""), arguments, time.time() + 60))

    assert ran.stderr == b""
    assert json.loads(ran.stdout) == [arguments, {}]


@settings(max_examples=40, deadline=None)
@given(file=TEXT.filter(bool))
@example("; rm -rf /")
@example("$(id)\n")
def test_files_of_the_options_arrive_as_they_are(spy, file):
    given_files = EtcdctlSettings(spy, "", "https://a:1", file, file, file)

    ran = shell(render(given_files, ["get"], time.time() + 60))

    assert json.loads(ran.stdout) == [
        ["--endpoints=https://a:1", f"--cacert={file}", f"--cert={file}", f"--key={file}", "get"],
        {},
    ]


def test_only_what_is_data_differs_between_two_scripts(spy):
    one = render(EtcdctlSettings(spy, ""), HOSTILE, 1.5)
    other = render(EtcdctlSettings(), ["get"], 7)

    assert one[4:] == other[4:]
    for line in [*one[:4], *other[:4]]:
        name, _, value = line.partition("=")
        assert name.startswith("quorate_")
        assert set(value) <= set(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
        )


def test_the_way_to_the_member_is_taken_from_what_started_it(spy, tmp_path):
    file = tmp_path / "quorate.env"
    file.write_text(
        "ETCD_NAME=i-1\n"
        'ETCD_ADVERTISE_CLIENT_URLS="https://192.0.2.1:2379"\n'
        'ETCD_TRUSTED_CA_FILE="/certificates/ca"\n'
        'ETCD_CERT_FILE="/certificates/\\$(id)"\n'
        'ETCD_KEY_FILE="/certificates/key"\n',
        encoding="utf-8",
    )

    ran = shell(render(EtcdctlSettings(spy, str(file)), ["get"], time.time() + 60))

    assert json.loads(ran.stdout) == [
        ["get"],
        {
            "ETCDCTL_ENDPOINTS": "https://192.0.2.1:2379",
            "ETCDCTL_CACERT": "/certificates/ca",
            "ETCDCTL_CERT": "/certificates/$(id)",
            "ETCDCTL_KEY": "/certificates/key",
        },
    ]


def test_without_that_file_nothing_is_run(spy):
    ran = shell(render(EtcdctlSettings(spy, "/nowhere/quorate.env"), ["get"], time.time() + 60))

    assert ran.returncode != 0
    assert ran.stdout == b""
    assert b"/nowhere/quorate.env" in ran.stderr


def test_what_arrives_too_late_does_nothing(spy):
    ran = shell(render(EtcdctlSettings(spy, ""), ["get"], time.time() - 2))

    assert (ran.returncode, ran.stdout) == (75, b"")
    error = asked("cluster/member/remove", Ended(75, "", ran.stderr.decode()), changes=True)
    assert type(error) is Unreachable
    assert "too late, and did nothing" in str(error)


# --- what it is told ------------------------------------------------------------------------------

LARGEST = 2**64 - 1


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        (
            "cluster/member/add",
            {"peerURLs": ["https://192.0.2.1:2380"], "isLearner": True},
            ["member", "add", "--learner", "--peer-urls=https://192.0.2.1:2380", "--", "learner"],
        ),
        ("cluster/member/list", {"linearizable": True}, ["member", "list"]),
        ("cluster/member/promote", {"ID": "10"}, ["member", "promote", "a"]),
        ("cluster/member/remove", {"ID": str(LARGEST)}, ["member", "remove", "f" * 16]),
        ("maintenance/transfer-leadership", {"targetID": "255"}, ["move-leader", "ff"]),
        ("maintenance/status", {}, ["endpoint", "status"]),
        ("maintenance/alarm", {"action": "GET"}, ["alarm", "list"]),
        ("maintenance/defragment", {}, ["defrag"]),
        ("kv/compaction", {"revision": "7", "physical": True}, ["compaction", "--physical", "7"]),
    ],
)
def test_each_call_becomes_arguments(path, body, told):
    common = ["--write-out=json", "--command-timeout=1.5s", "--dial-timeout=1.5s"]

    assert arguments_for(path, body, 1.5) == [*common, *told]


def test_a_linearizable_read_asks_a_quorum():
    assert "--consistency=l" in arguments_for("kv/range", {"key": "AA=="}, 1)


def test_an_alarm_of_one_member_cannot_be_disarmed():
    body = {"action": "DEACTIVATE", "memberID": "1", "alarm": "NOSPACE"}

    with pytest.raises(EtcdError, match="run 'etcdctl alarm disarm' on an instance"):
        arguments_for("maintenance/alarm", body, 1)


# --- what it says ---------------------------------------------------------------------------------


def asked(path, outcome, *, changes=False):
    with pytest.raises(EtcdError) as raised:
        answer_of(path, outcome, "192.0.2.1", changes=changes)
    return raised.value


def said(message, code, **warning):
    """An error as etcdctl tells it, after a warning of its client."""
    told = {"level": "warn", "msg": "retrying of unary invoker failed", **warning}
    told["error"] = f"rpc error: code = {code} desc = {message}"
    return Ended(123, "", f"{json.dumps(told)}\nError: {message}\n")


NO_ANSWER = (
    'latest balancer error: connection error: desc = "transport: Error while dialing: dial tcp '
    '192.0.2.1:2379: connect: {why}"'
)


@pytest.mark.parametrize(
    ("outcome", "kind", "code"),
    [
        (said("etcdserver: member not found", "NotFound"), MemberNotFound, 5),
        (said("etcdserver: member ID already exist", "FailedPrecondition"), PeerUrlExists, 9),
        (said("etcdserver: Peer URLs already exists", "FailedPrecondition"), PeerUrlExists, 9),
        (said("etcdserver: unhealthy cluster", "Unavailable"), Unhealthy, 14),
        (
            said(
                "etcdserver: can only promote a learner member which is in sync with leader",
                "FailedPrecondition",
            ),
            LearnerNotReady,
            9,
        ),
        (said("etcdserver: bad leader transferee", "FailedPrecondition"), BadTransferee, 9),
        (said("context deadline exceeded", "DeadlineExceeded"), NoQuorum, 4),
        (Ended(123, "", "Error: context deadline exceeded\n"), NoQuorum, 4),
        (Ended(123, "", "Error: no leader endpoint given at [https://a]\n"), NotLeader, None),
        (Ended(127, "", "xargs: etcdctl: No such file or directory\n"), EtcdError, None),
        (Ended(123, "", "Error: open /nope: no such file or directory\n"), EtcdError, None),
        (Ended(123, "", "x509: certificate signed by unknown authority\n"), TlsProblem, None),
        (NotEnded("not taken", sent=False), Unreachable, None),
    ],
)
@pytest.mark.parametrize("changes", [True, False])
def test_each_refusal_has_the_meaning_that_it_has_by_the_gateway(outcome, kind, code, changes):
    error = asked("cluster/member/promote", outcome, changes=changes)

    assert (type(error), error.code) == (kind, code)
    assert error.endpoint == "192.0.2.1"


def test_a_member_that_does_not_listen_is_told_from_one_that_does_not_answer():
    listens_not = NO_ANSWER.format(why="connection refused")
    hangs = NO_ANSWER.format(why="i/o timeout")
    status = "Failed to get the status of endpoint https://a (context deadline exceeded)\n"

    def told(why):
        warning = json.dumps({"error": f"rpc error: code = DeadlineExceeded desc = {why}"})
        return Ended(123, "null\n", f"{warning}\n{status}")

    assert type(asked("maintenance/status", told(listens_not))) is Refused
    assert type(asked("maintenance/status", told(hangs))) is Unreachable
    # Of a change it is not certain that an earlier attempt did not arrive.
    assert type(asked("cluster/member/remove", told(listens_not), changes=True)) is NoQuorum


def test_a_change_that_may_run_yet_has_an_unknown_outcome_and_a_read_has_none():
    late = NotEnded("the command has not ended within 16 s", sent=True)

    assert type(asked("cluster/member/remove", late, changes=True)) is OutcomeUnknown
    assert type(asked("cluster/member/list", late)) is Unreachable


@pytest.mark.parametrize("text", ["", "null", "[]", "[1]", "gibberish", '[{"Status": 1}]', "3"])
def test_what_is_none_of_etcdctls_is_told(text):
    for path in ("maintenance/status", "cluster/member/list", "maintenance/alarm"):
        if text in {"[1]", '[{"Status": 1}]'} and path == "maintenance/status":
            continue
        error = asked(path, Ended(0, text, ""))
        assert isinstance(error, NotEtcd)


def test_what_succeeds_in_words_is_a_success():
    for path in ("maintenance/defragment", "maintenance/transfer-leadership", "kv/compaction"):
        assert answer_of(path, Ended(0, "Finished\n", ""), "a", changes=True) == {}


# --- the members ----------------------------------------------------------------------------------

STATUS = {
    "header": {"cluster_id": LARGEST, "member_id": 7, "revision": 9, "raft_term": 2},
    "version": "3.6.16",
    "dbSize": 20480,
    "leader": 7,
    "raftIndex": 4,
    "raftTerm": 2,
    "raftAppliedIndex": 3,
}
MEMBERS = {
    "header": {"cluster_id": LARGEST, "member_id": 7},
    "members": [
        {"ID": 7, "name": "i-1", "peerURLs": ["https://192.0.2.1:2380"]},
        {"ID": LARGEST, "peerURLs": ["https://192.0.2.2:2380"], "isLearner": True},
    ],
}


def decoded(lines):
    """The arguments in a script."""
    (line,) = [one for one in lines if one.startswith("quorate_arguments=")]
    return base64.b64decode(line.partition("=")[2]).decode().split("\0")[3:-1]


class Instances:
    """Stands in for SSM: instances that answer, by their ids; the end-to-end test has real ones."""

    def __init__(self, **answers):
        self.answers = answers
        self.ran = []

    def run(self, instance_ids, lines, patience, *, changes=False):
        arguments = decoded(lines)
        self.ran.append((list(instance_ids), arguments, patience, changes))
        return {one: self.answers[one](arguments) for one in instance_ids}


def well(arguments):
    if arguments[0] == "endpoint":
        return Ended(0, json.dumps([{"Endpoint": "e", "Status": STATUS}]), "")
    if arguments[:2] == ["member", "list"]:
        return Ended(0, json.dumps(MEMBERS), "")
    if arguments[:2] == ["alarm", "list"]:
        return Ended(0, json.dumps({"alarms": [{"memberID": LARGEST, "alarm": 1}]}), "")
    return Ended(0, "{}", "")


def dead(_arguments):
    return NotEnded("the instance has not taken the command", sent=True)


def reached(**answers):
    instances = Instances(**{key.replace("_", "-"): one for key, one in answers.items()})
    endpoints = EtcdctlEndpoints(EtcdctlSettings(), instances, clock=lambda: 1000.0)
    endpoints.know(
        Instance(one, "InService", f"192.0.2.{one.rpartition('-')[2]}") for one in instances.answers
    )
    return instances, endpoints


def test_all_are_asked_for_their_status_by_one_command():
    instances, endpoints = reached(i_1=well, i_2=dead, i_3=well)

    told = endpoints.statuses(
        {"192.0.2.1": False, "192.0.2.2": False, "192.0.2.3": True, "192.0.2.9": False}
    )

    assert [ran[0] for ran in instances.ran] == [["i-1", "i-2", "i-3"], ["i-3"]]
    assert instances.ran[0][2] == 1.5 + DELIVERY_PATIENCE
    one = told["192.0.2.1"]
    assert (one.cluster_id, one.member_id, one.learner) == (LARGEST, 7, False)
    assert (one.status.leader, one.status.applied_index, one.status.reads) == (7, 3, None)
    assert told["192.0.2.3"].status.reads is True
    assert "has not taken the command" in str(told["192.0.2.2"])
    assert "no instance of the group has this address" in str(told["192.0.2.9"])


def test_a_member_that_starts_and_does_not_read_says_so():
    def starts(arguments):
        if arguments[0] == "get":
            return said("context deadline exceeded", "DeadlineExceeded")
        return well(arguments)

    _, endpoints = reached(i_1=starts)

    assert endpoints.statuses({"192.0.2.1": True})["192.0.2.1"].status.reads is False


def test_nobody_asked_is_nothing_sent():
    instances, endpoints = reached(i_1=well)

    assert endpoints.statuses({}) == {}
    assert instances.ran == []


def test_members_and_alarms_come_as_they_do_by_the_gateway():
    _, endpoints = reached(i_1=well)
    member = endpoints.at("192.0.2.1")

    listed = member.member_list(version="3.6.16").members
    assert [(one.id, one.name, one.host, one.learner) for one in listed] == [
        (7, "i-1", "192.0.2.1", False),
        (LARGEST, "", "192.0.2.2", True),
    ]
    assert member.alarms() == {LARGEST}
    assert member.standing_alarms()[0].kind == "NOSPACE"


def test_a_change_is_sent_once_and_its_outcome_is_unknown_if_nobody_answers():
    instances, endpoints = reached(i_1=dead)

    with pytest.raises(OutcomeUnknown):
        endpoints.at("192.0.2.1").remove(LARGEST)
    assert instances.ran == [(["i-1"], ["member", "remove", "f" * 16], 8 + DELIVERY_PATIENCE, True)]


def test_a_refused_change_is_refused():
    _, endpoints = reached(i_1=lambda _: said("etcdserver: member not found", "NotFound"))

    with pytest.raises(MemberNotFound):
        endpoints.at("192.0.2.1").promote(7)


def test_a_snapshot_is_refused():
    _, endpoints = reached(i_1=well)

    with pytest.raises(EtcdError, match="take it on an instance by etcdctl"):
        next(endpoints.at("192.0.2.1").snapshot(60))


def test_an_address_that_is_used_again_is_another_member():
    _, endpoints = reached(i_1=well)
    before = endpoints.at("192.0.2.1")
    assert endpoints.at("192.0.2.1") is before

    endpoints.know([Instance("i-2", "InService", "192.0.2.1")])
    assert endpoints.at("192.0.2.1") is not before
    endpoints.keep([])
    endpoints.know([Instance("i-1", "InService", "192.0.2.1")])
    assert endpoints.at("192.0.2.1") is not before


# --- settings -------------------------------------------------------------------------------------


def test_without_that_variable_members_are_reached_by_the_network():
    assert read_etcdctl_settings({}) is None
    assert read_etcdctl_settings({"QUORATE_ETCDCTL": ""}) is None


def test_how_etcdctl_is_called_is_read():
    text = '{"etcdctl": "/opt/etcdctl", "environment_file": "", "endpoint": "https://a:1"}'

    assert read_etcdctl_settings({"QUORATE_ETCDCTL": text}) == EtcdctlSettings(
        "/opt/etcdctl", "", "https://a:1"
    )
    assert read_etcdctl_settings({"QUORATE_ETCDCTL": "{}"}) == EtcdctlSettings()


@pytest.mark.parametrize("text", ["etcdctl", "[]", '{"path": "x"}', '{"etcdctl": 1}'])
def test_what_makes_no_sense_is_named(text):
    with pytest.raises(ConfigurationError, match="must be a JSON object with texts at some of"):
        read_etcdctl_settings({"QUORATE_ETCDCTL": text})


@pytest.mark.parametrize("name", ["TLS_SECRET", "AUTH_SECRET", "SNAPSHOT_BUCKET"])
def test_what_would_not_be_used_is_named(name):
    environment = {"QUORATE_ETCDCTL": "{}", f"QUORATE_{name}": "x"}

    with pytest.raises(ConfigurationError, match=f"QUORATE_{name}: set beside QUORATE_ETCDCTL"):
        read_etcdctl_settings(environment)
