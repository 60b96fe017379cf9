"""A client of etcd's JSON gateway, on the standard library only.

What comes back is read by `etcd_answers`, or by `etcd_errors`; `etcd_tls` and `etcd_login` are what
it takes to be let in.

A change that timed out may still be applied later (measured on etcd 3.4 and 3.5.30): it raises
`OutcomeUnknown`, and whoever asked for it has to look again before the next change.
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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from python_retry import CircuitOpenError

from .dependency import Dependency
from .etcd_answers import (
    Alarm,
    AlarmKind,
    MemberList,
    SnapshotChunk,
    StatusReport,
    lists_linearizably,
    read_member,
    uint64,
)
from .etcd_errors import (
    COMMON_NAME_REFUSED,
    INVALID_ARGUMENT,
    REFUSALS,
    UNREADABLE,
    EtcdError,
    MemberNotFound,
    NotAuthorized,
    NotEtcd,
    NotLoggedIn,
    OutcomeUnknown,
    RecentlyRemoved,
    Refused,
    TlsProblem,
    Unreachable,
    is_failure,
    meaning,
)
from .etcd_login import Credentials, Session
from .etcd_tls import TlsMaterial, ssl_context, tls_problem
from .model import MemberStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping

    from .model import Instance, Member

T = TypeVar("T")

CLIENT_PORT: Final = 2379
"""The port on which etcd serves clients."""

CONNECT_TIMEOUT: Final = 2.0
"""Seconds for a connection and for each step of its TLS handshake."""

SOCKET_MARGIN: Final = 0.5
"""Seconds that the socket waits longer than etcd was told to work on a call."""

RESET_TIMEOUT: Final = 5.0
"""Seconds until a member that timed out again and again is asked anew."""

READ_ATTEMPTS: Final = 2
"""Attempts of a call that changes nothing, as long as its time-out has not passed."""

STREAM_SILENCE: Final = 10.0
"""Seconds without a byte after which a stream is given up."""

MAX_PARALLEL_PROBES: Final = 16
"""Members asked at the same time: one that hangs costs one time-out, and so do several."""

IDLE_SECONDS: Final = 20.0
"""How long a connection that nothing is asked on is kept for the next look.

Well below the 350 s after which a NAT gateway, or what else keeps track of connections, forgets one
without a word: a healthy member would seem to hang.
"""

LOGIN_TIMEOUT: Final = 3.0
"""Seconds that etcd is told to work on a login, which hashes the password and asks the quorum."""

_MAX_ANSWER: Final = 4 << 20
_MAX_LINE: Final = 1 << 20
_EXCERPT: Final = 120


@dataclass(frozen=True)
class Timeouts:
    """How long etcd is told to work on a call, in seconds. The socket waits `SOCKET_MARGIN` longer.

    Attributes:
        status: For a status, and for the read that goes with it.
        starting: The same, of a member that is just starting.
        quorum: For a read that needs a quorum; etcd itself gives up after 7 s.
        change: For a change of membership or leadership; etcd itself gives up after 7 s.
    """

    status: float = 1.5
    starting: float = 0.5
    quorum: float = 8.0
    change: float = 8.0


class EtcdEndpoint:
    """One member's JSON gateway.

    Calls that change something are sent once. Calls that do not are tried again, within their
    time-out. All go through one circuit breaker; while that is open they raise `Unreachable`.

    Attributes:
        host: The address of the member.
        port: The port on which it serves clients.
    """

    def __init__(  # noqa: PLR0913 -- all but the host have defaults
        self,
        host: str,
        port: int = CLIENT_PORT,
        tls: TlsMaterial | None = None,
        *,
        session: Session | None = None,
        dependency: Dependency | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        """Make an endpoint; nothing is connected yet.

        Args:
            host: The address of the member.
            port: The port on which it serves clients.
            tls: What it takes to speak TLS; None for plain HTTP.
            session: The login to use when etcd's authentication is on; None for none.
            dependency: The breaker to use; a new one by default, so hand one over to keep it.
            timeouts: How long it may take; the defaults of `Timeouts` by default.
        """
        self.host = host
        self.port = port
        self._tls = tls
        self._session = session
        self._login_paths: set[str] = set()
        # One at most: looks come one after the other.
        self._idle: deque[tuple[float, http.client.HTTPConnection]] = deque(maxlen=1)
        self._dependency = dependency or Dependency(
            f"etcd {host}", is_failure, reset_timeout=RESET_TIMEOUT
        )
        self._timeouts = timeouts or Timeouts()

    def status(self, *, with_read: bool = False, starting: bool = False) -> StatusReport:
        """Ask the member for its state; a learner and a member without quorum answer too.

        Args:
            with_read: Whether to ask for a linearizable read too, as `MemberStatus.reads` tells.
            starting: Whether the member is just starting. That it does not answer yet is no failure
                of its: it is asked once, for a short time, and its breaker hears nothing of it.

        Raises:
            EtcdError: As the error's class tells; `Unreachable` after 2 s if it hangs, after 1 s if
                it is starting.
        """
        timeout = self._timeouts.starting if starting else self._timeouts.status
        read = self._read_once if starting else self._read
        answer = read("maintenance/status", {}, timeout)
        reads: bool | None = None
        if with_read:
            try:
                self._linearizable_read(read, timeout)
                reads = True
            except UNREADABLE:
                reads = False
        return self.report(answer, reads=reads)

    def report(self, answer: Mapping[str, Any], *, reads: bool | None = None) -> StatusReport:
        """Take the answer of a member about its state apart.

        Args:
            answer: What it answered.
            reads: Whether it answered a linearizable read; None where it was not asked.

        Raises:
            NotEtcd: It is something that no member answers.
        """
        with self._reading(answer):
            return StatusReport(
                cluster_id=uint64(answer["header"], "cluster_id"),
                member_id=uint64(answer["header"], "member_id"),
                learner=answer.get("isLearner", False),
                complaints=tuple(answer.get("errors", ())),
                status=MemberStatus(
                    leader=uint64(answer, "leader"),
                    raft_term=uint64(answer, "raftTerm"),
                    raft_index=uint64(answer, "raftIndex"),
                    applied_index=uint64(answer, "raftAppliedIndex"),
                    version=answer.get("version", ""),
                    db_size=uint64(answer, "dbSize"),
                    reads=reads,
                ),
            )

    def member_list(self, *, version: str = "") -> MemberList:
        """Ask for the members as a quorum has them: this is also the probe for a quorum.

        Args:
            version: The version of the asked member, as its status told. Before 3.5 (and when it is
                not known) a linearizable read comes first, after which the member's own copy is
                fresh.

        Raises:
            NoQuorum: No quorum answered in time.
            EtcdError: Anything else, as its class tells.
        """
        if not lists_linearizably(version):
            self.linearizable_read()
        answer = self._read("cluster/member/list", {"linearizable": True}, self._timeouts.quorum)
        with self._reading(answer):
            return MemberList(
                cluster_id=uint64(answer["header"], "cluster_id"),
                member_id=uint64(answer["header"], "member_id"),
                members=tuple(read_member(values) for values in answer.get("members", ())),
            )

    def alarms(self) -> frozenset[int]:
        """Ask for the ids of the members for which an alarm (NOSPACE, CORRUPT) stands.

        Raises:
            NoQuorum: No quorum answered in time: alarms are kept in the replicated state.
            EtcdError: Anything else, as its class tells.
        """
        return frozenset(alarm.member_id for alarm in self.standing_alarms())

    def standing_alarms(self) -> tuple[Alarm, ...]:
        """Ask for the alarms that stand, of all members.

        Raises:
            NoQuorum: No quorum answered in time: alarms are kept in the replicated state.
            EtcdError: Anything else, as its class tells.
        """
        answer = self._read("maintenance/alarm", {"action": "GET"}, self._timeouts.quorum)
        with self._reading(answer):
            return tuple(
                Alarm(uint64(alarm, "memberID"), str(alarm.get("alarm", "")))
                for alarm in answer.get("alarms", ())
            )

    def disarm(self, member_id: int, kind: AlarmKind) -> None:
        """Disarm an alarm; one that does not stand is fine.

        Raises:
            OutcomeUnknown: It may be disarmed, or be later.
            EtcdError: Anything else, as its class tells.
        """
        self._change(
            "maintenance/alarm",
            {"action": "DEACTIVATE", "memberID": str(member_id), "alarm": kind.value},
        )

    def compact(self, revision: int) -> None:
        """Drop the revisions before one, and wait until that is done.

        Raises:
            RevisionCompacted: It was done before.
            OutcomeUnknown: It may be done, or be later.
            EtcdError: Anything else, as its class tells.
        """
        self._change("kv/compaction", {"revision": str(revision), "physical": True})

    def defragment(self, timeout: float) -> None:
        """Defragment this member's database. It answers nothing else meanwhile.

        Args:
            timeout: Seconds to wait for it. The member goes on with it even then.

        Raises:
            Unreachable: It was not done in time, or the member does not answer.
            EtcdError: Anything else, as its class tells.
        """
        self._guarded(
            lambda: self._authorized_post("maintenance/defragment", {}, timeout, changes=False),
            "maintenance/defragment",
            attempts=1,
        )

    def linearizable_read(self) -> None:
        """Read a key through a quorum; what it holds does not matter.

        Raises:
            NoQuorum: No quorum answered in time.
            EtcdError: Anything else, as its class tells.
        """
        self._linearizable_read(self._read, self._timeouts.quorum)

    def add_learner(self, peer_url: str) -> Member:
        """Add a member as a learner, which has no vote.

        Args:
            peer_url: Where the other members will reach it, such as ``https://10.0.0.1:2380``.

        Returns:
            The new member, which has no name until it starts.

        Raises:
            PeerUrlExists: There is a member with this URL.
            RecentlyRemoved: There was one within this second: try again a second later.
            TooManyLearners: There is another learner.
            Unhealthy: Not all voters are connected: try again later.
            OutcomeUnknown: It may have been added, or be added later.
            EtcdError: Anything else, as its class tells.
        """
        try:
            answer = self._change("cluster/member/add", {"peerURLs": [peer_url], "isLearner": True})
        except MemberNotFound as error:
            raise RecentlyRemoved(error.code, error.message, error.endpoint) from error
        with self._reading(answer):
            return read_member(answer["member"])

    def promote(self, member_id: int) -> None:
        """Make a learner a voter.

        Raises:
            LearnerNotReady: It is not in sync with the leader yet.
            NotALearner: It is a voter already.
            MemberNotFound: There is no such member.
            OutcomeUnknown: It may have been promoted, or be promoted later.
            EtcdError: Anything else, as its class tells.
        """
        self._change("cluster/member/promote", {"ID": str(member_id)})

    def remove(self, member_id: int) -> None:
        """Remove a member.

        Raises:
            MemberNotFound: There is no such member (any more).
            NotEnoughStarted: Too few members that have started would be left.
            Unhealthy: Not all voters are connected: try again later.
            OutcomeUnknown: It may have been removed, or be removed later.
            EtcdError: Anything else, as its class tells.
        """
        self._change("cluster/member/remove", {"ID": str(member_id)})

    def transfer_leadership(self, target_id: int) -> None:
        """Hand the leadership over, as the leader, and wait until the target has it.

        Raises:
            NotLeader: This member is not the leader.
            BadTransferee: The target is a learner, or no member.
            OutcomeUnknown: The target did not take over in time; the leader may be either.
            EtcdError: Anything else, as its class tells.
        """
        self._change("maintenance/transfer-leadership", {"targetID": str(target_id)})

    def revision(self) -> int:
        """Ask for the revision up to which the member has applied everything.

        Raises:
            EtcdError: As the error's class tells.
        """
        answer = self._read("maintenance/status", {}, self._timeouts.status)
        with self._reading(answer):
            return uint64(answer["header"], "revision")

    def snapshot(self, timeout: float) -> Generator[SnapshotChunk, None, None]:
        """Stream the database as the member has it now: its file, and the SHA-256 of that.

        Never more than one piece is held in memory. Close the generator if it is not read to its
        end; nothing is checked here but that each piece is one.

        Args:
            timeout: Seconds after which etcd ends the stream with an error.

        Yields:
            The pieces in their order.

        Raises:
            Unreachable: It does not answer, or stopped in the midst of it.
            EtcdError: Anything else, as its class tells.
        """
        path = "maintenance/snapshot"
        connection, response = self._guarded(
            lambda: self._authorized(
                path, lambda token: self._open(path, {}, timeout, STREAM_SILENCE, token)
            ),
            path,
            attempts=1,
        )
        try:
            while line := response.readline(_MAX_LINE):
                if not line.endswith(b"\n") and len(line) < _MAX_LINE:
                    # http.client takes a chunk that is cut short for the end of the answer.
                    raise Unreachable(None, "the stream broke off", self._address)
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
                f"a line of the snapshot is none of etcd's: {line[:_EXCERPT]!r}",
                self._address,
            ) from error

    @contextlib.contextmanager
    def _reading(self, answer: Mapping[str, Any]) -> Iterator[None]:
        """Take an answer apart that something other than etcd may have given."""
        try:
            yield
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise self._foreign(f"JSON that etcd does not answer: {json.dumps(answer)}") from error

    def _foreign(self, what: str) -> NotEtcd:
        shown = what if len(what) <= _EXCERPT else f"{what[:_EXCERPT]}..."
        return NotEtcd(
            None,
            f"{shown}; something other than etcd listens here, or a proxy stands in between",
            self._address,
        )

    def _linearizable_read(
        self, read: Callable[[str, Mapping[str, Any], float], object], timeout: float
    ) -> None:
        key = base64.b64encode(b"\0").decode()
        read("kv/range", {"key": key, "limit": "1", "keys_only": True}, timeout)

    def _read(self, path: str, body: Mapping[str, Any], timeout: float) -> dict[str, Any]:
        return self._guarded(
            lambda: self._read_once(path, body, timeout),
            path,
            attempts=READ_ATTEMPTS,
            budget=timeout,
        )

    def _read_once(self, path: str, body: Mapping[str, Any], timeout: float) -> dict[str, Any]:
        return self._authorized_post(path, body, timeout, changes=False)

    def _change(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        def post() -> dict[str, Any]:
            try:
                return self._authorized_post(path, body, self._timeouts.change, changes=True)
            except EtcdError as error:
                if error.code in (None, INVALID_ARGUMENT) or isinstance(error, REFUSALS):
                    raise
                # The server had the request, and may have proposed the change.
                raise OutcomeUnknown(error.code, error.message, error.endpoint) from error

        return self._guarded(post, path, attempts=1)

    def _guarded(
        self, operation: Callable[[], T], name: str, *, attempts: int, budget: float | None = None
    ) -> T:
        try:
            return self._dependency.call(operation, name, attempts=attempts, budget=budget)
        except CircuitOpenError as error:
            raise Unreachable(None, f"not asked: {error}", self._address) from error

    @property
    def _address(self) -> str:
        return f"{self.host}:{self.port}"

    def _authorized_post(
        self, path: str, body: Mapping[str, Any], timeout: float, *, changes: bool
    ) -> dict[str, Any]:
        return self._authorized(
            path, lambda token: self._post(path, body, timeout, changes=changes, token=token)
        )

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
        with self._reading(answer):
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
    def _has_certificate(self) -> bool:
        return self._tls is not None and self._tls.certificate_pem is not None

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
            raise tls_problem(error, self._address, certificate=self._has_certificate) from error
        except TimeoutError as error:
            connection.close()
            raise Unreachable(
                None,
                f"no connection within {connect_timeout:g} s: the machine is down or hangs, or its "
                f"security group does not let this client in at port {self.port}",
                self._address,
            ) from error
        except OSError as error:
            connection.close()
            kind = Refused if isinstance(error, ConnectionRefusedError) else Unreachable
            raise kind(None, _told(error), self._address) from error
        connection.sock.settimeout(silence)
        return connection

    def _lost(self, error: Exception, *, changes: bool) -> EtcdError:
        """Return the error for a connection on which a request was sent and no answer came."""
        if isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or ""):
            # With TLS 1.3 the server judges the client's certificate after the handshake, but
            # before it reads a request.
            return tls_problem(error, self._address, certificate=self._has_certificate)
        if changes:
            return OutcomeUnknown(
                None, f"sent, but not answered ({_told(error)}): it may still apply", self._address
            )
        if isinstance(error, http.client.HTTPException) and not isinstance(error, OSError):
            return NotEtcd(None, f"no HTTP answer ({_told(error)})", self._address)
        told = _told(error)
        if self._tls is None and isinstance(error, ConnectionError):
            told += "; if the server speaks TLS, give TLS material"
        return Unreachable(None, told, self._address)

    def _answer(self, status: int, text: bytes) -> dict[str, Any]:
        if COMMON_NAME_REFUSED in text:
            raise TlsProblem(
                None,
                "the client certificate has a common name (CN), with which etcd's gateway refuses "
                "it while etcd's authentication is on: issue it with an empty subject; the user is "
                "the one that logs in",
                self._address,
            )
        try:
            answer = json.loads(text)
        except ValueError as error:
            told = text[:_EXCERPT].decode(errors="replace")
            raise self._foreign(f"HTTP {status} with a body that is no JSON: {told!r}") from error
        if not isinstance(answer, dict):
            raise self._foreign(f"HTTP {status} with JSON of no object: {answer!r}")
        # What refuses a stream is wrapped once more.
        refusal = answer["error"] if isinstance(answer.get("error"), dict) else answer
        if isinstance(refusal.get("code", refusal.get("grpc_code")), int):
            raise self._refusal(refusal)
        if status != http.client.OK:
            raise self._foreign(f"HTTP {status} without a code of gRPC: {json.dumps(answer)}")
        return answer

    def _refusal(self, error: Mapping[str, Any]) -> EtcdError:
        """Return the error for what the gateway answers instead of a result."""
        return meaning(
            int(error.get("code") or error["grpc_code"]),
            str(error.get("message") or error.get("error") or "no message"),
            self._address,
            tls=self._tls is not None,
            user=self._session.user if self._session else None,
        )


class EtcdEndpoints:
    """The endpoints of one cluster by address, each with its breaker.

    Make it outside the handler, so that the breakers outlive an invocation.
    """

    def __init__(
        self,
        tls: TlsMaterial | None = None,
        port: int = CLIENT_PORT,
        credentials: Credentials | None = None,
    ) -> None:
        """Start with none.

        Args:
            tls: What it takes to speak TLS; None for plain HTTP.
            port: The port on which members serve clients.
            credentials: The user to log in as when etcd's authentication is on; None for none.
        """
        self._tls = tls
        self._port = port
        self._session = Session(credentials) if credentials else None
        self._known: dict[str, EtcdEndpoint] = {}
        # Kept: to start its threads is a third of the work of asking nine members.
        self._pool = ThreadPoolExecutor(MAX_PARALLEL_PROBES)

    def at(self, address: str) -> EtcdEndpoint:
        """Return the endpoint at an address; the same one, with the same breaker, each time."""
        known = self._known.get(address)
        # setdefault: threads that ask at the same time get the same one.
        return known or self._known.setdefault(
            address, EtcdEndpoint(address, self._port, self._tls, session=self._session)
        )

    def know(self, instances: Iterable[Instance]) -> None:
        """Nothing needs to be known: members are reached by their addresses."""

    def statuses(self, asked: Mapping[str, bool]) -> Mapping[str, StatusReport | EtcdError]:
        """Ask members for their status at the same time; see `EtcdAccess`."""

        def ask(address: str) -> StatusReport | EtcdError:
            try:
                starting = asked[address]
                return self.at(address).status(with_read=starting, starting=starting)
            except EtcdError as error:
                return error

        if not asked:
            return {}
        return dict(zip(asked, self._pool.map(ask, asked), strict=True))

    def keep(self, addresses: Iterable[str]) -> None:
        """Forget all others: when an address is used again, it is by another instance."""
        for address in set(self._known).difference(addresses):
            self._known.pop(address).close()


def _told(error: Exception) -> str:
    """Say what happened to a connection."""
    if isinstance(error, (TimeoutError, socket.timeout)):
        return "no answer in time"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
