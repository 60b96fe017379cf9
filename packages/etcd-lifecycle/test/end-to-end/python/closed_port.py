"""Listens on a port where a connection gets no answer, as behind a security group; prints the port.

Ends with its standard input.
"""

import socket
import sys

with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
    # So many are let in though nobody accepts them; the kernel drops whatever comes then.
    waiting = [socket.socket() for _ in range(2)]
    for one in waiting:
        one.setblocking(False)
        one.connect_ex(listener.getsockname())
    print(listener.getsockname()[1], flush=True)
    sys.stdin.read()
