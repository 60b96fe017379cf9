"""What a snapshot's stream must be, and what becomes of one that is not."""

import hashlib
import io
import json
from dataclasses import replace

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from cluster_views import NOW, Slot, address, member_id, view, with_member
from etcd_lifecycle.act import Result
from etcd_lifecycle.etcd_answers import SnapshotChunk
from etcd_lifecycle.etcd_errors import Unreachable
from etcd_lifecycle.model import TakeSnapshot
from etcd_lifecycle.snapshot import (
    RESERVE_SECONDS,
    SnapshotError,
    Snapshots,
    checked,
    expected_seconds,
)
from etcd_lifecycle.snapshot_store import RetentionError
from etcd_lifecycle.telemetry import Telemetry
from hypothesis import given
from hypothesis import strategies as st

THREE = view(Slot(), Slot(), Slot())
TAKE = TakeSnapshot(member_id(2))


def stream(*pieces, told=None):
    """The pieces as etcd streams them, with the hash as the last one."""
    total = sum(len(piece) for piece in pieces)
    chunks = []
    for piece in pieces:
        total -= len(piece)
        chunks.append(SnapshotChunk(total, piece))
    told = hashlib.sha256(b"".join(pieces)).digest() if told is None else told
    return [*chunks, SnapshotChunk(0, told)] if told else chunks


# --- the check ------------------------------------------------------------------------------------


@given(pieces=st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=9))
def test_what_is_whole_is_passed_on_with_its_hash(pieces):
    data = b"".join(pieces)

    assert b"".join(checked(iter(stream(*pieces)))) == data + hashlib.sha256(data).digest()


@given(
    pieces=st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=9),
    cut=st.integers(min_value=0, max_value=8),
)
def test_what_is_cut_short_is_refused(pieces, cut):
    whole = stream(*pieces)

    with pytest.raises(SnapshotError, match=r"cut short|SHA-256 is missing"):
        list(checked(iter(whole[: min(cut, len(whole) - 1)])))


@given(
    pieces=st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=9),
    where=st.integers(min_value=0),
    bit=st.integers(min_value=0, max_value=7),
)
def test_any_bit_that_is_wrong_is_noticed(pieces, where, bit):
    whole = stream(*pieces)
    at = where % len(whole)
    blob = bytearray(whole[at].blob)
    blob[where % len(blob)] ^= 1 << bit
    whole[at] = SnapshotChunk(whole[at].remaining, bytes(blob))

    with pytest.raises(SnapshotError, match="damaged"):
        list(checked(iter(whole)))


def test_a_piece_that_is_missing_in_between_is_noticed_at_once():
    whole = stream(b"one", b"two", b"three")
    reader = checked(iter([whole[0], whole[2], whole[3]]))

    assert next(reader) == b"one"
    with pytest.raises(SnapshotError, match="8 bytes came and 0 remain, of 11"):
        next(reader)


def test_nothing_at_all_is_no_snapshot():
    with pytest.raises(SnapshotError, match="0 of any bytes"):
        list(checked(iter([])))


# --- taking one -----------------------------------------------------------------------------------


class Parts:
    """Stand-ins for all parts that are taken to pieces in tests of their own."""

    bucket = "backups"

    def __init__(self, chunks=None, **errors):
        self.chunks = stream(b"the ", b"data") if chunks is None else chunks
        self.errors = errors
        self.done = []
        self.output = io.StringIO()
        self.now = NOW
        self.left = 60.0
        self.parts_of = 3
        self.size = 0

    def _do(self, what, *more):
        self.done.append((what, *more))
        if what in self.errors:
            raise self.errors[what]

    # The member

    def at(self, host):
        self.done.append(("at", host))
        return self

    def revision(self):
        self._do("revision")
        return 42

    def snapshot(self, timeout):
        self.done.append(("snapshot", timeout))
        try:
            for number, chunk in enumerate(self.chunks):
                if number == 1 and "stream" in self.errors:
                    raise self.errors["stream"]
                self.now += 1
                self.left -= 1
                yield chunk
        finally:
            self.done.append(("closed",))

    # The store

    def key(self, taken, revision):
        return f"key-{taken:.0f}-{revision}"

    def begin(self, key, metadata):
        self.key_, self.metadata = key, metadata
        self._do("begin")
        upload = type("Upload", (), {})()
        upload.key, upload.size = key, 0

        def write(data):
            upload.size += len(data)
            self._do("write", data)

        upload.write = write
        upload.complete = lambda: self._do("complete")
        upload.abort = lambda: self._do("abort")
        return upload

    def prune(self, keep):
        self._do("prune", keep)
        return ["old"]

    # The journal

    def record_snapshot(self, record):
        self._do("record", record)

    def record_snapshot_failure(self, failure):
        self._do("record failure", failure)

    def take(self, seen=THREE, *, keep=None, keep_alive=lambda: None):
        telemetry = Telemetry("main", stream=self.output, clock=lambda: self.now)
        snapshots = Snapshots(self, self, self, telemetry, keep=keep, clock=lambda: self.now)
        return snapshots.take(TAKE, seen, seconds_left=lambda: self.left, keep_alive=keep_alive)

    @property
    def steps(self):
        return [step[0] for step in self.done]

    @property
    def lines(self):
        return [json.loads(line) for line in self.output.getvalue().splitlines()]


def test_a_snapshot_is_stored_then_recorded():
    parts = Parts()
    outcome = parts.take()

    assert outcome.result is Result.DONE
    assert outcome.detail == (
        "s3://backups/key-1000000-42, 40 bytes, with everything up to revision 42"
    )
    assert parts.steps == [
        *["at", "revision", "begin", "snapshot", "write", "write", "write", "closed", "complete"],
        "record",
    ]
    assert parts.done[0] == ("at", address(2))
    record = parts.done[-1][1]
    assert (record.key, record.revision, record.size) == ("key-1000000-42", 42, 40)
    assert (record.taken, record.stored) == (NOW, NOW + 3)
    assert parts.lines[0]["Snapshots"] == 1
    assert parts.lines[0]["SnapshotFailures"] == 0
    assert parts.lines[0]["SnapshotSize"] == 40
    assert parts.lines[0]["SnapshotDuration"] == 3


def test_the_object_tells_of_what_it_is():
    parts = Parts()
    parts.take()

    assert parts.metadata == {
        "cluster": "main",
        "cluster-id": str(THREE.cluster_id),
        "member-id": str(member_id(2)),
        "revision": "42",
        "etcd-version": "3.5.30",
        "taken": "1970-01-12T13:46:40+00:00",
    }


DENIED = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "UploadPart")
SILENT = EndpointConnectionError(endpoint_url="https://s3.example")


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        (Parts(stream(b"data")[:-1]), "SHA-256 is missing"),
        (Parts(stream(b"data", told=b"x" * 32)), "damaged"),
        (Parts(stream=Unreachable(None, "reset", "192.0.2.2:2379")), "192.0.2.2:2379: reset"),
        (Parts(write=DENIED), "AccessDenied"),
        (Parts(complete=DENIED), "AccessDenied"),
        (Parts(write=SILENT), "https://s3.example"),
    ],
    ids=["short", "damaged", "etcd", "part", "complete", "silent"],
)
def test_what_fails_on_its_way_is_aborted_recorded_and_counted(parts, why):
    outcome = parts.take()

    assert outcome.result is Result.FAILED
    assert why in outcome.detail
    assert "i-2" in outcome.detail
    assert "backups" in outcome.detail
    assert parts.steps[-3:-1] == ["closed", "abort"] or parts.steps[-2] == "abort"
    assert "closed" in parts.steps
    failure = parts.done[-1][1]
    assert failure.time == parts.now
    assert failure.reason == outcome.detail
    assert parts.lines[0]["level"] == "ERROR"
    assert parts.lines[1]["SnapshotFailures"] == 1


@pytest.mark.parametrize(
    ("step", "error"), [("revision", Unreachable(None, "hangs")), ("begin", DENIED)]
)
def test_what_fails_before_it_began_is_recorded(step, error):
    parts = Parts(**{step: error})

    assert parts.take().result is Result.FAILED
    assert "abort" not in parts.steps
    assert parts.steps[-1] == "record failure"


def test_one_that_does_not_fit_into_the_time_says_how_much_it_takes():
    big = replace(THREE.members[1].status, db_size=4000)
    parts = Parts(stream(b"x" * 1000, b"x" * 3000))
    parts.left = RESERVE_SECONDS + 0.5
    outcome = parts.take(with_member(THREE, 2, status=big))

    assert outcome.result is Result.FAILED
    assert "1000 of 4000 bytes were stored in 1 s" in outcome.detail
    assert f"timeout of at least {4 + 2 * RESERVE_SECONDS:.0f} s" in outcome.detail
    assert parts.steps[-2:] == ["abort", "record failure"]


def test_a_run_that_may_not_go_on_aborts_and_is_told():
    class LeaseLostError(Exception):
        pass

    def keep_alive():
        raise LeaseLostError

    parts = Parts()
    with pytest.raises(LeaseLostError):
        parts.take(keep_alive=keep_alive)
    assert parts.steps[-2:] == ["closed", "abort"]


def test_a_slow_stream_tells_that_it_is_alive_at_each_piece():
    """Not at each part: those are so large that one may take longer than a lease holds."""
    parts = Parts(stream(*[b"slow"] * 40))
    alive = []
    parts.take(keep_alive=lambda: alive.append(parts.now))

    assert alive == [NOW + second for second in range(1, len(parts.chunks) + 1)]


def test_old_ones_are_deleted_once_the_new_one_is_stored_and_before_it_is_recorded():
    """A run that dies before the record takes another one; after it, nobody would delete them soon."""
    parts = Parts()
    parts.take(keep=5)

    assert parts.steps[-3:] == ["complete", "prune", "record"]
    assert parts.done[-2] == ("prune", 5)
    assert parts.lines[0]["keys"] == ["old"]


@pytest.mark.parametrize("error", [DENIED, SILENT, RetentionError("kept")])
def test_old_ones_that_stay_do_not_make_the_new_one_fail(error):
    parts = Parts(prune=error)

    assert parts.take(keep=5).result is Result.DONE
    assert "old snapshots were not deleted" in parts.lines[0]["message"]
    assert parts.steps[-1] == "record"


def test_how_long_it_may_take_goes_by_the_size():
    status = replace(THREE.members[0].status, db_size=600_000_000)

    assert expected_seconds(THREE.members[0]) == RESERVE_SECONDS
    assert expected_seconds(replace(THREE.members[0], status=status)) == 60 + RESERVE_SECONDS
