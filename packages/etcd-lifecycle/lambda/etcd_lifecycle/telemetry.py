"""What the Lambda tells of itself: JSON log lines, and metrics in CloudWatch's embedded format.

Both are lines on standard output, which CloudWatch Logs collects; a line with an ``_aws`` key
becomes metrics. Nothing secret is ever handed over: no TLS material, no token.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import TextIO

    from .vitals import Vitals

NAMESPACE: Final = "Quorate"
"""The namespace of the metrics."""

Level: TypeAlias = Literal["DEBUG", "INFO", "WARNING", "ERROR"]


@dataclass(frozen=True)
class PassMetrics:
    """What one pass over a cluster measured.

    Attributes:
        quorate: Whether a quorum answered.
        voters: How many members vote.
        healthy_voters: How many of them are known to be well.
        alarms: For how many members an alarm of etcd stands.
        database_size: How many bytes the largest database of a member has.
        oldest_hook: Seconds since the longest waiting instance was first seen; 0 if none waits.
        duration: Seconds that the pass took.
    """

    quorate: bool
    voters: int
    healthy_voters: int
    alarms: int
    database_size: int
    oldest_hook: float
    duration: float


class Telemetry:
    """Writes the log lines and the metrics of one cluster."""

    def __init__(
        self,
        cluster: str,
        *,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take where to write.

        Args:
            cluster: The name of the cluster, which is in every line.
            stream: Where the lines go; standard output by default.
            clock: Returns seconds since the epoch.
        """
        self._cluster = cluster
        self._stream = stream
        self._clock = clock

    def log(self, level: Level, message: str, **fields: object) -> None:
        """Write one log line.

        Args:
            level: How much it matters.
            message: What happened, in a sentence.
            fields: More about it, such as the instance; what JSON has no form for is written as
                text.
        """
        self._write(
            {
                "time": self._clock(),
                "level": level,
                "message": message,
                "cluster": self._cluster,
                **fields,
            }
        )

    def decided(self, action: str) -> None:
        """Count a decision, with the dimensions ``Cluster`` and ``Action``.

        Args:
            action: The kind of action, such as ``RemoveMember``.
        """
        self._emit({"Decisions": ("Count", 1)}, {"Cluster": self._cluster, "Action": action})

    def passed(self, measured: PassMetrics) -> None:
        """Write the metrics of a pass, with the dimension ``Cluster``."""
        self._emit(
            {
                "Passes": ("Count", 1),
                "Quorum": ("None", int(measured.quorate)),
                "Voters": ("Count", measured.voters),
                "HealthyVoters": ("Count", measured.healthy_voters),
                "Alarms": ("Count", measured.alarms),
                "DatabaseSize": ("Bytes", measured.database_size),
                "OldestHook": ("Seconds", measured.oldest_hook),
                "Duration": ("Seconds", measured.duration),
            },
            {"Cluster": self._cluster},
        )

    def vital(self, vitals: Vitals) -> None:
        """Write the signs of trouble, with the dimension ``Cluster``."""
        metrics: dict[str, tuple[str, float]] = {
            "OldestLearner": ("Seconds", vitals.oldest_learner),
            "Refusals": ("Count", vitals.refusals),
            "UnwellVoters": ("Count", vitals.unwell),
        }
        if vitals.snapshot_age is not None:
            metrics["SnapshotAge"] = ("Seconds", vitals.snapshot_age)
        if vitals.preparation_failures is not None:
            metrics["PreparationFailures"] = ("Count", vitals.preparation_failures)
        self._emit(metrics, {"Cluster": self._cluster})

    def circuits(self, open_ones: Sequence[str]) -> None:
        """Count the services whose circuit is open, with the dimension ``Cluster``.

        Args:
            open_ones: The names of the services, which are logged.
        """
        if open_ones:
            self.log("WARNING", f"not called for now, as it failed: {', '.join(open_ones)}")
        self._emit({"OpenCircuits": ("Count", len(open_ones))}, {"Cluster": self._cluster})

    def certificate_ends(self, end: float) -> None:
        """Write for how long the function's certificate is valid, with the dimension ``Cluster``.

        Args:
            end: When it ends, in seconds since the epoch.
        """
        left = end - self._clock()
        self._emit({"CertificateSeconds": ("Seconds", left)}, {"Cluster": self._cluster})

    def snapshot_stored(self, size: int, seconds: float) -> None:
        """Write the metrics of a snapshot that was stored, with the dimension ``Cluster``.

        Args:
            size: How many bytes it has.
            seconds: How long it took.
        """
        self._emit(
            {
                "Snapshots": ("Count", 1),
                "SnapshotFailures": ("Count", 0),
                "SnapshotSize": ("Bytes", size),
                "SnapshotDuration": ("Seconds", seconds),
            },
            {"Cluster": self._cluster},
        )

    def snapshot_failed(self) -> None:
        """Count a snapshot that failed, with the dimension ``Cluster``."""
        self._emit({"SnapshotFailures": ("Count", 1)}, {"Cluster": self._cluster})

    def _emit(
        self, metrics: Mapping[str, tuple[str, float]], dimensions: Mapping[str, str]
    ) -> None:
        definition = {
            "Namespace": NAMESPACE,
            "Dimensions": [list(dimensions)],
            "Metrics": [{"Name": name, "Unit": unit} for name, (unit, _) in metrics.items()],
        }
        self._write(
            {
                "_aws": {
                    "Timestamp": int(self._clock() * 1000),
                    "CloudWatchMetrics": [definition],
                },
                **dimensions,
                **{name: value for name, (_, value) in metrics.items()},
            }
        )

    def _write(self, line: Mapping[str, object]) -> None:
        # Looked up late: Lambda and tests replace standard output.
        print(json.dumps(line, default=str), file=self._stream or sys.stdout, flush=True)
