"""Tells whether a run looks again, and after what pause: a pure function of what just happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from .act import Result
from .model import Stop, Wait

if TYPE_CHECKING:
    from .act import Outcome
    from .model import Action

POLL_SECONDS = 0.25
"""Between two looks while something is about to be done: a learner catches up, a leader moves."""

REFUSAL_SECONDS = 0.2
"""Between two attempts that etcd refuses for now; after a promotion it does so for up to 5 s."""

ROUND_SECONDS = 25.0
"""What a look and an action take at worst: none is begun with less time than this left."""

USED_SECONDS = 10.0
"""What a run may have used of its time, and still be no worse for something long than the next."""


@dataclass(frozen=True)
class LookAgain:
    """The run goes on.

    Attributes:
        pause: After how many seconds.
    """

    pause: float


@dataclass(frozen=True)
class End:
    """The run ends.

    Attributes:
        why: Why, in a sentence; empty if the decision has said it.
    """

    why: str = ""


Pace: TypeAlias = LookAgain | End


def ends_with(action: Action) -> bool:
    """Whether a decision leaves nothing to do now, so that the next event or tick goes on."""
    return isinstance(action, Stop) or action == Wait()


def pace(
    action: Action,
    outcome: Outcome | None,
    seconds_left: float,
    *,
    repeated: bool = False,
    round_seconds: float = ROUND_SECONDS,
) -> Pace:
    """Whether the run looks again after a decision was carried out, and when.

    Args:
        action: What was decided.
        outcome: What became of it; None if nothing was done: it was a wait, or a second look said
            otherwise.
        seconds_left: How long the run may still take.
        repeated: Whether the same was done at the time before, and nothing of it can be seen yet.
        round_seconds: What a look and an action take at worst.
    """
    if ends_with(action):
        return End()
    pause = _pause(action, outcome, repeated=repeated)
    if seconds_left - pause < round_seconds:
        return End("the time of this run is over: the next one goes on")
    return LookAgain(pause)


def _pause(action: Action, outcome: Outcome | None, *, repeated: bool) -> float:
    if isinstance(action, Wait) or outcome is None:
        return POLL_SECONDS
    if outcome.result not in {Result.DONE, Result.ALREADY}:
        return REFUSAL_SECONDS
    return POLL_SECONDS if repeated else 0


def postpones(needed: float, whole: float, left: float) -> bool:
    """Whether something long is left to the next run, which has more time for it.

    Args:
        needed: How many seconds it may take.
        whole: How many seconds this run had at its beginning.
        left: How many it has left.
    """
    return left < min(needed, whole - USED_SECONDS)
