"""Run ministack, and let the test harness publish the events of the AWS services it plays.

EventBridge refuses `PutEvents` with a source that starts with `aws.`, and ministack does the same.
The harness plays Auto Scaling, whose events arrive on the default bus with `aws.autoscaling` as
source, so the sources named as arguments are let through. Everything else is ministack as it is.

Usage: python ministack_server.py [SOURCE ...]
"""

from __future__ import annotations

import inspect
import sys
from typing import Any

from ministack import app  # type: ignore[import-untyped]
from ministack.services import eventbridge  # type: ignore[import-untyped]

_PARAMETER = "allow_aws_source"


def allow_sources(sources: frozenset[str]) -> None:
    """Accept events of these sources in `PutEvents`.

    Args:
        sources: For example `aws.autoscaling`.

    Raises:
        RuntimeError: If this version of ministack has another way to publish such events.
    """
    put_events = eventbridge._put_events  # noqa: SLF001 - ministack has no public way
    if _PARAMETER not in inspect.signature(put_events).parameters:
        message = (
            "This version of ministack does not have the parameter "
            f"{_PARAMETER!r} in eventbridge._put_events; use the version that is pinned"
        )
        raise RuntimeError(message)

    def put_service_events(data: dict[str, Any], *, allow_aws_source: bool = False) -> Any:  # noqa: ANN401 - an answer of ministack, handed through
        entries = data.get("Entries", [])
        from_service = bool(entries) and all(entry.get("Source") in sources for entry in entries)
        return put_events(data, allow_aws_source=allow_aws_source or from_service)

    eventbridge._put_events = put_service_events  # noqa: SLF001 - see above


if __name__ == "__main__":
    allow_sources(frozenset(sys.argv[1:]))
    # What is left on the command line would be taken for ministack's own options.
    del sys.argv[1:]
    app.main()
