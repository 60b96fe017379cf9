"""The Lambda: takes hints from the queue, and has the whole cluster looked at once.

An event is no more than a hint that something changed: Auto Scaling sends them on a best-effort
basis, at least once and in no order. So is the tick of the schedule. Ten hints are worth one look.
"""

from __future__ import annotations

import functools
import os
import time
from typing import TYPE_CHECKING, Any

from .aws import explain
from .events import operation_of, read_override
from .journal_items import JournalEntry
from .settings import Settings
from .telemetry import Telemetry
from .wiring import Wiring

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .model import NoticeKind


def handle(event: object, context: Any) -> dict[str, Any]:  # noqa: ANN401
    """The entry point that Lambda calls.

    Args:
        event: A batch of SQS messages, a single event of EventBridge, or what a person asks for.
        context: Lambda's context object, for the time that is left and the request id.

    Returns:
        The answer to a person, as `operations` says. Otherwise the report of batch item failures,
        always empty: what fails, fails as a whole, and is raised.
    """
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000
    try:
        if isinstance(event, dict) and operation_of(event):
            return _function().operate(event, context.aws_request_id, deadline)
        _function().handle(event, context.aws_request_id, deadline)
    except Exception as error:
        Telemetry(os.environ.get("QUORATE_CLUSTER", "")).log(
            "ERROR", f"this run failed: {explain(error)}", error=type(error).__name__
        )
        raise
    return {"batchItemFailures": []}


@functools.cache
def _function() -> Function:
    return Function(Wiring(Settings.read(os.environ)))


class Function:
    """One execution environment: its clients, connections and breakers outlive an invocation."""

    def __init__(self, wiring: Wiring) -> None:
        """Take the parts; nothing is called yet."""
        self._wiring = wiring
        self._telemetry = wiring.telemetry
        self._journal = wiring.journal
        self._connect()

    def handle(self, event: object, run_id: str, deadline: float) -> None:
        """Take the hints of an invocation.

        Args:
            event: A batch of SQS messages, a single event of EventBridge, or an operator's order
                under the key ``override`` (see `read_override`); anything else is malformed.
            run_id: Another for each invocation.
            deadline: When the invocation ends, on the monotonic clock.
        """
        notices = {}
        if isinstance(event, dict) and "override" in event:
            self._take_override(event["override"])
        else:
            hints = self._wiring.inbox.take(event)
            if not hints:
                return
            notices = {one.instance_id: one.notice for one in hints if one.notice}
        try:
            self._run(run_id, deadline, notices)
        finally:
            self._telemetry.circuits(self._wiring.outages.open_circuits())

    def operate(self, event: Mapping[str, Any], run_id: str, deadline: float) -> dict[str, Any]:
        """Do what a person asks for; see `operations`.

        Args:
            event: The event that asks for it.
            run_id: Another for each invocation.
            deadline: When the invocation ends, on the monotonic clock.
        """
        # Seldom needed, and not compiled before: a cold start need not wait for it.
        from .operation_context import OperationContext  # noqa: PLC0415
        from .operations import Operations  # noqa: PLC0415

        self._refresh_secrets()
        settings = self._wiring.settings
        context = OperationContext(
            group=self._wiring.group,
            observer=self._reconciler.observer,
            endpoints=self._endpoints,
            journal=self._journal,
            policy=settings.policy,
            telemetry=self._telemetry,
            lease_seconds=settings.lease_seconds,
        )
        return Operations(context).run(event, run_id, lambda: deadline - time.monotonic())

    def _run(self, run_id: str, deadline: float, notices: Mapping[str, NoticeKind]) -> None:
        try:
            self._refresh_secrets()
        except Exception:
            # Members cannot be asked for anything, but instances must stay held meanwhile.
            self._reconciler.keep_held()
            raise
        self._reconciler.run(run_id, lambda: deadline - time.monotonic(), notices)

    def _take_override(self, order: object) -> None:
        """Record an operator's order; only who may invoke the function itself can give one."""
        now = time.time()
        override = read_override(order, now)
        self._journal.record_override(override)
        self._journal.record(
            JournalEntry(
                time=now,
                action=str(override),
                reason=f"{override.operator} ordered it: {override.reason}",
                arithmetic=f"holds for {override.expires - now:.0f} s",
                outcome="recorded",
            )
        )
        self._telemetry.log("WARNING", "an operator overrides the guard", override=override)

    def _refresh_secrets(self) -> None:
        if self._wiring.secrets.refresh():
            self._connect()

    def _connect(self) -> None:
        """Make the way to the members, and all that uses it, with the secrets as they are now."""
        self._endpoints = self._wiring.endpoints()
        self._reconciler = self._wiring.reconciler(self._endpoints)
