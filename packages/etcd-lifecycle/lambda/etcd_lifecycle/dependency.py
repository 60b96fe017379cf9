"""One circuit breaker for each thing that the Lambda depends on.

A dependency that answers is well, even when its answer is "no": a refused condition, a validation
error, a learner that is not in sync. Only failures (no answer, throttling, an internal error) are
tried again and counted by the breaker. Which is which is told by the dependency's own module.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from python_retry import CircuitBreaker, retry_with_backoff, retry_with_circuit_breaker

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

BASE_DELAY = 0.2
"""Seconds before the second attempt; it doubles for each one after. Short: a Lambda waits."""

FAILURE_THRESHOLD = 5
"""Failures in a row that open the circuit of a dependency."""

RESET_TIMEOUT = 15.0
"""Seconds until an open circuit admits a probe."""

HEARTBEAT_ATTEMPTS = 5
"""Attempts of a call that must not be stopped by a breaker; about 3 s of waiting in all."""


@dataclass(frozen=True)
class _Answered(Generic[T]):
    """The dependency answered with a value."""

    value: T


@dataclass(frozen=True)
class _Refused:
    """The dependency answered with an error, or the error is our own: either way it is well."""

    error: Exception


class Dependency:
    """Something that is called over the network, with a breaker of its own.

    Make it outside the handler, so that its breaker outlives an invocation.

    Attributes:
        name: Its name in log records and errors.
        breaker: Its circuit breaker.
    """

    def __init__(
        self,
        name: str,
        is_failure: Callable[[Exception], bool],
        *,
        reset_timeout: float = RESET_TIMEOUT,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Make a dependency that is taken for well.

        Args:
            name: Its name in log records and errors.
            is_failure: Tells a failure of the dependency (try again, and count it) from an answer.
            reset_timeout: Seconds until an open circuit admits a probe.
            clock: Returns seconds that never go back.
            sleep: Waits for the seconds that it is given.
        """
        self.name = name
        self.breaker = CircuitBreaker(FAILURE_THRESHOLD, reset_timeout, name=name, clock=clock)
        self._is_failure = is_failure
        self._clock = clock
        self._sleep = sleep

    def call(
        self,
        operation: Callable[[], T],
        operation_name: str,
        *,
        attempts: int = 3,
        budget: float | None = None,
    ) -> T:
        """Call an operation behind the breaker, which is asked and told at each attempt.

        Args:
            operation: What to call, without arguments.
            operation_name: Its name in log records.
            attempts: How often it is tried, the first time included. 1 for a change that must not
                be sent twice.
            budget: No attempt begins later than so many seconds after the first one; None for no
                limit. With it, a call that took its whole time-out is not made again.

        Returns:
            What the operation returned.

        Raises:
            CircuitOpenError: The breaker refused the call; nothing was sent.
            Exception: The last error of the operation, unchanged.
        """
        started = self._clock()
        last: list[Exception] = []

        def sleep(seconds: float) -> None:
            if budget is not None and self._clock() + seconds - started >= budget:
                raise last[-1]
            self._sleep(seconds)

        return _unwrap(
            retry_with_circuit_breaker(
                lambda: self._attempt(operation, last),
                f"{self.name}: {operation_name}",
                self.breaker,
                attempts,
                BASE_DELAY,
                breaker_scope="attempt",
                raise_on_failure=True,
                clock=self._clock,
                sleep=sleep,
            )
        )

    def call_without_breaker(
        self,
        operation: Callable[[], T],
        operation_name: str,
        *,
        attempts: int = HEARTBEAT_ATTEMPTS,
    ) -> T:
        """Call an operation with retries, whatever the breaker's state, and without telling it.

        For heartbeats: a breaker stops changes, but one that stopped heartbeats would turn a short
        disturbance into a forced termination.

        Args:
            operation: What to call, without arguments.
            operation_name: Its name in log records.
            attempts: How often it is tried, the first time included.

        Returns:
            What the operation returned.

        Raises:
            Exception: The last error of the operation, unchanged.
        """
        return _unwrap(
            retry_with_backoff(
                lambda: self._attempt(operation, []),
                f"{self.name}: {operation_name}",
                attempts,
                BASE_DELAY,
                raise_on_failure=True,
                clock=self._clock,
                sleep=self._sleep,
            )
        )

    def _attempt(
        self, operation: Callable[[], T], failures: list[Exception]
    ) -> _Answered[T] | _Refused:
        try:
            return _Answered(operation())
        except Exception as error:
            if self._is_failure(error):
                failures.append(error)
                raise
            return _Refused(error)


def _unwrap(outcome: _Answered[T] | _Refused | None) -> T:
    """Return the value, or raise the error that was an answer."""
    if isinstance(outcome, _Answered):
        return outcome.value
    if isinstance(outcome, _Refused):
        raise outcome.error
    raise AssertionError("a retry that raises on failure returned nothing")
