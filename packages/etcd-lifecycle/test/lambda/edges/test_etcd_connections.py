"""Looks of one run go by one connection to each member; changes go by a connection of their own."""

import http.server
import json
import threading
import time

import pytest
from etcd_lifecycle import etcd_gateway
from etcd_lifecycle.etcd import EtcdEndpoint, EtcdEndpoints, Timeouts
from etcd_lifecycle.etcd_errors import OutcomeUnknown, Unreachable

HOST = "127.0.0.1"
STATUS = {"header": {"cluster_id": "1", "member_id": "2"}}


class Member:
    """An HTTP/1.1 server, as etcd's gateway is, that tells its connections apart."""

    def __init__(self):
        self.connections = 0
        self.served = []
        self.sockets = []
        self.dies_at = set()
        self.waits = 0.0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                outer.connections += 1
                self.number = outer.connections
                outer.sockets.append(self.connection)

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                outer.served.append((self.number, self.path.rpartition("/")[2]))
                if len(outer.served) in outer.dies_at:
                    self.close_connection = True
                    return
                time.sleep(outer.waits)
                text = json.dumps(STATUS).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                """Not here."""

        self.server = http.server.ThreadingHTTPServer((HOST, 0), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def member():
    server = Member()
    yield server
    server.stop()


@pytest.fixture
def endpoint(member):
    made = EtcdEndpoint(HOST, member.port, timeouts=Timeouts(status=0.2, change=0.5))
    yield made
    made.close()


def test_questions_go_by_one_connection(member, endpoint):
    for _ in range(3):
        endpoint.status(with_read=True)

    assert {number for number, _ in member.served} == {1}


def test_a_change_goes_by_a_connection_of_its_own(member, endpoint):
    endpoint.status()
    endpoint.remove(7)
    endpoint.status()
    endpoint.remove(8)

    changes = [number for number, path in member.served if path == "remove"]
    asked = [number for number, path in member.served if path == "status"]
    assert len(set(changes)) == 2
    assert not set(changes) & set(asked[:1])


def test_a_question_whose_kept_connection_was_closed_is_asked_on_a_new_one(member, endpoint):
    endpoint.status()
    member.dies_at = {2}
    endpoint.status()

    assert member.served == [(1, "status"), (1, "status"), (2, "status")]


def test_a_change_whose_connection_was_closed_is_not_sent_again(member, endpoint):
    endpoint.status()
    member.dies_at = {2}
    with pytest.raises(OutcomeUnknown):
        endpoint.remove(7)

    assert [path for _, path in member.served] == ["status", "remove"]


def test_one_that_hangs_is_not_asked_again_on_a_new_connection(member, endpoint):
    endpoint.status()
    member.waits = 2.0
    with pytest.raises(Unreachable, match="no answer in time"):
        endpoint.status()

    assert len(member.served) == 2


def test_a_connection_is_not_kept_for_long(member, endpoint, monkeypatch):
    endpoint.status()
    monkeypatch.setattr(etcd_gateway, "IDLE_SECONDS", -1.0)
    endpoint.status()

    assert [number for number, _ in member.served] == [1, 2]


def test_with_an_address_its_connection_is_forgotten(member):
    endpoints = EtcdEndpoints(port=member.port)
    endpoints.statuses({HOST: False})
    endpoints.keep([HOST])
    endpoints.statuses({HOST: False})
    endpoints.keep([])
    endpoints.statuses({HOST: False})
    endpoints.keep([])

    assert [number for number, _ in member.served] == [1, 1, 2]
