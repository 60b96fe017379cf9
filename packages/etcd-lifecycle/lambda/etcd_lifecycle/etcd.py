"""A client of etcd's JSON gateway, on the standard library only.

Every answer is judged by the ``code`` and ``message`` of its body: the same refusal carries HTTP
status 400 or 412 by the version of etcd. Numbers of 64 bits come as decimal strings, and whatever
is zero, false or empty is left out of an answer.

A change that timed out may still be applied later (measured on etcd 3.4 and 3.5.30): it raises
`OutcomeUnknown`, and whoever asked for it has to look again before the next change.
"""

# ruff: noqa: N818 -- the errors are named for what they say of etcd; many are plain answers
from __future__ import annotations

import base64
import binascii
import contextlib
import functools
import http.client
import json
import os
import socket
import ssl
import tempfile
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar
from urllib.parse import urlsplit

from python_retry import CircuitOpenError

from .dependency import Dependency
from .model import Member, MemberStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping

    from .model import Instance

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

# The gRPC codes of answers whose message is not enough to tell what they mean.
_CANCELLED: Final = 1
_INVALID_ARGUMENT: Final = 3
_DEADLINE_EXCEEDED: Final = 4
_PERMISSION_DENIED: Final = 7
_UNAVAILABLE: Final = 14
_UNAUTHENTICATED: Final = 16

# X509_V_ERR_*, which the ssl module tells as `verify_code`.
_X509_HOSTNAME_MISMATCH: Final = (62, 64)
_X509_NOT_IN_TIME: Final = (9, 10)


# --- errors ---------------------------------------------------------------------------------------


class EtcdError(Exception):
    """etcd, or what stands in its place, did not do what it was asked to.

    Attributes:
        code: The gRPC code of the answer; None when there was none.
        message: What etcd said, or what went wrong.
        endpoint: The address that was asked.
    """

    failed: ClassVar[bool] = False
    """Whether the endpoint failed, rather than answered."""

    def __init__(self, code: int | None, message: str, endpoint: str = "") -> None:
        """Keep all three as `args`, so that the error can be copied and pickled."""
        super().__init__(code, message, endpoint)
        self.code = code
        self.message = message
        self.endpoint = endpoint

    def __str__(self) -> str:
        """Name the endpoint, the message and the code."""
        where = f"{self.endpoint}: " if self.endpoint else ""
        code = "" if self.code is None else f" (code {self.code})"
        return f"{where}{self.message}{code}"


class MemberNotFound(EtcdError):
    """No such member: it was removed already, or never was there."""


class RecentlyRemoved(EtcdError):
    """A member with this peer URL was removed within this second; add it a second later.

    etcd makes a member's id of its URL, the cluster's token and the second, and does not take the
    id of a removed member again.
    """


class PeerUrlExists(EtcdError):
    """A member with this peer URL is there already."""


class TooManyLearners(EtcdError):
    """There is a learner already; etcd allows one by default."""


class LearnerNotReady(EtcdError):
    """The learner is not in sync with the leader yet, or has not started."""


class NotALearner(EtcdError):
    """The member to promote is a voter already."""


class Unhealthy(EtcdError):
    """etcd refuses changes because not all voters have been connected for 5 s: try again later."""


class NotLeader(EtcdError):
    """Only the leader can do this, and the member that was asked is not it."""


class BadTransferee(EtcdError):
    """The target of a leader transfer is no voter of the cluster."""


class NotEnoughStarted(EtcdError):
    """etcd refuses a removal that would leave too few members that have started."""


class AskedLearner(EtcdError):
    """A learner answers nothing but its status: ask a voter."""


class NotAuthorized(EtcdError):
    """etcd's authentication is on, and it does not let this client in, or not do this."""


class NotLoggedIn(NotAuthorized):
    """The call needs a login: there was none, or it is not good (any more)."""


class NoQuorum(EtcdError):
    """A call that needs a quorum got no answer from one in time."""


class LeaderChanged(EtcdError):
    """The leader changed under a read, which is worth repeating at once."""

    failed = True


class RevisionCompacted(EtcdError):
    """The revision is compacted already."""


class OutcomeUnknown(EtcdError):
    """A change was sent and its result is not known; it may still be applied later."""

    failed = True


class Unreachable(EtcdError):
    """Nobody answered: timed out, reset, refused, or not asked because the circuit is open.

    Or the gateway answered that it does not reach the server that it belongs to.
    """

    failed = True


class Refused(Unreachable):
    """The machine is there, and nothing listens on the port: etcd has not started, or has ended.

    That costs no time, and may change at any moment. So it does not open the circuit, which would
    hide for a while that a member has started.
    """

    failed = False


class TlsProblem(EtcdError):
    """No TLS connection that both sides trust."""

    failed = True


class NotEtcd(EtcdError):
    """What answered does not speak etcd's JSON gateway."""

    failed = True


_MEANINGS: Final[Mapping[str, type[EtcdError]]] = {
    "member not found": MemberNotFound,
    "Peer URLs already exists": PeerUrlExists,
    # The same URL was added within this second, so that even the id is the same.
    "member ID already exist": PeerUrlExists,
    "too many learner members in cluster": TooManyLearners,
    "can only promote a learner member which is in sync with leader": LearnerNotReady,
    "can only promote a learner member": NotALearner,
    "unhealthy cluster": Unhealthy,
    "not leader": NotLeader,
    "bad leader transferee": BadTransferee,
    "re-configuration failed due to not enough started members": NotEnoughStarted,
    "rpc not supported for learner": AskedLearner,
    "mvcc: required revision has been compacted": RevisionCompacted,
    "request timed out": NoQuorum,
    "context deadline exceeded": NoQuorum,
    "no leader": NoQuorum,
    "leader changed": LeaderChanged,
    "user name is empty": NotLoggedIn,
    "invalid auth token": NotLoggedIn,
    # Users or roles have changed since the login.
    "revision in header is old": NotLoggedIn,
    "permission denied": NotAuthorized,
    "authentication failed, invalid user ID or password": NotAuthorized,
}
"""What etcd's messages mean, without their prefix ``etcdserver: ``."""

_GATEWAY_REFUSED: Final = (
    "broken pipe",
    "connection closed",
    "connection reset by peer",
    "tls: ",
    "use of closed network connection",
)
"""What the gateway says when its own server does not accept its certificate.

Which of these it is differs by version and from one connection to the next (measured on 3.4.23,
3.5.16, 3.5.35, 3.6.16 and 3.7.3), as the server closes the connection while the gateway writes.
"""

_COMMON_NAME_REFUSED: Final = b"CommonName of client"
"""What the gateway says to a client certificate with a common name while authentication is on."""

_REFUSALS: Final = (
    AskedLearner,
    BadTransferee,
    LearnerNotReady,
    MemberNotFound,
    NotALearner,
    NotAuthorized,
    NotEnoughStarted,
    NotLeader,
    PeerUrlExists,
    RevisionCompacted,
    TooManyLearners,
    Unhealthy,
)
"""Answers to a change after which it is certain that it was not, and will not be, applied."""


UNREADABLE: Final = (AskedLearner, LeaderChanged, NoQuorum, Unreachable)
"""Answers to a linearizable read that say no more than that there is none just now."""


def is_failure(error: Exception) -> bool:
    """Tell a failure of an endpoint from an answer; what `Dependency` asks."""
    return isinstance(error, EtcdError) and error.failed


def meaning(code: int, message: str, endpoint: str, *, tls: bool, user: str | None) -> EtcdError:
    """Return the error that an answer of etcd stands for.

    Args:
        code: Its gRPC code.
        message: What it says.
        endpoint: Who said it.
        tls: Whether it came by etcd's gateway, and that speaks TLS.
        user: The user that logs in; None for nobody.
    """
    # Before 3.6 the refusal of a stream comes as authentication words it itself.
    kind = _MEANINGS.get(message.removeprefix("etcdserver: ").removeprefix("auth: "))
    if kind is None and code == _DEADLINE_EXCEEDED:
        # About every fifth time, etcd 3.6 says "stream terminated by RST_STREAM" (measured).
        kind = NoQuorum
    if kind is None and code in (_PERMISSION_DENIED, _UNAUTHENTICATED):
        kind = NotAuthorized if code == _PERMISSION_DENIED else NotLoggedIn
    if kind is None and tls and any(sign in message for sign in _GATEWAY_REFUSED):
        # The gateway is a client of its own server, with the server's certificate.
        return TlsProblem(
            code,
            f"etcd's gateway cannot reach its own server ({message}): most likely the server "
            "certificate lacks the extended key usage clientAuth; issue it with both serverAuth "
            "and clientAuth",
            endpoint,
        )
    if kind is None and code in (_CANCELLED, _UNAVAILABLE):
        kind = Unreachable
    if kind is not None and issubclass(kind, NotAuthorized):
        denied = code == _PERMISSION_DENIED or message.endswith("permission denied")
        message += f"; {_mend(user, denied=denied)}"
    return (kind or EtcdError)(code, message, endpoint)


def _mend(user: str | None, *, denied: bool) -> str:
    """Say what lets a client in that etcd's authentication keeps out."""
    if user is None:
        return (
            "etcd's authentication is on, and this client has no user: give it one that has the "
            "role root, by auth of the construct (a TLS client certificate is no login here)"
        )
    if denied:
        return (
            f"grant the user {user!r} the role root: no other may change members and read all that "
            "is looked at"
        )
    return f"this client logs in as {user!r}: check the name and the password that it was given"


# --- TLS ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TlsMaterial:
    """What a client needs to speak TLS with etcd. All PEM.

    Attributes:
        ca_pem: The certificates of the authorities that may have signed the servers' certificates.
        certificate_pem: The client's certificate; None if the servers ask for none.
        key_pem: Its private key, unencrypted; None if the servers ask for no certificate.
    """

    ca_pem: str
    certificate_pem: str | None = None
    key_pem: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Refuse half a pair.

        Raises:
            ValueError: There is a certificate without a key, or a key without a certificate.
        """
        if (self.certificate_pem is None) != (self.key_pem is None):
            raise ValueError("give both a client certificate and its private key, or neither")


@contextlib.contextmanager
def _held_in_memory(content: bytes) -> Iterator[str]:
    """Offer content as a file, for an API that takes nothing but a path, in memory if possible."""
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("tls"), "wb") as file:
            file.write(content)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
    else:  # not Linux; the file is readable by its owner only
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            yield file.name


@functools.lru_cache(maxsize=2)
def _ssl_context(tls: TlsMaterial) -> ssl.SSLContext:
    """Return a context that checks the servers' chain, dates and addresses."""
    try:
        context = ssl.create_default_context(cadata=tls.ca_pem)
    except (ssl.SSLError, ValueError) as error:
        raise TlsProblem(
            None, f"the certificate of the authority (CA) is no PEM certificate: {error}"
        ) from error
    # Python 3.13 began to refuse authorities without a key usage extension, which etcd accepts.
    # Chain, dates and addresses are checked as before.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    # The gateway speaks HTTP/1.1; with h2 the connection would go to the gRPC server.
    context.set_alpn_protocols(["http/1.1"])
    if tls.certificate_pem is not None and tls.key_pem is not None:
        pair = f"{tls.certificate_pem}\n{tls.key_pem}\n".encode()
        try:
            with _held_in_memory(pair) as path:
                # An empty password, since OpenSSL would ask the terminal for one.
                context.load_cert_chain(path, password="")
        except (ssl.SSLError, OSError) as error:
            raise TlsProblem(
                None,
                f"the client certificate and its private key cannot be used ({error}): both must "
                "be PEM, belong together, and the key must not be encrypted",
            ) from error
    return context


def _tls_problem(error: ssl.SSLError, endpoint: str, *, certificate: bool) -> TlsProblem:
    """Name the likely cause of a failed handshake."""
    reason = (error.reason or "").replace("_", " ").lower()
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _X509_HOSTNAME_MISMATCH:
            cause = f"the server certificate does not name {endpoint}: issue it with this IP SAN"
        elif error.verify_code in _X509_NOT_IN_TIME:
            cause = "the server certificate, or its authority's, has expired or is not valid yet"
        else:
            cause = "the server certificate is not signed by the given authority (CA)"
        return TlsProblem(None, f"{cause} ({error.verify_message})", endpoint)
    if "wrong version number" in reason or "http request" in reason or "record layer" in reason:
        cause = "the server does not speak TLS on this port: it was started with an http:// URL"
    elif "certificate required" in reason or not certificate:
        cause = "the server asks for a client certificate, and none was given"
    elif "expired" in reason:
        cause = "the client certificate has expired"
    elif "unknown ca" in reason:
        cause = "the server does not trust the authority (CA) of the client certificate"
    elif "bad certificate" in reason or "unsupported certificate" in reason:
        cause = (
            "the server refuses the client certificate: check that its authority is the server's "
            "--trusted-ca-file, its dates, and its extended key usage clientAuth"
        )
    else:
        cause = "the TLS handshake failed"
    return TlsProblem(None, f"{cause} ({reason or error})", endpoint)


# --- login ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Credentials:
    """A user of etcd. To change members it needs the role root.

    Attributes:
        username: Its name.
        password: Its password.
    """

    username: str
    password: str = field(repr=False)


class Session:
    """The login of one user at one cluster: a token that etcd gave is good at each of its members.

    A token is asked for when a call is first refused without one, so that a cluster whose
    authentication is not on (yet) needs none. It is asked for anew when it is refused: tokens end
    after a time, and with the process of a member.

    Attributes:
        user: The name of the user.
        token: The token that was granted last; None before the first one.
    """

    def __init__(self, credentials: Credentials) -> None:
        """Take the user; nothing is asked for yet."""
        self.user = credentials.username
        self.token: str | None = None
        self._password = credentials.password

    def renew(
        self, refused: str | None, log_in: Callable[[Mapping[str, str]], str]
    ) -> tuple[str, bool]:
        """Return another token than the one that was refused, and whether it is new.

        Threads may ask at the same time. Then each logs in at its own member, rather than wait for
        another one, which may be waiting for a member that hangs.

        Args:
            refused: The token that was refused; None if there was none.
            log_in: Asks the member for a token, with the user's ``name`` and ``password``.

        Raises:
            NotAuthorized: The name or the password is wrong.
            EtcdError: Anything else, as its class tells.
        """
        known = self.token
        if known is not None and known != refused:
            return known, False
        token = log_in({"name": self.user, "password": self._password})
        self.token = token
        return token, True


# --- answers --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StatusReport:
    """What a member says of itself, and who it says it is.

    Attributes:
        cluster_id: The id of the cluster that it belongs to.
        member_id: Its own id.
        learner: Whether it is a learner.
        status: What it says of its state.
        complaints: What it says is wrong: that there is no leader, and each alarm that stands, whichever
            member it is for.
    """

    cluster_id: int
    member_id: int
    learner: bool
    status: MemberStatus
    complaints: tuple[str, ...] = ()


@dataclass(frozen=True)
class MemberList:
    """The members, as a quorum has them.

    Attributes:
        cluster_id: The id of the cluster that the asked member belongs to.
        member_id: The id of the member that was asked.
        members: All members, without their status and alarms.
    """

    cluster_id: int
    member_id: int
    members: tuple[Member, ...]


@dataclass(frozen=True)
class SnapshotChunk:
    """A piece of a snapshot's stream, as etcd sends it.

    Attributes:
        remaining: Bytes of the database that are still to come after this piece.
        blob: The piece itself.
    """

    remaining: int
    blob: bytes


class AlarmKind(str, Enum):
    """What etcd raises an alarm for."""

    NOSPACE = "NOSPACE"
    """The database has reached its quota: no writes are taken."""

    CORRUPT = "CORRUPT"
    """The member's data differ from the others'."""


@dataclass(frozen=True)
class Alarm:
    """An alarm that stands.

    Attributes:
        member_id: The member for which it was raised.
        kind: `AlarmKind`, or what a later etcd has besides.
    """

    member_id: int
    kind: str


def _uint64(values: Mapping[str, Any], key: str) -> int:
    """Read a number that the gateway writes as a decimal string, and leaves out when it is 0."""
    return int(values.get(key, 0))


def _member(values: Mapping[str, Any]) -> Member:
    urls = tuple(values.get("peerURLs", ()))
    return Member(
        id=_uint64(values, "ID"),
        name=values.get("name", ""),
        host=(urlsplit(urls[0]).hostname or "") if urls else "",
        peer_urls=urls,
        learner=values.get("isLearner", False),
    )


def lists_linearizably(version: str) -> bool:
    """Tell whether this version of etcd knows the field ``linearizable`` of ``member/list``.

    3.4 ignores it and answers from its own, possibly stale, copy. A version that is not known is
    taken for an old one.
    """
    try:
        major, minor = (int(part) for part in version.split(".")[:2])
    except ValueError:
        return False
    return (major, minor) >= (3, 5)


# --- the client -----------------------------------------------------------------------------------


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
                cluster_id=_uint64(answer["header"], "cluster_id"),
                member_id=_uint64(answer["header"], "member_id"),
                learner=answer.get("isLearner", False),
                complaints=tuple(answer.get("errors", ())),
                status=MemberStatus(
                    leader=_uint64(answer, "leader"),
                    raft_term=_uint64(answer, "raftTerm"),
                    raft_index=_uint64(answer, "raftIndex"),
                    applied_index=_uint64(answer, "raftAppliedIndex"),
                    version=answer.get("version", ""),
                    db_size=_uint64(answer, "dbSize"),
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
                cluster_id=_uint64(answer["header"], "cluster_id"),
                member_id=_uint64(answer["header"], "member_id"),
                members=tuple(_member(values) for values in answer.get("members", ())),
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
                Alarm(_uint64(alarm, "memberID"), str(alarm.get("alarm", "")))
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
            return _member(answer["member"])

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
            return _uint64(answer["header"], "revision")

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
            return SnapshotChunk(_uint64(result, "remaining_bytes"), blob)
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
                if error.code in (None, _INVALID_ARGUMENT) or isinstance(error, _REFUSALS):
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
                self.host, self.port, timeout=connect_timeout, context=_ssl_context(self._tls)
            )
        )
        try:
            connection.connect()
        except ssl.SSLError as error:
            connection.close()
            raise _tls_problem(error, self._address, certificate=self._has_certificate) from error
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
            return _tls_problem(error, self._address, certificate=self._has_certificate)
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
        if _COMMON_NAME_REFUSED in text:
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
