"""Decides on a recorded view: ``python -m etcd_lifecycle.dry_run < recording > decision``.

Needs nothing but the standard library.
"""

from __future__ import annotations

import json
import sys

from .plan import plan
from .view_json import JsonFormatError, decision_to_json, recording_from_json


def main() -> int:
    """Read a recording, as JSON, and write the decision.

    Returns:
        The exit code: 0, or 2 if what was read is no recording.
    """
    try:
        recording = recording_from_json(json.load(sys.stdin))
    except (JsonFormatError, ValueError) as error:
        sys.stderr.write(f"it is no recorded view: {error}\n")
        return 2
    decision = plan(recording.view, recording.policy, recording.now)
    json.dump(decision_to_json(decision), sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
