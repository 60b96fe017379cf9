"""The right to reconcile a cluster, for one invocation at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .partition import integer, timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .partition import Item, Partition

LEASE_SECONDS: Final = 30.0
"""How long a lease holds unless it is renewed."""

LEASE: Final = "state#lease"
"""The sort key of its item, which is read with all else that a decision rests on."""


class Lease:
    """The right to reconcile a cluster, for one invocation at a time.

    A second line of defence behind the queue that delivers one message of a cluster at a time. It
    ends by itself when its owner dies. An owner that was asleep for longer than that does not know
    that it lost it: `renew` right before an act that cannot be undone.

    Its item also holds the ids of the members whose removal was begun and has not been seen to end,
    whoever began it, and when the last one was: `Records.removing`.

    Attributes:
        owner: Who holds it, or wants to.
        fence: Rises with each acquisition, by whomever; 0 before the first.
    """

    def __init__(
        self, items: Partition, owner: str, seconds: float, clock: Callable[[], float]
    ) -> None:
        """Make a lease that is not held; `Journal.lease` does.

        Args:
            items: The cluster's items.
            owner: Who asks for it; another for each invocation.
            seconds: How long it holds unless it is renewed.
            clock: Returns seconds since the epoch.
        """
        self.owner = owner
        self.fence = 0
        self._items = items
        self._seconds = seconds
        self._clock = clock
        self._settled: int | None = None

    def acquire(self) -> bool:
        """Take the lease, if nobody else holds it.

        Returns:
            Whether this owner holds it now, until its time is over.
        """
        now = self._clock()
        item = self._items.update(
            LEASE,
            "SET holder = :me, held_until = :until, fence = if_not_exists(fence, :zero) + :one",
            {
                ":me": {"S": self.owner},
                ":now": timestamp(now),
                ":until": timestamp(now + self._seconds),
                ":zero": integer(0),
                ":one": integer(1),
            },
            "attribute_not_exists(pk) OR held_until <= :now OR holder = :me",
        )
        if item is None:
            return False
        self.fence = int(item["fence"]["N"])
        return True

    def renew(self, *, removing: Iterable[int] = ()) -> bool:
        """Hold the lease for its whole time again.

        Args:
            removing: The members whose removal is under way, with the one that is to be removed next:
                they are remembered instead of those before.

        Returns:
            False when it was lost: another owner has taken it since. Then change nothing more.
        """
        return self._end_at(self._clock() + self._seconds, removing)

    def settle(self, member_id: int) -> None:
        """Forget that a member is being removed, with the next renewal or the release."""
        self._settled = member_id

    def release(self) -> bool:
        """Give the lease back, so that the next invocation need not wait for its end.

        Returns:
            False when it was lost before, which leaves nothing to give back.
        """
        return self._end_at(0)

    def _end_at(self, until: float, removing: Iterable[int] = ()) -> bool:
        expression = "SET held_until = :until"
        values: Item = {
            ":me": {"S": self.owner},
            ":fence": integer(self.fence),
            ":until": timestamp(until),
        }
        if ids := [str(one) for one in removing]:
            expression += ", removing = :removing, removing_since = :now"
            values |= {":removing": {"SS": ids}, ":now": timestamp(self._clock())}
        elif self._settled is not None:
            expression += " DELETE removing :settled"
            values[":settled"] = {"SS": [str(self._settled)]}
        item = self._items.update(LEASE, expression, values, "holder = :me AND fence = :fence")
        self._settled = None
        return item is not None
