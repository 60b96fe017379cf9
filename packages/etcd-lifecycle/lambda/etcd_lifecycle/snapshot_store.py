"""Where snapshots are kept: objects of a bucket, below a prefix and the name of the cluster.

An upload is nothing to anybody until it is completed: one that was broken off leaves no object, and
at worst parts that a life-cycle rule of the bucket deletes.
"""

from __future__ import annotations

import logging
import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from python_retry import CircuitOpenError

from .dependency import CALL_ATTEMPTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef, ListObjectsV2OutputTypeDef

    from .dependency import Dependency

T = TypeVar("T")

_LOG = logging.getLogger(__name__)

PART_BYTES: Final = 8 << 20
"""The size of a part. S3 takes 10,000 of them, the smallest 5 MiB long: enough for 80 GiB."""

STORE_ERRORS: Final = (ClientError, BotoCoreError, CircuitOpenError)
"""What a call may raise: S3 refused, did not answer, or is not asked now."""

_CALL_BUDGET: Final = 5.0  # seconds after which a failed call is not made again
_KEYS_PER_DELETE: Final = 1000  # the most that DeleteObjects takes
_NAME: Final = re.compile(r"\d{8}T\d{6}Z-\d+\.db")


class RetentionError(Exception):
    """S3 did not delete what is not to be kept."""


class Upload:
    """An object on its way, of which one part is held in memory. Complete it, or abort it."""

    def __init__(self, store: SnapshotStore, key: str, upload_id: str) -> None:
        """Take what `SnapshotStore.begin` began."""
        self.key = key
        self.size = 0
        self._store = store
        self._upload_id = upload_id
        self._buffer = bytearray()
        self._parts: list[CompletedPartTypeDef] = []

    def write(self, data: bytes) -> None:
        """Append data; once that makes a part, it is sent, which may take a while.

        Raises:
            CircuitOpenError: The breaker refused the call.
            botocore.exceptions.ClientError: S3 refused it.
        """
        self._buffer += data
        self.size += len(data)
        if len(self._buffer) >= PART_BYTES:
            self._send(bytes(self._buffer[:PART_BYTES]))
            del self._buffer[:PART_BYTES]

    def complete(self) -> None:
        """Make the object of all that was written, which must not be nothing.

        Raises:
            CircuitOpenError: The breaker refused a call.
            botocore.exceptions.ClientError: S3 refused it.
        """
        if self._buffer:
            self._send(bytes(self._buffer))
            self._buffer.clear()
        self._store.call(
            "CompleteMultipartUpload",
            lambda s3, bucket: s3.complete_multipart_upload(
                Bucket=bucket,
                Key=self.key,
                UploadId=self._upload_id,
                MultipartUpload={"Parts": self._parts},
            ),
        )

    def abort(self) -> None:
        """Give the upload up. If even that fails it is logged: what was wrong before matters more."""
        self._buffer.clear()
        try:
            self._store.call_whatever_failed(
                "AbortMultipartUpload",
                lambda s3, bucket: s3.abort_multipart_upload(
                    Bucket=bucket, Key=self.key, UploadId=self._upload_id
                ),
            )
        except STORE_ERRORS as error:
            _LOG.warning(
                "the unfinished upload of %s could not be aborted (%s): let a life-cycle rule of "
                "the bucket delete incomplete multipart uploads",
                self.key,
                error,
            )

    def _send(self, part: bytes) -> None:
        number = len(self._parts) + 1
        answer = self._store.call(
            "UploadPart",
            lambda s3, bucket: s3.upload_part(
                Bucket=bucket,
                Key=self.key,
                UploadId=self._upload_id,
                PartNumber=number,
                Body=part,
            ),
        )
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"]})


class SnapshotStore:
    """The objects ``<prefix>/<cluster>/<time>-<revision>.db`` of a bucket."""

    def __init__(
        self,
        bucket: str,
        prefix: str,
        cluster: str,
        s3: Callable[[], S3Client],
        dependency: Dependency,
    ) -> None:
        """Take where they are; nothing is called yet.

        Args:
            bucket: The name of the bucket.
            prefix: The first part of the keys, with or without slashes around it; may be empty.
            cluster: The name of the cluster.
            s3: Returns the client of S3, which is made when it is first needed.
            dependency: The dependency of S3.
        """
        self.bucket = bucket
        self._folder = "/".join([part for part in (prefix.strip("/"), cluster) if part]) + "/"
        self._s3 = s3
        self._dependency = dependency

    def key(self, taken: float, revision: int) -> str:
        """Return the key of a snapshot; sorted by name, they are sorted by time."""
        moment = datetime.fromtimestamp(taken, timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        return f"{self._folder}{moment}-{revision}.db"

    def begin(self, key: str, metadata: Mapping[str, str]) -> Upload:
        """Begin an upload.

        Args:
            key: The key of the object to be.
            metadata: What is kept with it.

        Raises:
            CircuitOpenError: The breaker refused the call.
            botocore.exceptions.ClientError: S3 refused it.
        """
        answer = self.call(
            "CreateMultipartUpload",
            lambda s3, bucket: s3.create_multipart_upload(
                Bucket=bucket,
                Key=key,
                ContentType="application/octet-stream",
                Metadata=dict(metadata),
            ),
        )
        return Upload(self, key, answer["UploadId"])

    def prune(self, keep: int) -> list[str]:
        """Delete all but the newest snapshots of this cluster, and nothing else.

        Args:
            keep: How many are kept; at least 1.

        Returns:
            The keys that were deleted.

        Raises:
            RetentionError: S3 would not delete some.
            CircuitOpenError: The breaker refused a call.
            botocore.exceptions.ClientError: S3 refused it.
        """
        if keep < 1:
            raise ValueError(f"{keep} snapshots are to be kept; it must be at least 1")
        surplus = sorted(self._keys())[:-keep]
        for at in range(0, len(surplus), _KEYS_PER_DELETE):
            self._delete(surplus[at : at + _KEYS_PER_DELETE])
        return surplus

    def call(self, operation: str, request: Callable[[S3Client, str], T]) -> T:
        """Call S3 behind its breaker, with the client and the name of the bucket."""
        return self._dependency.call(
            lambda: request(self._s3(), self.bucket), operation, budget=_CALL_BUDGET
        )

    def call_whatever_failed(self, operation: str, request: Callable[[S3Client, str], T]) -> T:
        """Call S3 even if the failures before have opened its circuit: to tidy up after them."""
        return self._dependency.call_without_breaker(
            lambda: request(self._s3(), self.bucket), operation, attempts=CALL_ATTEMPTS
        )

    def _keys(self) -> Iterator[str]:
        """The keys that `key` makes, and no other that happens to be in the same folder."""
        token = ""
        while True:
            answer = self._list(token)
            for item in answer.get("Contents", ()):
                if _NAME.fullmatch(item["Key"].removeprefix(self._folder)):
                    yield item["Key"]
            token = answer.get("NextContinuationToken", "")
            if not token:
                return

    def _list(self, token: str) -> ListObjectsV2OutputTypeDef:
        if token:
            return self.call(
                "ListObjectsV2",
                lambda s3, bucket: s3.list_objects_v2(
                    Bucket=bucket, Prefix=self._folder, ContinuationToken=token
                ),
            )
        return self.call(
            "ListObjectsV2",
            lambda s3, bucket: s3.list_objects_v2(Bucket=bucket, Prefix=self._folder),
        )

    def _delete(self, keys: list[str]) -> None:
        answer = self.call(
            "DeleteObjects",
            lambda s3, bucket: s3.delete_objects(
                Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True}
            ),
        )
        if errors := answer.get("Errors"):
            first = errors[0]
            raise RetentionError(
                f"S3 did not delete {len(errors)} of {len(keys)} snapshots; the first is "
                f"{first.get('Key')}: {first.get('Message')} ({first.get('Code')})"
            )
