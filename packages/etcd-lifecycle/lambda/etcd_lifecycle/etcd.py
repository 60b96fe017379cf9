"""What etcd can be asked for, and what it answers; how it gets there is a matter of the transport.

A change that timed out may still be applied later (measured on etcd 3.4 and 3.5.30): it raises
`OutcomeUnknown`, and whoever asked for it has to look again before the next change.
"""

from __future__ import annotations

import base64
import contextlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from python_retry import CircuitOpenError

from .dependency import Dependency
from .etcd_answers import (
    Alarm,
    AlarmKind,
    MemberList,
    StatusReport,
    lists_linearizably,
    read_member,
    reading,
    uint64,
)
from .etcd_errors import (
    INVALID_ARGUMENT,
    REFUSALS,
    UNREADABLE,
    EtcdError,
    MemberNotFound,
    OutcomeUnknown,
    RecentlyRemoved,
    Unreachable,
    is_failure,
)
from .etcd_gateway import CLIENT_PORT, Gateway
from .etcd_login import Session
from .model import MemberStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping

    from .etcd_answers import SnapshotChunk
    from .etcd_login import Credentials
    from .etcd_tls import TlsMaterial
    from .model import Instance, Member

T = TypeVar("T")

RESET_TIMEOUT: Final = 5.0
"""Seconds until a member that timed out again and again is asked anew."""

READ_ATTEMPTS: Final = 2
"""Attempts of a call that changes nothing, as long as its time-out has not passed."""

MAX_PARALLEL_PROBES: Final = 16
"""Members asked at the same time: one that hangs costs one time-out, and so do several."""


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


class Transport(Protocol):
    """The way to one member."""

    @property
    def address(self) -> str:
        """The member as an error names it."""

    def post(
        self, path: str, body: Mapping[str, Any], timeout: float, *, changes: bool
    ) -> dict[str, Any]:
        """Ask for something, and return the answer; errors are told as `etcd_errors` does.

        Args:
            path: The path of the call below ``/v3/``.
            body: What is asked, in the form of etcd's JSON gateway.
            timeout: Seconds that etcd is told to work on it.
            changes: Whether it may change something: then it is sent once.
        """

    def snapshot(self, timeout: float) -> Generator[SnapshotChunk, None, None]:
        """Begin to stream the database; raises here if it does not begin.

        Args:
            timeout: Seconds after which etcd ends the stream with an error.
        """

    def close(self) -> None:
        """Close what is kept for the next call."""


class EtcdEndpoint:
    """What one member can be asked for.

    Calls that change something are sent once. Calls that do not are tried again, within their
    time-out. All go through one circuit breaker; while that is open they raise `Unreachable`.

    Attributes:
        host: The address of the member.
    """

    def __init__(  # noqa: PLR0913 -- all but the host have defaults
        self,
        host: str,
        port: int = CLIENT_PORT,
        tls: TlsMaterial | None = None,
        *,
        session: Session | None = None,
        transport: Transport | None = None,
        dependency: Dependency | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        """Make an endpoint; nothing is connected yet.

        Args:
            host: The address of the member.
            port: The port on which it serves clients.
            tls: What it takes to speak TLS; None for plain HTTP.
            session: The login to use when etcd's authentication is on; None for none.
            transport: The way to the member; its gateway, with the three above, by default.
            dependency: The breaker to use; a new one by default, so hand one over to keep it.
            timeouts: How long it may take; the defaults of `Timeouts` by default.
        """
        self.host = host
        self._transport = transport or Gateway(host, port, tls, session)
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
        with reading(answer, self._transport.address):
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
        with reading(answer, self._transport.address):
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
        with reading(answer, self._transport.address):
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
            lambda: self._transport.post("maintenance/defragment", {}, timeout, changes=False),
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
        with reading(answer, self._transport.address):
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
        with reading(answer, self._transport.address):
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
        chunks = self._guarded(
            lambda: self._transport.snapshot(timeout), "maintenance/snapshot", attempts=1
        )
        with contextlib.closing(chunks):
            yield from chunks

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
        return self._transport.post(path, body, timeout, changes=False)

    def _change(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        def post() -> dict[str, Any]:
            try:
                return self._transport.post(path, body, self._timeouts.change, changes=True)
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
            raise Unreachable(None, f"not asked: {error}", self._transport.address) from error

    def close(self) -> None:
        """Close the connection that is kept, if there is one; the next call makes a new one."""
        self._transport.close()


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
