"""What etcd, or what stands in its place, says when it does not do what it was asked to.

The same refusal carries HTTP status 400 or 412 by the version of etcd: it is told by the gRPC code and
the message of its body.
"""

# ruff: noqa: N818 -- the errors are named for what they say of etcd; many are plain answers
from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

EXCERPT: Final = 120
"""How much of something that nobody expects is shown, in characters."""

# The gRPC codes of answers whose message is not enough to tell what they mean.
_CANCELLED: Final = 1
INVALID_ARGUMENT: Final = 3
_DEADLINE_EXCEEDED: Final = 4
_PERMISSION_DENIED: Final = 7
_UNAVAILABLE: Final = 14
_UNAUTHENTICATED: Final = 16


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

COMMON_NAME_REFUSED: Final = b"CommonName of client"
"""What the gateway says to a client certificate with a common name while authentication is on."""

REFUSALS: Final = (
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


def foreign(what: str, endpoint: str) -> NotEtcd:
    """Return the error for an answer that is none of etcd's.

    Args:
        what: What came.
        endpoint: Who was asked.
    """
    shown = what if len(what) <= EXCERPT else f"{what[:EXCERPT]}..."
    return NotEtcd(
        None,
        f"{shown}; something other than etcd listens here, or a proxy stands in between",
        endpoint,
    )


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
