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
    # (generation, ticket): ticket 0 is a call through a closed circuit, any other a probe. Where calls
    # may be slow there are also the monotonic seconds at admission. What asks for admission offers
    # (ticket, seconds of the lease), both for a probe.
    _Permit = tuple[float, ...]
    # (calls, failures, slow calls) as a number and two bit sets; or (wall minus monotonic, slices
    # of (number, calls, failures, slow calls)).
    _Window = tuple[Any, ...]
    # What an option must be: in words, its types, and its least, if it is a number.
    _Kind = tuple[str, Any, float | None]

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

    # <breaker>
    class _BreakerOptions(TypedDict, total=False):
        name: str | None
        half_open_max_calls: int
        lease: float | None
        clock: Callable[[], float] | None
        wall: Callable[[], float] | None
        rng: RandomSource | None
        # <recovery>
        success_threshold: int
        max_reset_timeout: float | None
        reset_jitter: float
        ramp: float
        # </recovery>
        # <windows>
        window: float | None
        failure_rate: float | None
        min_calls: int
        slow_call: float | None
        slow_rate: float | None
        # </windows>
        # <control>
        mode: Mode
        # </control>
        # <calls>
        classify: Callable[[Exception], Outcome] | None
        # </calls>
        # <listeners>
        listener: Listener | None
        # </listeners>
        # <store>
        store: CircuitStore | None
        store_ttl: float
        # </store>

    # </breaker>
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

_LARGEST = 1.7976931348623157e308
_LARGEST_EXPONENT = 62  # beyond it any delay that matters is at the limit below
_YEAR = 31_536_000.0  # `time.sleep` overflows at about 292 years
# Values of these classes are no awaitables and no generators: no need to look closer.
_PLAIN = frozenset(map(type, (None, True, 0, 0.0, "", b"", (), [], {})))
# Draws from the operating system: execution environments that were restored from one snapshot would
# share the state of a seeded generator.
_RANDOM = random.SystemRandom()
_monotonic = time.monotonic

_ANY = (Exception,)
_CHECKED: set[object] = {_ANY}  # values of retriable_exceptions that were found to be good

# The kinds of options: what one must be, in words; its types, of which a bool is none, or None for
# what can be called; and the least that it may be, if it is a number.
_NUMBERS = (int, float)
_NUMBER: _Kind = ("a finite number, at least 0", _NUMBERS, 0)
_POSITIVE: _Kind = ("a finite number, more than 0", _NUMBERS, 5e-324)
_COUNT: _Kind = ("an int, at least 1", int, 1)
_FUNCTION: _Kind = ("callable, not the result of calling it", None, None)
_STR: _Kind = ("a str", str, None)


def _check(option: str, given: Any, kind: _Kind) -> None:  # noqa: ANN401
    """Refuse what is not of a kind."""
    text, types, least = kind
    if types is None:
        fits = callable(given)
    else:
        fits = isinstance(given, types) and not isinstance(given, bool)
    if not fits or (least is not None and not least <= given <= _LARGEST):
        raise (ValueError if fits else TypeError)(
            f"{option} must be {text}; it is {given!r} ({type(given).__name__})"
        )


def _configure(
    target: object, options: dict[str, tuple[Any, _Kind | None]], given: dict[str, Any]
) -> None:
    """Give an object its options as attributes: what is given, if it is good, or the default.

    Args:
        target: The object.
        options: The default and the kind of each; without a kind it may be anything.
        given: What the caller gave. For a function None stands for the default.
    """
    if unknown := given.keys() - options.keys():
        raise TypeError(f"there is no option {unknown}")
    for name, (default, kind) in options.items():
        value = given.get(name, default)
        if value is None and kind is _FUNCTION:
            value = default
        elif value is not default and kind is not None:
            _check(name, value, kind)
        setattr(target, name, value)


def _refuse_pending(operation_name: str, answer: Any) -> None:  # noqa: ANN401
    """Refuse a value that only stands for work that has not been done."""
    kind = type(answer)
    if any(hasattr(kind, name) for name in ("__await__", "__anext__", "gi_code")):
        if hasattr(kind, "close"):
            answer.close()  # unstarted, a coroutine would warn
        raise TypeError(
            f"operation {operation_name!r} returned an awaitable or a generator ({kind.__name__}): "
            "pass lambda: asyncio.run(operation()) or lambda: list(operation())"
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
    _check("write", write, _FUNCTION)

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

    if TYPE_CHECKING:

        def __init__(self, name: str, retry_after: float) -> None: ...  # noqa: D107

    @property
    def name(self) -> str:
        """Name of the circuit, or of the operation when the circuit has none."""
        return self.args[0]  # type: ignore[no-any-return]

    @property
    def retry_after(self) -> float:
        """Seconds until the circuit may admit a call again; at least 0."""
        return self.args[1]  # type: ignore[no-any-return]

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
        waits: What keeps further calls out, as (ticket, start, seconds): in OPEN first the time
            until the next probe, with a ticket below 0; then the leases of the probes in flight,
            those of earlier generations included.
        successes: Probes in a row that succeeded, in HALF_OPEN.
        reopens: Probes in a row that failed.
        closed_at: When the circuit closed, while it still admits a share of the calls only.
        window: The latest outcomes, in CLOSED.
        clean: Whether all calls are admitted, and a success changes nothing.
    """

    phase: CircuitState = "CLOSED"
    generation = 0
    failures = 0
    waits: tuple[tuple[float, _Instant, float], ...] = ()
    clean = True
    # <recovery>
    successes = 0
    reopens = 0
    closed_at: _Instant | None = None
    # </recovery>
    # <windows>
    window: _Window | None = None
    # </windows>

    def __init__(self, /, **fields: object) -> None:
        self.__dict__.update(fields)
        self.clean = self.phase == _CLOSED and not self.failures
        # <recovery>
        self.clean = self.clean and self.closed_at is None
        # </recovery>

    def to(self, /, **changes: object) -> _Circuit:
        return _Circuit(**{**self.__dict__, **changes})


def _circuit_step(  # noqa: PLR0911
    rules: CircuitBreaker,
    state: _Circuit,
    event: str,
    permit: _Permit,
    now: _Instant,
    # <recovery>
    draw: float = 0.0,
    # </recovery>
) -> tuple[_Circuit, _Permit | None]:
    """Return the state after an event: pure, and the only place where a circuit changes.

    Args:
        rules: The breaker, of which nothing but its numbers is read.
        state: The state before the event.
        event: "admit", the outcome of an admitted call, or a command of an operator.
        permit: The permit of the call whose outcome this is; an offer for "admit"; for a command
            (0, -1), where -1 is the ticket of an opening, which the command ends.
        now: The time.
        draw: A random number in [0, 1).

    Returns:
        The new state, and the permit when the event was "admit" and the call may go ahead.
    """
    generation, waits = state.generation, state.waits
    # <recovery>
    reopens = 0
    # </recovery>
    if event == "admit":
        if state.phase == _CLOSED:
            # <recovery>
            if state.closed_at is not None:
                age = _elapsed(now, state.closed_at)
                if age >= rules.ramp:
                    state = state.to(closed_at=None)
                elif draw >= 0.1 + 0.9 * age / rules.ramp:
                    return state, None
            # </recovery>
            return state, (generation, 0)
        # <control>
        if state.phase == _ISOLATED:
            return state, None
        # </control>
        left = tuple(wait for wait in waits if _elapsed(now, wait[1]) < wait[2])
        if len(left) >= rules.half_open_max_calls or (left and left[0][0] < 0):
            return state, None
        generation += state.phase == _OPEN
        return (
            state.to(
                phase=_HALF_OPEN,
                generation=generation,
                waits=(*left, (permit[0], now, permit[1])),
                # <recovery>
                # A probe that died breaks the row.
                successes=state.successes if len(left) == len(waits) else 0,
                # </recovery>
            ),
            (generation, permit[0]),
        )
    others = tuple(wait for wait in waits if wait[0] != permit[1])
    # <control>
    if event in ("isolate", "reset"):
        phase = _ISOLATED if event == "isolate" else _CLOSED
        return _Circuit(phase=phase, generation=generation + 1, waits=others), None
    if event == "trip":
        state, permit = _Circuit(generation=generation), (generation, 0)
    # </control>
    if permit[0] != generation or (state.phase != _CLOSED and len(others) == len(waits)):
        # It belongs to an older generation or to no probe, or the probe's place was given away.
        return state, None
    if event == "ignore":
        return state.to(waits=others), None
    # <windows>
    # Without the seconds that it took, behind generation and ticket, no call is a slow one.
    slow = rules.slow_call is not None and permit[2:] >= (rules.slow_call,)
    # </windows>
    if state.phase == _CLOSED:
        # <windows>
        if rules.window is not None and event in ("success", "failure"):
            tripped, window = _window_add(rules, state.window, event == "failure", slow, now)
            state = state.to(window=window)
            if tripped:
                event = "trip"
            elif rules.failure_rate is not None:
                return state, None
        # </windows>
        failures = state.failures + 1 if event != "success" else 0
        if (
            failures < rules.failure_threshold
            # <control|windows>
            and event != "trip"
            # </control|windows>
        ):
            return state.to(failures=failures), None
    else:
        # <windows>
        if slow:
            event = "failure"
        # </windows>
        if event == "success":
            # <recovery>
            if state.successes + 1 < rules.success_threshold:
                return state.to(waits=others, successes=state.successes + 1), None
            if rules.ramp:
                return _Circuit(generation=generation + 1, waits=others, closed_at=now), None
            # </recovery>
            return _Circuit(generation=generation + 1, waits=others), None
        # <recovery>
        reopens = state.reopens + 1
        # </recovery>
    seconds = rules.reset_timeout
    # <recovery>
    if rules.max_reset_timeout is not None:
        longest = max(seconds, rules.max_reset_timeout)
        seconds = min(seconds * 2.0 ** min(reopens, _LARGEST_EXPONENT), longest)
    seconds += seconds * rules.reset_jitter * draw
    # </recovery>
    return (
        _Circuit(
            phase=_OPEN,
            generation=generation + 1,
            waits=((-1, now, min(seconds, _YEAR)), *others),
            # <recovery>
            reopens=reopens,
            # </recovery>
        ),
        None,
    )


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
# <control>
_MODES = ("enforce", "retries-only", "metrics-only")
# </control>
_BREAKER_OPTIONS: dict[str, tuple[Any, _Kind | None]] = {
    "failure_threshold": (5, _COUNT),
    "reset_timeout": (60, _NUMBER),
    "name": (None, _STR),
    "half_open_max_calls": (1, _COUNT),
    "lease": (None, _POSITIVE),
    "clock": (_monotonic, _FUNCTION),
    "wall": (time.time, _FUNCTION),
    "rng": (None, None),
    # <recovery>
    "success_threshold": (1, _COUNT),
    "max_reset_timeout": (None, _NUMBER),
    "reset_jitter": (0.0, _NUMBER),
    "ramp": (0.0, _NUMBER),
    # </recovery>
    # <windows>
    "window": (None, _POSITIVE),
    "failure_rate": (None, _POSITIVE),
    "min_calls": (10, _COUNT),
    "slow_call": (None, _POSITIVE),
    "slow_rate": (None, _POSITIVE),
    # </windows>
    # <control>
    "mode": ("enforce", None),
    # </control>
    # <calls>
    "classify": (None, _FUNCTION),
    # </calls>
    # <listeners>
    "listener": (None, _FUNCTION),
    # </listeners>
    # <store>
    "store": (None, None),
    "store_ttl": (5.0, _NUMBER),
    # </store>
}


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
    result still counts. The lease should be longer than the operation can take. A probe that is
    still under way when the circuit has opened or closed keeps its place until then, so that there
    are never more than half_open_max_calls of them; its result is dropped.

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

    # <recovery>
    success_threshold: int
    max_reset_timeout: float | None
    reset_jitter: float
    ramp: float
    # </recovery>
    # <windows>
    window: float | None
    failure_rate: float | None
    min_calls: int
    slow_call: float | None
    slow_rate: float | None
    # </windows>
    # <control>
    mode: Mode
    # </control>
    failure_threshold: int
    reset_timeout: float
    name: str | None
    half_open_max_calls: int
    lease: float
    clock: Callable[[], float]
    wall: Callable[[], float]
    rng: RandomSource | None
    # <calls>
    classify: Callable[[Exception], Outcome] | None
    # </calls>
    # <listeners>
    listener: Listener | None
    # </listeners>
    # <store>
    store: Any
    store_ttl: float
    # </store>

    def __init__(
        self,
        failure_threshold: int = 5,
        reset_timeout: float = 60,
        **options: Unpack[_BreakerOptions],
    ) -> None:
        """Make a closed circuit.

        Args:
            failure_threshold: Consecutive failures that open the circuit; at least 1.
            reset_timeout: Seconds from opening to the first probe; at least 0.
            **options: All keyword-only and optional.

                name: Name in log records and in `CircuitOpenError`; the key in a store.
                half_open_max_calls: Probes that may be in flight at one time; at least 1.
                lease: Seconds after which a probe without a result loses its place; more than 0.
                    The default is `reset_timeout`, but not less than 1 second.
                success_threshold: Probes in a row that must succeed to close the circuit; at least
                    1.
                max_reset_timeout: The opening doubles with each probe that fails, up to so many
                    seconds; None for no growth.
                reset_jitter: The largest random lengthening of an opening, as a share of it.
                ramp: Seconds after closing in which the admitted share of the calls grows from a
                    tenth to all.
                window: Outcomes by which the rates go: an int is a number of calls, a float is
                    seconds (kept in tenths of it). Needs `failure_rate` or `slow_rate`.
                failure_rate: Share of failures in the window that opens the circuit, in (0, 1]. It
                    takes the place of `failure_threshold`.
                min_calls: Calls in the window below which no rate opens the circuit; at least 1.
                slow_call: Seconds from which on a call is a slow one, whatever its outcome. A slow
                    probe is a failure.
                slow_rate: Share of slow calls in the window that opens the circuit, in (0, 1].
                mode: "enforce"; "retries-only" refuses retries but never a first attempt;
                    "metrics-only" refuses nothing and only keeps the state.
                classify: Tells the outcome of a call from its error, for the forms of this class
                    that run the call; by default an error is a failure, or ignored if its
                    `is_retriable` is False.
                listener: Called after each transition with {"event": "transition", "name", "from",
                    "to"}, outside the lock. Its errors are logged.
                store: Shares the state with other processes. Its calls happen inside the methods
                    that admit and settle, never under the lock.
                store_ttl: Seconds, give or take a fifth, for which what was read is taken for
                    current.
                clock: Returns seconds that never go back; `time.monotonic` by default.
                wall: Returns seconds since the epoch; `time.time` by default.
                rng: Its `random()` draws jitter; a `random.SystemRandom()` by default.

        Raises:
            TypeError: An argument is of the wrong type (a bool is no number here).
            ValueError: An argument is out of its range, or not finite.
        """
        own = dict(options, failure_threshold=failure_threshold, reset_timeout=reset_timeout)
        _configure(self, _BREAKER_OPTIONS, own)
        self.lease = self.lease or max(reset_timeout, 1.0)
        # <recovery|store>
        self._rng = self.rng or _RANDOM
        # </recovery|store>
        self._circuit = _Circuit()
        self._lock = threading.Lock()  # held to replace _circuit, and for nothing else
        self._held = threading.local()  # the permit that can_execute() took, for each thread
        # <store|windows>
        self._plain = True  # nothing to record for a success while the circuit is clean
        # </store|windows>
        # <control|store>
        self._alone = True  # nothing but the state decides whether a call is refused
        # </control|store>
        # <windows>
        window, rates = self.window, (self.failure_rate, self.slow_rate)
        if (window is None) != (rates == (None, None)):
            raise ValueError("window and a rate (failure_rate, slow_rate) need each other")
        if self.slow_rate is not None and self.slow_call is None:
            raise ValueError("slow_rate needs slow_call: the seconds that make a call slow")
        if isinstance(window, int) and window < self.min_calls:
            raise ValueError(f"window must hold min_calls ({self.min_calls}) calls, not {window!r}")
        for name, rate in zip(("failure_rate", "slow_rate"), rates, strict=True):
            if rate is not None and rate > 1:
                raise ValueError(f"{name} must be at most 1, not {rate!r}")
        self._plain = window is None and self.slow_call is None
        # </windows>
        # <control>
        if self.mode not in _MODES:
            raise ValueError(f"mode must be one of {_MODES}, not {self.mode!r}")
        self._alone = self.mode == "enforce"
        # </control>
        # <store>
        if self.store is not None and not self.name:
            raise ValueError("a breaker with a store needs a name: it is the key in the store")
        self._version = 0  # of the stored state that _circuit equals, failure count aside
        self._ahead = False  # the store missed a change, so _circuit is a view of our own
        self._read_at: _Instant | None = None
        self._read_for = 0.0
        self._store_errors = 0
        self._store_failed_at: _Instant = (0.0, 0.0)
        self._store_pause = 0.0
        self._plain = self._plain and self.store is None
        self._alone = self._alone and self.store is None
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
        return self._left()

    def _left(self) -> float:
        circuit = self._circuit
        waits, phase = circuit.waits, circuit.phase
        if phase != _OPEN:
            # <control>
            if phase == _ISOLATED:
                return float("inf")
            # </control>
            if phase == _CLOSED or len(waits) < self.half_open_max_calls:
                return 0.0
        # As _elapsed() does it, which would cost more than the rest.
        _, (start, start_wall), left = waits[0]
        elapsed = self.clock() - start
        elapsed_wall = self.wall() - start_wall
        if elapsed_wall > elapsed:  # noqa: PLR1730
            elapsed = elapsed_wall
        if elapsed > 0.0:
            left -= elapsed
        # <control|deadline|store>
        if len(waits) > 1:
            now = self.clock(), self.wall()
            lefts = [seconds - _elapsed(now, since) for _, since, seconds in waits]
            left = lefts.pop(0) if phase == _OPEN else 0.0
            if len(lefts) >= self.half_open_max_calls:
                left = max(left, min(lefts))
        # </control|deadline|store>
        return left if left > 0.0 else 0.0  # noqa: FURB136

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
        if permit:
            self._held.taken = permit
        return bool(permit)

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
        self._advance("isolate", (0, -1))

    def trip(self) -> None:
        """Open the circuit now, as the last of the failures would."""
        self._advance("trip", (0, -1))

    def reset(self) -> None:
        """Close the circuit now; results of calls that are under way are dropped."""
        self._advance("reset", (0, -1))

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
        if (
            not self._circuit.clean
            # <control|store>
            and self._alone
            # </control|store>
            and (seconds := self._left())
        ):
            # What follows would raise it too, at five times the cost.
            raise CircuitOpenError(self.name or "unnamed", seconds)
        with self.acquire() as permit:
            value = function(*args, **kwargs)
            if value.__class__ not in _PLAIN:
                try:
                    _refuse_pending(self.name or "function", value)
                except TypeError:
                    permit.ignore()
                    raise
            return value

    def __call__(self, function: Callable[P, T]) -> Callable[P, T]:
        """Decorate a function, so that each call of it goes through `call`."""
        import functools  # noqa: PLC0415

        _check("function", function, _FUNCTION)

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
    def _settle_held(self, outcome: str) -> None:
        permit = self._held.__dict__.pop("taken", None)
        self._advance(outcome, permit or (self._circuit.generation, 0))

    def _acquire(
        self,
        # <deadline>
        longest: float = _YEAR,
        # </deadline>
        # <control>
        *,
        retry: bool = False,
        # </control>
    ) -> _Permit | None:
        """Take a permit; None when the call must not be made."""
        circuit = self._circuit
        # As _circuit_step would answer, without the lock.
        if (
            circuit.clean
            # <store|windows>
            and self._plain
            # </store|windows>
        ):
            return (circuit.generation, 0)
        if (
            self._left()
            # <control|store>
            and self._alone
            # </control|store>
        ):
            return None
        # <store>
        self._refresh()
        # </store>
        lease = self.lease
        # <deadline>
        lease = min(lease, longest)
        # </deadline>
        # A name for a probe that no other has, in whatever process.
        permit = self._advance("admit", (1 - _RANDOM.random(), lease))
        # <control>
        if permit is None and (
            self.mode == "metrics-only" or (self.mode == "retries-only" and not retry)
        ):
            permit = (-1, 0)  # of no generation: its result is dropped
        # </control>
        # <windows>
        if permit is not None:
            permit = (*permit, self.clock())
        # </windows>
        return permit

    def _advance(self, event: str, permit: _Permit) -> _Permit | None:
        """Ask `_circuit_step`, and keep what it says. Outside the lock, tell of a new phase."""
        if (
            event == "success"
            and self._circuit.clean
            # <store|windows>
            and self._plain
            # </store|windows>
        ):
            return None  # nothing to change, from whichever generation: without the lock
        # <windows>
        if len(permit) > 2:  # noqa: PLR2004
            permit = (*permit[:2], self.clock() - permit[2])  # with the seconds that it took
        # </windows>
        now = self.clock(), self.wall()
        # <recovery>
        draw = self._rng.random()
        # </recovery>
        with self._lock:
            before = self._circuit
            after, granted = _circuit_step(
                self,
                before,
                event,
                permit,
                now,
                # <recovery>
                draw,
                # </recovery>
            )
            # <store>
            shared = self.store is not None and _is_shared(before, after)
            if shared:
                after = before
            # </store>
            self._circuit = after
        # <store>
        if shared:
            before, after, granted = self._publish(event, permit)
        # </store>
        self._announce(before, after)
        return granted

    def _announce(self, before: _Circuit, after: _Circuit) -> None:
        if after.phase != before.phase:
            name = self.name or "unnamed"
            level = logging.WARNING if after.phase == _OPEN else logging.INFO
            _LOG.log(level, "circuit %s: %s -> %s", name, before.phase, after.phase)
            # <listeners>
            change = {"name": name, "from": before.phase, "to": after.phase}
            _notify(self.listener, {"event": "transition", **change})
            # </listeners>

    # <store>
    def _publish(self, event: str, permit: _Permit) -> tuple[_Circuit, _Circuit, _Permit | None]:
        """Make a change that other processes must see: in the store first, then here.

        While the store does not answer the change is made here alone. `_ahead` then keeps this
        process from writing a verdict for which it holds no lease.
        """
        first = self._circuit
        for _ in range(4):
            if self._ahead:
                self._refresh(force=True)
            now = self.clock(), self.wall()
            with self._lock:
                before, version, ahead = self._circuit, self._version, self._ahead
            after, granted = _circuit_step(
                self,
                before,
                event,
                permit,
                now,
                # <recovery>
                self._rng.random(),
                # </recovery>
            )
            answered, other = True, None
            private = ahead or not _is_shared(before, after)
            if not private:
                answered, other = self._ask(self.store.swap, version, _encode(after))
            with self._lock:
                if other is not None:
                    self._adopt(other, now)
                    continue
                if private or not answered:
                    if self._circuit is not before:
                        continue
                    self._circuit, self._ahead = after, not answered or ahead
                elif version >= self._version:
                    self._circuit, self._version = after, version + 1
            return first, after, granted
        return first, self._circuit, None  # lost every race: others act on this circuit

    def _refresh(self, *, force: bool = False) -> None:
        """Read the store if what was read last is too old."""
        now = self.clock(), self.wall()
        fresh = self._read_at is not None and _elapsed(now, self._read_at) < self._read_for
        if self.store is None or (fresh and not force):
            return
        # Set first, so that other threads go on with the old view meanwhile.
        self._read_at = now
        self._read_for = self.store_ttl * (0.8 + 0.4 * self._rng.random())
        before = self._circuit
        answered, found = self._ask(self.store.read)
        if not answered:
            return
        version, fields = found or (0, {})
        with self._lock:
            # An older version than ours was read before we wrote.
            if version < self._version or (version == self._version and not self._ahead):
                return
            trip = self._circuit
            # Whether the circuit opened here while the store was down, and should still be open; if
            # the store has moved on since, that may have been there, and is over.
            missed = version == self._version and trip.phase == _OPEN
            missed = missed and _elapsed(now, trip.waits[0][1]) < trip.waits[0][2]
            self._adopt((version, fields), now)
            missed = missed and self._circuit.phase == _CLOSED
        if missed:
            answered, other = self._ask(self.store.swap, version, _encode(trip))
            with self._lock:
                if other is not None:
                    self._adopt(other, now)
                else:
                    self._circuit, self._ahead = trip, not answered
                    self._version = version + answered
        self._announce(before, self._circuit)

    def _adopt(self, found: tuple[int, dict[str, Any]], now: _Instant) -> None:
        """Take over what the store holds; under the lock."""
        self._version, self._ahead = found[0], False
        self._circuit = _decode(found[1], now)

    def _ask(
        self, request: Callable[..., Any], *values: object
    ) -> tuple[bool, tuple[int, dict[str, Any]] | None]:
        """Return whether the store answered, and what. After an error it is left alone a while."""
        now = self.clock(), self.wall()
        if self._store_errors and _elapsed(now, self._store_failed_at) < self._store_pause:
            return False, None
        try:
            answer = request(self.name, *values)
        except Exception as error:
            self._store_errors += 1
            self._store_pause = 2.0 ** min(self._store_errors, 5) / 2 * (1 + self._rng.random())
            self._store_failed_at = self.clock(), self.wall()
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
            self._breaker._advance(outcome, permit)

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
        outcome = "success" if error is None else "ignore"
        try:
            if isinstance(error, Exception) and getattr(error, "is_retriable", None) is not False:
                classify = self._breaker.classify
                outcome = "failure" if classify is None else _classified(classify, error)
        finally:
            self._settle(outcome)


# </calls>
# <store>
def _is_shared(before: _Circuit, after: _Circuit) -> bool:
    """Tell whether a change concerns other processes: all but counts in CLOSED do."""
    return after.generation != before.generation or after.waits != before.waits


# What a store holds of a state as it is, of whichever features.
_STORED = ("phase", "generation", "successes", "reopens")


def _encode(circuit: _Circuit) -> dict[str, object]:
    """Return a state for other processes, with wall clock time only."""
    fields: dict[str, Any] = {key: getattr(circuit, key, None) for key in _STORED}
    # <recovery>
    fields["closed_at"] = circuit.closed_at and circuit.closed_at[1]
    # </recovery>
    return {**fields, "waits": [[ticket, start[1], left] for ticket, start, left in circuit.waits]}


def _decode(fields: dict[str, Any], now: _Instant) -> _Circuit:
    """Return the state that another process has stored, in terms of this process's clocks."""

    def instant(wall: float) -> _Instant:
        return (now[0] - now[1] + wall, wall)

    known = {key: fields[key] for key in _STORED if fields.get(key) is not None}
    if fields.get("closed_at") is not None:
        known["closed_at"] = instant(fields["closed_at"])
    waits = fields.get("waits", ())
    known["waits"] = tuple((ticket, instant(wall), left) for ticket, wall, left in waits)
    return _Circuit(**known)


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
        _check("timeout", timeout, _POSITIVE)
        if client is None:
            import boto3  # noqa: PLC0415
            from botocore.config import Config  # noqa: PLC0415

            config = Config(
                connect_timeout=timeout,
                read_timeout=timeout,
                retries={"total_max_attempts": 1, "mode": "standard"},
            )
            client = boto3.client("dynamodb", config=config)
        self._table = table
        self._client: Any = client

    def read(self, name: str) -> tuple[int, dict[str, object]] | None:
        """Return version and state of a circuit, or None if there is none."""
        key = {"id": {"S": name}}
        answer = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        return self._parse(answer)

    def swap(
        self, name: str, version: int, state: dict[str, object]
    ) -> tuple[int, dict[str, object]] | None:
        """Write a state as version + 1 if the stored version is still this one.

        Returns:
            None when it was written, else the version and the state that are there instead.
        """
        import json  # noqa: PLC0415

        item = {"id": {"S": name}, "version": {"N": str(version + 1)}}
        request: dict[str, object] = {"ConditionExpression": "attribute_not_exists(id)"}
        if version:
            request = {
                "ConditionExpression": "#v = :v",
                "ExpressionAttributeNames": {"#v": "version"},
                "ExpressionAttributeValues": {":v": {"N": str(version)}},
            }
        try:
            self._client.put_item(
                TableName=self._table,
                Item={**item, "state": {"S": json.dumps(state)}},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **request,
            )
        except self._client.exceptions.ConditionalCheckFailedException as error:
            # The item comes with the refusal, at no cost; an empty answer means there is none.
            return self._parse(error.response) or (0, {})
        return None

    def _parse(self, answer: dict[str, Any]) -> tuple[int, dict[str, object]] | None:
        import json  # noqa: PLC0415

        item = answer.get("Item")
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
        _check("capacity", capacity, ("a finite number, at least 1", _NUMBERS, 1))
        _check("deposit", deposit, _NUMBER)
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
            enough = self._tokens >= 1
            self._tokens -= enough
        return enough

    def deposit(self) -> None:
        """Add what a success adds."""
        if self._tokens < self.capacity:
            with self._lock:
                self._tokens = min(self.capacity, self._tokens + self.deposit_per_success)


# </budget>
# <aws>
# Codes of botocore's standard retry mode, and of services that throttle by other names. What holds
# "Throttl" is one of them too.
_AWS_THROTTLES = frozenset(
    (
        "BandwidthLimitExceeded",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "SlowDown",
        "TooManyRequestsException",
        "TransactionInProgressException",
    )
)
# How the codes of a service in trouble begin.
_AWS_TRANSIENT = (
    *("InternalError", "InternalFailure", "InternalServer", "InternalService"),
    *("RequestTimeout", "ServiceUnavailable"),
)
_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500  # and what is above


def _aws_answer(error: Exception) -> tuple[str | None, dict[str, Any]]:
    """Return code and metadata of an answer; (None, {}) if the error is none."""
    response = getattr(error, "response", None)
    if not isinstance(response, dict):
        return None, {}
    code = str((response.get("Error") or {}).get("Code"))
    return code, response.get("ResponseMetadata") or {}


def aws_classify(error: Exception) -> Outcome:
    """Tell what an error of boto3 says about the service; give it as `classify`.

    Returns:
        "throttle" for a throttled request; "failure" for an error of the service, a time-out or a
        broken connection, and for an error that is not boto3's; "success" for any other answer,
        since a service that refuses a request is well; "ignore" for a request that was never sent
        (bad parameters, no credentials).
    """
    code, metadata = _aws_answer(error)
    if code is None:
        names = {kind.__name__ for kind in type(error).__mro__}
        unsent = "BotoCoreError" in names and not names & {"HTTPClientError", "ConnectionError"}
        return "ignore" if unsent else "failure"
    status = metadata.get("HTTPStatusCode", 0)
    if "Throttl" in code or code in _AWS_THROTTLES or status == _TOO_MANY_REQUESTS:
        return "throttle"
    return "failure" if code.startswith(_AWS_TRANSIENT) or status >= _SERVER_ERROR else "success"


def aws_is_retriable(error: Exception) -> bool:
    """Tell whether no other layer has retried an error of boto3; give it as `is_retriable`.

    False for an error that botocore has retried until its attempts or its quota were used up.
    """
    _, metadata = _aws_answer(error)
    used_up = metadata.get("MaxAttemptsReached") and metadata.get("RetryAttempts")
    return not (used_up or metadata.get("RetryQuotaReached"))


def aws_retry_after(error: Exception, delay: float) -> float | None:
    """Return the delay that an AWS answer asks for; give it as `retry_after`.

    Milliseconds in `x-amz-retry-after` count from the planned delay up to 5 s more, as in the AWS
    SDKs; seconds or a date in `Retry-After` from the planned delay up to 6 hours.
    """
    _, metadata = _aws_answer(error)
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

    if TYPE_CHECKING:

        def __init__(self, value: object) -> None: ...  # noqa: D107

    @property
    def value(self) -> object:
        """What the operation returned last."""
        return self.args[0]


# </hooks>
# <jitter>
_JITTERS = ("proportional", "full", "equal", "decorrelated", "none")
# </jitter>
# <breaker>
_BREAKER: _Kind = ("a CircuitBreaker", CircuitBreaker, None)
_SCOPES = ("call", "attempt")
# </breaker>
# What a retry may be told: first what is passed by place.
_RETRY_OPTIONS: dict[str, tuple[Any, _Kind | None]] = {
    "max_retries": (3, _COUNT),
    "base_delay": (5, _NUMBER),
    "jitter_factor": (0.3, _NUMBER),
    "retriable_exceptions": (_ANY, None),
    "raise_on_failure": (False, None),
    # <breaker>
    "circuit_breaker": (None, _BREAKER),
    "breaker_scope": ("call", None),
    # </breaker>
    "metrics_logger": (None, None),
    "clock": (_monotonic, _FUNCTION),
    # Looked up at each call, so that a test can replace it.
    "sleep": (lambda s: time.sleep(s), _FUNCTION),  # noqa: PLW0108
    "rng": (None, None),
    # <deadline>
    "wall": (time.time, _FUNCTION),
    "timeout": (None, _POSITIVE),
    "context": (None, None),
    "reserve": (0.5, _NUMBER),
    "min_attempt": (0.0, _NUMBER),
    # </deadline>
    # <jitter>
    "jitter": ("proportional", None),
    "max_delay": (None, _NUMBER),
    # </jitter>
    # <hooks>
    "is_retriable": (None, _FUNCTION),
    "classify": (None, _FUNCTION),
    "retry_after": (None, _FUNCTION),
    "retry_result": (None, _FUNCTION),
    # </hooks>
    # <budget>
    "budget": (None, ("a RetryBudget", RetryBudget, None)),
    # </budget>
    # <listeners>
    "listener": (None, _FUNCTION),
    # </listeners>
}


def _backoff_delay(attempt: int, base_delay: float, jitter_factor: float, draw: float) -> float:
    """Return the seconds to wait after a failed attempt.

    Args:
        attempt: The attempt that failed; 1 is the first.
        base_delay: Seconds after the first attempt, before jitter.
        jitter_factor: The largest jitter, as a share of the delay.
        draw: A random number in [0, 1).
    """
    delay = min(base_delay * 2.0 ** min(attempt - 1, _LARGEST_EXPONENT), _YEAR)
    # In this order no product is infinity times zero, whatever the factor.
    return min(delay + delay * (jitter_factor * draw), _YEAR)


# <calls|hooks>
def _classified(classify: Callable[[Exception], Outcome], error: Exception) -> str:
    """Return what a classifier says of an error: "failure", "success" or "ignore"."""
    outcome = classify(error)
    if outcome not in ("success", "failure", "throttle", "ignore"):
        raise ValueError(
            f'classify must return "success", "failure", "throttle" or "ignore", not {outcome!r}'
        )
    return "failure" if outcome == "throttle" else outcome


# </calls|hooks>
class _Attempts:
    """The attempts of one call: all that is decided between two of them."""

    max_retries: int
    base_delay: float
    jitter_factor: float
    retriable_exceptions: type[Exception] | tuple[type[Exception], ...]
    raise_on_failure: bool
    metrics_logger: MetricsLogger | None
    clock: Callable[[], float]
    sleep: Callable[[float], Any]
    rng: RandomSource | None
    # <breaker>
    circuit_breaker: Any  # a CircuitBreaker or None
    breaker_scope: BreakerScope
    # </breaker>
    # <deadline>
    wall: Callable[[], float]
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

    def __init__(
        self,
        operation: object,
        operation_name: str,
        options: dict[str, Any],
        *values: object,
    ) -> None:
        """Refuse what would otherwise show only when the first attempt fails.

        Args:
            operation: What is attempted.
            operation_name: Its name.
            options: What the caller gave by name.
            *values: What the caller gave by place: the first of the options.
        """
        _check("operation", operation, _FUNCTION)
        _check("operation_name", operation_name, _STR)
        given = dict(zip(_RETRY_OPTIONS, values), **options)  # noqa: B905
        _configure(self, _RETRY_OPTIONS, given)
        classes = self.retriable_exceptions
        for item in classes if isinstance(classes, tuple) else (classes,):
            if not (isinstance(item, type) and issubclass(item, Exception)):
                raise TypeError(
                    "retriable_exceptions must be a subclass of Exception or a tuple of them, not "
                    f"{item!r} (never retried)"
                )
        if len(_CHECKED) < 64:  # noqa: PLR2004
            _CHECKED.add(classes)
        self.label = operation_name
        self.tries = 0
        self.started = self.clock()
        self.last_error: Any = None  # how the last attempt failed
        # <breaker>
        if self.breaker_scope not in _SCOPES:
            raise ValueError(f"breaker_scope must be one of {_SCOPES}, not {self.breaker_scope!r}")
        self.permit: _Permit | None = None  # held, and still to be settled, while it is not None
        # </breaker>
        # <deadline>
        if self.context is not None:
            name = "get_remaining_time_in_millis"
            _check(f"context.{name}", getattr(self.context, name, None), _FUNCTION)
        self.since: _Instant = (self.started, self.wall())
        # </deadline>
        # <jitter>
        if self.jitter not in _JITTERS and not callable(self.jitter):
            raise ValueError(f"jitter must be one of {_JITTERS} or callable, not {self.jitter!r}")
        self.previous = float(self.base_delay)
        # </jitter>

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
    def may_begin(self) -> bool:
        """Tell whether the next attempt may begin."""
        # <deadline>
        if self.tries and self.remaining() <= self.min_attempt:
            return self.give_up("the deadline has passed")
        # </deadline>
        # <breaker>
        breaker = self.circuit_breaker
        if breaker and not self.permit:
            # <deadline>
            lease = _YEAR
            if self.context is not None:
                # A second of grace: the result of a probe may come while the function is stopped.
                lease = max(0.0, self.remaining() + self.reserve) + 1.0
            # </deadline>
            self.permit = breaker._acquire(
                # <deadline>
                lease,
                # </deadline>
                # <control>
                retry=self.tries > 0,
                # </control>
            )
            if not self.permit:
                if self.last_error is not None:
                    return self.give_up(_CIRCUIT_OPEN)
                self.last_error = CircuitOpenError(breaker.name or self.label, breaker.retry_after)
                _LOG.info("%s: not called: %s", self.label, self.last_error)
                return False
        # </breaker>
        self.tries += 1
        if self.tries > 1:
            self.count("RetryAttempt")
        return True

    def accept(self, answer: object) -> bool:
        """Take what the operation returned; False if it is to be tried again."""
        if answer.__class__ not in _PLAIN:
            _refuse_pending(self.label, answer)
        # <hooks>
        if self.retry_result is not None and self.retry_result(answer):
            self.last_error = ResultRejectedError(answer)
            return False
        # </hooks>
        # <breaker>
        self.settle("success")
        # </breaker>
        # <budget>
        if self.budget is not None:
            self.budget.deposit()
        # </budget>
        return True

    # <breaker>
    def settle(self, outcome: str) -> None:
        """Turn in the permit that is held, if there is one."""
        permit, self.permit = self.permit, None
        if permit:
            self.circuit_breaker._advance(outcome, permit)

    # </breaker>
    def plan(self) -> float | None:
        """Return the seconds to wait after a failed attempt, or None to give up."""
        error = self.last_error
        outcome, reason = "failure", ""
        if getattr(error, "is_retriable", None) is False:
            outcome, reason = "ignore", _NOT_RETRIABLE
        # <hooks>
        elif self.classify is not None:
            outcome = _classified(self.classify, error)
            reason = "" if outcome == "failure" else _NOT_RETRIABLE
        if not reason and self.is_retriable is not None and not self.is_retriable(error):
            reason = _NOT_RETRIABLE
            if self.classify is None:
                outcome = "ignore"
        # </hooks>
        if not reason and self.tries >= self.max_retries:
            reason = _EXHAUSTED
        # <breaker>
        breaker, permit = self.circuit_breaker, self.permit
        if breaker:
            probing = permit and permit[1]
            guarded = self.breaker_scope == "attempt"
            if guarded:
                self.settle(outcome)
            # <control>
            probing = probing and breaker.mode != "metrics-only"
            guarded = breaker.mode == "retries-only" or (guarded and breaker.mode == "enforce")
            # </control>
            if not reason and probing:
                reason = "a probe is not retried"
            elif not reason and guarded and breaker.state != _CLOSED:
                reason = _CIRCUIT_OPEN
        # </breaker>
        delay = 0.0
        if not reason:
            draw = (self.rng or _RANDOM).random()
            delay = _backoff_delay(self.tries, self.base_delay, self.jitter_factor, draw)
            # <budget|deadline|hooks|jitter>
            delay, reason = self.adjust(delay, draw, error)
            # </budget|deadline|hooks|jitter>
        if reason:
            # <breaker>
            self.settle(outcome)
            # </breaker>
            self.give_up(reason)
            return None
        _LOG.warning(
            "%s: attempt %d of %d failed, the next is in %.3f s: %r",
            self.label,
            self.tries,
            self.max_retries,
            delay,
            error,
        )
        # <listeners>
        retry = {"event": "retry", "name": self.label, "attempt": self.tries}
        _notify(self.listener, {**retry, "delay": delay, "error": repr(error)})
        # </listeners>
        return delay

    # <budget|deadline|hooks|jitter>
    def adjust(self, delay: float, draw: float, error: Exception) -> tuple[float, str]:
        """Return the seconds to wait for the next attempt, and why there is none after all."""
        # <jitter>
        limit = _YEAR if self.max_delay is None else min(self.max_delay, _YEAR)
        cap = min(_backoff_delay(self.tries, self.base_delay, 0, draw), limit)
        if callable(self.jitter):
            delay = self.jitter(self.rng or _RANDOM, cap, self.previous)
            _check("the delay that jitter returned", delay, _NUMBER)
            delay = min(delay, _YEAR)
        else:
            longest = max(0, self.previous * 3 - self.base_delay)
            delay = {
                "proportional": min(cap + cap * (self.jitter_factor * draw), _YEAR),
                "full": cap * draw,
                "equal": cap / 2 + cap / 2 * draw,
                "decorrelated": min(limit, self.base_delay + draw * longest),
                "none": cap,
            }[self.jitter]
        self.previous = delay
        # </jitter>
        # <hooks>
        if self.retry_after is not None:
            asked = self.retry_after(error, delay)
            if asked is not None:
                _check("the delay that retry_after returned", asked, _NUMBER)
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

    # </budget|deadline|hooks|jitter>
    def count(self, metric: str) -> None:
        """Count one, and publish it at once: a later invocation may never come."""
        metrics = self.metrics_logger
        if metrics is not None:
            try:
                metrics.add_dimension(name="Operation", value=self.label)
                metrics.add_metric(name=metric, unit="Count", value=1)
                metrics.flush()
            except Exception:
                _LOG.warning("metric %s of %s was not emitted", metric, self.label, exc_info=True)

    def give_up(self, reason: str) -> bool:
        """Tell of it; return False."""
        elapsed = self.clock() - self.started
        summary = (
            f"{self.label}: gave up after {self.tries} of {self.max_retries} attempts "
            f"in {elapsed:.3f} s: {reason}"
        )
        _LOG.error("%s: %r", summary, self.last_error)
        # <listeners>
        given_up = {"event": "exhausted", "name": self.label, "reason": reason}
        _notify(self.listener, {**given_up, "attempts": self.tries, "elapsed": elapsed})
        # </listeners>
        if reason == _EXHAUSTED:
            self.count("RetryExhausted")
        # <python310>
        if not hasattr(self.last_error, "add_note"):  # before Python 3.11
            return False
        # </python310>
        if self.raise_on_failure:
            self.last_error.add_note(summary)
        return False

    def finish(self) -> None:
        """Give back what is held, on whichever way out."""
        self.last_error = None  # its traceback holds a frame that holds this object: a cycle
        # <breaker>
        # An error that is not retriable, an interrupt, a cancellation.
        self.settle("ignore")
        # </breaker>


def _retry(
    operation: Callable[[], T],
    operation_name: str,
    options: Any,  # noqa: ANN401
    max_retries: int,
    base_delay: float,
    jitter_factor: float,
    retriable: type[Exception] | tuple[type[Exception], ...],
    raises: bool,
    # <breaker>
    breaker: Any = None,  # noqa: ANN401
    scope: str = "call",
    # </breaker>
) -> T | None:
    """Attempt the operation until it succeeds or there is a reason to stop.

    A first attempt without options is made as plainly as can be; what it needs if it fails is made
    then.
    """
    error = None
    plain = not options
    # <breaker>
    circuit = breaker and breaker._circuit  # through which the plain attempt goes
    if circuit:
        plain = plain and circuit.clean and scope in _SCOPES
        # <store|windows>
        plain = plain and breaker._plain
        # </store|windows>
    # </breaker>
    started = _monotonic()
    if (
        plain
        # As the kinds of the options say it.
        and operation_name.__class__ is str
        and max_retries.__class__ is int
        and base_delay.__class__ in _NUMBERS
        and jitter_factor.__class__ in _NUMBERS
        and max_retries > 0 <= base_delay <= _LARGEST >= jitter_factor >= 0.0
        and (retriable is _ANY or (retriable.__class__ is tuple and retriable in _CHECKED))
    ):
        try:
            value = operation()
        except retriable as caught:
            error = caught
        else:
            if value.__class__ not in _PLAIN:
                _refuse_pending(operation_name, value)
            # <breaker>
            if circuit and breaker._circuit is not circuit:
                breaker._advance("success", (circuit.generation, 0))
            # </breaker>
            return value
    attempts = _Attempts(
        operation,
        operation_name,
        options,
        max_retries,
        base_delay,
        jitter_factor,
        retriable,
        raises,
        # <breaker>
        breaker,
        scope,
        # </breaker>
    )
    if error is not None:
        attempts.last_error = error
        attempts.tries = 1
        attempts.started = started
        # <breaker>
        attempts.permit = circuit and (circuit.generation, 0)
        # </breaker>
        error = None  # its traceback holds this frame: a cycle
    try:
        while True:
            if attempts.last_error is not None:
                delay = attempts.plan()
                if delay is None:
                    break
                attempts.sleep(delay)
            if not attempts.may_begin():
                break
            try:
                value = operation()
            except attempts.retriable_exceptions as caught:
                attempts.last_error = caught
            else:
                if attempts.accept(value):
                    return value
        if attempts.raise_on_failure:
            raise attempts.last_error  # type: ignore[misc, unused-ignore]
        return None
    finally:
        attempts.finish()


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
    return _retry(
        operation,
        operation_name,
        options,
        max_retries,
        base_delay,
        jitter_factor,
        retriable_exceptions,
        raise_on_failure,
    )


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

    While the circuit is open the operation is not called, nothing is waited for, and the other
    arguments are not looked at. A probe of a half-open circuit is attempted once only. An error
    that is not retriable says nothing about the health of the dependency, so the breaker ignores
    it; so are interrupts, cancellations and awaitables.

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
    breaker = circuit_breaker
    if breaker.__class__ is not CircuitBreaker:
        _check("circuit_breaker", breaker, _BREAKER)
    if (
        not breaker._circuit.clean
        # <control|store>
        and breaker._alone
        # </control|store>
        and (seconds := breaker._left())
    ):
        # What follows would do it too, at ten times the cost; so would a record that nobody reads.
        if _LOG.isEnabledFor(logging.INFO):
            _LOG.info("%s: not called: the circuit is open", operation_name)
        if raise_on_failure:
            raise CircuitOpenError(breaker.name or operation_name, seconds)
        return None
    return _retry(
        operation,
        operation_name,
        options,
        max_retries,
        base_delay,
        jitter_factor,
        retriable_exceptions,
        raise_on_failure,
        breaker,
        breaker_scope,
    )


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
    given: Any = options
    # <breaker>
    given = {"breaker_scope": "attempt", **options}
    # </breaker>
    value: T = retry_with_backoff(operation, operation_name, raise_on_failure=True, **given)
    return value


def retriable(
    operation_name: str | None = None, **options: Unpack[_CallOptions]
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Return a decorator that puts each call of a function through `retry_call`.

    Args:
        operation_name: Name in log records and metrics; the function's own by default.
        **options: Those of `retry_call`. They are checked when the decorator is made.
    """
    import functools  # noqa: PLC0415

    _Attempts(len, operation_name or "operation", {**options})

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        _check("function", function, _FUNCTION)
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

    given: Any = {"sleep": asyncio.sleep, "raise_on_failure": True, **options}
    # <breaker>
    given = {"breaker_scope": "attempt", **given}
    # </breaker>
    attempts = _Attempts(operation, operation_name, given)
    try:
        while attempts.may_begin():
            try:
                pending = operation()
                awaitable = hasattr(type(pending), "__await__")
                value = await pending if awaitable else pending
            except attempts.retriable_exceptions as error:
                attempts.last_error = error
            else:
                if not awaitable:
                    raise TypeError(
                        f"operation {operation_name!r} returned {type(pending).__name__}, not an "
                        "awaitable: pass an async function, or call retry_call"
                    )
                if attempts.accept(value):
                    return value  # type: ignore[return-value]
            delay = attempts.plan()
            if delay is None:
                break
            await attempts.sleep(delay)
        raise attempts.last_error
    finally:
        attempts.finish()


# </async>
