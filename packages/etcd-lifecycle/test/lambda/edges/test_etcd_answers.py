"""What the client makes of answers that no healthy etcd gives, and of what etcd may leave out."""

import contextlib
import http.server
import json
import socket
import threading

import pytest
from etcd_lifecycle import etcd_gateway
from etcd_lifecycle.etcd import EtcdEndpoint, EtcdEndpoints, Timeouts
from etcd_lifecycle.etcd_answers import lists_linearizably
from etcd_lifecycle.etcd_errors import (
    EtcdError,
    LeaderChanged,
    MemberNotFound,
    NoQuorum,
    NotAuthorized,
    NotEtcd,
    NotLoggedIn,
    OutcomeUnknown,
    RecentlyRemoved,
    Refused,
    TlsProblem,
    Unhealthy,
    Unreachable,
)
from etcd_lifecycle.etcd_login import Credentials, Session
from etcd_lifecycle.etcd_tls import TlsMaterial
from etcd_lifecycle.model import Member, MemberStatus
from python_retry import CircuitBreaker

HOST = "127.0.0.1"


class Server:
    """An HTTP server that gives prepared answers, the last one for ever, and keeps requests."""

    def __init__(self, port=0):
        self.requests = []
        self.answers = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.requests.append((self.path, json.loads(body), dict(self.headers)))
                answers = outer.answers
                status, text = answers.pop(0) if len(answers) > 1 else answers[0]
                if status is None:
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                self.send_response(status)
                self.end_headers()
                self.wfile.write(text if isinstance(text, bytes) else json.dumps(text).encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer((HOST, port), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def answer(self, *answers):
        self.answers[:] = answers
        return EtcdEndpoint(HOST, self.port)

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def server():
    server = Server()
    yield server
    server.stop()


def test_what_is_left_out_is_zero_false_or_empty(server):
    answer = {"header": {"cluster_id": "18446744073709551615", "raft_term": "3"}}
    report = server.answer((200, answer)).status()
    assert report.cluster_id == 2**64 - 1
    assert report.member_id == 0
    assert not report.learner
    assert report.status == MemberStatus(leader=0, raft_term=0, raft_index=0, applied_index=0)


def test_a_member_that_never_started_has_no_name(server):
    members = [
        {"ID": "1", "name": "m1", "peerURLs": ["https://10.0.0.1:2380"], "clientURLs": []},
        {"ID": "2", "peerURLs": ["https://[fd00::2]:2380"], "isLearner": True},
    ]
    answer = {"header": {"cluster_id": "7", "member_id": "1"}, "members": members}
    listed = server.answer((200, answer)).member_list(version="3.6.1")
    assert listed.members == (
        Member(1, "m1", "10.0.0.1", ("https://10.0.0.1:2380",)),
        Member(2, "", "fd00::2", ("https://[fd00::2]:2380",), learner=True),
    )
    assert (listed.cluster_id, listed.member_id) == (7, 1)


def test_the_list_is_asked_for_linearizably_and_with_a_time_out(server):
    server.answer((200, {"header": {}})).member_list(version="3.5.30")
    ((path, body, headers),) = server.requests
    assert (path, body) == ("/v3/cluster/member/list", {"linearizable": True})
    assert headers["Grpc-Timeout"] == "8000m"


@pytest.mark.parametrize("version", ["3.4.23", ""])
def test_an_old_member_is_asked_for_a_linearizable_read_first(server, version):
    server.answer((200, {"header": {}})).member_list(version=version)
    paths = [path for path, _, _ in server.requests]
    assert paths == ["/v3/kv/range", "/v3/cluster/member/list"]
    assert "serializable" not in server.requests[0][1]


@pytest.mark.parametrize(
    ("version", "linearizable"),
    [("3.4.45", False), ("3.5.0", True), ("3.10.1", True), ("4.0.0-rc.1", True), ("", False)],
)
def test_versions_that_list_linearizably(version, linearizable):
    assert lists_linearizably(version) is linearizable


@pytest.mark.parametrize("status", [400, 412])
@pytest.mark.parametrize("field", ["message", "error"])
def test_the_body_counts_and_not_the_http_status(server, status, field):
    answer = {"code": 5, field: "etcdserver: member not found"}
    with pytest.raises(MemberNotFound) as caught:
        server.answer((status, answer)).remove(1)
    assert (caught.value.code, caught.value.endpoint) == (5, f"{HOST}:{server.port}")


def test_an_id_of_all_64_bits_is_sent_as_a_decimal_string(server):
    server.answer((200, {})).promote(2**64 - 1)
    assert server.requests[0][1] == {"ID": "18446744073709551615"}


def test_adding_an_address_that_was_just_removed(server):
    answer = (404, {"code": 5, "message": "etcdserver: member not found"})
    with pytest.raises(RecentlyRemoved):
        server.answer(answer).add_learner("http://10.0.0.1:2380")


@pytest.mark.parametrize(
    "text", [b"<html>502 Bad Gateway</html>", b"", b"404 page not found\n", b"\xff\xfe", b"[1]"]
)
def test_something_other_than_etcd(server, text):
    endpoint = server.answer((502, text))
    with pytest.raises(NotEtcd, match="502"):
        endpoint.status()
    with pytest.raises(NotEtcd):
        endpoint.remove(1)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"status": "ok"},
        {"header": "none", "members": []},
        {"header": {"cluster_id": "first"}},
        {"code": "Forbidden", "message": "not you"},
        {"header": {}, "version": "3.6.1", "leader": []},
        {"header": {}, "members": [1], "leader": {}},
    ],
)
def test_json_of_something_other_than_etcd(server, answer):
    endpoint = server.answer((200, answer))
    for call in (endpoint.status, lambda: endpoint.member_list(version="3.6.1")):
        if call is not endpoint.status and "version" in answer:
            continue  # what only a status holds
        with pytest.raises(NotEtcd, match="something other than etcd listens here, or a proxy"):
            call()


def test_of_a_long_answer_only_the_beginning_is_told(server):
    with pytest.raises(NotEtcd) as caught:
        server.answer((200, {"text": "long " * 1000})).status()
    assert len(str(caught.value)) < 300


def test_something_that_does_not_speak_http():
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]

        def serve():
            for _ in range(2):
                connection, _ = listener.accept()
                connection.recv(65536)
                connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(NotEtcd, match="SSH-"):
            EtcdEndpoint(HOST, port).status()
        thread.join()


def test_a_change_whose_answer_is_lost_is_sent_once_and_its_outcome_unknown(server):
    endpoint = server.answer((None, b""))
    with pytest.raises(OutcomeUnknown, match="may still apply"):
        endpoint.remove(1)
    assert len(server.requests) == 1


def test_a_read_whose_answer_is_lost_is_sent_again(server):
    endpoint = server.answer((None, b""), (200, {"header": {}, "version": "3.6.1"}))
    assert endpoint.status().status.version == "3.6.1"
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (2, "raft: stopped"),
        (2, "raft proposal dropped"),
        (4, "context deadline exceeded"),
        (14, "etcdserver: request timed out"),
        (14, "etcdserver: no leader"),
        (14, "transport is closing"),
    ],
)
def test_a_change_that_may_have_been_proposed_has_an_unknown_outcome(server, code, message):
    endpoint = server.answer((500, {"code": code, "message": message}))
    with pytest.raises(OutcomeUnknown) as caught:
        endpoint.remove(1)
    assert (caught.value.code, caught.value.message) == (code, message)


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        (4, "context deadline exceeded", NoQuorum),
        (2, "context deadline exceeded", NoQuorum),
        (4, "stream terminated by RST_STREAM with error code: CANCEL", NoQuorum),
        (14, "etcdserver: request timed out", NoQuorum),
        (14, "transport is closing", Unreachable),
        (3, "etcdserver: user name is empty", NotLoggedIn),
        (16, "etcdserver: invalid auth token", NotLoggedIn),
        (7, "etcdserver: permission denied", NotAuthorized),
        (8, "etcdserver: mvcc: database space exceeded", EtcdError),
    ],
)
def test_what_an_error_of_a_read_means(server, code, message, kind):
    with pytest.raises(EtcdError) as caught:
        server.answer((500, {"code": code, "message": message})).linearizable_read()
    assert type(caught.value) is kind


def test_a_read_under_which_the_leader_changed_is_repeated(server):
    changed = (503, {"code": 14, "message": "etcdserver: leader changed"})
    server.answer(changed, (200, {})).linearizable_read()
    assert len(server.requests) == 2
    with pytest.raises(LeaderChanged):
        server.answer(changed).linearizable_read()


def test_a_refused_change_does_not_open_the_circuit(server):
    endpoint = server.answer((503, {"code": 14, "message": "etcdserver: unhealthy cluster"}))
    for _ in range(12):
        with pytest.raises(Unhealthy):
            endpoint.add_learner("http://10.0.0.1:2380")
    assert len(server.requests) == 12


def test_an_endpoint_that_does_not_answer_is_no_longer_asked(server):
    endpoint = server.answer((None, b""))
    for _ in range(3):
        with pytest.raises(Unreachable):
            endpoint.status()
    asked = len(server.requests)
    with pytest.raises(Unreachable, match=r"not asked: circuit .* is open"):
        endpoint.status()
    # Nothing was sent, so that nothing is unknown about it.
    with pytest.raises(Unreachable, match="not asked"):
        endpoint.remove(1)
    assert len(server.requests) == asked


def test_a_process_that_starts_is_seen_at_once():
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
    endpoint = EtcdEndpoint(HOST, port)
    for _ in range(12):
        with pytest.raises(Refused):
            endpoint.status()
    with pytest.raises(Refused):
        endpoint.remove(1)
    server = Server(port)
    try:
        server.answer((200, {"header": {}, "version": "3.6.1"}))
        assert endpoint.status().status.version == "3.6.1"
    finally:
        server.stop()


def test_a_member_that_hangs():
    with socket.create_server((HOST, 0)) as listener:
        endpoint = EtcdEndpoint(
            HOST, listener.getsockname()[1], timeouts=Timeouts(status=0.1, change=0.1)
        )
        with pytest.raises(Unreachable, match="no answer in time"):
            endpoint.status()
        with pytest.raises(OutcomeUnknown, match="no answer in time"):
            endpoint.remove(1)


def test_a_member_that_is_just_starting_is_asked_once_each_time_however_long_it_is_silent(server):
    endpoint = server.answer((None, b""))
    for _ in range(12):
        with pytest.raises(Unreachable):
            endpoint.status(with_read=True, starting=True)
    assert len(server.requests) == 12
    endpoint = server.answer((200, {"header": {}, "version": "3.6.1"}))
    assert endpoint.status(with_read=True, starting=True).status.reads


def test_a_machine_that_admits_nobody(monkeypatch):
    monkeypatch.setattr(etcd_gateway, "CONNECT_TIMEOUT", 0.1)
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((HOST, 0), backlog=0))
        port = listener.getsockname()[1]
        # What it takes until the kernel drops further ones, as a security group does.
        for _ in range(2):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex((HOST, port))
        endpoint = EtcdEndpoint(HOST, port)
        told = rf"no connection within 0\.1 s: .* does not let this client in at port {port}"
        for call in (endpoint.status, lambda: endpoint.remove(1)):
            # Nothing was sent, so that nothing is unknown about the change.
            with pytest.raises(Unreachable, match=told):
                call()


def test_an_endpoint_keeps_its_breaker_until_its_address_is_given_up():
    endpoints = EtcdEndpoints()
    first, second = endpoints.at("10.0.0.1"), endpoints.at("10.0.0.2")
    assert endpoints.at("10.0.0.1") is first
    endpoints.keep(["10.0.0.2", "10.0.0.3"])
    assert endpoints.at("10.0.0.1") is not first
    assert endpoints.at("10.0.0.2") is second
    assert isinstance(first._dependency.breaker, CircuitBreaker)


def test_plain_http_where_tls_is_spoken(server):
    material = TlsMaterial("-----BEGIN CERTIFICATE-----\nbm9uZQ==\n-----END CERTIFICATE-----\n")
    with pytest.raises(TlsProblem, match="authority"):
        EtcdEndpoint(HOST, server.port, material).status()


def test_half_a_pair_is_refused():
    with pytest.raises(ValueError, match="both"):
        TlsMaterial("ca", certificate_pem="certificate")


def test_the_private_key_is_in_no_text():
    material = TlsMaterial("ca", "certificate", "very secret")
    assert "very secret" not in repr(material)


class TestLogin:
    """What is sent when; that etcd takes it is for the tests on real etcds."""

    NOT_LOGGED_IN = (400, {"code": 3, "message": "etcdserver: user name is empty"})
    NO_LONGER = (401, {"code": 16, "message": "etcdserver: invalid auth token"})
    DENIED = (403, {"code": 7, "message": "etcdserver: permission denied"})

    @pytest.fixture
    def endpoint(self, server):
        return EtcdEndpoint(HOST, server.port, session=Session(Credentials("root", "hunter2")))

    @staticmethod
    def sent(server):
        """The last part of each path, with the token that came with it."""
        return [
            (path.rsplit("/", 1)[1], headers.get("Authorization"))
            for path, _, headers in server.requests
        ]

    def test_nobody_logs_in_where_nothing_asks_for_it(self, server, endpoint):
        server.answer((200, {}))
        endpoint.linearizable_read()
        assert self.sent(server) == [("range", None)]

    @pytest.mark.parametrize("refusal", [NOT_LOGGED_IN, DENIED])
    def test_a_call_that_is_refused_is_sent_again_with_a_token(self, server, endpoint, refusal):
        server.answer(refusal, (200, {"token": "t.1"}), (200, {}))
        endpoint.linearizable_read()
        assert self.sent(server) == [("range", None), ("authenticate", None), ("range", "t.1")]
        assert server.requests[1][1] == {"name": "root", "password": "hunter2"}

    def test_later_calls_of_this_kind_bring_the_token_and_others_do_not(self, server, endpoint):
        server.answer(self.NOT_LOGGED_IN, (200, {"token": "t.1"}), (200, {"header": {}}))
        endpoint.linearizable_read()
        endpoint.linearizable_read()
        endpoint.status()
        assert self.sent(server)[3:] == [("range", "t.1"), ("status", None)]

    def test_a_token_that_is_not_good_any_more_is_renewed(self, server, endpoint):
        server.answer(self.NOT_LOGGED_IN, (200, {"token": "t.1"}), (200, {}))
        endpoint.linearizable_read()
        server.answer(self.NO_LONGER, (200, {"token": "t.2"}), (200, {}))
        endpoint.linearizable_read()
        assert self.sent(server)[3:] == [("range", "t.1"), ("authenticate", None), ("range", "t.2")]

    def test_members_share_a_token(self, server):
        endpoints = EtcdEndpoints(None, server.port, Credentials("root", "hunter2"))
        server.answer(self.NOT_LOGGED_IN, (200, {"token": "t.1"}), (200, {}))
        endpoints.at(HOST).linearizable_read()
        server.answer(self.NOT_LOGGED_IN, (200, {}))
        endpoints.keep([])
        endpoints.at(HOST).linearizable_read()
        assert self.sent(server)[3:] == [("range", None), ("range", "t.1")]

    def test_a_new_token_that_is_refused_too_is_not_renewed_for_ever(self, server, endpoint):
        server.answer(self.NOT_LOGGED_IN, (200, {"token": "t.1"}), self.NO_LONGER)
        with pytest.raises(NotLoggedIn, match="logs in as 'root': check the name and the password"):
            endpoint.linearizable_read()
        assert len(server.requests) == 3

    def test_a_change_that_is_refused_for_want_of_a_login_is_sent_again(self, server, endpoint):
        server.answer(self.NOT_LOGGED_IN, (200, {"token": "t.1"}), (200, {}))
        endpoint.remove(1)
        assert self.sent(server) == [("remove", None), ("authenticate", None), ("remove", "t.1")]

    def test_the_role_is_named_when_the_user_may_not(self, server, endpoint):
        server.answer(self.NOT_LOGGED_IN, (200, {"token": "t.1"}), self.DENIED)
        with pytest.raises(NotAuthorized, match="grant the user 'root' the role root"):
            endpoint.remove(1)

    def test_the_password_is_in_no_text(self):
        assert "hunter2" not in repr(Credentials("root", "hunter2"))
