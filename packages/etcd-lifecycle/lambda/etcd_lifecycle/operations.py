"""What a person asks the function for: by invoking it directly, never by a message in its queue.

The event has one key, which names the operation; its value says more. So has the answer.

=========  =======================================================================================
Operation  Answer
=========  =======================================================================================
``plan``   ``recording``: what was seen, as `view_json` writes it; ``decision``: what would be done
=========  =======================================================================================
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from .plan import plan
from .view_json import Recording, decision_to_json, recording_to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .auto_scaling import AutoScalingGroup
    from .model import Policy
    from .observe import Observer

_NAMES: Final = ("plan",)


def operation_of(event: Mapping[str, Any]) -> str | None:
    """Return the operation that an event asks for; None if it is an event like any other."""
    names = [name for name in _NAMES if name in event]
    return names[0] if len(event) == 1 and names else None


@dataclass(frozen=True)
class Operations:
    """Everything that can be asked for.

    Attributes:
        group: The Auto Scaling group.
        observer: Looks at the cluster.
        policy: What is a choice.
        clock: Returns seconds since the epoch.
    """

    group: AutoScalingGroup
    observer: Observer
    policy: Policy
    clock: Callable[[], float] = time.time

    def run(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Do what an event asks for.

        Args:
            event: One for which `operation_of` returned a name.

        Returns:
            The answer, which `json.dumps` takes.
        """
        ((name, _),) = event.items()
        return {name: self._plan()}

    def _plan(self) -> dict[str, Any]:
        """Say what the next pass would do, and change nothing: no lease, no heartbeat, no record."""
        desired, instances = self.group.describe()
        now = self.clock()
        view = self.observer.observe(desired, instances, now, remember=False)
        recording = Recording(view, self.policy, now)
        return {
            "recording": recording_to_json(recording),
            "decision": decision_to_json(plan(view, self.policy, now)),
        }
