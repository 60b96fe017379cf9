"""What every operation that a person asks for works with."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .journal_items import JournalEntry
from .refusal import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .auto_scaling import AutoScalingGroup
    from .etcd_access import EtcdAccess
    from .journal import Journal
    from .lease import Lease
    from .model import ClusterView, Policy
    from .observe import Observer
    from .telemetry import Telemetry

RESERVE_SECONDS: Final = 25.0
"""What is kept of the function's time, when it waits for another run to end, for the operation."""

RETRY_SECONDS: Final = 0.5
"""Between two attempts to take the lease."""


@dataclass(frozen=True)
class OperationContext:
    """What an operation works with, and what each of them does in the same way.

    Attributes:
        group: The Auto Scaling group.
        observer: Looks at the cluster.
        endpoints: The way to a member by its address.
        journal: Keeps the lease, and what was ordered and done.
        policy: What is a choice.
        telemetry: Logs.
        lease_seconds: How long the lease of a run that died keeps others from changing anything.
        clock: Returns seconds since the epoch.
        sleep: Waits for the seconds that it is given.
    """

    group: AutoScalingGroup
    observer: Observer
    endpoints: EtcdAccess
    journal: Journal
    policy: Policy
    telemetry: Telemetry
    lease_seconds: float
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], object] = time.sleep

    def look(self, now: float | None = None) -> ClusterView:
        """Look at the cluster, and change nothing: no lease, no heartbeat, no record.

        Args:
            now: Seconds since the epoch; by default what the clock says.
        """
        return self.observer.look(self.group.describe(), self.clock() if now is None else now)

    @contextlib.contextmanager
    def lease(self, owner: str, seconds_left: Callable[[], float]) -> Iterator[Lease]:
        """Hold the lease; waits for another run to end, as long as that leaves enough time.

        Args:
            owner: Names this run in the lease; another for each run.
            seconds_left: How long the run may still take.

        Raises:
            RefusedError: The other runs take too long.
        """
        lease = self.journal.lease(owner, seconds=self.lease_seconds)
        while not lease.acquire():
            if seconds_left() < RESERVE_SECONDS:
                raise RefusedError("other runs are at work on the cluster: try again")
            self.sleep(RETRY_SECONDS)
        try:
            yield lease
        finally:
            lease.release()

    def record(self, action: str, reason: str, outcome: str, arithmetic: str = "") -> None:
        """Append what was done to the journal, as of now.

        Args:
            action: The kind of action, with what it was done to.
            reason: Why, and who asked for it.
            outcome: What became of it.
            arithmetic: The numbers behind it.
        """
        self.journal.record(JournalEntry(self.clock(), action, reason, arithmetic, outcome))
