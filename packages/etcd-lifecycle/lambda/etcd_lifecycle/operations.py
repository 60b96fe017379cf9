"""What a person asks the function for: by invoking it directly, never by a message in its queue.

The event has one key, which names the operation; its value says more. The answer has the same key,
or ``refused`` with the reason, if it is not safe; then nothing was changed.

===========  =====================================================================================
Operation    Value and answer
===========  =====================================================================================
``plan``     Any value. ``recording``: what was seen, as `view_json` writes it; ``decision``: what
             would be done.
``recover``  ``{"do": "inspect"}``: how things stand after the loss of a quorum.
             ``{"do": "order", ...}`` with the attributes of `recovery.OrderRequest`.
             ``{"do": "cancel", "operator": ...}``: takes the order back.
``maintain`` ``{"do": "compact", "operator": ...}``, ``{"do": "disarm", "operator": ...}`` or
             ``{"do": "defragment", "operator": ..., "done": [...]}``, which does it to one member
             that is not done yet. The answers are those of `maintenance.Maintenance`.
===========  =====================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from .maintenance import Maintenance
from .model import Join
from .plan import plan
from .recovery import OrderRequest, Recovery
from .refusal import RefusedError
from .view_json import Recording, decision_to_json, recording_to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .operation_context import OperationContext


class NotUnderstoodError(Exception):
    """The value of an operation is not what it should be."""


@dataclass(frozen=True)
class Operations:
    """Everything that can be asked for.

    Attributes:
        context: What each operation works with.
    """

    context: OperationContext

    def run(
        self, event: Mapping[str, Any], owner: str, seconds_left: Callable[[], float]
    ) -> dict[str, Any]:
        """Do what an event asks for.

        Args:
            event: One for which `events.operation_of` returned a name.
            owner: Names this run in the lease; another for each run.
            seconds_left: How long the run may still take.

        Returns:
            The answer, which `json.dumps` takes.

        Raises:
            NotUnderstoodError: The value is not what the operation takes.
        """
        ((name, value),) = event.items()
        try:
            if name == "plan":
                return {name: self._plan()}
            if name == "recover":
                return {name: self._recover(value, owner, seconds_left)}
            return {name: self._maintain(value, owner, seconds_left)}
        except RefusedError as error:
            self.context.telemetry.log("WARNING", f"{name}: refused: {error}")
            return {"refused": str(error)}

    def _plan(self) -> dict[str, Any]:
        """Say what the next pass would do, and change nothing: no lease, no heartbeat, no record."""
        now = self.context.clock()
        view = self.context.look(now)
        recording = Recording(view, self.context.policy, now)
        return {
            "recording": recording_to_json(recording),
            "decision": decision_to_json(plan(view, self.context.policy, now)),
        }

    def _recover(
        self,
        value: Any,  # noqa: ANN401 -- as it came
        owner: str,
        seconds_left: Callable[[], float],
    ) -> dict[str, Any]:
        recovery = Recovery(self.context)
        match value:
            case {"do": "inspect"}:
                return recovery.inspect()
            case {"do": "order"}:
                request = _read_order(value)
                if self.context.policy.join is Join.INSTANCE:
                    raise RefusedError(
                        "the instances of this cluster start their members by their own means, so "
                        "none of them takes an order: restore the snapshot by their tooling, then "
                        "have the new cluster recorded, as docs/operations.md says"
                    )
                with self.context.lease(owner, seconds_left) as lease:
                    recovery.order(request, lease)
            case {"do": "cancel", "operator": str(operator)}:
                with self.context.lease(owner, seconds_left):
                    recovery.cancel(operator)
            case _:
                raise NotUnderstoodError(f"recover: {value!r} is nothing that it does")
        return {}

    def _maintain(
        self,
        value: Any,  # noqa: ANN401 -- as it came
        owner: str,
        seconds_left: Callable[[], float],
    ) -> dict[str, Any]:
        maintenance = Maintenance(self.context)
        match value:
            case {"do": "compact", "operator": str(operator)}:
                with self.context.lease(owner, seconds_left):
                    return maintenance.compact(operator)
            case {"do": "disarm", "operator": str(operator)}:
                with self.context.lease(owner, seconds_left):
                    return maintenance.disarm(operator)
            case {"do": "defragment", "operator": str(operator), "done": [*ids]}:
                done = {int(one) for one in ids}
                with self.context.lease(owner, seconds_left) as lease:
                    return maintenance.defragment(operator, done, lease, seconds_left)
        raise NotUnderstoodError(f"maintain: {value!r} is nothing that it does")


_ORDER: Final = {
    "snapshot": str,
    "snapshot_revision": int,
    "bump_revision": int,
    "generation": int,
    "operator": str,
    "unreachable_are_lost": bool,
}


def _read_order(value: Mapping[str, Any]) -> OrderRequest:
    order = {name: one for name, one in value.items() if name != "do"}
    wrong = [name for name, kind in _ORDER.items() if type(order.get(name)) is not kind]
    if wrong or order.keys() != _ORDER.keys():
        raise NotUnderstoodError(
            f"recover: an order has {', '.join(_ORDER)}, each of its type; look at "
            f"{', '.join(wrong) or 'what else it has'}"
        )
    return OrderRequest(**order)
