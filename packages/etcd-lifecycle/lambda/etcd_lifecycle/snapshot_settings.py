"""What the function's environment says of snapshots of the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .environment import ConfigurationError, read_enum, read_flag, read_number, read_whole_number
from .model import OnSnapshotFailure, SnapshotPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping

_PREFIX = "QUORATE_SNAPSHOT_"


@dataclass(frozen=True)
class SnapshotSettings:
    """Where snapshots go, and how many are kept; the policy tells when they are taken.

    Attributes:
        bucket: ``QUORATE_SNAPSHOT_BUCKET``: the name of the bucket.
        prefix: ``QUORATE_SNAPSHOT_PREFIX``: the first part of the keys; nothing by default.
        keep: ``QUORATE_SNAPSHOT_KEEP``: how many are kept; all by default.
    """

    bucket: str
    prefix: str = ""
    keep: int | None = None


def read_snapshot_settings(environment: Mapping[str, str]) -> SnapshotSettings | None:
    """Read where snapshots go; None if none are taken.

    Raises:
        ConfigurationError: A value is none that it may have, or something is set without a bucket.
    """
    bucket = environment.get(f"{_PREFIX}BUCKET")
    if not bucket:
        without = sorted(
            one for one, value in environment.items() if one.startswith(_PREFIX) and value
        )
        if without:
            raise ConfigurationError(
                f"{', '.join(without)}: set without {_PREFIX}BUCKET, so that no snapshot would be "
                "taken; name the bucket, or unset what is set"
            )
        return None
    return SnapshotSettings(
        bucket,
        environment.get(f"{_PREFIX}PREFIX", ""),
        read_whole_number(environment, f"{_PREFIX}KEEP", 0) or None,
    )


def read_snapshot_policy(environment: Mapping[str, str]) -> SnapshotPolicy | None:
    """Read ``QUORATE_SNAPSHOT_BEFORE_REMOVAL``, ``_ON_FAILURE``, ``_INTERVAL``, ``_MAX_AGE``, ``_RETRY``.

    Returns:
        When snapshots are taken; None if none are.

    Raises:
        ConfigurationError: A value is none that it may have.
    """
    if read_snapshot_settings(environment) is None:
        return None
    return SnapshotPolicy(
        before_removal=read_flag(environment, f"{_PREFIX}BEFORE_REMOVAL"),
        on_failure=read_enum(environment, f"{_PREFIX}ON_FAILURE", OnSnapshotFailure),
        interval=read_number(environment, f"{_PREFIX}INTERVAL", 0) or None,
        max_age=read_number(environment, f"{_PREFIX}MAX_AGE", SnapshotPolicy.max_age),
        retry=read_number(environment, f"{_PREFIX}RETRY", SnapshotPolicy.retry),
    )
