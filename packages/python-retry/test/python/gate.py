"""A gate before a local endpoint of AWS, which lets requests through or not, as it is told."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PREFIX = "com.amazonaws.dynamodb.v20120810#"
ANSWERS = {
    "throttled": (400, "ProvisionedThroughputExceededException"),
    "failing": (500, "InternalServerError"),
}
LONG = 1.0  # seconds: longer than any client of these tests waits


class Gate:
    """Forwards to `target` while `trouble` is None. Counts the requests that arrive.

    The troubles: "throttled" and "failing" answer as DynamoDB would; "silent" answers too late;
    "hangs up" closes the connection; "loses answers" does what a write asks, and then hangs up.
    """

    def __init__(self, target):
        self.target = urllib.parse.urlsplit(target)
        self.trouble = None
        self.requests = 0
        gate = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 1 << 16  # one segment an answer: else each waits for an acknowledgement

            def do_POST(self):
                gate.requests += 1
                body = self.rfile.read(int(self.headers["Content-Length"]))
                gate.handle(self, body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))

    def handle(self, handler, body):
        trouble = self.trouble
        if trouble in ANSWERS:
            status, code = ANSWERS[trouble]
            self.answer(handler, status, json.dumps({"__type": PREFIX + code}).encode())
            return
        if trouble == "silent":
            time.sleep(LONG)
        if trouble in ("silent", "hangs up"):
            self.hang_up(handler)
            return
        connection = http.client.HTTPConnection(self.target.hostname, self.target.port, timeout=10)
        try:
            connection.request("POST", handler.path, body, dict(handler.headers))
            response = connection.getresponse()
            status, answer = response.status, response.read()
        finally:
            connection.close()
        if trouble == "loses answers" and handler.headers["X-Amz-Target"].endswith("PutItem"):
            self.hang_up(handler)
            return
        self.answer(handler, status, answer)

    def answer(self, handler, status, body):
        handler.send_response(status)
        handler.send_header("Content-Type", "application/x-amz-json-1.0")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def hang_up(self, handler):
        handler.close_connection = True
        handler.connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)
