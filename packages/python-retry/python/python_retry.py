# <standalone>
"""Retry with backoff and jitter, and a circuit breaker, on the standard library only.

* `retry_with_backoff` calls an operation until it succeeds or its attempts are used up.
* `CircuitBreaker` stops calls to a dependency that keeps failing.
* `retry_with_circuit_breaker` combines the two.

All of it is safe under threads. No lock is held while an operation runs.
"""

from __future__ import annotations

import logging
import random
import threading
import time

# </standalone>
# Type checkers take this name for true; `typing` itself is never imported at run time, which keeps
# it out of a cold start.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType
    from typing import Any, Final, Literal, ParamSpec, Protocol, TypedDict, TypeVar, overload

    from typing_extensions import Self, Unpack

    T = TypeVar("T")
    P = ParamSpec("P")
    CircuitState = Literal["CLOSED", "OPEN", "HALF_OPEN", "ISOLATED"]
    BreakerScope = Literal["call", "attempt"]
    Outcome = Literal["success", "failure", "throttle", "ignore"]
    Mode = Literal["enforce", "retries-only", "metrics-only"]
    Listener = Callable[[dict[str, object]], object]
    # Monotonic and wall seconds of one moment.
    _Instant = tuple[float, float]
    # (generation, ticket, monotonic seconds at admission). Ticket 0 is a call through a closed
    # circuit; any other ticket is a probe.
    _Permit = tuple[int, int, float]
    # What a request for admission offers: (ticket, seconds of the lease), both for a probe.
    _Offer = tuple[int, float]
    # (calls, failures, slow calls) as a number and two bit sets; or (wall minus monotonic, slices
    # of (number, calls, failures, slow calls)).
    _Window = tuple[Any, ...]

    class LambdaContext(Protocol):
        """What `context` must offer; Lambda's own context does."""

        def get_remaining_time_in_millis(self) -> int:
            """Return the milliseconds until the function is stopped."""
            ...

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
            ...

    # <store>
    class CircuitStore(Protocol):
        """What `store` must offer. A state is a dict of JSON values; an error is any exception."""

        def read(self, name: str) -> tuple[int, dict[str, object]] | None:
            """Return version and state of a circuit, or None if there is none."""

        def swap(
            self, name: str, version: int, state: dict[str, object]
        ) -> tuple[int, dict[str, object]] | None:
            """Write as version + 1 if the version is still this one (0: none is there).

            Returns:
                None when it was written, else the version and the state that are there instead.
            """

    # </store>
    class _Options(TypedDict, total=False):
        metrics_logger: MetricsLogger | None
        clock: Callable[[], float] | None
        sleep: Callable[[float], object] | None
        rng: RandomSource | None
        # <deadline>
        wall: Callable[[], float] | None
        timeout: float | None
        context: LambdaContext | None
        reserve: float
        min_attempt: float
        # </deadline>
        # <jitter>
        jitter: str | Callable[[RandomSource, float, float], float]
        max_delay: float | None
        # </jitter>
        # <hooks>
        is_retriable: Callable[[Exception], bool] | None
        classify: Callable[[Exception], Outcome] | None
        retry_after: Callable[[Exception, float], float | None] | None
        retry_result: Callable[[object], bool] | None
        # </hooks>
        # <budget>
        budget: RetryBudget | None
        # </budget>
        # <listeners>
        listener: Listener | None
        # </listeners>

    # <calls|async>
    class _CallOptions(_Options, total=False):
        max_retries: int
        base_delay: float
        jitter_factor: float
        retriable_exceptions: type[Exception] | tuple[type[Exception], ...]
        # <breaker>
        circuit_breaker: CircuitBreaker | None
        breaker_scope: BreakerScope
        # </breaker>

    # </calls|async>

# <standalone>
__all__ = [
    # <breaker>
    "CircuitBreaker",
    "CircuitOpenError",
    # </breaker>
    # <store>
    "DynamoDBStore",
    # </store>
    # <breaker>
    # <calls>
    "Permit",
    # </calls>
    # </breaker>
    # <hooks>
    "ResultRejectedError",
    # </hooks>
    # <budget>
    "RetryBudget",
    # </budget>
    # <async>
    "async_retry_call",
    # </async>
    # <aws>
    "aws_classify",
    "aws_is_retriable",
    "aws_retry_after",
    # </aws>
    # <listeners>
    "emf_listener",
    # </listeners>
    # <calls>
    "retriable",
    "retry_call",
    # </calls>
    "retry_with_backoff",
    # <breaker>
    "retry_with_circuit_breaker",
    # </breaker>
]

_LOG = logging.getLogger("python_retry")
# </standalone>

# <breaker>
_CLOSED: Final = "CLOSED"
_OPEN: Final = "OPEN"
_HALF_OPEN: Final = "HALF_OPEN"
# <control>
_ISOLATED: Final = "ISOLATED"
# </control>
# </breaker>

_NOT_RETRIABLE: Final = "the error is not retriable"
_EXHAUSTED: Final = "all attempts failed"
# <breaker>
_CIRCUIT_OPEN: Final = "the circuit is open"
# </breaker>

_monotonic = time.monotonic
_ANY = (Exception,)
_CHECKED: set[object] = {_ANY}  # values of retriable_exceptions that were found to be good
_MOST_CHECKED = 64
_NUMBERS = frozenset((int, float))
# Values of these classes are no awaitables and no generators: no need to look closer.
_PLAIN = frozenset((type(None), bool, bytes, dict, float, int, list, set, str, tuple))
_GENERATOR = type(_ for _ in ())
_LARGEST = 1.7976931348623157e308
_LARGEST_EXPONENT = 62  # beyond it any delay that matters is at the limit below
_YEAR = 31_536_000.0  # `time.sleep` overflows at about 292 years


def _check(name: str, value: object, least: float = 0, *, above: bool = False) -> None:
    """Refuse anything but a finite int or float that is not too small."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be an int or a float, not {value!r} ({type(value).__name__})")
    if not least <= value <= _LARGEST or (above and value == least):  # refuses NaN too
        bound = "more than" if above else "at least"
        raise ValueError(f"{name} must be a finite number, {bound} {least}, not {value!r}")


def _check_count(name: str, value: object) -> None:
    """Refuse anything but an int of at least 1."""
    _check(name, value, 1)
    if not isinstance(value, int):
        raise TypeError(f"{name} must be an int, not {value!r} (float)")


def _check_callable(name: str, value: object) -> None:
    """Refuse what is neither None nor callable."""
    if value is not None and not callable(value):
        raise TypeError(f"{name} must be callable, not {value!r} ({type(value).__name__})")


def _check_operation(operation: object) -> None:
    """Refuse what cannot be called."""
    if not callable(operation):
        raise TypeError(
            f"operation must be callable, not {type(operation).__name__}: "
            "pass the function itself or a lambda, not the result of calling it"
        )


def _is_pending(value: object) -> bool:
    """Tell whether a value only stands for work that has not been done."""
    kind = type(value)
    return kind is _GENERATOR or hasattr(kind, "__await__") or hasattr(kind, "__anext__")


def _pending_error(operation_name: str, value: object) -> TypeError:
    """Return the error for an operation that has only begun its work."""
    close = getattr(value, "close", None)
    if callable(close):
        close()  # a coroutine that is dropped unstarted would warn that it was never awaited
    return TypeError(
        f"operation {operation_name!r} returned an awaitable or a generator "
        f"({type(value).__name__}), so its outcome is not known yet: pass a synchronous function, "
        "for example lambda: asyncio.run(operation()) or lambda: list(operation())"
    )


# <breaker|deadline>
def _elapsed(now: _Instant, since: _Instant) -> float:
    """Return the seconds since an instant, by the clock that says more; at least 0.

    An execution environment may be frozen, or restored from a snapshot: then either clock may have
    stood still. The one that says more errs towards one early probe or attempt.
    """
    return max(0.0, now[0] - since[0], now[1] - since[1])


# </breaker|deadline>
# <listeners>
def _notify(listener: Listener | None, event: dict[str, object]) -> None:
    """Tell a listener; its errors go no further than the log."""
    if listener is not None:
        try:
            listener(event)
        except Exception:
            _LOG.warning("a listener failed on %r", event, exc_info=True)


def emf_listener(namespace: str, write: Callable[[str], object] = print) -> Listener:
    """Return a listener that writes CloudWatch metrics in the embedded metric format.

    One line at each transition of a circuit (`CircuitTransition`, with the dimensions Circuit and
    State) and at each retry that gave up (`RetryExhausted`, with the dimension Operation).

    Args:
        namespace: The namespace of the metrics.
        write: Writes one line; Lambda sends what is printed to CloudWatch Logs.
    """
    if not isinstance(namespace, str) or not namespace:
        raise ValueError(f"namespace must be a str that is not empty, not {namespace!r}")
    _check_callable("write", write)

    def listen(event: dict[str, object]) -> None:
        import json  # noqa: PLC0415

        if event["event"] == "transition":
            metric = "CircuitTransition"
            dimensions = {"Circuit": event["name"], "State": event["to"]}
        elif event["event"] == "exhausted":
            metric = "RetryExhausted"
            dimensions = {"Operation": event["name"]}
        else:
            return
        directive = {
            "Namespace": namespace,
            "Dimensions": [list(dimensions)],
            "Metrics": [{"Name": metric, "Unit": "Count"}],
        }
        stamp = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}
        write(json.dumps({"_aws": stamp, metric: 1, **event, **dimensions}))

    return listen


# </listeners>
# <breaker>
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
        self.args = (name, retry_after)  # set here, it costs a third of what the base class takes
        self.name = name
        self.retry_after = retry_after

    def __str__(self) -> str:
        """Name the circuit and when to come back."""
        return f"circuit {self.name!r} is open; retry after {self.retry_after:.3f} s"


class _Circuit:
    """One state of a circuit. Never changed: `_circuit_step` makes the next one.

    Attributes:
        phase: The state's public name.
        generation: Rises at each change of phase. A permit carries the generation that admitted
            it, so that a late result cannot act on a later phase.
        failures: Consecutive failures, in CLOSED.
        opened_at: When the circuit last opened.
        open_for: Seconds from opening to the first probe.
        probes: The probes in flight, in HALF_OPEN, as (ticket, start, seconds of the lease).
        successes: Probes in a row that succeeded, in HALF_OPEN.
        reopens: Probes in a row that failed.
        closed_at: When the circuit closed, while it still admits a share of the calls only.
        window: The latest outcomes, in CLOSED.
    """

    phase: CircuitState = "CLOSED"
    generation = 0
    failures = 0
    opened_at: _Instant = (0.0, 0.0)
    open_for = 0.0
    probes: tuple[tuple[int, _Instant, float], ...] = ()
    # <recovery>
    successes = 0
    reopens = 0
    closed_at: _Instant | None = None
    # </recovery>
    # <windows>
    window: _Window | None = None
    # </windows>

    def __init__(self, **fields: object) -> None:
        self.__dict__.update(fields)
        self.clean = fields.get("phase", _CLOSED) == _CLOSED and not self.failures
        # <recovery>
        self.clean = self.clean and self.closed_at is None
        # </recovery>

    def to(self, **changes: object) -> _Circuit:
        return _Circuit(**{**self.__dict__, **changes})


def _circuit_step(  # noqa: PLR0911
    rules: CircuitBreaker,
    state: _Circuit,
    event: str,
    permit: _Permit | _Offer,
    now: _Instant,
    draw: float = 0.0,
    *,
    slow: bool = False,
) -> tuple[_Circuit, _Permit | None]:
    """Return the state after an event: pure, and the only place where a circuit changes.

    Args:
        rules: The breaker, of which nothing but its numbers is read.
        state: The state before the event.
        event: "admit", the outcome of an admitted call, or a command of an operator.
        permit: The permit of the call whose outcome this is; an offer for "admit".
        now: The time.
        draw: A random number in [0, 1).
        slow: Whether the call was a slow one.

    Returns:
        The new state (the same object when nothing changed), and the permit when the event was
        "admit" and the call may go ahead.
    """
    if event == "admit":
        return _circuit_admit(rules, state, permit, now, draw)
    # <control>
    if event == "isolate":
        return _Circuit(phase=_ISOLATED, generation=state.generation + 1), None
    if event == "reset":
        return _Circuit(generation=state.generation + 1), None
    if event == "trip":
        return _circuit_open(rules, state, 0, now, draw), None
    # </control>
    if permit[0] != state.generation:
        return state, None  # a result that belongs to an older generation
    if state.phase == _CLOSED:
        return _circuit_count(rules, state, event, now, draw, slow), None
    return _circuit_judge(rules, state, event, int(permit[1]), now, draw, slow), None


def _circuit_admit(
    rules: CircuitBreaker,
    state: _Circuit,
    offer: _Permit | _Offer,
    now: _Instant,
    draw: float,
) -> tuple[_Circuit, _Permit | None]:
    """Admit a call, or not."""
    generation = state.generation
    if state.phase == _CLOSED:
        # <recovery>
        if state.closed_at is not None:
            age = _elapsed(now, state.closed_at)
            if age >= rules.ramp:
                state = state.to(closed_at=None)
            elif draw >= 0.1 + 0.9 * age / rules.ramp:
                return state, None
        # </recovery>
        return state, (generation, 0, now[0])
    # <control>
    if state.phase == _ISOLATED:
        return state, None
    # </control>
    if state.phase == _OPEN:
        if _elapsed(now, state.opened_at) < state.open_for:
            return state, None
        generation += 1
    in_flight = tuple(probe for probe in state.probes if _elapsed(now, probe[1]) < probe[2])
    ticket = int(offer[0])
    if len(in_flight) >= rules.half_open_max_calls or not ticket:
        return state, None
    probing = state.to(
        phase=_HALF_OPEN,
        generation=generation,
        probes=(*in_flight, (ticket, now, float(offer[1]))),
        # <recovery>
        # A probe that died breaks the row.
        successes=state.successes if len(in_flight) == len(state.probes) else 0,
        # </recovery>
    )
    return probing, (generation, ticket, now[0])


def _circuit_open(
    rules: CircuitBreaker, state: _Circuit, reopens: int, now: _Instant, draw: float
) -> _Circuit:
    """Open a circuit."""
    open_for = float(rules.reset_timeout)
    # <recovery>
    if rules.max_reset_timeout is not None:
        longest = max(open_for, rules.max_reset_timeout)
        open_for = min(open_for * 2.0 ** min(reopens, _LARGEST_EXPONENT), longest)
    open_for += open_for * rules.reset_jitter * draw
    # </recovery>
    return _Circuit(
        phase=_OPEN,
        generation=state.generation + 1,
        opened_at=now,
        open_for=min(open_for, _YEAR),
        # <recovery>
        reopens=reopens,
        # </recovery>
    )


def _circuit_count(
    rules: CircuitBreaker, state: _Circuit, event: str, now: _Instant, draw: float, slow: bool
) -> _Circuit:
    """Count an outcome of a closed circuit."""
    # <windows>
    if rules.window is not None and event != "ignore":
        tripped, window = _window_add(rules, state.window, event == "failure", slow, now)
        if tripped:
            return _circuit_open(rules, state, 0, now, draw)
        state = state.to(window=window)
        if rules.failure_rate is not None:
            return state
    # </windows>
    if event == "failure":
        if state.failures + 1 >= rules.failure_threshold:
            return _circuit_open(rules, state, 0, now, draw)
        return state.to(failures=state.failures + 1)
    if event == "success" and state.failures:
        return state.to(failures=0)
    return state


def _circuit_judge(
    rules: CircuitBreaker,
    state: _Circuit,
    event: str,
    ticket: int,
    now: _Instant,
    draw: float,
    slow: bool,
) -> _Circuit:
    """Take the outcome of a probe."""
    others = tuple(probe for probe in state.probes if probe[0] != ticket)
    if len(others) == len(state.probes):
        return state  # its lease lapsed and its place was given to another
    if event == "ignore":
        return state.to(probes=others)
    reopens = 0
    # <recovery>
    reopens = state.reopens + 1
    # </recovery>
    if event == "failure" or slow:
        return _circuit_open(rules, state, reopens, now, draw)
    # <recovery>
    if state.successes + 1 < rules.success_threshold:
        return state.to(probes=others, successes=state.successes + 1)
    if rules.ramp:
        return _Circuit(generation=state.generation + 1, closed_at=now)
    # </recovery>
    return _Circuit(generation=state.generation + 1)


def _circuit_retry_after(rules: CircuitBreaker, state: _Circuit, now: _Instant) -> float:
    """Return the seconds after which a call is admitted at the latest, if nothing else happens."""
    # <control>
    if state.phase == _ISOLATED:
        return float("inf")
    # </control>
    if state.phase == _OPEN:
        return max(0.0, state.open_for - _elapsed(now, state.opened_at))
    if len(state.probes) >= rules.half_open_max_calls:
        return max(0.0, min(lease - _elapsed(now, start) for _, start, lease in state.probes))
    return 0.0


# <windows>
_SLICES = 10  # of a window by time
_CLOCK_SHIFT = 5.0  # seconds between the two clocks that tell of a freeze or a restore


def _window_add(
    rules: CircuitBreaker,
    window: _Window | None,
    failed: bool,
    slow: bool,
    now: _Instant,
) -> tuple[bool, _Window]:
    """Return whether a rate was reached, and the window with one more outcome."""
    size = rules.window
    after: _Window
    if isinstance(size, int):
        calls, failures, slows = window or (0, 0, 0)
        keep = (1 << size) - 1
        failures = (failures << 1 | failed) & keep
        slows = (slows << 1 | slow) & keep
        calls = min(calls + 1, size)
        after = (calls, failures, slows)
        failures, slows = failures.bit_count(), slows.bit_count()
    else:
        number = int(now[0] * _SLICES / (size or 1.0))
        shift = now[1] - now[0]
        slices: tuple[tuple[int, int, int, int], ...] = ()
        then: float | None = None
        if window is not None:
            then, slices = window
        if then is None or abs(then - shift) > _CLOCK_SHIFT:
            slices = ()
        # Only what is not older than the window, however long no call came.
        slices = tuple(one for one in slices if number - _SLICES < one[0] <= number)
        if not slices or slices[-1][0] != number:
            slices = (*slices, (number, 0, 0, 0))
        _, calls, failures, slows = slices[-1]
        slices = (*slices[:-1], (number, calls + 1, failures + failed, slows + slow))
        after = (shift, slices)
        _, calls, failures, slows = map(sum, zip(*slices, strict=True))
    tripped = calls >= rules.min_calls and (
        (rules.failure_rate is not None and failures >= rules.failure_rate * calls)
        or (rules.slow_rate is not None and slows >= rules.slow_rate * calls)
    )
    return tripped, after


# </windows>
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

    Time is that of two clocks, monotonic and wall; an interval is over when either says so.

    Use one breaker for each dependency, made outside the handler so that it outlives an invocation.
    All methods may be called by many threads; no lock is held while an operation runs.

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
        # <recovery>
        success_threshold: int = 1,
        max_reset_timeout: float | None = None,
        reset_jitter: float = 0.0,
        ramp: float = 0.0,
        # </recovery>
        # <windows>
        window: float | None = None,
        failure_rate: float | None = None,
        min_calls: int = 10,
        slow_call: float | None = None,
        slow_rate: float | None = None,
        # </windows>
        # <control>
        mode: Mode = "enforce",
        # </control>
        # <calls>
        classify: Callable[[Exception], Outcome] | None = None,
        # </calls>
        # <listeners>
        listener: Listener | None = None,
        # </listeners>
        # <store>
        store: CircuitStore | None = None,
        store_ttl: float = 5.0,
        # </store>
        clock: Callable[[], float] | None = None,
        wall: Callable[[], float] | None = None,
        rng: RandomSource | None = None,
    ) -> None:
        """Make a closed circuit.

        Args:
            failure_threshold: Consecutive failures that open the circuit; at least 1.
            reset_timeout: Seconds from opening to the first probe; at least 0.
            name: Name in log records and in `CircuitOpenError`; the key in a store.
            half_open_max_calls: Probes that may be in flight at one time; at least 1.
            lease: Seconds after which a probe without a result loses its place; more than 0. The
                default is `reset_timeout`, but not less than 1 second.
            success_threshold: Probes in a row that must succeed to close the circuit; at least 1.
            max_reset_timeout: The opening doubles with each probe that fails, up to so many
                seconds; None for no growth.
            reset_jitter: The largest random lengthening of an opening, as a share of it.
            ramp: Seconds after closing in which the admitted share of the calls grows from a tenth
                to all.
            window: Outcomes by which the rates go: an int is a number of calls, a float is seconds
                (kept in tenths of it). Needs `failure_rate` or `slow_rate`.
            failure_rate: Share of failures in the window that opens the circuit, in (0, 1]. It
                takes the place of `failure_threshold`.
            min_calls: Calls in the window below which no rate opens the circuit; at least 1.
            slow_call: Seconds from which on a call is a slow one, whatever its outcome. A slow
                probe is a failure.
            slow_rate: Share of slow calls in the window that opens the circuit, in (0, 1].
            mode: "enforce"; "retries-only" refuses retries but never a first attempt;
                "metrics-only" refuses nothing and only keeps the state.
            classify: Tells the outcome of a call from its error, for the forms of this class that
                run the call; by default an error is a failure, or ignored if its `is_retriable` is
                False.
            listener: Called after each transition with {"event": "transition", "name", "from",
                "to"}, outside the lock. Its errors are logged.
            store: Shares the state with other processes. Its calls happen inside the methods that
                admit and settle, never under the lock.
            store_ttl: Seconds, give or take a fifth, for which what was read is taken for current.
            clock: Returns seconds that never go back; `time.monotonic` by default.
            wall: Returns seconds since the epoch; `time.time` by default.
            rng: Its `random()` draws jitter; a `random.SystemRandom()` by default.

        Raises:
            TypeError: An argument is of the wrong type (a bool is no number here).
            ValueError: An argument is out of its range, or not finite.
        """
        _check_count("failure_threshold", failure_threshold)
        _check("reset_timeout", reset_timeout)
        _check_count("half_open_max_calls", half_open_max_calls)
        if lease is None:
            lease = max(reset_timeout, 1.0)
        _check("lease", lease, above=True)
        if name is not None and not isinstance(name, str):
            raise TypeError(f"name must be a str or None, not {type(name).__name__}")
        _check_callable("clock", clock)
        _check_callable("wall", wall)
        self.failure_threshold = failure_threshold
        self.reset_timeout = reset_timeout
        self.name = name
        self.half_open_max_calls = half_open_max_calls
        self.lease = lease
        self._clock = time.monotonic if clock is None else clock
        self._wall = time.time if wall is None else wall
        # Draws from the operating system: execution environments that were restored from one
        # snapshot would share the state of a seeded generator.
        self._rng: RandomSource = random.SystemRandom() if rng is None else rng
        self._circuit = _Circuit()
        self._lock = threading.Lock()  # held to replace _circuit, and for nothing else
        self._held = threading.local()  # the permit that can_execute() took, for each thread
        self._plain = True  # nothing to record for a success while the circuit is clean
        self._alone = True  # nothing but the state decides whether a call is refused
        # <recovery>
        _check_count("success_threshold", success_threshold)
        if max_reset_timeout is not None:
            _check("max_reset_timeout", max_reset_timeout)
        _check("reset_jitter", reset_jitter)
        _check("ramp", ramp)
        self.success_threshold = success_threshold
        self.max_reset_timeout = max_reset_timeout
        self.reset_jitter = reset_jitter
        self.ramp = ramp
        # </recovery>
        # <windows>
        for key, rate in (("failure_rate", failure_rate), ("slow_rate", slow_rate)):
            if rate is not None:
                _check(key, rate, above=True)
                if rate > 1:
                    raise ValueError(f"{key} must be at most 1, not {rate!r}")
        if window is not None:
            _check("window", window, above=True)
        if slow_call is not None:
            _check("slow_call", slow_call, above=True)
        _check_count("min_calls", min_calls)
        if (window is None) != (failure_rate is None and slow_rate is None):
            raise ValueError("window and a rate (failure_rate, slow_rate) need each other")
        if slow_rate is not None and slow_call is None:
            raise ValueError("slow_rate needs slow_call: the seconds that make a call slow")
        if isinstance(window, int) and window < min_calls:
            raise ValueError(f"window must hold min_calls ({min_calls}) calls, not {window!r}")
        self.window = window
        self.failure_rate = failure_rate
        self.min_calls = min_calls
        self.slow_call = slow_call
        self.slow_rate = slow_rate
        self._plain = window is None and slow_call is None
        # </windows>
        # <control>
        if mode not in ("enforce", "retries-only", "metrics-only"):
            raise ValueError(
                f'mode must be "enforce", "retries-only" or "metrics-only", not {mode!r}'
            )
        self.mode = mode
        self._alone = mode == "enforce"
        # </control>
        # <calls>
        _check_callable("classify", classify)
        self._classify = classify
        # </calls>
        # <listeners>
        _check_callable("listener", listener)
        self._listener = listener
        # </listeners>
        # <store>
        if store is not None and not name:
            raise ValueError("a breaker with a store needs a name: it is the key in the store")
        _check("store_ttl", store_ttl)
        self._store = store
        self._store_ttl = store_ttl
        self._version = 0  # of the stored state that _circuit equals, failure count aside
        self._ahead = False  # the store missed a change, so _circuit is a view of our own
        self._read_at: _Instant | None = None
        self._read_for = 0.0
        self._store_errors = 0
        self._store_failed_at: _Instant = (0.0, 0.0)
        self._store_pause = 0.0
        self._plain = self._plain and store is None
        self._alone = self._alone and store is None
        # </store>

    def __repr__(self) -> str:
        """Show the name and the state."""
        return f"<CircuitBreaker {self.name or 'unnamed'} {self._circuit.phase}>"

    @property
    def state(self) -> CircuitState:
        """The current state: "CLOSED", "OPEN" or "HALF_OPEN" (or "ISOLATED", by `isolate`)."""
        return self._circuit.phase

    @property
    def retry_after(self) -> float:
        """Seconds after which a call may be admitted; 0 when it may be now."""
        return _circuit_retry_after(self, self._circuit, self._now())

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
        self._settle_held("success")

    def record_failure(self) -> None:
        """Report that the call which this thread's last `can_execute` admitted has failed.

        Without a permit of this thread, a result counts when the circuit is closed and is dropped
        when it is not; `record_success` does the same.
        """
        self._settle_held("failure")

    def release(self) -> None:
        """Give back the permit of this thread without a verdict on the dependency.

        For a call that ended in a way that says nothing about the dependency's health: an invalid
        request, a cancellation, an interrupt.
        """
        self._settle_held("ignore")

    # <control>
    def isolate(self) -> None:
        """Refuse every call until `reset`: no time and no probe ends this."""
        self._advance("isolate", (0, 0, 0.0))

    def trip(self) -> None:
        """Open the circuit now, as the last of the failures would."""
        self._advance("trip", (0, 0, 0.0))

    def reset(self) -> None:
        """Close the circuit now; results of calls that are under way are dropped."""
        self._advance("reset", (0, 0, 0.0))

    # </control>
    # <calls>
    def acquire(self) -> Permit:
        """Ask to make one call.

        Returns:
            A permit that is true if the call may be made. Use it in a `with` statement, or settle
            it with `success`, `failure` or `ignore`.
        """
        return Permit(self, self._acquire())

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function once, if the circuit admits it, and record how it ended.

        Raises:
            CircuitOpenError: The circuit refused the call.
            TypeError: The function returned an awaitable or a generator.
        """
        if not self._circuit.clean and (seconds := self._refuses()):
            # What follows would raise it too, at five times the cost.
            raise CircuitOpenError(self.name or "unnamed", seconds)
        with self.acquire() as permit:
            value = function(*args, **kwargs)
            if value.__class__ not in _PLAIN and _is_pending(value):
                permit.ignore()
                raise _pending_error(self.name or "function", value)
            return value

    def __call__(self, function: Callable[P, T]) -> Callable[P, T]:
        """Decorate a function, so that each call of it goes through `call`."""
        import functools  # noqa: PLC0415

        _check_operation(function)

        @functools.wraps(function)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
            return self.call(function, *args, **kwargs)

        return guarded

    def __enter__(self) -> None:
        """Take a permit before the body runs.

        In code of asyncio write `with breaker.acquire():`, since tasks share a thread.

        Raises:
            CircuitOpenError: The circuit refused the call; the body does not run.
        """
        permit = self.acquire()
        permit.__enter__()
        self._held.entered = (*getattr(self._held, "entered", ()), permit)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Record how the body ended."""
        *outer, permit = self._held.entered
        self._held.entered = tuple(outer)
        permit.__exit__(kind, error, traceback)

    # </calls>
    def _now(self) -> _Instant:
        return (self._clock(), self._wall())

    def _settle_held(self, outcome: str) -> None:
        permit: _Permit | None = getattr(self._held, "permit", None)
        self._held.permit = None
        if permit is None:
            permit = (self._circuit.generation, 0, self._clock())
        self._settle(outcome, permit)

    def _refuses(self) -> float:
        """Return the seconds for which an open circuit, as `_circuit_step` would, refuses calls.

        Without the lock; 0 when it is due, or when more than the state decides.
        """
        state = self._circuit
        if state.phase != _OPEN or not self._alone:
            return 0.0
        opened, opened_wall = state.opened_at
        most = left = state.open_for
        # `min` and `max` would cost more than the rest.
        if (by_clock := most - (self._clock() - opened)) < left:
            left = by_clock
        if (by_wall := most - (self._wall() - opened_wall)) < left:
            left = by_wall
        return left if left > 0 else 0.0

    def _acquire(self, lease: float | None = None, *, retry: bool = False) -> _Permit | None:
        """Take a permit; None when the call must not be made."""
        state = self._circuit
        if self._plain and state.clean:  # as _circuit_step would answer, without the lock
            return (state.generation, 0, 0.0)
        if self._refuses():
            return None
        # <store>
        self._refresh()
        # </store>
        lease = self.lease if lease is None else min(lease, self.lease)
        ticket = 0
        if self._circuit.phase != _CLOSED:
            # A name that no other probe has, in whatever process.
            ticket = 1 + int(random.SystemRandom().random() * 2**52)
        permit = self._advance("admit", (ticket, lease))
        # <control>
        if permit is None and (
            self.mode == "metrics-only" or (self.mode == "retries-only" and not retry)
        ):
            return (-1, 0, self._clock())  # of no generation: its result is dropped
        # </control>
        return permit

    def _settle(self, outcome: str, permit: _Permit) -> None:
        """Turn a permit in for its outcome."""
        if outcome == "success" and self._plain and self._circuit.clean:
            return  # nothing to change, from whichever generation: as _circuit_step, without lock
        slow = False
        # <windows>
        slow = self.slow_call is not None and self._clock() - permit[2] >= self.slow_call
        # </windows>
        self._advance(outcome, permit, slow=slow)

    def _advance(
        self, event: str, permit: _Permit | _Offer, *, slow: bool = False
    ) -> _Permit | None:
        now = self._now()
        draw = 0.0
        if not self._circuit.clean or event in ("failure", "trip"):
            draw = self._rng.random()
        with self._lock:
            before = self._circuit
            after, granted = _circuit_step(self, before, event, permit, now, draw, slow=slow)
            # <store>
            shared = self._store is not None and _is_shared(before, after)
            if shared:
                after = before
            # </store>
            self._circuit = after
        # <store>
        if shared:
            before, after, granted = self._publish(event, permit, draw, slow)
        # </store>
        self._announce(before, after)
        return granted

    def _announce(self, before: _Circuit, after: _Circuit) -> None:
        if after.phase == before.phase:
            return
        name = self.name or "unnamed"
        level = logging.WARNING if after.phase == _OPEN else logging.INFO
        _LOG.log(level, "circuit %s: %s -> %s", name, before.phase, after.phase)
        # <listeners>
        change: dict[str, object] = {
            "event": "transition",
            "name": name,
            "from": before.phase,
            "to": after.phase,
        }
        _notify(self._listener, change)
        # </listeners>

    def _open_error(self, operation_name: str) -> CircuitOpenError:
        return CircuitOpenError(self.name or operation_name, self.retry_after)

    # <store>
    def _publish(
        self, event: str, permit: _Permit | _Offer, draw: float, slow: bool
    ) -> tuple[_Circuit, _Circuit, _Permit | None]:
        """Make a change that other processes must see: in the store first, then here.

        While the store does not answer the change is made here alone. `_ahead` then keeps this
        process from writing a verdict for which it holds no lease.
        """
        first = self._circuit
        for _ in range(4):
            if self._ahead:
                self._refresh(force=True)
            now = self._now()
            with self._lock:
                before, version, ahead = self._circuit, self._version, self._ahead
            after, granted = _circuit_step(self, before, event, permit, now, draw, slow=slow)
            if ahead or not _is_shared(before, after):
                with self._lock:
                    if self._circuit is before:
                        self._circuit = after
                        return first, after, granted
                continue
            answered, other = self._swap(version, after)
            with self._lock:
                if other is not None:
                    self._adopt(other, now)
                elif answered:
                    if version >= self._version:
                        self._circuit, self._version = after, version + 1
                    return first, after, granted
                elif self._circuit is before:
                    self._circuit, self._ahead = after, True
                    return first, after, granted
        return first, self._circuit, None  # lost every race: others act on this circuit

    def _refresh(self, *, force: bool = False) -> None:
        """Read the store if what was read last is too old."""
        store = self._store
        if store is None:
            return
        now = self._now()
        if not (force or self._read_at is None or _elapsed(now, self._read_at) >= self._read_for):
            return
        # Set first, so that other threads go on with the old view meanwhile.
        self._read_at = now
        self._read_for = self._store_ttl * (0.8 + 0.4 * self._rng.random())
        before = self._circuit
        answered, found = self._ask(lambda: store.read(self.name or ""))
        if not answered:
            return
        version, fields = found or (0, {})
        with self._lock:
            # An older version than ours was read before we wrote.
            if version < self._version or (version == self._version and not self._ahead):
                return
            mine = self._circuit
            missed = self._ahead and mine.phase == _OPEN and _decode(fields, now).phase == _CLOSED
            self._adopt((version, fields), now)
            trip = mine.to(generation=self._circuit.generation + 1)
        if missed:
            # The circuit opened here while the store was down: that still holds.
            answered, other = self._swap(version, trip)
            with self._lock:
                if other is not None:
                    self._adopt(other, now)
                else:
                    self._circuit, self._ahead = trip, not answered
                    self._version = version + answered
        self._announce(before, self._circuit)

    def _adopt(self, found: tuple[int, dict[str, object]], now: _Instant) -> None:
        """Take over what the store holds; under the lock."""
        self._version, self._ahead = found[0], False
        self._circuit = _decode(found[1], now)

    def _swap(
        self, version: int, after: _Circuit
    ) -> tuple[bool, tuple[int, dict[str, object]] | None]:
        """Write a state; (True, None) when it was written."""
        store, name, fields = self._store, self.name or "", _encode(after)
        if store is None:
            return True, None
        return self._ask(lambda: store.swap(name, version, fields))

    def _ask(
        self, question: Callable[[], tuple[int, dict[str, object]] | None]
    ) -> tuple[bool, tuple[int, dict[str, object]] | None]:
        """Return whether the store answered, and what. After an error it is left alone a while."""
        now = self._now()
        if self._store_errors and _elapsed(now, self._store_failed_at) < self._store_pause:
            return False, None
        try:
            answer = question()
        except Exception as error:
            self._store_errors += 1
            longest = 2.0 ** min(self._store_errors, 5)
            self._store_pause = longest / 2 * (1 + self._rng.random())
            self._store_failed_at = self._now()
            _LOG.warning(
                "circuit %s: the store failed, so the last known state holds; the store is asked "
                "again after %.1f s: %r",
                self.name,
                self._store_pause,
                error,
            )
            return False, None
        self._store_errors = 0
        return True, answer

    # </store>


# <calls>
class Permit:
    """The answer to a request for one call; true if the call may be made.

    In a `with` statement a refused permit raises `CircuitOpenError` before the body runs, and a
    granted one is settled by how the body ends: success, failure, or ignored for an error whose
    `is_retriable` is False and for what is not an Exception (interrupts, cancellations).

    Attributes:
        retry_after: Seconds after which a refused call may be admitted; 0 for a granted permit.
        reason: Why the call was refused; "" for a granted permit.
    """

    def __init__(self, breaker: CircuitBreaker, permit: _Permit | None) -> None:
        """Wrap a permit; `CircuitBreaker.acquire` makes it."""
        self._breaker = breaker
        self._permit = permit
        self._granted = permit is not None
        self.retry_after = 0.0 if self._granted else breaker.retry_after
        self.reason = "" if self._granted else f"the circuit is {breaker.state}"

    def __bool__(self) -> bool:
        """Whether the call may be made."""
        return self._granted

    def success(self) -> None:
        """Report that the call succeeded. Only the first report of a permit counts."""
        self._settle("success")

    def failure(self) -> None:
        """Report that the call failed."""
        self._settle("failure")

    def ignore(self) -> None:
        """Give the permit back without a verdict on the dependency."""
        self._settle("ignore")

    def _settle(self, outcome: str) -> None:
        permit, self._permit = self._permit, None
        if permit is not None:
            self._breaker._settle(outcome, permit)

    def __enter__(self) -> Self:
        """Return the permit.

        Raises:
            CircuitOpenError: It was refused.
        """
        if not self._granted:
            raise CircuitOpenError(self._breaker.name or "unnamed", self.retry_after)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Settle the permit, unless the body did."""
        outcome = "success"
        if error is not None:
            outcome = "ignore"
            if isinstance(error, Exception) and getattr(error, "is_retriable", None) is not False:
                classify = self._breaker._classify
                outcome = "failure" if classify is None else classify(error)
        self._settle("failure" if outcome == "throttle" else outcome)


# </calls>
# <store>
def _is_shared(before: _Circuit, after: _Circuit) -> bool:
    """Tell whether a change concerns other processes: all but counts in CLOSED do."""
    return after.generation != before.generation or after.probes != before.probes


def _encode(circuit: _Circuit) -> dict[str, object]:
    """Return a state for other processes, with wall clock time only."""
    fields = {key: getattr(circuit, key) for key in _STORED if hasattr(circuit, key)}
    fields["opened_at"] = circuit.opened_at[1]
    fields["probes"] = [[ticket, start[1], lease] for ticket, start, lease in circuit.probes]
    # <recovery>
    fields["closed_at"] = circuit.closed_at and circuit.closed_at[1]
    # </recovery>
    return fields


def _decode(fields: dict[str, object], now: _Instant) -> _Circuit:
    """Return the state that another process has stored, in terms of this process's clocks."""

    def instant(wall: float) -> _Instant:
        return (now[0] - now[1] + wall, wall)

    known = {key: value for key, value in fields.items() if key in _STORED}
    probes: list[list[float]] = fields.get("probes") or []  # type: ignore[assignment]
    known["probes"] = tuple((int(p[0]), instant(p[1]), p[2]) for p in probes)
    for key in ("opened_at", "closed_at"):
        wall = fields.get(key)
        known.pop(key, None)
        if isinstance(wall, (int, float)):
            known[key] = instant(wall)
    return _Circuit(**known)


_STORED = (
    *("phase", "generation", "opened_at", "open_for", "probes"),
    *("successes", "reopens", "closed_at"),
)


class DynamoDBStore:
    """Keeps the state of circuits in a DynamoDB table, for all that share it.

    The table has the partition key `id` (a string). Each circuit is one item, written at
    transitions only, and only if its `version` is still the one that the writer has read. The key
    needs `dynamodb:GetItem` and `dynamodb:PutItem`.
    """

    def __init__(self, table: str, client: object = None, *, timeout: float = 0.5) -> None:
        """Name the table.

        Args:
            table: Name or ARN of the table.
            client: A boto3 client of DynamoDB; by default one with short time-outs and no retries,
                since the breaker does without the store when it fails.
            timeout: Seconds for connecting, and for each answer, of the default client.
        """
        if not isinstance(table, str) or not table:
            raise ValueError(f"table must be a str that is not empty, not {table!r}")
        _check("timeout", timeout, above=True)
        if client is None:
            import boto3  # noqa: PLC0415
            from botocore.config import Config  # noqa: PLC0415

            client = boto3.client(
                "dynamodb",
                config=Config(
                    connect_timeout=timeout,
                    read_timeout=timeout,
                    retries={"total_max_attempts": 1, "mode": "standard"},
                ),
            )
        self._table = table
        self._client: Any = client

    def read(self, name: str) -> tuple[int, dict[str, object]] | None:
        """Return version and state of a circuit, or None if there is none."""
        key = {"id": {"S": name}}
        answer = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        return self._parse(answer.get("Item"))

    def swap(
        self, name: str, version: int, state: dict[str, object]
    ) -> tuple[int, dict[str, object]] | None:
        """Write a state as version + 1 if the stored version is still this one.

        Returns:
            None when it was written, else the version and the state that are there instead.
        """
        import json  # noqa: PLC0415

        item = {
            "id": {"S": name},
            "version": {"N": str(version + 1)},
            "state": {"S": json.dumps(state)},
        }
        request: dict[str, object] = {"ConditionExpression": "attribute_not_exists(id)"}
        if version:
            request = {
                "ConditionExpression": "#version = :version",
                "ExpressionAttributeNames": {"#version": "version"},
                "ExpressionAttributeValues": {":version": {"N": str(version)}},
            }
        try:
            self._client.put_item(
                TableName=self._table,
                Item=item,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **request,
            )
        except self._client.exceptions.ConditionalCheckFailedException as error:
            # The item comes with the refusal, at no cost; an empty answer means there is none.
            return self._parse(error.response.get("Item")) or (0, {})
        return None

    def _parse(
        self, item: dict[str, dict[str, str]] | None
    ) -> tuple[int, dict[str, object]] | None:
        import json  # noqa: PLC0415

        return (int(item["version"]["N"]), json.loads(item["state"]["S"])) if item else None


# </store>
# </breaker>
# <budget>
class RetryBudget:
    """Keeps retries to a share of the calls, over all that share the budget.

    A bucket of tokens: a success adds `deposit` of one, a retry takes one. First attempts are free.
    A retry that finds no token does not wait: the attempts end. When everything fails, a caller
    then adds next to nothing to the load, where three attempts would triple it.

    Use one for each dependency, made outside the handler.
    """

    def __init__(self, capacity: float = 10, deposit: float = 0.1) -> None:
        """Make a full bucket.

        Args:
            capacity: Tokens at most, and at first; at least 1.
            deposit: Tokens that a success adds; 0.1 allows one retry for ten calls in the long run.
        """
        _check("capacity", capacity, 1)
        _check("deposit", deposit)
        self.capacity = capacity
        self.deposit_per_success = deposit
        self._tokens = float(capacity)
        self._lock = threading.Lock()

    @property
    def tokens(self) -> float:
        """Tokens in the bucket now."""
        return self._tokens

    def withdraw(self) -> bool:
        """Take the token for a retry; False if there is none."""
        with self._lock:
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True

    def deposit(self) -> None:
        """Add what a success adds."""
        if self._tokens < self.capacity:
            with self._lock:
                self._tokens = min(self.capacity, self._tokens + self.deposit_per_success)


# </budget>
# <aws>
# Codes of botocore's standard retry mode, and of services that throttle by other names.
_AWS_THROTTLES = frozenset(
    (
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    )
)
_AWS_TRANSIENT = frozenset(
    (
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "InternalServiceError",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
    )
)
_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500  # and what is above


def _aws_metadata(error: Exception) -> tuple[str, dict[str, Any]]:
    """Return code and metadata of an answer; ("", {}) if the error is none."""
    response = getattr(error, "response", None)
    if not isinstance(response, dict):
        return "", {}
    return (
        str((response.get("Error") or {}).get("Code", "")),
        response.get("ResponseMetadata") or {},
    )


def aws_classify(error: Exception) -> Outcome:
    """Tell what an error of boto3 says about the service; give it as `classify`.

    Returns:
        "throttle" for a throttled request; "failure" for an error of the service, a time-out or a
        broken connection, and for an error that is not boto3's; "success" for any other answer,
        since a service that refuses a request is well; "ignore" for a request that was never sent
        (bad parameters, no credentials).
    """
    if isinstance(getattr(error, "response", None), dict):
        code, metadata = _aws_metadata(error)
        status = metadata.get("HTTPStatusCode", 0)
        if code in _AWS_THROTTLES or status == _TOO_MANY_REQUESTS:
            return "throttle"
        return "failure" if code in _AWS_TRANSIENT or status >= _SERVER_ERROR else "success"
    names = {kind.__name__ for kind in type(error).__mro__}
    if "BotoCoreError" in names and not names & {"HTTPClientError", "ConnectionError"}:
        return "ignore"
    return "failure"


def aws_is_retriable(error: Exception) -> bool:
    """Tell whether no other layer has retried an error of boto3; give it as `is_retriable`.

    False for an error that botocore has retried until its attempts or its quota were used up.
    """
    _, metadata = _aws_metadata(error)
    if metadata.get("RetryQuotaReached"):
        return False
    return not (metadata.get("MaxAttemptsReached") and metadata.get("RetryAttempts", 0))


def aws_retry_after(error: Exception, delay: float) -> float | None:
    """Return the delay that an AWS answer asks for; give it as `retry_after`.

    Milliseconds in `x-amz-retry-after` count from the planned delay up to 5 s more, as in the AWS
    SDKs; seconds or a date in `Retry-After` from the planned delay up to 6 hours.
    """
    _, metadata = _aws_metadata(error)
    headers = {str(key).lower(): value for key, value in metadata.get("HTTPHeaders", {}).items()}
    try:
        if "x-amz-retry-after" in headers:
            return max(delay, min(float(headers["x-amz-retry-after"]) / 1000, delay + 5))
        text = headers["retry-after"]
        if text.strip().isdigit():
            seconds = float(text)
        else:
            from email.utils import parsedate_to_datetime  # noqa: PLC0415

            seconds = parsedate_to_datetime(text).timestamp() - time.time()
        return max(delay, min(seconds, 21_600.0))
    except (KeyError, ValueError):
        return None  # no such header, or none that can be read


# </aws>
# <hooks>
class ResultRejectedError(Exception):
    """The operation returned a value that `retry_result` does not accept.

    Attributes:
        value: What the operation returned last.
    """

    def __init__(self, value: object) -> None:
        """Keep the value as `args`, so that the error can be copied and pickled."""
        super().__init__(value)
        self.value = value


# </hooks>
# <jitter>
_JITTERS = ("proportional", "full", "equal", "decorrelated", "none")
# </jitter>


def _backoff_delay(
    attempt: int, base_delay: float, jitter_factor: float, draw: float, limit: float = _YEAR
) -> float:
    """Return the seconds to wait after a failed attempt.

    Args:
        attempt: The attempt that failed; 1 is the first.
        base_delay: Seconds after the first attempt, before jitter.
        jitter_factor: The largest jitter, as a share of the delay.
        draw: A random number in [0, 1).
        limit: The largest delay before jitter.
    """
    delay = min(base_delay * 2.0 ** min(attempt - 1, _LARGEST_EXPONENT), limit)
    # In this order no product is infinity times zero, whatever the factor.
    return min(delay + delay * (jitter_factor * draw), _YEAR)


def _emit_metric(metrics_logger: MetricsLogger | None, name: str, operation_name: str) -> None:
    """Count one, and publish it at once: a later invocation may never come."""
    if metrics_logger is None:
        return
    try:
        metrics_logger.add_dimension(name="Operation", value=operation_name)
        metrics_logger.add_metric(name=name, unit="Count", value=1)
        metrics_logger.flush()
    except Exception:
        _LOG.warning("metric %s of %s was not emitted", name, operation_name, exc_info=True)


class _Attempts:
    """The attempts of one call: all that is decided between two of them.

    Which functions wait, and whether they are asynchronous, is up to the loop that drives it.
    """

    def __init__(
        self,
        operation_name: str,
        max_retries: int = 3,
        base_delay: float = 5,
        jitter_factor: float = 0.3,
        retriable_exceptions: type[Exception] | tuple[type[Exception], ...] = _ANY,
        *,
        raise_on_failure: bool = False,
        metrics_logger: MetricsLogger | None = None,
        # <breaker>
        circuit_breaker: CircuitBreaker | None = None,
        breaker_scope: BreakerScope = "attempt",
        # </breaker>
        # <deadline>
        wall: Callable[[], float] | None = None,
        timeout: float | None = None,
        context: LambdaContext | None = None,
        reserve: float = 0.5,
        min_attempt: float = 0.0,
        # </deadline>
        # <jitter>
        jitter: str | Callable[[RandomSource, float, float], float] = "proportional",
        max_delay: float | None = None,
        # </jitter>
        # <hooks>
        is_retriable: Callable[[Exception], bool] | None = None,
        classify: Callable[[Exception], Outcome] | None = None,
        retry_after: Callable[[Exception, float], float | None] | None = None,
        retry_result: Callable[[object], bool] | None = None,
        # </hooks>
        # <budget>
        budget: RetryBudget | None = None,
        # </budget>
        # <listeners>
        listener: Listener | None = None,
        # </listeners>
        clock: Callable[[], float] | None = None,
        sleep: Callable[[float], object] | None = None,
        rng: RandomSource | None = None,
    ) -> None:
        """Refuse what would otherwise show only when the first attempt fails."""
        if not isinstance(operation_name, str):
            raise TypeError(f"operation_name must be a str, not {type(operation_name).__name__}")
        _check_count("max_retries", max_retries)
        _check("base_delay", base_delay)
        _check("jitter_factor", jitter_factor)
        classes = (
            retriable_exceptions
            if isinstance(retriable_exceptions, tuple)
            else (retriable_exceptions,)
        )
        for item in classes:
            if not (isinstance(item, type) and issubclass(item, Exception)):
                raise TypeError(
                    "retriable_exceptions must be a subclass of Exception or a tuple of them, but "
                    f"it holds {item!r} (KeyboardInterrupt, SystemExit and other exceptions that "
                    "are not an Exception are never retried)"
                )
        if len(_CHECKED) < _MOST_CHECKED:
            _CHECKED.add(retriable_exceptions)
        _check_callable("clock", clock)
        _check_callable("sleep", sleep)
        self.operation_name = operation_name
        self.max_retries = max_retries
        self.base_delay = base_delay
        self.jitter_factor = jitter_factor
        self.retriable = classes
        self.raise_on_failure = raise_on_failure
        self.metrics_logger = metrics_logger
        self.clock = time.monotonic if clock is None else clock
        self.sleep: Callable[[float], Any] = time.sleep if sleep is None else sleep
        # Draws from the operating system: execution environments that were restored from one
        # snapshot would share the state of a seeded generator.
        self.rng: RandomSource = random.SystemRandom() if rng is None else rng
        self.attempt = 0
        self.started = self.clock()
        self.error: Exception | None = None
        self.reason = ""
        # <breaker>
        if circuit_breaker is not None and not isinstance(circuit_breaker, CircuitBreaker):
            raise TypeError(
                f"circuit_breaker must be a CircuitBreaker, not {type(circuit_breaker).__name__}: "
                "to retry without one, call retry_with_backoff"
            )
        if breaker_scope not in ("call", "attempt"):
            raise ValueError(f'breaker_scope must be "call" or "attempt", not {breaker_scope!r}')
        self.breaker = circuit_breaker
        self.per_attempt = breaker_scope == "attempt"
        self.permit: _Permit | None = None  # held, and still to be settled, while it is not None
        # </breaker>
        # <deadline>
        if timeout is not None:
            _check("timeout", timeout, above=True)
        _check("reserve", reserve)
        _check("min_attempt", min_attempt)
        if context is not None:
            _check_callable(
                "context.get_remaining_time_in_millis",
                getattr(context, "get_remaining_time_in_millis", "missing"),
            )
        self.wall = time.time if wall is None else wall
        self.timeout = timeout
        self.context = context
        self.reserve = reserve
        self.min_attempt = min_attempt
        self.since: _Instant = (self.started, self.wall())
        # </deadline>
        # <jitter>
        if jitter not in _JITTERS and not callable(jitter):
            raise ValueError(f"jitter must be one of {_JITTERS} or callable, not {jitter!r}")
        if max_delay is not None:
            _check("max_delay", max_delay)
        self.jitter = jitter
        self.limit = _YEAR if max_delay is None else min(max_delay, _YEAR)
        self.previous = float(base_delay)
        # </jitter>
        # <hooks>
        _check_callable("is_retriable", is_retriable)
        _check_callable("classify", classify)
        _check_callable("retry_after", retry_after)
        _check_callable("retry_result", retry_result)
        self.is_retriable = is_retriable
        self.classify = classify
        self.retry_after = retry_after
        self.retry_result = retry_result
        # </hooks>
        # <budget>
        if budget is not None and not isinstance(budget, RetryBudget):
            raise TypeError(f"budget must be a RetryBudget, not {type(budget).__name__}")
        self.budget = budget
        # </budget>
        # <listeners>
        _check_callable("listener", listener)
        self.listener = listener
        # </listeners>

    # <deadline>
    def remaining(self) -> float:
        """Return the seconds until the deadline."""
        left = _YEAR
        if self.timeout is not None:
            left = self.timeout - _elapsed((self.clock(), self.wall()), self.since)
        if self.context is not None:
            # Asked anew each time: it is the only one who knows when the function is stopped.
            millis = self.context.get_remaining_time_in_millis()
            left = min(left, millis / 1000 - self.reserve)
        return left

    # </deadline>
    def admit(self) -> bool:
        """Tell whether the next attempt may begin."""
        # <deadline>
        if self.attempt and self.remaining() <= self.min_attempt:
            self.reason = "the deadline has passed"
            return False
        # </deadline>
        # <breaker>
        if self.breaker is not None and self.permit is None:
            lease = None
            # <deadline>
            if self.context is not None:
                # A second of grace: the result of a probe may come while the function is stopped.
                lease = max(0.0, self.remaining() + self.reserve) + 1.0
            # </deadline>
            self.permit = self.breaker._acquire(lease, retry=self.attempt > 0)
            if self.permit is None:
                self.reason = _CIRCUIT_OPEN
                return False
        # </breaker>
        self.attempt += 1
        if self.attempt > 1:
            _emit_metric(self.metrics_logger, "RetryAttempt", self.operation_name)
        return True

    def accept(self, value: object) -> Exception | None:
        """Take what the operation returned; an error if it is to be tried again."""
        if value.__class__ not in _PLAIN and _is_pending(value):
            raise _pending_error(self.operation_name, value)
        # <hooks>
        if self.retry_result is not None and self.retry_result(value):
            return ResultRejectedError(value)
        # </hooks>
        # <breaker>
        self.settle("success")
        # </breaker>
        # <budget>
        if self.budget is not None:
            self.budget.deposit()
        # </budget>
        return None

    # <breaker>
    def settle(self, outcome: str) -> None:
        """Turn in the permit that is held."""
        permit, self.permit = self.permit, None
        if self.breaker is not None and permit is not None:
            self.breaker._settle("failure" if outcome == "throttle" else outcome, permit)

    # </breaker>
    def failed(self, error: Exception) -> float | None:
        """Return the seconds to wait after a failed attempt, or None to give up."""
        self.error = error
        outcome, reason = self.judge(error)
        # <breaker>
        breaker = self.breaker
        if breaker is not None:
            enforced = True
            # <control>
            enforced = breaker.mode != "metrics-only"
            # </control>
            if not reason and enforced and self.permit is not None and self.permit[1]:
                reason = "a probe is not retried"
            if reason or self.per_attempt:
                self.settle(outcome)
            open_now = self.per_attempt
            # <control>
            open_now = enforced and (open_now or breaker.mode == "retries-only")
            # </control>
            if not reason and open_now and breaker.state != _CLOSED:
                reason = _CIRCUIT_OPEN
        # </breaker>
        delay = 0.0
        if not reason:
            delay, reason = self.plan(error)
        # <breaker>
        if reason:
            self.settle(outcome)
        # </breaker>
        self.reason = reason
        if reason:
            return None
        _LOG.warning(
            "%s: attempt %d of %d failed, the next is in %.3f s: %r",
            self.operation_name,
            self.attempt,
            self.max_retries,
            delay,
            error,
        )
        # <listeners>
        retry = {"event": "retry", "name": self.operation_name, "attempt": self.attempt}
        _notify(self.listener, {**retry, "delay": delay, "error": repr(error)})
        # </listeners>
        return delay

    def judge(self, error: Exception) -> tuple[str, str]:
        """Return what a failed attempt says of the dependency, and why to stop ("" to go on)."""
        if getattr(error, "is_retriable", None) is False:
            return "ignore", _NOT_RETRIABLE
        outcome = "failure"
        # <hooks>
        hook = self.is_retriable
        if self.classify is not None:
            outcome = self.classify(error)
            if outcome not in ("success", "failure", "throttle", "ignore"):
                raise ValueError(
                    'classify must return "success", "failure", "throttle" or "ignore", not '
                    f"{outcome!r}"
                )
            if outcome in ("success", "ignore"):
                return outcome, _NOT_RETRIABLE
        if hook is not None and not hook(error):
            return "ignore" if self.classify is None else outcome, _NOT_RETRIABLE
        # </hooks>
        return outcome, _EXHAUSTED if self.attempt >= self.max_retries else ""

    def plan(self, error: Exception) -> tuple[float, str]:
        """Return the seconds to wait for the next attempt, and why there is none after all."""
        limit = _YEAR
        # <jitter>
        limit = self.limit
        # </jitter>
        draw = self.rng.random()
        delay = _backoff_delay(self.attempt, self.base_delay, self.jitter_factor, draw, limit)
        # <jitter>
        cap = _backoff_delay(self.attempt, self.base_delay, 0, draw, limit)
        if callable(self.jitter):
            delay = self.jitter(self.rng, cap, self.previous)
            _check("the delay that jitter returned", delay)
            delay = min(delay, _YEAR)
        elif self.jitter == "full":
            delay = cap * draw
        elif self.jitter == "equal":
            delay = cap / 2 + cap / 2 * draw
        elif self.jitter == "decorrelated":
            delay = min(limit, self.base_delay + draw * max(0, self.previous * 3 - self.base_delay))
        elif self.jitter == "none":
            delay = cap
        self.previous = delay
        # </jitter>
        # <hooks>
        if self.retry_after is not None:
            asked = self.retry_after(error, delay)
            if asked is not None:
                _check("the delay that retry_after returned", asked)
                delay = min(asked, _YEAR)
        # </hooks>
        # <deadline>
        if delay + self.min_attempt >= self.remaining():
            return delay, "the next attempt does not fit before the deadline"
        # </deadline>
        # <budget>
        if self.budget is not None and not self.budget.withdraw():
            return delay, "the retry budget is used up"
        # </budget>
        return delay, ""

    def end(self) -> object:
        """Return what to return for a call that did not succeed, or raise its last error."""
        error = self.error
        try:
            # <breaker>
            if error is None and self.breaker is not None:  # refused before the first attempt
                error = self.breaker._open_error(self.operation_name)
                _LOG.info("%s: not called: %s", self.operation_name, error)
                if self.raise_on_failure:
                    raise error
                return None
            # </breaker>
            elapsed = self.clock() - self.started
            summary = (
                f"{self.operation_name}: gave up after {self.attempt} of {self.max_retries} "
                f"attempts in {elapsed:.3f} s: {self.reason}"
            )
            _LOG.error("%s: %r", summary, error)
            # <listeners>
            given_up = {"event": "exhausted", "name": self.operation_name, "reason": self.reason}
            _notify(self.listener, {**given_up, "attempts": self.attempt, "elapsed": elapsed})
            # </listeners>
            if self.reason == _EXHAUSTED:
                _emit_metric(self.metrics_logger, "RetryExhausted", self.operation_name)
            if self.raise_on_failure and error is not None:
                # <python310>
                if not hasattr(error, "add_note"):  # before Python 3.11
                    raise error
                # </python310>
                error.add_note(summary)  # type: ignore[attr-defined, unused-ignore]
                raise error
            return None
        finally:
            error = None  # its traceback holds this frame: a cycle

    def close(self) -> None:
        """Give back what is held, on whichever way out."""
        self.error = None  # its traceback holds a frame that holds this object
        # <breaker>
        # An error that is not retriable, an interrupt, a cancellation.
        self.settle("ignore")
        # </breaker>


def _run(attempts: _Attempts, operation: Callable[[], T], error: Exception | None = None) -> T:
    """Attempt the operation until it succeeds or there is a reason to stop.

    Args:
        attempts: What decides.
        operation: What is attempted.
        error: How a first attempt ended that was made already.
    """
    try:
        while error is not None or attempts.admit():
            if error is None:
                try:
                    value = operation()
                except Exception as caught:
                    if not isinstance(caught, attempts.retriable):
                        raise
                    error = caught
                else:
                    error = attempts.accept(value)
                    if error is None:
                        return value
            delay = attempts.failed(error)
            error = None
            if delay is None:
                break
            attempts.sleep(delay)
        return attempts.end()  # type: ignore[return-value]
    finally:
        error = None  # its traceback holds this frame: a cycle
        attempts.close()


if TYPE_CHECKING:

    @overload
    def retry_with_backoff(
        operation: Callable[[], T],
        operation_name: str,
        max_retries: int = 3,
        base_delay: float = 5,
        jitter_factor: float = 0.3,
        retriable_exceptions: type[Exception] | tuple[type[Exception], ...] = (Exception,),
        *,
        raise_on_failure: Literal[True],
        **options: Unpack[_Options],
    ) -> T: ...
    @overload
    def retry_with_backoff(
        operation: Callable[[], T],
        operation_name: str,
        max_retries: int = 3,
        base_delay: float = 5,
        jitter_factor: float = 0.3,
        retriable_exceptions: type[Exception] | tuple[type[Exception], ...] = (Exception,),
        *,
        raise_on_failure: bool = False,
        **options: Unpack[_Options],
    ) -> T | None: ...


def retry_with_backoff(
    operation: Callable[[], T],
    operation_name: str,
    max_retries: int = 3,
    base_delay: float = 5,
    jitter_factor: float = 0.3,
    retriable_exceptions: type[Exception] | tuple[type[Exception], ...] = _ANY,
    *,
    raise_on_failure: bool = False,
    **options: Unpack[_Options],
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
        raise_on_failure: Raise the last error, unchanged, where None would be returned. On Python
            3.11 and later it carries a note with attempts, time and reason.
        **options: All keyword-only and optional.

            metrics_logger: Receives `RetryAttempt` (one for every attempt after the first) and
                `RetryExhausted` (one when all attempts failed), with the dimension `Operation`, and
                is flushed after each. Give it a logger of its own: the dimension stays on it.
            clock: Returns seconds that never go back; `time.monotonic` by default.
            sleep: Waits for the seconds that it is given; `time.sleep` by default.
            rng: Its `random()` draws the jitter; a `random.SystemRandom()` by default.
            timeout: Seconds after which no attempt begins. A delay that does not fit ends the
                attempts at once, with the last error.
            context: Lambda's context: the deadline is its remaining time, asked before each sleep,
                less `reserve`. It also bounds the lease of a probe.
            reserve: Seconds of the remaining time that are kept for what comes after; 0.5.
            min_attempt: Seconds that an attempt needs: none begins with less left; 0.
            wall: Returns seconds since the epoch; `time.time` by default.
            jitter: "proportional" (the default, as above); "full", from 0 to the delay; "equal",
                from half of it; "decorrelated", from `base_delay` to three times the delay before;
                "none"; or a function of rng, delay and the delay before it, that returns seconds.
            max_delay: The largest delay in seconds, before proportional jitter.
            is_retriable: Tells whether an error is worth another attempt.
            classify: Tells the outcome of an attempt from its error: "failure" and "throttle" are
                tried again and count for the breaker; "success" (the dependency is well, the
                request is not) and "ignore" end the attempts.
            retry_after: A function of the error and the planned delay; returns the delay to take,
                or None for the planned one. It is bound by the deadline, not by `max_delay`.
            retry_result: Tells whether a returned value is to be tried again; when the attempts are
                used up the error is a `ResultRejectedError`.
            budget: A `RetryBudget`; without a token in it the attempts end.
            listener: Called with {"event": "retry", "name", "attempt", "delay", "error"} before a
                sleep, and with {"event": "exhausted", "name", "reason", "attempts", "elapsed"} when
                giving up.

    Returns:
        What the operation returned; or None when all attempts failed or an error was not retriable
        by its `is_retriable`.

    Raises:
        TypeError: An argument is of the wrong type, or the operation returned an awaitable or a
            generator.
        ValueError: A number is out of its range, or not finite.
        BaseException: What the operation raised, if it is not one of `retriable_exceptions`;
            KeyboardInterrupt, SystemExit and asyncio.CancelledError are never retried.
    """
    if (
        options
        or not callable(operation)
        or operation_name.__class__ is not str
        or max_retries.__class__ is not int
        or max_retries < 1
        or base_delay.__class__ not in _NUMBERS
        or not 0 <= base_delay <= _YEAR
        or jitter_factor.__class__ not in _NUMBERS
        or not 0 <= jitter_factor <= _YEAR
        or (
            retriable_exceptions is not _ANY
            and not (retriable_exceptions.__class__ is tuple and retriable_exceptions in _CHECKED)
        )
    ):
        _check_operation(operation)
        attempts = _Attempts(
            operation_name,
            max_retries,
            base_delay,
            jitter_factor,
            retriable_exceptions,
            raise_on_failure=raise_on_failure,
            **options,
        )
        return _run(attempts, operation)
    # The first attempt is made as plainly as can be; what it needs if it fails is made then.
    started = _monotonic()
    try:
        value = operation()
        if value.__class__ in _PLAIN or not _is_pending(value):
            return value
    except retriable_exceptions as caught:
        attempts = _Attempts(
            operation_name,
            max_retries,
            base_delay,
            jitter_factor,
            retriable_exceptions,
            raise_on_failure=raise_on_failure,
        )
        attempts.attempt = 1
        attempts.started = started
        error = caught
    else:
        raise _pending_error(operation_name, value)
    try:
        return _run(attempts, operation, error)
    finally:
        del error  # its traceback holds this frame: a cycle


# <breaker>
if TYPE_CHECKING:

    @overload
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
        raise_on_failure: Literal[True],
        **options: Unpack[_Options],
    ) -> T: ...
    @overload
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
        raise_on_failure: bool = False,
        **options: Unpack[_Options],
    ) -> T | None: ...


def retry_with_circuit_breaker(
    operation: Callable[[], T],
    operation_name: str,
    circuit_breaker: CircuitBreaker,
    max_retries: int = 3,
    base_delay: float = 5,
    jitter_factor: float = 0.3,
    retriable_exceptions: type[Exception] | tuple[type[Exception], ...] = _ANY,
    *,
    breaker_scope: BreakerScope = "call",
    raise_on_failure: bool = False,
    **options: Unpack[_Options],
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
        raise_on_failure: As for `retry_with_backoff`; `CircuitOpenError` when there was no attempt.
        **options: As for `retry_with_backoff`. The breaker has clocks and a listener of its own.

    Returns:
        What the operation returned; or None when the circuit refused the call, all attempts failed,
        the circuit opened between two of them, or an error was not retriable by its `is_retriable`.

    Raises:
        CircuitOpenError: The circuit refused the first attempt, and `raise_on_failure` is true.
        TypeError: As for `retry_with_backoff`.
        ValueError: As for `retry_with_backoff`, or `breaker_scope` is unknown.
        BaseException: As for `retry_with_backoff`.
    """
    fits = (
        not options
        and circuit_breaker.__class__ is CircuitBreaker
        and callable(operation)
        and operation_name.__class__ is str
        and max_retries.__class__ is int
        and max_retries >= 1
        and base_delay.__class__ in _NUMBERS
        and 0 <= base_delay <= _YEAR
        and jitter_factor.__class__ in _NUMBERS
        and 0 <= jitter_factor <= _YEAR
        and (
            retriable_exceptions is _ANY
            or (retriable_exceptions.__class__ is tuple and retriable_exceptions in _CHECKED)
        )
        and (breaker_scope == "call" or breaker_scope == "attempt")  # noqa: PLR1714
    )
    if not (fits and circuit_breaker._plain and (circuit := circuit_breaker._circuit).clean):
        if fits and circuit_breaker._refuses():
            _LOG.info("%s: not called: the circuit is open", operation_name)
            if raise_on_failure:
                raise circuit_breaker._open_error(operation_name)
            return None
        _check_operation(operation)
        if circuit_breaker is None:
            raise TypeError(
                "circuit_breaker must be a CircuitBreaker, not None: to retry without one, call "
                "retry_with_backoff"
            )
        attempts = _Attempts(
            operation_name,
            max_retries,
            base_delay,
            jitter_factor,
            retriable_exceptions,
            raise_on_failure=raise_on_failure,
            circuit_breaker=circuit_breaker,
            breaker_scope=breaker_scope,
            **options,
        )
        return _run(attempts, operation)
    # As in retry_with_backoff. The permit is that of a closed circuit without failures.
    started = _monotonic()
    try:
        value = operation()
        if value.__class__ in _PLAIN or not _is_pending(value):
            if circuit_breaker._circuit is not circuit:
                circuit_breaker._settle("success", (circuit.generation, 0, started))
            return value
    except retriable_exceptions as caught:
        attempts = _Attempts(
            operation_name,
            max_retries,
            base_delay,
            jitter_factor,
            retriable_exceptions,
            raise_on_failure=raise_on_failure,
            circuit_breaker=circuit_breaker,
            breaker_scope=breaker_scope,
        )
        attempts.attempt = 1
        attempts.started = started
        attempts.permit = (circuit.generation, 0, started)
        error = caught
    else:
        raise _pending_error(operation_name, value)
    try:
        return _run(attempts, operation, error)
    finally:
        del error  # its traceback holds this frame: a cycle


# </breaker>
# <calls>
def retry_call(
    operation: Callable[[], T],
    operation_name: str = "operation",
    **options: Unpack[_CallOptions],
) -> T:
    """Call an operation until it succeeds, or raise its last error.

    Args:
        operation: As for `retry_with_backoff`.
        operation_name: As for `retry_with_backoff`.
        **options: Those of `retry_with_backoff`, its optional positional ones included; and
            `circuit_breaker` with `breaker_scope`, which is "attempt" here by default.

    Returns:
        What the operation returned.

    Raises:
        CircuitOpenError: The circuit refused the first attempt.
        TypeError: As for `retry_with_backoff`.
        ValueError: As for `retry_with_backoff`.
        BaseException: The last error of the operation, unchanged but for a note.
    """
    _check_operation(operation)
    return _run(_Attempts(operation_name, raise_on_failure=True, **options), operation)


def retriable(
    operation_name: str | None = None, **options: Unpack[_CallOptions]
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Return a decorator that puts each call of a function through `retry_call`.

    Args:
        operation_name: Name in log records and metrics; the function's own by default.
        **options: Those of `retry_call`. They are checked when the decorator is made.
    """
    import functools  # noqa: PLC0415

    _Attempts(operation_name or "operation", **options)

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        _check_operation(function)
        name: str = operation_name or str(getattr(function, "__qualname__", "operation"))
        # <async>
        if getattr(getattr(function, "__code__", None), "co_flags", 0) & _COROUTINE:

            @functools.wraps(function)
            def retried_async(*args: P.args, **kwargs: P.kwargs) -> object:
                return async_retry_call(lambda: function(*args, **kwargs), name, **options)  # type: ignore[arg-type, return-value]

            return retried_async  # type: ignore[return-value]
        # </async>

        @functools.wraps(function)
        def retried(*args: P.args, **kwargs: P.kwargs) -> T:
            return retry_call(lambda: function(*args, **kwargs), name, **options)

        return retried

    return decorate


# </calls>
# <async>
_COROUTINE = 0x80  # the flag of an `async def`, inspect.CO_COROUTINE


async def async_retry_call(
    operation: Callable[[], Awaitable[T]],
    operation_name: str = "operation",
    **options: Unpack[_CallOptions],
) -> T:
    """Do as `retry_call` does for an asynchronous operation, without blocking the event loop.

    A cancellation propagates at once, from the operation as from a wait; a probe that it ends gives
    its permit back.

    Args:
        operation: Returns an awaitable, anew at each call.
        operation_name: As for `retry_with_backoff`.
        **options: Those of `retry_call`. `sleep` returns an awaitable; `asyncio.sleep` by default.

    Returns:
        What the operation returned.

    Raises:
        CircuitOpenError: The circuit refused the first attempt.
        TypeError: As for `retry_with_backoff`, or the operation did not return an awaitable.
        ValueError: As for `retry_with_backoff`.
        BaseException: The last error of the operation, unchanged but for a note.
    """
    import asyncio  # noqa: PLC0415

    _check_operation(operation)
    attempts = _Attempts(operation_name, raise_on_failure=True, **options)
    sleep = attempts.sleep
    if options.get("sleep") is None:
        sleep = asyncio.sleep
    error: Exception | None = None
    try:
        while attempts.admit():
            try:
                pending = operation()
                if not hasattr(type(pending), "__await__"):
                    break
                value = await pending
            except Exception as caught:
                if not isinstance(caught, attempts.retriable):
                    raise
                error = caught
            else:
                error = attempts.accept(value)
                if error is None:
                    return value
            delay = attempts.failed(error)
            error = None
            if delay is None:
                return attempts.end()  # type: ignore[return-value]
            await sleep(delay)
        else:
            return attempts.end()  # type: ignore[return-value]
    finally:
        error = None  # its traceback holds this frame: a cycle
        attempts.close()
    raise TypeError(
        f"operation {operation_name!r} returned {type(pending).__name__}, not an awaitable: pass "
        "an async function, or call retry_call for a synchronous one"
    )


# </async>
