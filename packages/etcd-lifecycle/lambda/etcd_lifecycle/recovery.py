"""Has a cluster made anew from a snapshot, on a person's order, after its quorum is lost.

What is left of the cluster is looked at first, and again a moment later: while it may have a quorum
the order is refused. An order is no more than a record, written on the condition that the record is
still what the person saw. From then on the planner has the next instance that waits at its launch
start with the snapshot's data, as the only member of a new cluster with another id; all others join
it as they always do. Members of the old cluster are never taken back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from .etcd_errors import EtcdError, Refused
from .join import JoinFormatError, render
from .model import NO_LEADER, JoinConfiguration, RestoreOrder
from .refusal import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .lease import Lease
    from .model import ClusterView, Seed
    from .operation_context import OperationContext

RECHECK_SECONDS: Final = 5.0
"""Between two looks for a quorum: longer than an election takes."""

MOST_BUMP: Final = 1 << 53
"""The largest rise of the revision: far from the end of etcd's 63 bits, and exact everywhere."""


@dataclass(frozen=True)
class Remains:
    """What is left of a cluster, by the addresses of the group's instances.

    Attributes:
        alive: Members that answer without a quorum, with the revision up to which they have applied.
        ended: Where a machine answers, but nothing listens: etcd has ended.
        unknown: Where nothing is certain, and why: the member may be alive.
        led: Members that follow a leader, and so may have a quorum.
    """

    alive: Mapping[str, int] = field(default_factory=dict)
    ended: Mapping[str, str] = field(default_factory=dict)
    unknown: Mapping[str, str] = field(default_factory=dict)
    led: tuple[str, ...] = ()

    @property
    def last_revision(self) -> int | None:
        """The last revision that is known to have been; None when nobody is left to tell."""
        return max(self.alive.values(), default=None)


@dataclass(frozen=True)
class OrderRequest:
    """What a person ordered, having seen how things stand.

    Attributes:
        snapshot: ``s3://bucket/key``.
        snapshot_revision: Everything up to this revision is in the snapshot.
        bump_revision: How much the revision is raised.
        generation: The generation that was seen.
        operator: Who ordered it.
        unreachable_are_lost: Whether the person has made sure that members of which nothing is
            certain are lost.
    """

    snapshot: str
    snapshot_revision: int
    bump_revision: int
    generation: int
    operator: str
    unreachable_are_lost: bool = False


def refusal(view: ClusterView, remains: Remains, request: OrderRequest) -> str | None:
    """Why an order is not followed; None if it is.

    Args:
        view: What was seen of the cluster.
        remains: What is left of it.
        request: The order.
    """
    seed = view.seed
    if seed is None or (not seed.created and seed.restore is None):
        return "this cluster has never lived, so there is nothing to recover"
    if view.quorate:
        return "a quorum answers: the cluster lives, and a recovery would cost it what is newer"
    if remains.led:
        return f"{', '.join(remains.led)} follows a leader: there may be a quorum; look again"
    if seed.generation != request.generation:
        return "another recovery was ordered, or taken back, in between: look again"
    if remains.unknown and not request.unreachable_are_lost:
        told = "; ".join(f"{address}: {why}" for address, why in remains.unknown.items())
        return (
            f"it is not certain that a quorum is lost, as some members may only be out of reach "
            f"({told}); make sure that they are lost, and say so"
        )
    return _refusal_of_numbers(remains, request)


def _refusal_of_numbers(remains: Remains, request: OrderRequest) -> str | None:
    last = remains.last_revision
    if last is not None and request.snapshot_revision + request.bump_revision <= last:
        return (
            f"the revision would go back: it was {last} at least, and the snapshot's "
            f"{request.snapshot_revision} raised by {request.bump_revision} is no more than that"
        )
    if not 0 < request.bump_revision <= MOST_BUMP:
        return f"the revision must be raised by 1 to {MOST_BUMP}"
    sample = JoinConfiguration("i", "i=http://192.0.2.1:2380", "existing", "t", request.snapshot, 1)
    if not request.snapshot.startswith("s3://"):
        return f"{request.snapshot} is no address of an object, such as s3://bucket/key"
    try:
        render(sample)
    except JoinFormatError as error:
        return f"the snapshot has a name that cannot be handed over; copy it to another: {error}"
    return None


@dataclass(frozen=True)
class Recovery:
    """Looks at what is left, and takes orders.

    Attributes:
        context: What it works with.
    """

    context: OperationContext

    def inspect(self) -> dict[str, Any]:
        """Tell how things stand, and change nothing. What has 64 bits is a text."""
        view, remains = self._look()
        seed, snapshot = view.seed, view.snapshot
        order = seed.restore if seed else None
        return {
            "cluster": view.cluster,
            "quorate": view.quorate,
            "cluster_id": str(seed.cluster_id) if seed and seed.created else None,
            "known_cluster_ids": [str(one) for one in _known_ids(seed)],
            "generation": seed.generation if seed else 0,
            "order": order and {"snapshot": order.snapshot, "bump_revision": order.bump_revision},
            "alive": {address: str(revision) for address, revision in remains.alive.items()},
            "ended": dict(remains.ended),
            "unknown": dict(remains.unknown),
            "led": list(remains.led),
            "instances": [
                {"id": one.id, "state": one.state, "address": one.address} for one in view.instances
            ],
            "snapshot_key": snapshot.key if snapshot else None,
        }

    def order(self, request: OrderRequest, lease: Lease) -> None:
        """Record the order that the cluster is made anew.

        Args:
            request: What was ordered.
            lease: The lease of the cluster, which is held.

        Raises:
            RefusedError: It is not safe. Nothing was changed.
        """
        view, remains = self._look()
        reason = refusal(view, remains, request)
        if reason is None:
            # A quorum may have been without a leader for just that moment.
            self.context.sleep(RECHECK_SECONDS)
            view, remains = self._look()
            reason = refusal(view, remains, request)
        if reason is not None or view.seed is None:
            raise RefusedError(reason)
        seed = view.seed
        lost = seed.restore.lost_cluster_id if seed.restore else seed.cluster_id or 0
        order = RestoreOrder(request.snapshot, request.bump_revision, lost)
        last = "unknown" if remains.last_revision is None else str(remains.last_revision)
        # First: what is recorded is carried out, whether or not this run lives to tell who ordered it.
        self._record(
            order,
            f"{request.operator} ordered to make the cluster anew, as {lost:x} has lost its quorum",
            "ordered",
            f"alive {len(remains.alive)}, ended {len(remains.ended)}, unknown "
            f"{len(remains.unknown)}, last known revision {last}, snapshot's revision "
            f"{request.snapshot_revision}",
        )
        if not lease.renew():
            raise self._refused(order, "another run took over in between: try again")
        if not self.context.journal.order_recovery(seed, order) and not self._has(order, request):
            raise self._refused(order, "the record was changed in between: look again")

    def cancel(self, operator: str) -> None:
        """Take back the order that stands.

        Args:
            operator: Who does.

        Raises:
            RefusedError: There is none: it was never given, or the new cluster lives already.
        """
        seed = self.context.journal.load().seed
        if seed is None or seed.restore is None:
            raise RefusedError("no order stands: none was given, or the new cluster lives already")
        self._record(seed.restore, f"{operator} took the order back", "taken back")
        if not self.context.journal.cancel_recovery(seed):
            raise self._refused(seed.restore, "the record was changed in between: look again")

    def _has(self, order: RestoreOrder, request: OrderRequest) -> bool:
        """Whether the order is recorded: the answer to its first attempt may have been lost."""
        seed = self.context.journal.load().seed
        return (
            seed is not None and seed.restore == order and seed.generation == request.generation + 1
        )

    def _refused(self, order: RestoreOrder, reason: str) -> RefusedError:
        """What is raised when nothing came of what the journal tells already."""
        self._record(order, reason, "refused")
        return RefusedError(reason)

    def _record(self, order: RestoreOrder, reason: str, outcome: str, arithmetic: str = "") -> None:
        self.context.telemetry.log("WARNING", reason, order=order)
        self.context.record(str(order), reason, outcome, arithmetic)

    def _look(self) -> tuple[ClusterView, Remains]:
        view = self.context.look()
        known = _known_ids(view.seed)
        alive: dict[str, int] = {}
        ended: dict[str, str] = {}
        unknown: dict[str, str] = {}
        led: list[str] = []
        for instance in view.instances:
            address = instance.address
            untold = instance.launch_waits and instance.id not in view.joins
            if address is None or untold or instance.warmed:
                # Nobody has told it yet to start a member.
                continue
            endpoint = self.context.endpoints.at(address)
            try:
                report = endpoint.status()
                revision = endpoint.revision()
            except Refused as error:
                ended[address] = str(error)
            except EtcdError as error:
                unknown[address] = str(error)
            else:
                if report.status.leader != NO_LEADER:
                    led.append(address)
                elif report.cluster_id in known:
                    alive[address] = revision
                else:
                    unknown[address] = f"it belongs to another cluster, {report.cluster_id:x}"
        return view, Remains(alive, ended, unknown, tuple(led))


def _known_ids(seed: Seed | None) -> list[int]:
    """The ids that the cluster has, or had."""
    if seed is None:
        return []
    return [*([] if seed.cluster_id is None else [seed.cluster_id]), *seed.retired]
