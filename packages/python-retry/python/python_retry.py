"""Retry with exponential backoff and jitter, and a circuit breaker, on the standard library only.

* `retry_with_backoff` calls an operation until it succeeds or its attempts are used up.
* `CircuitBreaker` stops calls to a dependency that keeps failing.
* `retry_with_circuit_breaker` combines the two.

All three are safe under threads. No lock is held while an operation runs.
"""

from __future__ import annotations

import logging
import random
import threading
import time

# Type checkers take this name for true; `typing` itself is never imported at run time, which keeps
# it out of a cold start.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final, Literal, Protocol, TypeVar

    T = TypeVar("T")
    CircuitState = Literal["CLOSED", "OPEN", "HALF_OPEN"]
    BreakerScope = Literal["call", "attempt"]
    _CircuitEvent = Literal["admit", "success", "failure", "ignore"]
    # (generation, ticket): the admission of one call. Ticket 0 is a call through a closed circuit;
    # any other ticket is a probe.
    _Permit = tuple[int, int]

    class MetricsLogger(Protocol):
        """What `metrics_logger` must offer; the keywords are those of Powertools' `Metrics`."""

        def add_dimension(self, *, name: str, value: str) -> object:
            """Add a dimension to the metrics of the next flush."""

        def add_metric(self, *, name: str, unit: str, value: float) -> object:
            """Add one value of a metric."""

        def flush(self) -> object:
            """Publish what was added."""

    class RandomSource(Protocol):
        """What `rng` must offer."""

        def random(self) -> float:
            """Return a number in [0, 1)."""


__all__ = [
    "CircuitBreaker",
    "CircuitOpenError",
    "retry_with_backoff",
    "retry_with_circuit_breaker",
]

_RETRY_LOG = logging.getLogger("python_retry")

_CLOSED: Final = "CLOSED"
_OPEN: Final = "OPEN"
_HALF_OPEN: Final = "HALF_OPEN"

_ADMIT: Final = "admit"
_SUCCESS: Final = "success"
_FAILURE: Final = "failure"
_IGNORE: Final = "ignore"

_NOT_RETRIABLE: Final = "the error is not retriable"
_EXHAUSTED: Final = "all attempts failed"
_PROBE_FAILED: Final = "a probe is not retried"
_CIRCUIT_OPEN: Final = "the circuit is open"

_LARGEST_FLOAT = 1.7976931348623157e308
_LARGEST_EXPONENT = 62  # beyond it any delay that matters is at the limit below
_LONGEST_DELAY = 31_536_000.0  # a year: `time.sleep` overflows at about 292 years
_SHORTEST_DEFAULT_LEASE = 1.0


# --- validation -----------------------------------------------------------------------------------


def _check_count(name: str, value: object) -> None:
    """Refuse anything but an int of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, not {value!r} ({type(value).__name__})")
    if value < 1:
        raise ValueError(f"{name} must be at least 1, not {value!r}")


def _check_number(name: str, value: object) -> None:
    """Refuse anything but a finite int or float that is not negative."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be an int or a float, not {value!r} ({type(value).__name__})")
    if not 0 <= value <= _LARGEST_FLOAT:  # false for NaN too
        raise ValueError(f"{name} must be a finite number of at least 0, not {value!r}")


def _check_retry_arguments(
    operation: object,
    operation_name: object,
    max_retries: object,
    base_delay: object,
    jitter_factor: object,
    retriable_exceptions: object,
) -> None:
    """Refuse what would otherwise show only when the first attempt fails."""
    if not callable(operation):
        raise TypeError(
            f"operation must be callable, not {type(operation).__name__}: "
            "pass the function itself or a lambda, not the result of calling it"
        )
    if not isinstance(operation_name, str):
        raise TypeError(f"operation_name must be a str, not {type(operation_name).__name__}")
    _check_count("max_retries", max_retries)
    _check_number("base_delay", base_delay)
    _check_number("jitter_factor", jitter_factor)
    classes = (
        retriable_exceptions if isinstance(retriable_exceptions, tuple) else (retriable_exceptions,)
    )
    for item in classes:
        if not (isinstance(item, type) and issubclass(item, Exception)):
            raise TypeError(
                "retriable_exceptions must be a subclass of Exception or a tuple of them, but it "
                f"holds {item!r} (KeyboardInterrupt, SystemExit and other exceptions that are not "
                "an Exception are never retried)"
            )


# --- circuit breaker ------------------------------------------------------------------------------


class CircuitOpenError(Exception):
    """The operation was not called, because its circuit is open or a probe is under way.

    Attributes:
        name: Name of the circuit, or of the operation when the circuit has none.
        retry_after: Seconds until the circuit may admit a call again; at least 0.
        is_retriable: False, so that no retry around this call tries again at once.
    """

    is_retriable = False

    def __init__(self, name: str, retry_after: float) -> None:
        """Keep both values as `args`, so that the error can be copied and pickled."""
        super().__init__(name, retry_after)
        self.name = name
        self.retry_after = retry_after

    def __str__(self) -> str:
        """Name the circuit and when to come back."""
        return f"circuit {self.name!r} is open; retry after {self.retry_after:.3f} s"


class _CircuitRules:
    """The numbers that `_circuit_step` goes by."""

    __slots__ = ("failure_threshold", "half_open_max_calls", "lease", "reset_timeout")

    def __init__(
        self,
        failure_threshold: int,
        reset_timeout: float,
        half_open_max_calls: int,
        lease: float,
    ) -> None:
        self.failure_threshold = failure_threshold
        self.reset_timeout = reset_timeout
        self.half_open_max_calls = half_open_max_calls
        self.lease = lease


class _Circuit:
    """One state of a circuit. Never changed: `_circuit_step` makes the next one.

    Attributes:
        phase: CLOSED, OPEN or HALF_OPEN.
        generation: Rises at each change of phase. A permit carries the generation that admitted
            it, so that a late result cannot act on a later phase.
        failures: Consecutive failures, in CLOSED.
        opened_at: When the circuit last opened, on the breaker's clock.
        probes: The probes in flight, in HALF_OPEN, as (ticket, end of the lease).
        issued: The last ticket given to a probe of this generation.
    """

    __slots__ = ("failures", "generation", "issued", "opened_at", "phase", "probes")

    def __init__(
        self,
        phase: CircuitState,
        generation: int,
        *,
        failures: int = 0,
        opened_at: float = 0.0,
        probes: tuple[tuple[int, float], ...] = (),
        issued: int = 0,
    ) -> None:
        self.phase: CircuitState = phase
        self.generation = generation
        self.failures = failures
        self.opened_at = opened_at
        self.probes = probes
        self.issued = issued


def _circuit_step(
    rules: _CircuitRules,
    state: _Circuit,
    event: _CircuitEvent,
    permit: _Permit | None,
    now: float,
) -> tuple[_Circuit, _Permit | None]:
    """Return the state after an event: pure, and the only place where a circuit changes.

    Args:
        rules: Thresholds and times.
        state: The state before the event.
        event: "admit", or the outcome of an admitted call.
        permit: The permit of the call whose outcome this is; None for "admit".
        now: Seconds on the breaker's clock.

    Returns:
        The new state (the same object when nothing changed), and the permit when the event was
        "admit" and the call may go ahead.
    """
    if event == _ADMIT:
        return _circuit_admit(rules, state, now)
    if permit is None or permit[0] != state.generation:
        return state, None  # a result that belongs to an older generation
    if state.phase == _CLOSED:
        return _circuit_count(rules, state, event, now), None
    return _circuit_judge(state, event, permit[1], now), None


def _circuit_admit(
    rules: _CircuitRules, state: _Circuit, now: float
) -> tuple[_Circuit, _Permit | None]:
    """Admit a call, or not."""
    if state.phase == _CLOSED:
        return state, (state.generation, 0)
    generation = state.generation
    if state.phase == _OPEN:
        if now - state.opened_at < rules.reset_timeout:
            return state, None
        generation += 1
    in_flight = tuple(probe for probe in state.probes if probe[1] > now)
    if len(in_flight) >= rules.half_open_max_calls:
        return state, None
    ticket = state.issued + 1
    admitted = _Circuit(
        _HALF_OPEN,
        generation,
        opened_at=state.opened_at,
        probes=(*in_flight, (ticket, now + rules.lease)),
        issued=ticket,
    )
    return admitted, (generation, ticket)


def _circuit_count(
    rules: _CircuitRules, state: _Circuit, event: _CircuitEvent, now: float
) -> _Circuit:
    """Count an outcome of a closed circuit."""
    if event == _FAILURE:
        failures = state.failures + 1
        if failures >= rules.failure_threshold:
            return _Circuit(_OPEN, state.generation + 1, opened_at=now)
        return _Circuit(_CLOSED, state.generation, failures=failures)
    if event == _SUCCESS and state.failures:
        return _Circuit(_CLOSED, state.generation)
    return state


def _circuit_judge(state: _Circuit, event: _CircuitEvent, ticket: int, now: float) -> _Circuit:
    """Take the outcome of a probe."""
    others = tuple(probe for probe in state.probes if probe[0] != ticket)
    if len(others) == len(state.probes):
        return state  # its lease lapsed and its place was given to another
    if event == _SUCCESS:
        return _Circuit(_CLOSED, state.generation + 1)
    if event == _FAILURE:
        return _Circuit(_OPEN, state.generation + 1, opened_at=now)
    return _Circuit(
        _HALF_OPEN,
        state.generation,
        opened_at=state.opened_at,
        probes=others,
        issued=state.issued,
    )


def _circuit_retry_after(rules: _CircuitRules, state: _Circuit, now: float) -> float:
    """Return the seconds after which a call is admitted at the latest, if nothing else happens."""
    if state.phase == _OPEN:
        return max(0.0, state.opened_at + rules.reset_timeout - now)
    if len(state.probes) >= rules.half_open_max_calls:
        return max(0.0, min(until for _, until in state.probes) - now)
    return 0.0


class CircuitBreaker:
    """Stops calls to a dependency that keeps failing, and finds out when it is well again.

    The states, and what moves between them:

    ========= ======================================== ========= ===================================
    State     Event                                    Next      Effect
    ========= ======================================== ========= ===================================
    CLOSED    call                                     CLOSED    admitted
    CLOSED    success                                  CLOSED    failure count back to 0
    CLOSED    failure, fewer than failure_threshold    CLOSED    failure count + 1
              in a row
    CLOSED    failure, the failure_threshold-th in a   OPEN      opening time = now
              row
    CLOSED    ignored outcome                          CLOSED    none
    OPEN      call before reset_timeout has passed     OPEN      refused
    OPEN      call after reset_timeout has passed      HALF_OPEN admitted as a probe
    OPEN      any result (it began earlier)            OPEN      dropped; opening time unchanged
    HALF_OPEN call, fewer than half_open_max_calls     HALF_OPEN admitted as a probe
              probes in flight
    HALF_OPEN call, otherwise                          HALF_OPEN refused
    HALF_OPEN success of a probe                       CLOSED    failure count 0
    HALF_OPEN failure of a probe                       OPEN      opening time = now
    HALF_OPEN ignored outcome of a probe               HALF_OPEN its place is free again
    HALF_OPEN lease of a probe lapses                  HALF_OPEN its place is free for the next call
    HALF_OPEN any result that is not a probe's         HALF_OPEN dropped
    ========= ======================================== ========= ===================================

    Time moves nothing by itself: `state` stays "OPEN" until a call is admitted as a probe.

    Every admission is a permit that names the generation of the circuit (it rises at each change of
    state), so a result that arrives after the circuit moved on is dropped. A probe whose caller
    died without a result would hold HALF_OPEN for ever; its permit is therefore a lease, and the
    next call after the lease has lapsed takes its place. Until a call does so, a late probe's
    result still counts. The lease should be longer than the operation can take.

    Use one breaker for each dependency, made outside the handler so that it outlives an invocation.
    Its state is kept in the memory of this process. All methods may be called by many threads; no
    lock is held while an operation runs.

    Attributes:
        failure_threshold: Consecutive failures that open the circuit.
        reset_timeout: Seconds from opening to the first probe.
        name: Name in log records and in `CircuitOpenError`, or None.
        half_open_max_calls: Probes that may be in flight at one time.
        lease: Seconds after which a probe without a result loses its place.
    """

    def __init__(
        self,
        failure_threshold: int = 5,
        reset_timeout: float = 60,
        *,
        name: str | None = None,
        half_open_max_calls: int = 1,
        lease: float | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """Make a closed circuit.

        Args:
            failure_threshold: Consecutive failures that open the circuit; at least 1.
            reset_timeout: Seconds from opening to the first probe; at least 0.
            name: Name in log records and in `CircuitOpenError`.
            half_open_max_calls: Probes that may be in flight at one time; at least 1.
            lease: Seconds after which a probe without a result loses its place; more than 0. The
                default is `reset_timeout`, but not less than 1 second.
            clock: Returns seconds that never go back; `time.monotonic` by default.

        Raises:
            TypeError: An argument is of the wrong type (a bool is no number here).
            ValueError: An argument is out of its range, or not finite.
        """
        _check_count("failure_threshold", failure_threshold)
        _check_number("reset_timeout", reset_timeout)
        _check_count("half_open_max_calls", half_open_max_calls)
        if lease is None:
            lease = max(reset_timeout, _SHORTEST_DEFAULT_LEASE)
        _check_number("lease", lease)
        if lease == 0:
            raise ValueError(
                "lease must be more than 0 seconds: a probe needs time to report its result"
            )
        if name is not None and not isinstance(name, str):
            raise TypeError(f"name must be a str or None, not {type(name).__name__}")
        if clock is not None and not callable(clock):
            raise TypeError(f"clock must be callable, not {type(clock).__name__}")
        self.failure_threshold = failure_threshold
        self.reset_timeout = reset_timeout
        self.name = name
        self.half_open_max_calls = half_open_max_calls
        self.lease = lease
        self._rules = _CircuitRules(failure_threshold, reset_timeout, half_open_max_calls, lease)
        self._clock = time.monotonic if clock is None else clock
        self._circuit = _Circuit(_CLOSED, 0)
        self._lock = threading.Lock()  # held to replace _circuit, and for nothing else
        self._held = threading.local()  # the permit that can_execute() took, for each thread

    def __repr__(self) -> str:
        """Show the name and the state."""
        return f"<CircuitBreaker {self.name or 'unnamed'} {self._circuit.phase}>"

    @property
    def state(self) -> CircuitState:
        """The current state: "CLOSED", "OPEN" or "HALF_OPEN"."""
        return self._circuit.phase

    def can_execute(self) -> bool:
        """Ask to make one call, and take the permit for it when the answer is True.

        Follow a True with exactly one of `record_success`, `record_failure` and `release`, from the
        same thread. In HALF_OPEN a permit that is never settled blocks other probes until its lease
        has lapsed.

        Returns:
            True if the call may be made; False if the circuit is open, or half open with its probes
            in flight.
        """
        permit = self._acquire()
        if permit is None:
            return False
        self._held.permit = permit
        return True

    def record_success(self) -> None:
        """Report that the call which this thread's last `can_execute` admitted has succeeded."""
        self._settle_held(_SUCCESS)

    def record_failure(self) -> None:
        """Report that the call which this thread's last `can_execute` admitted has failed.

        Without a permit of this thread, a result counts when the circuit is closed and is dropped
        when it is not; `record_success` does the same.
        """
        self._settle_held(_FAILURE)

    def release(self) -> None:
        """Give back the permit of this thread without a verdict on the dependency.

        For a call that ended in a way that says nothing about the dependency's health: an invalid
        request, a cancellation, an interrupt.
        """
        self._settle_held(_IGNORE)

    def _settle_held(self, outcome: _CircuitEvent) -> None:
        permit: _Permit | None = getattr(self._held, "permit", None)
        self._held.permit = None
        if permit is None:
            permit = (self._circuit.generation, 0)
        self._settle(outcome, permit)

    def _acquire(self) -> _Permit | None:
        """Take a permit; None when the call must not be made."""
        state = self._circuit
        if state.phase == _CLOSED:  # as _circuit_step would answer, without the lock
            return (state.generation, 0)
        return self._advance(_ADMIT, None)

    def _settle(self, outcome: _CircuitEvent, permit: _Permit) -> None:
        """Turn a permit in for its outcome."""
        state = self._circuit
        if outcome == _SUCCESS and not state.failures and state.phase == _CLOSED:
            return  # nothing to change, from whichever generation: as _circuit_step, without lock
        self._advance(outcome, permit)

    def _advance(self, event: _CircuitEvent, permit: _Permit | None) -> _Permit | None:
        now = self._clock()
        with self._lock:
            before = self._circuit
            after, granted = _circuit_step(self._rules, before, event, permit, now)
            self._circuit = after
        if after.phase != before.phase:
            _RETRY_LOG.log(
                logging.WARNING if after.phase == _OPEN else logging.INFO,
                "circuit %s: %s -> %s",
                self.name or "unnamed",
                before.phase,
                after.phase,
            )
        return granted

    def _open_error(self, operation_name: str) -> CircuitOpenError:
        retry_after = _circuit_retry_after(self._rules, self._circuit, self._clock())
        return CircuitOpenError(self.name or operation_name, retry_after)


# --- retry ----------------------------------------------------------------------------------------


def _backoff_delay(attempt: int, base_delay: float, jitter_factor: float, draw: float) -> float:
    """Return the seconds to wait after a failed attempt.

    Args:
        attempt: The attempt that failed; 1 is the first.
        base_delay: Seconds after the first attempt, before jitter.
        jitter_factor: The largest jitter, as a share of the delay.
        draw: A random number in [0, 1).
    """
    delay = min(base_delay * 2.0 ** min(attempt - 1, _LARGEST_EXPONENT), _LONGEST_DELAY)
    # In this order no product is infinity times zero, whatever the factor.
    return min(delay + delay * (jitter_factor * draw), _LONGEST_DELAY)


def _awaitable_error(operation_name: str, value: object) -> TypeError:
    """Return the error for an operation that has only begun its work."""
    close = getattr(value, "close", None)
    if callable(close):
        close()  # a coroutine that is dropped unstarted would warn that it was never awaited
    return TypeError(
        f"operation {operation_name!r} returned an awaitable ({type(value).__name__}), so its "
        "outcome is not known yet: pass a synchronous function, for example "
        "lambda: asyncio.run(operation())"
    )


def _emit_metric(metrics_logger: MetricsLogger | None, name: str, operation_name: str) -> None:
    """Count one, and publish it at once: a later invocation may never come."""
    if metrics_logger is None:
        return
    try:
        metrics_logger.add_dimension(name="Operation", value=operation_name)
        metrics_logger.add_metric(name=name, unit="Count", value=1)
        metrics_logger.flush()
    except Exception:
        _RETRY_LOG.warning("metric %s of %s was not emitted", name, operation_name, exc_info=True)


def _judge_failure(
    error: Exception, attempt: int, max_retries: int, permit: _Permit | None
) -> tuple[_CircuitEvent, str]:
    """Return what a failed attempt means to the circuit, and why to stop ("" to go on)."""
    if getattr(error, "is_retriable", None) is False:
        return _IGNORE, _NOT_RETRIABLE
    if attempt >= max_retries:
        return _FAILURE, _EXHAUSTED
    if permit is not None and permit[1]:
        return _FAILURE, _PROBE_FAILED
    return _FAILURE, ""


def _run_attempts(
    operation: Callable[[], T],
    operation_name: str,
    max_retries: int,
    base_delay: float,
    jitter_factor: float,
    retriable_exceptions: type[Exception] | tuple[type[Exception], ...],
    breaker: CircuitBreaker | None,
    per_attempt: bool,
    metrics_logger: MetricsLogger | None,
    raise_on_failure: bool,
    clock: Callable[[], float] | None,
    sleep: Callable[[float], object] | None,
    rng: RandomSource | None,
) -> T | None:
    """Attempt the operation until it succeeds or there is a reason to stop."""
    if clock is None:
        clock = time.monotonic
    started = clock()
    attempt = 0
    error: Exception | None = None
    permit: _Permit | None = None  # held, and still to be settled, while it is not None
    try:
        while True:
            if breaker is not None and permit is None:
                permit = breaker._acquire()
                if permit is None:
                    reason = _CIRCUIT_OPEN
                    break
            if attempt:
                _emit_metric(metrics_logger, "RetryAttempt", operation_name)
            attempt += 1
            try:
                value = operation()
            except retriable_exceptions as caught:
                error = caught
            else:
                if hasattr(type(value), "__await__"):
                    raise _awaitable_error(operation_name, value)
                if breaker is not None and permit is not None:
                    breaker._settle(_SUCCESS, permit)
                    permit = None
                return value

            outcome, reason = _judge_failure(error, attempt, max_retries, permit)
            if breaker is not None and permit is not None and (reason or per_attempt):
                breaker._settle(outcome, permit)
                permit = None
                if not reason and breaker.state != _CLOSED:
                    reason = _CIRCUIT_OPEN
            if reason:
                break

            if rng is None:
                # Draws from the operating system: execution environments that were restored from
                # one snapshot would share the state of a seeded generator.
                rng = random.SystemRandom()
            delay = _backoff_delay(attempt, base_delay, jitter_factor, rng.random())
            _RETRY_LOG.warning(
                "%s: attempt %d of %d failed, the next is in %.3f s: %r",
                operation_name,
                attempt,
                max_retries,
                delay,
                error,
            )
            (time.sleep if sleep is None else sleep)(delay)

        if error is None:  # refused before the first attempt, so there is a breaker
            refusal = breaker._open_error(operation_name) if breaker is not None else None
            _RETRY_LOG.warning("%s: not called: %s", operation_name, refusal)
            if raise_on_failure and refusal is not None:
                raise refusal
            return None
        summary = (
            f"{operation_name}: gave up after {attempt} of {max_retries} attempts "
            f"in {clock() - started:.3f} s: {reason}"
        )
        _RETRY_LOG.error("%s: %r", summary, error)
        if reason == _EXHAUSTED:
            _emit_metric(metrics_logger, "RetryExhausted", operation_name)
        if raise_on_failure:
            if hasattr(error, "add_note"):  # Python 3.11 and later
                error.add_note(summary)
            raise error
        return None
    finally:
        error = None  # its traceback holds this frame: a cycle
        if breaker is not None and permit is not None:
            # Every other way out: an error that is not retriable, an interrupt, a cancellation.
            breaker._settle(_IGNORE, permit)


def retry_with_backoff(
    operation: Callable[[], T],
    operation_name: str,
    max_retries: int = 3,
    base_delay: float = 5,
    jitter_factor: float = 0.3,
    retriable_exceptions: type[Exception] | tuple[type[Exception], ...] = (Exception,),
    *,
    metrics_logger: MetricsLogger | None = None,
    raise_on_failure: bool = False,
    clock: Callable[[], float] | None = None,
    sleep: Callable[[float], object] | None = None,
    rng: RandomSource | None = None,
) -> T | None:
    """Call an operation until it succeeds or its attempts are used up.

    The delay after attempt n is `base_delay * 2 ** (n - 1)` seconds, plus a random share of it up
    to `jitter_factor`. It never exceeds a year. With the defaults the two delays add up to at most
    19.5 s: give the function a time-out that is longer than that.

    Args:
        operation: Takes no arguments. Whatever it returns, None included, is a success.
        operation_name: Name in log records, and the value of the metrics' dimension `Operation`.
        max_retries: Number of attempts, the first one included; at least 1.
        base_delay: Seconds before the second attempt, before jitter; at least 0.
        jitter_factor: The largest jitter, as a share of the delay; at least 0.
        retriable_exceptions: Errors to try again after. Any other error propagates at once. An
            error among them whose attribute `is_retriable` is False ends the attempts.
        metrics_logger: Receives `RetryAttempt` (one for every attempt after the first) and
            `RetryExhausted` (one when all attempts failed), with the dimension `Operation`, and is
            flushed after each. Give it a logger of its own, since the dimension stays on it.
        raise_on_failure: Raise the last error, unchanged, where None would be returned. On Python
            3.11 and later it carries a note with attempts, time and reason.
        clock: Returns seconds that never go back; `time.monotonic` by default.
        sleep: Waits for the seconds that it is given; `time.sleep` by default.
        rng: Its `random()` draws the jitter; a `random.SystemRandom()` by default.

    Returns:
        What the operation returned; or None when all attempts failed or an error was not retriable
        by its `is_retriable`.

    Raises:
        TypeError: An argument is of the wrong type, or the operation returned an awaitable.
        ValueError: A number is out of its range, or not finite.
        BaseException: What the operation raised, if it is not one of `retriable_exceptions`;
            KeyboardInterrupt, SystemExit and asyncio.CancelledError are never retried.
    """
    _check_retry_arguments(
        operation, operation_name, max_retries, base_delay, jitter_factor, retriable_exceptions
    )
    return _run_attempts(
        operation,
        operation_name,
        max_retries,
        base_delay,
        jitter_factor,
        retriable_exceptions,
        None,
        False,
        metrics_logger,
        raise_on_failure,
        clock,
        sleep,
        rng,
    )


def retry_with_circuit_breaker(
    operation: Callable[[], T],
    operation_name: str,
    circuit_breaker: CircuitBreaker,
    max_retries: int = 3,
    base_delay: float = 5,
    jitter_factor: float = 0.3,
    retriable_exceptions: type[Exception] | tuple[type[Exception], ...] = (Exception,),
    *,
    breaker_scope: BreakerScope = "call",
    metrics_logger: MetricsLogger | None = None,
    raise_on_failure: bool = False,
    clock: Callable[[], float] | None = None,
    sleep: Callable[[float], object] | None = None,
    rng: RandomSource | None = None,
) -> T | None:
    """Do as `retry_with_backoff` does, behind a circuit breaker.

    While the circuit refuses calls the operation is not called and nothing is waited for. A probe
    of a half-open circuit is attempted once only. An error that is not retriable says nothing about
    the health of the dependency, so the breaker ignores it; so are interrupts, cancellations and
    awaitables.

    Args:
        operation: As for `retry_with_backoff`.
        operation_name: As for `retry_with_backoff`.
        circuit_breaker: The breaker of the dependency that the operation calls.
        max_retries: As for `retry_with_backoff`.
        base_delay: As for `retry_with_backoff`.
        jitter_factor: As for `retry_with_backoff`.
        retriable_exceptions: As for `retry_with_backoff`.
        breaker_scope: What is one outcome to the breaker. "call": all attempts together; the
            circuit is asked before the first one only. "attempt": each attempt; the circuit is
            asked before each, and when it opens the attempts end at once.
        metrics_logger: As for `retry_with_backoff`.
        raise_on_failure: As for `retry_with_backoff`; `CircuitOpenError` when there was no attempt.
        clock: As for `retry_with_backoff`. The breaker has a clock of its own.
        sleep: As for `retry_with_backoff`.
        rng: As for `retry_with_backoff`.

    Returns:
        What the operation returned; or None when the circuit refused the call, all attempts failed,
        the circuit opened between two of them, or an error was not retriable by its `is_retriable`.

    Raises:
        CircuitOpenError: The circuit refused the first attempt, and `raise_on_failure` is true.
        TypeError: As for `retry_with_backoff`.
        ValueError: As for `retry_with_backoff`, or `breaker_scope` is unknown.
        BaseException: As for `retry_with_backoff`.
    """
    _check_retry_arguments(
        operation, operation_name, max_retries, base_delay, jitter_factor, retriable_exceptions
    )
    if not isinstance(circuit_breaker, CircuitBreaker):
        raise TypeError(
            f"circuit_breaker must be a CircuitBreaker, not {type(circuit_breaker).__name__}: "
            "to retry without one, call retry_with_backoff"
        )
    if breaker_scope not in ("call", "attempt"):
        raise ValueError(f'breaker_scope must be "call" or "attempt", not {breaker_scope!r}')
    return _run_attempts(
        operation,
        operation_name,
        max_retries,
        base_delay,
        jitter_factor,
        retriable_exceptions,
        circuit_breaker,
        breaker_scope == "attempt",
        metrics_logger,
        raise_on_failure,
        clock,
        sleep,
        rng,
    )
