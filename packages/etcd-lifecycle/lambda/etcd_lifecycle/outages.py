"""What a run makes of a service of AWS that is down: it ends early, and tells so once.

A run whose call a breaker refused, or whose failure opened the circuit, has done what it could: held
instances have had their heartbeats. To fail would only bring its messages again, and at last into
the dead-letter queue; the next tick looks at everything anyway.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .aws import explain
from .journal_items import JournalEntry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .dependency import Dependency
    from .journal import Journal
    from .telemetry import Telemetry


@dataclass(frozen=True)
class EndEarly:
    """What the journal calls the end of a run by an open circuit.

    Attributes:
        service: The service that is not called for now.
    """

    service: str


@dataclass(frozen=True)
class Resume:
    """What the journal calls it when a service is called again.

    Attributes:
        service: The service, which has answered a probe.
    """

    service: str


@dataclass
class Outages:
    """The open circuits, and what was told of them.

    Attributes:
        dependencies: The services of AWS.
        journal: Where an outage's begin and end are recorded.
        telemetry: Logs.
        clock: Returns seconds since the epoch.
    """

    dependencies: Sequence[Dependency]
    journal: Journal
    telemetry: Telemetry
    clock: Callable[[], float] = time.time
    _told: set[str] = field(default_factory=set, init=False)

    def open_circuits(self) -> list[str]:
        """The names of the services that are not called for now."""
        return [one.name for one in self.dependencies if one.is_down]

    def ends(self, error: Exception) -> bool:
        """Whether an error comes of a service whose circuit is open, so that the run ends early.

        Args:
            error: What the run ended with.
        """
        return any(one.is_down and one.failure is error for one in self.dependencies)

    def tell(self, error: Exception) -> None:
        """Log why a run ends early, and journal it when it is the first one of this environment.

        Args:
            error: One for which `ends` is true.
        """
        down = next(one for one in self.dependencies if one.failure is error)
        reason = f"{down.name} is not called for now, as it failed: {explain(error)}"
        self.telemetry.log("WARNING", f"this run ends early: {reason}")
        if down.name not in self._told:
            self._told.add(down.name)
            self._record(EndEarly(down.name), reason, "held instances are kept; nothing is changed")

    def settle(self) -> None:
        """Journal which services have answered a probe of this environment."""
        for one in self.dependencies:
            if not one.is_down:
                self._told.discard(one.name)
            if one.take_recovery():
                self._record(Resume(one.name), f"{one.name} answers again", "it is called again")

    def _record(self, action: EndEarly | Resume, reason: str, outcome: str) -> None:
        try:
            self.journal.record(JournalEntry(self.clock(), str(action), reason, "", outcome))
        except Exception as error:  # noqa: BLE001 -- the journal may be what is down
            self.telemetry.log("ERROR", f"{action} is not in the journal: {explain(error)}")
