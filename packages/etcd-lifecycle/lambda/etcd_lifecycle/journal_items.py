"""What is remembered, in the form of items: for each kind how it is written, and how it is read.

Member ids, cluster ids and revisions are texts: they take all of 64 bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .model import (
    Notice,
    NoticeKind,
    Override,
    Preparation,
    PreparationState,
    RestoreOrder,
    Seed,
    SnapshotFailure,
    StoredSnapshot,
)
from .partition import integer, timestamp

if TYPE_CHECKING:
    from .partition import Item


@dataclass(frozen=True)
class JournalEntry:
    """One decision and what became of it.

    Attributes:
        time: When, in seconds since the epoch, to the millisecond.
        action: The kind of action, with what it was done to.
        reason: Why, in a sentence.
        arithmetic: The numbers behind it.
        outcome: What became of it.
        view: The digest of the view that it was decided on, as the log has it; empty if it was not
            the planner that decided.
    """

    time: float
    action: str
    reason: str
    arithmetic: str
    outcome: str
    view: str = ""


def entry_to_item(entry: JournalEntry) -> Item:
    """The attributes of an entry of the journal."""
    return {
        "time": timestamp(entry.time),
        "action": {"S": entry.action},
        "reason": {"S": entry.reason},
        "arithmetic": {"S": entry.arithmetic},
        "outcome": {"S": entry.outcome},
        **({"view": {"S": entry.view}} if entry.view else {}),
    }


def entry_from_item(item: Item) -> JournalEntry:
    """Read an entry of the journal."""
    return JournalEntry(
        time=float(item["time"]["N"]),
        action=item["action"]["S"],
        reason=item["reason"]["S"],
        arithmetic=item["arithmetic"]["S"],
        outcome=item["outcome"]["S"],
        view=item["view"]["S"] if "view" in item else "",
    )


def seed_from_item(item: Item) -> Seed:
    """Read the record of the bootstrap, which each of its changes writes a part of."""
    cluster_id = item.get("cluster_id")
    snapshot = item.get("restore_snapshot")
    restore = None
    if snapshot is not None and cluster_id is None:
        restore = RestoreOrder(
            snapshot=snapshot["S"],
            bump_revision=int(item["restore_bump"]["N"]),
            lost_cluster_id=int(item["lost_cluster_id"]["S"]),
        )
    return Seed(
        instance_id=item["instance_id"]["S"],
        cluster_id=cluster_id and int(cluster_id["S"]),
        generation=int(item["generation"]["N"]) if "generation" in item else 0,
        restore=restore,
        retired=tuple(sorted(int(one) for one in item.get("retired", {}).get("SS", ()))),
    )


def snapshot_to_item(snapshot: StoredSnapshot) -> Item:
    """The attributes of a snapshot that was stored."""
    return {
        "key": {"S": snapshot.key},
        "revision": {"S": str(snapshot.revision)},
        "size": integer(snapshot.size),
        "taken": timestamp(snapshot.taken),
        "stored": timestamp(snapshot.stored),
    }


def snapshot_from_item(item: Item) -> StoredSnapshot:
    """Read a snapshot that was stored."""
    return StoredSnapshot(
        key=item["key"]["S"],
        revision=int(item["revision"]["S"]),
        size=int(item["size"]["N"]),
        taken=float(item["taken"]["N"]),
        stored=float(item["stored"]["N"]),
    )


def failure_to_item(failure: SnapshotFailure) -> Item:
    """The attributes of a snapshot that failed."""
    return {"time": timestamp(failure.time), "reason": {"S": failure.reason}}


def failure_from_item(item: Item) -> SnapshotFailure:
    """Read a snapshot that failed."""
    return SnapshotFailure(float(item["time"]["N"]), item["reason"]["S"])


def notice_to_item(notice: Notice) -> Item:
    """The attributes of what EC2 said of an instance."""
    return {"kind": {"S": notice.kind.value}, "time": timestamp(notice.time)}


def notice_from_item(item: Item) -> Notice:
    """Read what EC2 said of an instance."""
    return Notice(NoticeKind(item["kind"]["S"]), float(item["time"]["N"]))


def preparation_to_item(preparation: Preparation) -> Item:
    """The attributes of what was begun before a removal."""
    return {
        "begun": timestamp(preparation.begun),
        "state": {"S": preparation.state.value},
        "detail": {"S": preparation.detail},
        "command": {"S": preparation.command},
    }


def preparation_from_item(item: Item) -> Preparation:
    """Read what was begun before a removal."""
    return Preparation(
        begun=float(item["begun"]["N"]),
        state=PreparationState(item["state"]["S"]),
        detail=item["detail"]["S"],
        command=item["command"]["S"],
    )


def override_to_item(override: Override) -> Item:
    """The attributes of an operator's order; ``expires`` is DynamoDB's, which takes whole seconds."""
    return {
        "member": {"S": override.member},
        "operator": {"S": override.operator},
        "reason": {"S": override.reason},
        "until": timestamp(override.expires),
        "expires": integer(int(override.expires)),
    }


def override_from_item(item: Item) -> Override:
    """Read an operator's order."""
    return Override(
        member=item["member"]["S"],
        operator=item["operator"]["S"],
        reason=item["reason"]["S"],
        expires=float(item["until"]["N"]),
    )
