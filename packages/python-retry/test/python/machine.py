"""Runs a state machine of Hypothesis that drives a subject, as all machines of this folder are run."""

from __future__ import annotations

import traceback

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test


def run_machine(machine_for, remote, *, steps, shrink):
    """Run a machine; return what was seen, and the failure that was found, or None.

    Args:
        machine_for: Takes a set, to which the machine that it returns adds what it has seen.
        remote: The subject that it drives; closed in the end.
        steps: How many steps a run has.
        shrink: Whether a failure is shortened. It is found in any case; to shorten it takes its time.
    """
    seen = set()
    failure = None
    try:
        run_state_machine_as_test(
            machine_for(seen),
            settings=settings(
                max_examples=60,
                stateful_step_count=steps,
                deadline=None,
                database=None,
                derandomize=True,
                phases=[*Phase] if shrink else [Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )
    except BaseException:
        failure = traceback.format_exc()
    finally:
        remote.close()
    return {"seen": sorted(seen), "failure": failure}
