"""Takes a person's order to remove a member that the guard would keep."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from .journal import JournalEntry
from .model import Override
from .refusal import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .auto_scaling import AutoScalingGroup
    from .journal import Journal
    from .model import ClusterView
    from .observe import Observer

LONGEST_SECONDS: Final = 24 * 3600.0
"""How long an order may hold at most: it is for what is wrong now."""


def refusal(view: ClusterView, override: Override) -> str | None:
    """Why an order is not taken; None if it is.

    Args:
        view: What was seen of the cluster.
        override: The order.
    """
    if not view.quorate:
        return "no quorum answers, so that no member can be removed"
    named = [member for member in view.members if override.names(member)]
    if len(named) != 1:
        members = ", ".join(f"{one.name or 'unnamed'} ({one.id:x})" for one in view.members)
        return f"{override.member} names {len(named)} members; there are {members}"
    if not named[0].learner and len(view.voters) == 1:
        return f"{named[0].label} is the last voter: without it there is no cluster"
    return None


@dataclass(frozen=True)
class Overriding:
    """Records orders; the planner follows them.

    Attributes:
        group: The Auto Scaling group.
        observer: Looks at the cluster.
        journal: Where orders are recorded.
        clock: Returns seconds since the epoch.
    """

    group: AutoScalingGroup
    observer: Observer
    journal: Journal
    clock: Callable[[], float] = time.time

    def order(self, member: str, operator: str, reason: str, seconds: float) -> dict[str, Any]:
        """Order that a member is removed, whatever the guard says.

        Args:
            member: Its name, or its id in decimal or hexadecimal.
            operator: Who orders it.
            reason: Why.
            seconds: How long the order holds.

        Returns:
            ``expires``: until when it holds, in seconds since the epoch.

        Raises:
            RefusedError: There is no such member, or it is the last voter. Nothing was changed.
        """
        if not 0 < seconds <= LONGEST_SECONDS:
            raise RefusedError(f"an order holds for at most {LONGEST_SECONDS / 3600:.0f} hours")
        now = self.clock()
        override = Override(member, operator, reason, now + seconds)
        group = self.group.describe()
        view = self.observer.observe(
            group.desired, group.instances, now, retains=group.retains, remember=False
        )
        if told := refusal(view, override):
            raise RefusedError(told)
        self.journal.record_override(override)
        self._record(f"Override(member='{member}')", f"{operator} ordered it: {reason}", "ordered")
        return {"expires": override.expires}

    def withdraw(self, operator: str) -> dict[str, Any]:
        """Take back what was ordered, if anything was.

        Args:
            operator: Who does.
        """
        override = self.journal.load().override
        self.journal.forget_override()
        if override:
            what = f"Override(member='{override.member}')"
            self._record(what, f"{operator} took it back", "taken back")
        return {"withdrawn": override.member if override else None}

    def _record(self, action: str, reason: str, outcome: str) -> None:
        self.journal.record(JournalEntry(self.clock(), action, reason, "", outcome))
