"""Whether a run looks again, and after what pause."""

import pytest
from etcd_lifecycle.act import Outcome, Result
from etcd_lifecycle.model import Promote, RemoveMember, Stop, TakeSnapshot, Wait
from etcd_lifecycle.pace import (
    POLL_SECONDS,
    REFUSAL_SECONDS,
    ROUND_SECONDS,
    USED_SECONDS,
    End,
    LookAgain,
    ends_with,
    pace,
    postpones,
)

PLENTY = 300.0


@pytest.mark.parametrize("action", [Stop(), Wait()])
def test_a_run_ends_when_there_is_nothing_to_do_now(action):
    assert ends_with(action)
    assert pace(action, None, PLENTY) == End()


@pytest.mark.parametrize(
    ("action", "result", "repeated", "pause"),
    [
        (Wait(soon=True), None, False, POLL_SECONDS),
        (RemoveMember(1), None, False, POLL_SECONDS),
        (Promote(1), Result.DONE, False, 0),
        (Promote(1), Result.ALREADY, False, 0),
        (Promote(1), Result.DONE, True, POLL_SECONDS),
        (Promote(1), Result.ALREADY, True, POLL_SECONDS),
        (Promote(1), Result.NOT_NOW, False, REFUSAL_SECONDS),
        (Promote(1), Result.UNKNOWN, False, REFUSAL_SECONDS),
        (TakeSnapshot(1), Result.FAILED, True, REFUSAL_SECONDS),
    ],
)
def test_the_pause_follows_from_what_became_of_the_action(action, result, repeated, pause):
    outcome = None if result is None else Outcome(result)

    assert not ends_with(action)
    assert pace(action, outcome, PLENTY, repeated=repeated) == LookAgain(pause)


def test_a_run_ends_when_another_round_would_take_longer_than_it_may():
    just = ROUND_SECONDS + POLL_SECONDS

    assert pace(Wait(soon=True), None, just) == LookAgain(POLL_SECONDS)
    ended = pace(Wait(soon=True), None, just - 0.01)
    assert isinstance(ended, End)
    assert "time of this run is over" in ended.why


def test_something_long_is_left_to_a_run_that_has_more_time_for_it():
    assert postpones(needed=100, whole=PLENTY, left=99)
    assert not postpones(needed=100, whole=PLENTY, left=100)
    # No run has more than its whole time.
    assert not postpones(needed=1000, whole=PLENTY, left=PLENTY - USED_SECONDS)
