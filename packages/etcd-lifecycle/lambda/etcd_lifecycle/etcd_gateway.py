"""The way to a member by etcd's JSON gateway: HTTP on the standard library only.

What comes back is read by `etcd_answers`, or by `etcd_errors`; `etcd_tls` and `etcd_login` are what
it takes to be let in.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import http.client
import json
import socket
import ssl
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final, TypeVar

from .etcd_answers import SnapshotChunk, reading, uint64
from .etcd_errors import (
    COMMON_NAME_REFUSED,
    EXCERPT,
    EtcdError,
    NotAuthorized,
    NotEtcd,
    NotLoggedIn,
    OutcomeUnknown,
    Refused,
    TlsProblem,
    Unreachable,
    foreign,
    meaning,
)
from .etcd_tls import ssl_context, tls_problem

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from .etcd_login import Session
    from .etcd_tls import TlsMaterial

T = TypeVar("T")

CLIENT_PORT: Final = 2379
"""The port on which etcd serves clients."""

CONNECT_TIMEOUT: Final = 2.0
"""Seconds for a connection and for each step of its TLS handshake."""

SOCKET_MARGIN: Final = 0.5
"""Seconds that the socket waits longer than etcd was told to work on a call."""

STREAM_SILENCE: Final = 10.0
"""Seconds without a byte after which a stream is given up."""

IDLE_SECONDS: Final = 20.0
"""How long a connection that nothing is asked on is kept for the next look.

Well below the 350 s after which a NAT gateway, or what else keeps track of connections, forgets one
without a word: a healthy member would seem to hang.
"""

LOGIN_TIMEOUT: Final = 3.0
"""Seconds that etcd is told to work on a login, which hashes the password and asks the quorum."""

_MAX_ANSWER: Final = 4 << 20
_MAX_LINE: Final = 1 << 20


class Gateway:
    """One member's JSON gateway.

    Attributes:
        host: The address of the member.
        port: The port on which it serves clients.
    """

    def __init__(
        self, host: str, port: int, tls: TlsMaterial | None, session: Session | None
    ) -> None:
        """Take where it is; nothing is connected yet.

        Args:
            host: The address of the member.
            port: The port on which it serves clients.
            tls: What it takes to speak TLS; None for plain HTTP.
            session: The login to use when etcd's authentication is on; None for none.
        """
        self.host = host
        self.port = port
        self._tls = tls
        self._session = session
        self._login_paths: set[str] = set()
        # One at most: looks come one after the other.
        self._idle: deque[tuple[float, http.client.HTTPConnection]] = deque(maxlen=1)

    @property
    def address(self) -> str:
        """The member as an error names it."""
        return f"{self.host}:{self.port}"

    def post(
        self, path: str, body: Mapping[str, Any], timeout: float, *, changes: bool
    ) -> dict[str, Any]:
        """Ask for something; see `Transport`."""
        return self._authorized(
            path, lambda token: self._post(path, body, timeout, changes=changes, token=token)
        )

    def snapshot(self, timeout: float) -> Generator[SnapshotChunk, None, None]:
        """Begin to stream the database; see `Transport`."""
        path = "maintenance/snapshot"
        connection, response = self._authorized(
            path, lambda token: self._open(path, {}, timeout, STREAM_SILENCE, token)
        )
        return self._chunks(connection, response)

    def _chunks(
        self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse
    ) -> Generator[SnapshotChunk, None, None]:
        """Read a stream to its end, and close its connection."""
        try:
            while line := response.readline(_MAX_LINE):
                if not line.endswith(b"\n") and len(line) < _MAX_LINE:
                    # http.client takes a chunk that is cut short for the end of the answer.
                    raise Unreachable(None, "the stream broke off", self.address)
                yield self._chunk(line)
        except (OSError, http.client.HTTPException) as error:
            raise self._lost(error, changes=False) from error
        finally:
            connection.close()

    def _chunk(self, line: bytes) -> SnapshotChunk:
        try:
            answer = json.loads(line)
            if "error" in answer:
                raise self._refusal(answer["error"])
            result = answer["result"]
            blob = base64.b64decode(result.get("blob", ""), validate=True)
            return SnapshotChunk(uint64(result, "remaining_bytes"), blob)
        except (AttributeError, KeyError, TypeError, ValueError, binascii.Error) as error:
            raise NotEtcd(
                None,
                f"a line of the snapshot is none of etcd's: {line[:EXCERPT]!r}",
                self.address,
            ) from error

    def _authorized(self, path: str, call: Callable[[str | None], T]) -> T:
        """Call, and log in for it if etcd asks for that.

        A refusal for want of a login changes nothing, so that a change may be sent again after it.

        A token is only sent where none was not enough before: etcd answers some calls to everybody
        (which ones differs by version), but to nobody with a token that is not good any more; and a
        learner that is behind lets a call with a token wait until it has heard of that.
        """
        token = self._session.token if self._session and path in self._login_paths else None
        new = False
        while True:
            try:
                return call(token)
            except NotAuthorized as error:
                # Of a read without a token, etcd says over TLS that permission is denied.
                worth_it = token is None or isinstance(error, NotLoggedIn)
                if self._session is None or new or not worth_it:
                    raise
            self._login_paths.add(path)
            token, new = self._session.renew(token, self._log_in)

    def _log_in(self, user: Mapping[str, str]) -> str:
        answer = self._post("auth/authenticate", user, LOGIN_TIMEOUT, changes=False)
        with reading(answer, self.address):
            return str(answer["token"])

    def _post(
        self,
        path: str,
        body: Mapping[str, Any],
        timeout: float,
        *,
        changes: bool,
        token: str | None = None,
    ) -> dict[str, Any]:
        silence = timeout + SOCKET_MARGIN
        # Whether a change was received must be certain, so that it never goes by a connection that the
        # member may be closing.
        kept = None if changes else self._take_idle(silence)
        if kept:
            try:
                return self._answer(*self._exchange(kept, path, body, timeout, token))
            except TimeoutError as error:
                raise self._lost(error, changes=False) from error
            except (OSError, http.client.HTTPException):
                # The member closed it meanwhile: a new connection tells why.
                kept.close()
        connection = self._connect(silence)
        try:
            answer = self._exchange(connection, path, body, timeout, token)
        except (OSError, http.client.HTTPException) as error:
            raise self._lost(error, changes=changes) from error
        return self._answer(*answer)

    def _exchange(
        self,
        connection: http.client.HTTPConnection,
        path: str,
        body: Mapping[str, Any],
        timeout: float,
        token: str | None,
    ) -> tuple[int, bytes]:
        """Ask on a connection, and keep it for the next call if it can be asked on again."""
        keep = False
        try:
            self._send(connection, path, body, timeout, token)
            with connection.getresponse() as response:
                text = response.read(_MAX_ANSWER)
                keep = response.isclosed() and not response.will_close
                return response.status, text
        finally:
            if keep:
                self._keep_idle(connection)
            else:
                connection.close()

    def _take_idle(self, silence: float) -> http.client.HTTPConnection | None:
        """The connection that was kept, if it was not for too long."""
        try:
            since, connection = self._idle.pop()
        except IndexError:
            return None
        if time.monotonic() - since > IDLE_SECONDS:
            connection.close()
            return None
        connection.sock.settimeout(silence)
        return connection

    def _keep_idle(self, connection: http.client.HTTPConnection) -> None:
        self.close()
        self._idle.append((time.monotonic(), connection))

    def close(self) -> None:
        """Close the connection that is kept; the next call makes a new one."""
        while self._idle:
            self._idle.pop()[1].close()

    def _open(
        self,
        path: str,
        body: Mapping[str, Any],
        timeout: float,
        silence: float,
        token: str | None,
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """Begin a call whose answer is read bit by bit; the connection is to be closed."""
        connection = self._connect(silence)
        try:
            self._send(connection, path, body, timeout, token)
            response = connection.getresponse()
            if response.status != http.client.OK:
                self._answer(response.status, response.read(_MAX_ANSWER))
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise self._lost(error, changes=False) from error
        except EtcdError:
            connection.close()
            raise
        return connection, response

    @staticmethod
    def _send(
        connection: http.client.HTTPConnection,
        path: str,
        body: Mapping[str, Any],
        timeout: float,
        token: str | None,
    ) -> None:
        # When the server has closed the connection, its reason may be waiting to be read.
        with contextlib.suppress(ConnectionError, ssl.SSLEOFError):
            connection.request(
                "POST",
                f"/v3/{path}",
                json.dumps(body),
                {
                    "Content-Type": "application/json",
                    # Without it some calls are never answered while there is no quorum.
                    "Grpc-Timeout": f"{timeout * 1000:.0f}m",
                    # The token as it is: etcd knows no schemes such as Bearer here.
                    **({} if token is None else {"Authorization": token}),
                },
            )

    @property
    def _certificate_pem(self) -> str | None:
        return self._tls.certificate_pem if self._tls else None

    def _connect(self, silence: float) -> http.client.HTTPConnection:
        """Connect; from then on, so many seconds without a byte are a time-out."""
        connect_timeout = min(CONNECT_TIMEOUT, silence)
        connection = (
            http.client.HTTPConnection(self.host, self.port, timeout=connect_timeout)
            if self._tls is None
            else http.client.HTTPSConnection(
                self.host, self.port, timeout=connect_timeout, context=ssl_context(self._tls)
            )
        )
        try:
            connection.connect()
        except ssl.SSLError as error:
            connection.close()
            raise tls_problem(error, self.address, self._certificate_pem) from error
        except TimeoutError as error:
            connection.close()
            raise Unreachable(
                None,
                f"no connection within {connect_timeout:g} s: the machine is down or hangs, or its "
                f"security group does not let this client in at port {self.port}",
                self.address,
            ) from error
        except OSError as error:
            connection.close()
            kind = Refused if isinstance(error, ConnectionRefusedError) else Unreachable
            raise kind(None, _told(error), self.address) from error
        connection.sock.settimeout(silence)
        return connection

    def _lost(self, error: Exception, *, changes: bool) -> EtcdError:
        """Return the error for a connection on which a request was sent and no answer came."""
        if isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or ""):
            # With TLS 1.3 the server judges the client's certificate after the handshake, but
            # before it reads a request.
            return tls_problem(error, self.address, self._certificate_pem)
        if changes:
            return OutcomeUnknown(
                None, f"sent, but not answered ({_told(error)}): it may still apply", self.address
            )
        if isinstance(error, http.client.HTTPException) and not isinstance(error, OSError):
            return NotEtcd(None, f"no HTTP answer ({_told(error)})", self.address)
        told = _told(error)
        if self._tls is None and isinstance(error, ConnectionError):
            told += "; if the server speaks TLS, give TLS material"
        return Unreachable(None, told, self.address)

    def _answer(self, status: int, text: bytes) -> dict[str, Any]:
        if COMMON_NAME_REFUSED in text:
            raise TlsProblem(
                None,
                "the client certificate has a common name (CN), with which etcd's gateway refuses "
                "it while etcd's authentication is on: issue it with an empty subject; the user is "
                "the one that logs in",
                self.address,
            )
        try:
            answer = json.loads(text)
        except ValueError as error:
            told = text[:EXCERPT].decode(errors="replace")
            raise foreign(
                f"HTTP {status} with a body that is no JSON: {told!r}", self.address
            ) from error
        if not isinstance(answer, dict):
            raise foreign(f"HTTP {status} with JSON of no object: {answer!r}", self.address)
        # What refuses a stream is wrapped once more.
        refusal = answer["error"] if isinstance(answer.get("error"), dict) else answer
        if isinstance(refusal.get("code", refusal.get("grpc_code")), int):
            raise self._refusal(refusal)
        if status != http.client.OK:
            raise foreign(
                f"HTTP {status} without a code of gRPC: {json.dumps(answer)}", self.address
            )
        return answer

    def _refusal(self, error: Mapping[str, Any]) -> EtcdError:
        """Return the error for what the gateway answers instead of a result."""
        return meaning(
            int(error.get("code") or error["grpc_code"]),
            str(error.get("message") or error.get("error") or "no message"),
            self.address,
            tls=self._tls is not None,
            user=self._session.user if self._session else None,
        )


def _told(error: Exception) -> str:
    """Say what happened to a connection."""
    if isinstance(error, (TimeoutError, socket.timeout)):
        return "no answer in time"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
