"""What the Lambda remembers of a cluster, in one DynamoDB table.

=============================  =====================================================================
Sort key                       Item of the partition ``cluster#<name>``
=============================  =====================================================================
``state#lease``                who may reconcile now, and the members whose removal was begun and has not
                               been seen to end
``state#seed``                 the instance that bootstraps the cluster, and the etcd cluster id;
                               the order to make it anew from a snapshot, and the ids before that
``state#member#<instance id>`` the member id that was recorded when the member was added
``state#seen#<key>``           when something was first seen to wait; for a learner, how far it is
                               behind, when it last came nearer
``state#snapshot``             the last snapshot that was stored
``state#snapshot-failure``     the last snapshot that failed, and why
``state#notice#<instance id>`` what EC2 said of an instance, and when; deleted after its ``expires``
``state#prepare#<instance id>`` what was begun before its member is removed, and what became of it;
                               deleted after its ``expires``
``state#override``             an operator's order, once, to remove a member that the guard would
                               keep; deleted after its ``expires``
``journal#<time>#<n>``         what was decided and done; DynamoDB deletes it after its ``expires``
=============================  =====================================================================

Member ids and cluster ids are written as strings: they take all of 64 bits. Each write can be sent
twice, as when an answer was lost, and ends the same.
"""

from __future__ import annotations

import itertools
import secrets
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final

from .journal_items import (
    entry_from_item,
    entry_to_item,
    failure_from_item,
    failure_to_item,
    notice_from_item,
    notice_to_item,
    override_from_item,
    override_to_item,
    preparation_from_item,
    preparation_to_item,
    seed_from_item,
    snapshot_from_item,
    snapshot_to_item,
)
from .lease import LEASE, LEASE_SECONDS, Lease
from .partition import integer, timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .journal_items import JournalEntry
    from .model import (
        Notice,
        Override,
        Preparation,
        RestoreOrder,
        Seed,
        SnapshotFailure,
        StoredSnapshot,
    )
    from .partition import Item, Partition

RETENTION_SECONDS: Final = 90 * 24 * 3600
"""How long entries of the journal are kept."""

_SEED: Final = "state#seed"
_MEMBER: Final = "state#member#"
_SEEN: Final = "state#seen#"
_SNAPSHOT: Final = "state#snapshot"
_SNAPSHOT_FAILURE: Final = "state#snapshot-failure"
_NOTICE: Final = "state#notice#"
_OVERRIDE: Final = "state#override"
_PREPARATION: Final = "state#prepare#"
_JOURNAL: Final = "journal#"

NOTICE_RETENTION_SECONDS: Final = 24 * 3600
"""How long what EC2 said of an instance is kept; the policy tells how long it is reckoned with."""


class AlreadyCreatedError(Exception):
    """A cluster that has existed was to be seeded again, which would be another, empty cluster."""


@dataclass(frozen=True)
class Records:
    """What a decision needs to know of earlier ones.

    Attributes:
        seed: The record of the bootstrap; None when the cluster was never seeded.
        recorded: The member ids that were recorded, by instance id.
        first_seen: When each key was first seen to wait, in seconds since the epoch.
        lags: How many log entries learners were behind when they last came nearer, by their keys.
        snapshot: The last snapshot that was stored.
        snapshot_failure: The last snapshot that failed.
        notices: What EC2 said of instances, by their ids.
        override: What an operator ordered.
        removing: Members whose removal was begun, and of which nobody has heard that it ended.
        removing_since: When the last of these removals was begun, in seconds since the epoch.
        preparations: What was begun before removals, by instance id.
    """

    seed: Seed | None = None
    recorded: Mapping[str, int] = field(default_factory=dict)
    first_seen: Mapping[str, float] = field(default_factory=dict)
    snapshot: StoredSnapshot | None = None
    snapshot_failure: SnapshotFailure | None = None
    notices: Mapping[str, Notice] = field(default_factory=dict)
    override: Override | None = None
    removing: frozenset[int] = frozenset()
    removing_since: float = 0.0
    preparations: Mapping[str, Preparation] = field(default_factory=dict)
    lags: Mapping[str, int] = field(default_factory=dict)


class Journal:
    """What is remembered of one cluster.

    Each method may raise `python_retry.CircuitOpenError`, when the breaker refuses a call, and
    `botocore.exceptions.ClientError`, for an answer of DynamoDB that nobody expects.
    """

    def __init__(self, items: Partition) -> None:
        """Take where it is; nothing is called yet.

        Args:
            items: The cluster's items.
        """
        self._items = items
        self._numbers = itertools.count()

    def lease(
        self,
        owner: str,
        *,
        seconds: float = LEASE_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> Lease:
        """Return the lease of this cluster, not yet acquired.

        Args:
            owner: Who asks for it; another for each invocation.
            seconds: How long it holds unless it is renewed.
            clock: Returns seconds since the epoch.
        """
        return Lease(self._items, owner, seconds, clock)

    def load(self) -> Records:
        """Read everything that a decision needs, at one moment, with all earlier writes."""
        alone: dict[str, Item] = {}
        recorded: dict[str, int] = {}
        first_seen: dict[str, float] = {}
        lags: dict[str, int] = {}
        notices: dict[str, Notice] = {}
        preparations: dict[str, Preparation] = {}
        for item in self._items.query("state#"):
            key = item["sk"]["S"]
            if key.startswith(_MEMBER):
                recorded[key.removeprefix(_MEMBER)] = int(item["member_id"]["S"])
            elif key.startswith(_SEEN):
                first_seen[key.removeprefix(_SEEN)] = float(item["since"]["N"])
                if "behind" in item:
                    lags[key.removeprefix(_SEEN)] = int(item["behind"]["N"])
            elif key.startswith(_NOTICE):
                notices[key.removeprefix(_NOTICE)] = notice_from_item(item)
            elif key.startswith(_PREPARATION):
                preparations[key.removeprefix(_PREPARATION)] = preparation_from_item(item)
            else:
                alone[key] = item
        lease = alone.get(LEASE, {})
        return Records(
            seed=seed_from_item(alone[_SEED]) if _SEED in alone else None,
            recorded=recorded,
            first_seen=first_seen,
            snapshot=snapshot_from_item(alone[_SNAPSHOT]) if _SNAPSHOT in alone else None,
            snapshot_failure=(
                failure_from_item(alone[_SNAPSHOT_FAILURE]) if _SNAPSHOT_FAILURE in alone else None
            ),
            notices=notices,
            override=override_from_item(alone[_OVERRIDE]) if _OVERRIDE in alone else None,
            removing=frozenset(int(one) for one in lease.get("removing", {}).get("SS", [])),
            removing_since=float(lease.get("removing_since", {}).get("N", 0)),
            preparations=preparations,
            lags=lags,
        )

    def create_seed(self, instance_id: str, replaces: Seed | None = None) -> bool:
        """Record which instance bootstraps the cluster, unless the record is not what was seen.

        Args:
            instance_id: The instance that is to bootstrap it.
            replaces: The record that was seen, whose instance ended before the cluster existed;
                None if there was none.

        Returns:
            Whether this instance is the recorded one now. False: look again.

        Raises:
            AlreadyCreatedError: The record to replace is of a cluster that has existed.
        """
        if replaces is not None and replaces.created:
            raise AlreadyCreatedError(
                f"the cluster has existed (etcd cluster id {replaces.cluster_id}) and must not be "
                "seeded again: recover its quorum, or order its recovery from a snapshot by the "
                "command recover"
            )
        seen = "attribute_not_exists(pk)" if replaces is None else "instance_id = :seen"
        values = {":instance": {"S": instance_id}}
        if replaces is not None:
            values[":seen"] = {"S": replaces.instance_id}
        written = self._items.update(
            _SEED,
            "SET instance_id = :instance",
            values,
            f"({seen} OR instance_id = :instance) AND attribute_not_exists(cluster_id)",
        )
        return written is not None

    def mark_created(self, instance_id: str, cluster_id: int) -> bool:
        """Record that the cluster exists: from now on it is never seeded again.

        Returns:
            Whether it is recorded with this instance and id. False: another instance is the seed,
            or another id is recorded.
        """
        written = self._items.update(
            _SEED,
            "SET cluster_id = :cluster",
            {":instance": {"S": instance_id}, ":cluster": {"S": str(cluster_id)}},
            "instance_id = :instance"
            " AND (attribute_not_exists(cluster_id) OR cluster_id = :cluster)",
        )
        return written is not None

    def order_recovery(self, seen: Seed, order: RestoreOrder) -> bool:
        """Order that the cluster is made anew from a snapshot, if the record is still as it was seen.

        From then on the cluster counts as one that does not exist yet, whose first member starts
        with the data of the snapshot; the id that it had is never taken for the cluster's again.

        Args:
            seen: The record as it was read: of a cluster that has existed, or with an order that
                this one replaces.
            order: What to make it of.

        Returns:
            Whether it is ordered. False: look again.
        """
        values: Item = {
            ":none": {"S": ""},
            ":next": integer(seen.generation + 1),
            ":snapshot": {"S": order.snapshot},
            ":bump": integer(order.bump_revision),
            ":lost": {"S": str(order.lost_cluster_id)},
        }
        expression = (
            "SET instance_id = :none, generation = :next, restore_snapshot = :snapshot,"
            " restore_bump = :bump, lost_cluster_id = :lost"
        )
        if seen.created:
            values[":retired"] = {"SS": [str(order.lost_cluster_id)]}
            values[":instance"] = {"S": seen.instance_id}
            expression += ", lost_instance_id = :instance REMOVE cluster_id ADD retired :retired"
        return self._change_generation(seen, expression, values)

    def cancel_recovery(self, seen: Seed) -> bool:
        """Take an order back whose cluster does not live yet: the one before is the cluster again.

        Returns:
            Whether it is taken back. False: look again.

        Raises:
            ValueError: There is no order in the record that was seen.
        """
        if seen.restore is None:
            raise ValueError("there is no order that could be taken back")
        lost = str(seen.restore.lost_cluster_id)
        return self._change_generation(
            seen,
            "SET cluster_id = :lost, instance_id = lost_instance_id, generation = :next"
            " REMOVE restore_snapshot, restore_bump DELETE retired :retired",
            {
                ":lost": {"S": lost},
                ":next": integer(seen.generation + 1),
                ":retired": {"SS": [lost]},
            },
        )

    def _change_generation(self, seen: Seed, expression: str, values: Item) -> bool:
        """Change the seed's record, if it is still as it was seen."""
        as_seen = []
        if seen.generation:
            as_seen.append("generation = :generation")
            values[":generation"] = integer(seen.generation)
        else:
            as_seen.append("attribute_not_exists(generation)")
        if seen.cluster_id is None:
            as_seen.append("attribute_not_exists(cluster_id)")
        else:
            as_seen.append("cluster_id = :cluster")
            values[":cluster"] = {"S": str(seen.cluster_id)}
        return self._items.update(_SEED, expression, values, " AND ".join(as_seen)) is not None

    def record_member(self, instance_id: str, member_id: int) -> None:
        """Record the member id of an instance."""
        self._items.put(_MEMBER + instance_id, {"member_id": {"S": str(member_id)}})

    def forget_member(self, instance_id: str) -> None:
        """Forget the member id of an instance; one that is not recorded is fine."""
        self._items.delete(_MEMBER + instance_id)

    def record_snapshot(self, snapshot: StoredSnapshot) -> None:
        """Record the last snapshot, in place of the one before."""
        self._items.put(_SNAPSHOT, snapshot_to_item(snapshot))

    def record_snapshot_failure(self, failure: SnapshotFailure) -> None:
        """Record why the last attempt that failed did so, in place of the one before."""
        self._items.put(_SNAPSHOT_FAILURE, failure_to_item(failure))

    def record_notice(self, instance_id: str, notice: Notice) -> None:
        """Record what EC2 said of an instance, in place of what it said before."""
        expires = integer(int(notice.time) + NOTICE_RETENTION_SECONDS)
        self._items.put(_NOTICE + instance_id, {**notice_to_item(notice), "expires": expires})

    def record_preparation(self, instance_id: str, preparation: Preparation) -> None:
        """Record what was begun before a removal, or what became of it, in place of what was."""
        expires = integer(int(preparation.begun) + RETENTION_SECONDS)
        self._items.put(
            _PREPARATION + instance_id, {**preparation_to_item(preparation), "expires": expires}
        )

    def forget_preparation(self, instance_id: str) -> None:
        """Forget what was begun before a removal; one that is not recorded is fine."""
        self._items.delete(_PREPARATION + instance_id)

    def record_override(self, override: Override) -> None:
        """Record what an operator ordered, in place of any earlier order."""
        self._items.put(_OVERRIDE, override_to_item(override))

    def forget_override(self) -> None:
        """Forget what an operator ordered: it is done."""
        self._items.delete(_OVERRIDE)

    def first_seen(
        self, keys: Iterable[str], now: float, known: Mapping[str, float]
    ) -> Mapping[str, float]:
        """Return since when each key waits, and make these the only ones that are remembered.

        A key that no longer waits has to be forgotten here and now, rather than by a time to live,
        which DynamoDB honours within days: when it comes back, its time starts anew. So name all
        that wait in each call, with those of which it is not known whether they still do.

        Args:
            keys: What waits now.
            now: Seconds since the epoch.
            known: What `load` returned.
        """
        waiting = frozenset(keys)
        for key in known.keys() - waiting:
            self._items.delete(_SEEN + key)
        return {key: known[key] if key in known else self._since(key, now) for key in waiting}

    def record_progress(self, key: str, now: float, lag: int) -> None:
        """Remember that a learner has come nearer to the leader: its time starts anew.

        Args:
            key: Its id, as `first_seen` has it.
            now: Seconds since the epoch.
            lag: How many log entries it is behind.
        """
        self._items.update(
            _SEEN + key,
            # LAG is a reserved word of DynamoDB's.
            "SET since = :now, behind = :lag",
            {":now": timestamp(now), ":lag": integer(lag)},
        )

    def record(self, entry: JournalEntry) -> None:
        """Append an entry to the journal."""
        moment = datetime.fromtimestamp(entry.time, timezone.utc).isoformat(timespec="milliseconds")
        # The random part keeps two processes from writing over each other.
        number = f"{next(self._numbers):06d}-{secrets.token_hex(3)}"
        expires = integer(int(entry.time) + RETENTION_SECONDS)
        self._items.put(
            f"{_JOURNAL}{moment}#{number}", {**entry_to_item(entry), "expires": expires}
        )

    def read_journal(self, limit: int) -> tuple[JournalEntry, ...]:
        """Return the latest entries, the newest first.

        Args:
            limit: How many at most; at least 1.
        """
        newest = self._items.query(_JOURNAL, newest_first=True, page=limit)
        return tuple(entry_from_item(item) for item in itertools.islice(newest, limit))

    def _since(self, key: str, now: float) -> float:
        """Remember since when a key waits, unless it is remembered already."""
        item = self._items.update(
            _SEEN + key, "SET since = if_not_exists(since, :now)", {":now": timestamp(now)}
        )
        return now if item is None else float(item["since"]["N"])
