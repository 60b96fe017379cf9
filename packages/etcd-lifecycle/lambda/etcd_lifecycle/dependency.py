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

    from python_retry import CircuitStore

T = TypeVar("T")

BASE_DELAY = 0.2
"""Seconds before the second attempt; it doubles for each one after. Short: a Lambda waits."""

CALL_ATTEMPTS = 3
"""Attempts of a call, the first one included."""

FAILURE_THRESHOLD = 5
"""Failures in a row that open the circuit of a dependency, unless it is made with others."""

RESET_TIMEOUT = 15.0
"""Seconds until an open circuit admits a probe."""

HEARTBEAT_ATTEMPTS = 5
"""Attempts of a call that must not be stopped by a breaker; about 3 s of waiting in all."""

HEARTBEAT_BUDGET = 4.5
"""Seconds in which these begin while the circuit is open: all of them, or one that gets no answer."""


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
        failure: What the last call behind the breaker raised, as it failed or was refused; None
            after an answer.
    """

    def __init__(  # noqa: PLR0913 -- the rules of its breaker
        self,
        name: str,
        is_failure: Callable[[Exception], bool],
        *,
        failure_threshold: int = FAILURE_THRESHOLD,
        reset_timeout: float = RESET_TIMEOUT,
        store: CircuitStore | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Make a dependency that is taken for well.

        Args:
            name: Its name in log records and errors.
            is_failure: Tells a failure of the dependency (try again, and count it) from an answer.
            failure_threshold: Failures in a row that open the circuit.
            reset_timeout: Seconds until an open circuit admits a probe.
            store: Shares the circuit with other environments; None: it is this one's own.
            clock: Returns seconds that never go back.
            sleep: Waits for the seconds that it is given.
        """
        self.name = name
        self.breaker = CircuitBreaker(
            failure_threshold, reset_timeout, name=name, store=store, clock=clock
        )
        self.failure: Exception | None = None
        self._recovered = False
        self._is_failure = is_failure
        self._clock = clock
        self._sleep = sleep

    @property
    def is_down(self) -> bool:
        """Whether its circuit is not closed, as far as this environment knows."""
        return self.breaker.state != "CLOSED"

    def take_recovery(self) -> bool:
        """Whether it has answered a probe of this environment since this was last asked."""
        recovered, self._recovered = self._recovered, False
        return recovered

    def call(
        self,
        operation: Callable[[], T],
        operation_name: str,
        *,
        attempts: int = CALL_ATTEMPTS,
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
        failures: list[Exception] = []

        def attempt() -> _Answered[T] | _Refused:
            probe = self.is_down
            outcome = self._attempt(operation, failures)
            self._recovered |= probe
            return outcome

        try:
            outcome = retry_with_circuit_breaker(
                attempt,
                f"{self.name}: {operation_name}",
                self.breaker,
                attempts,
                BASE_DELAY,
                breaker_scope="attempt",
                raise_on_failure=True,
                clock=self._clock,
                sleep=self._sleep_within(budget, failures),
            )
        except Exception as error:
            self.failure = error
            raise
        self.failure = None
        return _unwrap(outcome)

    def call_without_breaker(
        self,
        operation: Callable[[], T],
        operation_name: str,
        *,
        attempts: int = HEARTBEAT_ATTEMPTS,
    ) -> T:
        """Call an operation with retries, whatever the breaker's state, and without telling it.

        For heartbeats: a breaker stops changes, but one that stopped heartbeats would turn a short
        disturbance into a forced termination. While the circuit is open, no attempt begins later than
        `HEARTBEAT_BUDGET` after the first: whoever gives no answer is asked again by the next run.

        Args:
            operation: What to call, without arguments.
            operation_name: Its name in log records.
            attempts: How often it is tried, the first time included.

        Returns:
            What the operation returned.

        Raises:
            Exception: The last error of the operation, unchanged.
        """
        failures: list[Exception] = []
        budget = HEARTBEAT_BUDGET if self.is_down else None
        return _unwrap(
            retry_with_backoff(
                lambda: self._attempt(operation, failures),
                f"{self.name}: {operation_name}",
                attempts,
                BASE_DELAY,
                raise_on_failure=True,
                clock=self._clock,
                sleep=self._sleep_within(budget, failures),
            )
        )

    def _sleep_within(
        self, budget: float | None, failures: list[Exception]
    ) -> Callable[[float], None]:
        """A sleep that ends the attempts with the last failure instead of going past the budget."""
        started = self._clock()

        def sleep(seconds: float) -> None:
            if budget is not None and self._clock() + seconds - started >= budget:
                raise failures[-1]
            self._sleep(seconds)

        return sleep

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
