"""Takes snapshots of the data: from a member's stream, checked, into a bucket.

What etcd streams is its database file and, behind that, the SHA-256 of it. It goes to the bucket
piece by piece, so that memory does not grow with the database; the upload is only completed when
length and hash are right. etcdctl and etcdutl take the object as a snapshot of their own.
"""

from __future__ import annotations

import hashlib
import time
from contextlib import closing
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final

from .act import Outcome, Result
from .etcd_errors import EtcdError
from .model import SnapshotFailure, StoredSnapshot
from .snapshot_store import STORE_ERRORS, RetentionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .etcd_access import EtcdAccess
    from .etcd_answers import SnapshotChunk
    from .journal import Journal
    from .model import ClusterView, Member, TakeSnapshot
    from .snapshot_store import SnapshotStore
    from .telemetry import Telemetry

RESERVE_SECONDS: Final = 20.0
"""What is kept of a run's time to give up an upload and to record why."""

EXPECTED_RATE: Final = 10e6
"""Bytes in a second that can be hoped for; about 30 MB/s were measured on etcd 3.5.30 with TLS."""


class SnapshotError(Exception):
    """There is no snapshot, as what was streamed is not what it should be, or took too long."""


def checked(chunks: Iterator[SnapshotChunk]) -> Iterator[bytes]:
    """Pass a snapshot on, piece by piece, and check it.

    Args:
        chunks: What etcd streams.

    Yields:
        All the bytes, the hash at the end included. They are worth nothing before the last.

    Raises:
        SnapshotError: It is cut short, or its hash is not right.
    """
    digest = hashlib.sha256()
    total = received = 0
    told = b""
    for chunk in chunks:
        if total == 0:
            total = len(chunk.blob) + chunk.remaining
        if received < total:
            received += len(chunk.blob)
            digest.update(chunk.blob)
            if received + chunk.remaining != total:
                raise SnapshotError(
                    f"a piece is missing: {received} bytes came and {chunk.remaining} remain, of "
                    f"{total}"
                )
        else:
            told += chunk.blob
        yield chunk.blob
    if received < total or not total:
        raise SnapshotError(f"it is cut short: {received} of {total or 'any'} bytes came")
    if told != digest.digest():
        raise SnapshotError(
            "its SHA-256 is missing"
            if not told
            else "it was damaged on its way: its SHA-256 is "
            f"{digest.hexdigest()}, and etcd said {told[: digest.digest_size].hex()}"
        )


class Snapshots:
    """Takes them, records them, and deletes the old ones."""

    def __init__(  # noqa: PLR0913 -- its parts
        self,
        store: SnapshotStore,
        endpoints: EtcdAccess,
        journal: Journal,
        telemetry: Telemetry,
        *,
        keep: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take what it works with.

        Args:
            store: Where snapshots are kept.
            endpoints: The way to a member by its address.
            journal: Where they are recorded.
            telemetry: Logs and metrics.
            keep: How many are kept; None for all.
            clock: Returns seconds since the epoch.
        """
        self._store = store
        self._endpoints = endpoints
        self._journal = journal
        self._telemetry = telemetry
        self._keep = keep
        self._clock = clock

    def take(
        self,
        action: TakeSnapshot,
        view: ClusterView,
        *,
        seconds_left: Callable[[], float],
        keep_alive: Callable[[], object],
    ) -> Outcome:
        """Store a snapshot.

        Args:
            action: Tells whom to ask for it.
            view: The view that it was decided on.
            seconds_left: How long the run may still take.
            keep_alive: Is called after each piece; what it raises ends the upload.

        Returns:
            What became of it; if it failed, this is recorded, and the plan says what follows.
        """
        member = next(one for one in view.members if one.id == action.member_id)
        try:
            stored = self._take(member, view, seconds_left, keep_alive)
        except (SnapshotError, EtcdError, *STORE_ERRORS) as error:
            return self._failed(member, error)
        # Before the record: a run that dies in between leaves none behind, as the next one starts over.
        self._prune()
        self._journal.record_snapshot(stored)
        self._telemetry.snapshot_stored(stored.size, stored.stored - stored.taken)
        return Outcome(
            Result.DONE,
            f"s3://{self._store.bucket}/{stored.key}, {stored.size} bytes, with everything up to "
            f"revision {stored.revision}",
        )

    def _take(
        self,
        member: Member,
        view: ClusterView,
        seconds_left: Callable[[], float],
        keep_alive: Callable[[], object],
    ) -> StoredSnapshot:
        endpoint = self._endpoints.at(member.host)
        taken = self._clock()
        # The stream does not tell its revision; what was applied before it began is in it.
        revision = endpoint.revision()
        upload = self._store.begin(
            self._store.key(taken, revision),
            {
                "cluster": view.cluster,
                "cluster-id": str(view.cluster_id),
                "member-id": str(member.id),
                "revision": str(revision),
                "etcd-version": member.status.version if member.status else "",
                "taken": datetime.fromtimestamp(taken, timezone.utc).isoformat(timespec="seconds"),
            },
        )

        def go_on() -> None:
            keep_alive()
            if seconds_left() < RESERVE_SECONDS:
                raise SnapshotError(_too_slow(upload.size, self._clock() - taken, member))

        try:
            with closing(endpoint.snapshot(max(seconds_left(), 1))) as chunks:
                for blob in checked(chunks):
                    upload.write(blob)
                    go_on()
            upload.complete()
        except BaseException:
            upload.abort()
            raise
        return StoredSnapshot(upload.key, revision, upload.size, taken, self._clock())

    def _failed(self, member: Member, error: Exception) -> Outcome:
        reason = (
            f"the snapshot of {member.label} to the bucket {self._store.bucket} failed: {error}"
        )
        self._journal.record_snapshot_failure(SnapshotFailure(self._clock(), reason))
        self._telemetry.log("ERROR", reason)
        self._telemetry.snapshot_failed()
        return Outcome(Result.FAILED, reason)

    def _prune(self) -> None:
        if self._keep is None:
            return
        try:
            deleted = self._store.prune(self._keep)
        except (RetentionError, *STORE_ERRORS) as error:
            # The next snapshot tries again; this one is stored all the same.
            self._telemetry.log("ERROR", f"old snapshots were not deleted: {error}")
            return
        if deleted:
            self._telemetry.log("INFO", "old snapshots were deleted", keys=deleted)


def expected_seconds(member: Member) -> float:
    """How long a run should have for a snapshot of this member, by the size of its database."""
    size = member.status.db_size if member.status else 0
    return size / EXPECTED_RATE + RESERVE_SECONDS


def _too_slow(received: int, seconds: float, member: Member) -> str:
    size = max(member.status.db_size if member.status else 0, received)
    needed = seconds * size / max(received, 1) + 2 * RESERVE_SECONDS
    return (
        f"{received} of {size} bytes were stored in {seconds:.0f} s, and the function's time is "
        f"over: give it a timeout of at least {needed:.0f} s, and more memory, which makes it faster"
    )
