"""Times the least that any client does for a look at a cluster. Prints milliseconds as JSON.

It sends the requests of the function's own look, prepared before, over connections that are open, and
takes one number out of each answer. What remains is etcd's work, on the processors of this machine.

    observe_bare.py ROUNDS ADDRESS...
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

PORT = 2379
WARM_UP = 3
TIMEOUT = 10.0


class Connection:
    """An open connection to a member."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.create_connection((address, PORT), TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def request(self, path: str, body: bytes) -> bytes:
        """A request to the gateway."""
        head = f"POST /v3/{path} HTTP/1.1\r\nHost: {self.address}\r\nContent-Length: {len(body)}"
        return f"{head}\r\n\r\n".encode() + body


def body_of(answer: bytes) -> Any:
    """The body of an answer once it is complete; before that None."""
    head, end, body = answer.partition(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if end and name.lower() == b"content-length" and len(body) >= int(value):
            return json.loads(body)
    return None


def ask(requests: Iterable[tuple[Connection, bytes]]) -> dict[str, Any]:
    """Send all requests at once; the answers by address."""
    answers: dict[str, Any] = {}
    with selectors.DefaultSelector() as selector:
        for connection, request in requests:
            connection.socket.sendall(request)
            selector.register(connection.socket, selectors.EVENT_READ, [connection.address, b""])
        while selector.get_map():
            for key, _ in selector.select():
                part = key.fileobj.recv(65536)  # type: ignore[union-attr]  # a socket
                if not part:
                    raise ConnectionError(f"{key.data[0]} closed the connection")
                key.data[1] += part
                if (body := body_of(key.data[1])) is not None:
                    answers[key.data[0]] = body
                    selector.unregister(key.fileobj)
    return answers


def main(rounds: int, addresses: list[str]) -> None:
    """Ask every member for its status, and then the leader for the members."""
    connections = {address: Connection(address) for address in addresses}
    statuses = [(one, one.request("maintenance/status", b"{}")) for one in connections.values()]
    lists = {
        address: (one, one.request("cluster/member/list", b'{"linearizable": true}'))
        for address, one in connections.items()
    }
    times = []
    for _ in range(WARM_UP + rounds):
        started = time.perf_counter()
        told = ask(statuses)
        leader = next(
            address for address, one in told.items() if one["leader"] == one["header"]["member_id"]
        )
        ask([lists[leader]])
        times.append((time.perf_counter() - started) * 1000)
    print(json.dumps(times[WARM_UP:]))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
