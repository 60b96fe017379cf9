"""What the features do. Plain functions, so that every interpreter can run them without pytest."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import queue
import threading

from python_retry import (
    CircuitBreaker,
    CircuitOpenError,
    DynamoDBStore,
    Permit,
    ResultRejectedError,
    RetryBudget,
    async_retry_call,
    aws_classify,
    aws_is_retriable,
    aws_retry_after,
    emf_listener,
    retriable,
    retry_call,
    retry_with_backoff,
    retry_with_circuit_breaker,
)
from retry_support import WAIT, AwsError, Script, World, logs, raises


def reason_of(call):
    with logs() as lines:
        with contextlib.suppress(Exception):
            call()
        return [text for level, text in lines if level == "ERROR"][-1]


# --- retry_call and its forms ---------------------------------------------------------------------


def test_retry_call_returns_the_value_or_raises_the_last_error_itself():
    world = World()
    assert retry_call(Script(OSError, None), **world.options) is None
    last = OSError("second")
    with raises(OSError) as caught:
        retry_call(Script(OSError("first"), last), "fetch", max_retries=2, **world.options)
    assert caught[0] is last
    assert caught[0].__cause__ is None
    notes = getattr(last, "__notes__", None)
    assert notes in (None, ["fetch: gave up after 2 of 2 attempts in 5.000 s: all attempts failed"])


def test_retry_call_asks_the_circuit_at_each_attempt():
    world = World()
    breaker = CircuitBreaker(2, name="inventory", **world.clocks)
    operation = Script(OSError)
    with raises(OSError):
        retry_call(operation, circuit_breaker=breaker, max_retries=9, **world.options)
    assert (operation.calls, breaker.state) == (2, "OPEN")
    with raises(CircuitOpenError) as caught:
        retry_call(operation, circuit_breaker=breaker, **world.options)
    assert (caught[0].name, caught[0].retry_after, operation.calls) == ("inventory", 60.0, 2)


def test_decorator_retries_and_keeps_name_and_arguments():
    world = World()
    seen = []

    @retriable(max_retries=2, **world.options)
    def fetch(key, *, version):
        """Fetch it."""
        seen.append((key, version))
        if len(seen) == 1:
            raise OSError
        return key + version

    assert fetch("a", version="b") == "ab"
    assert seen == [("a", "b")] * 2
    assert (fetch.__name__, fetch.__doc__) == ("fetch", "Fetch it.")
    with raises(ValueError, "max_retries"):
        retriable(max_retries=0)


def test_with_checks_before_its_body_runs():
    world = World()
    breaker = CircuitBreaker(1, 60, name="inventory", **world.clocks)
    with raises(OSError), breaker:
        raise OSError
    assert breaker.state == "OPEN"
    ran = []
    with raises(CircuitOpenError, "inventory"), breaker:
        ran.append(1)
    assert ran == []
    world.advance(60)
    with breaker:
        assert breaker.state == "HALF_OPEN"
    assert breaker.state == "CLOSED"


def test_with_can_be_nested_and_keeps_each_permit_apart():
    world = World()
    breaker = CircuitBreaker(1, 60, half_open_max_calls=2, **world.clocks)
    breaker.record_failure()
    world.advance(60)
    with contextlib.suppress(KeyboardInterrupt), breaker:
        with contextlib.suppress(KeyboardInterrupt), breaker:
            raise KeyboardInterrupt
        assert breaker.state == "HALF_OPEN"
        raise KeyboardInterrupt
    assert breaker.state == "HALF_OPEN"
    with breaker:
        pass
    assert breaker.state == "CLOSED"


def test_call_and_decorator_of_a_breaker():
    world = World()
    breaker = CircuitBreaker(1, 60, **world.clocks)
    assert breaker.call(lambda a, b: a + b, 1, b=2) == 3

    @breaker
    def fails():
        raise OSError

    assert fails.__name__ == "fails"
    with raises(OSError):
        fails()
    with raises(CircuitOpenError):
        fails()

    async def later():
        return 1

    world.advance(60)
    with raises(TypeError, "awaitable"):
        breaker.call(later)
    assert breaker.state == "HALF_OPEN"
    assert breaker.call(lambda: None) is None
    assert breaker.state == "CLOSED"


def test_permits_are_true_or_false_and_settle_once():
    world = World()
    breaker = CircuitBreaker(1, 60, **world.clocks)
    permit = breaker.acquire()
    assert isinstance(permit, Permit)
    assert permit
    assert (permit.reason, permit.retry_after) == ("", 0.0)
    permit.failure()
    permit.success()
    assert breaker.state == "OPEN"
    refused = breaker.acquire()
    assert not refused
    assert (refused.reason, refused.retry_after) == ("the circuit is OPEN", 60.0)
    refused.success()
    assert breaker.state == "OPEN"
    world.advance(60)
    with breaker.acquire() as probe:
        probe.ignore()
    assert breaker.state == "HALF_OPEN"


def test_forms_of_a_breaker_follow_its_classifier():
    world = World()
    breaker = CircuitBreaker(1, **world.clocks, classify=aws_classify)
    for code in ("ValidationException", "AccessDeniedException"):
        with raises(AwsError), breaker:
            raise AwsError(code)
    assert breaker.state == "CLOSED"
    with raises(AwsError), breaker:
        raise AwsError("ThrottlingException")
    assert breaker.state == "OPEN"


def test_a_classifier_that_fails_gives_the_permit_of_a_form_back():
    def fails(_):
        raise ZeroDivisionError

    for classify, kind in ((fails, ZeroDivisionError), (lambda _: "bad", ValueError)):
        world = World()
        breaker = opened(world, classify=classify)
        world.advance(60)
        with raises(kind), breaker:
            raise OSError
        assert breaker.state == "HALF_OPEN"
        assert breaker.can_execute()


def test_generators_are_refused_like_coroutines():
    def lines():
        yield 1

    with raises(TypeError, "list(operation())"):
        retry_call(lines)
    with raises(TypeError, "generator"):
        retry_with_backoff(lines, "lines")
    with raises(TypeError, "generator"):
        retry_with_circuit_breaker(lines, "lines", CircuitBreaker())


def test_whatever_has_only_begun_its_work_is_refused_and_a_probe_gives_its_permit_back():
    class Later:
        def __await__(self):
            yield

    async def stream():
        yield 1

    for pending in (Later, stream, lambda: (n for n in [1])):
        world = World()
        breaker = opened(world)
        world.advance(60)
        with raises(TypeError, "an awaitable or a generator"):
            retry_call(pending, circuit_breaker=breaker, **world.options)
        assert breaker.state == "HALF_OPEN"
        with raises(TypeError, "an awaitable or a generator"):
            breaker.call(pending)
        assert breaker.call(lambda: "ok") == "ok"


# --- deadline -------------------------------------------------------------------------------------


def test_a_delay_that_does_not_fit_ends_the_retry_at_once():
    world = World()
    operation = Script(OSError("real"))
    with raises(OSError, "real"):
        retry_call(operation, timeout=5, **world.options)
    assert (operation.calls, world.sleeps) == (1, [])
    text = reason_of(lambda: retry_call(operation, timeout=5, **world.options))
    assert "the next attempt does not fit before the deadline" in text


def test_no_attempt_begins_after_the_deadline():
    world = World()
    operation = Script(OSError, world=world, takes=1.0)
    with raises(OSError):
        retry_call(operation, base_delay=0, max_retries=9, timeout=1, **world.options)
    assert operation.calls == 1
    oversleeper = World()
    oversleeper.sleep = lambda _: oversleeper.advance(60)
    operation = Script(OSError)
    text = reason_of(lambda: retry_call(operation, base_delay=1, timeout=9, **oversleeper.options))
    assert "the deadline has passed" in text
    assert operation.calls == 1


def test_remaining_time_of_the_lambda_is_read_anew_before_each_sleep():
    world = World()
    world.deadline = world.mono + 10
    operation = Script(OSError)
    options = {"base_delay": 1, "max_retries": 9, "context": world, "reserve": 1}
    with raises(OSError):
        retry_call(operation, **options, **world.options)
    assert world.sleeps == [1, 2, 4]
    world = World()
    world.deadline = world.mono + 100

    def shrink():
        world.deadline = world.mono + 2.5
        raise OSError

    with raises(OSError):
        retry_call(shrink, **{**options, "context": world}, **world.options)
    assert world.sleeps == [1]


def test_min_attempt_keeps_time_for_the_attempt_itself():
    world = World()
    with raises(OSError):
        retry_call(Script(OSError), base_delay=4, timeout=10, min_attempt=6, **world.options)
    assert world.sleeps == []


def test_a_deadline_goes_by_the_clock_that_says_more():
    for frozen in ("mono", "epoch"):
        world = World()

        def operation(world=world, frozen=frozen):
            kept = getattr(world, frozen)
            world.advance(100)
            setattr(world, frozen, kept)
            raise OSError

        with raises(OSError):
            retry_call(operation, base_delay=1, timeout=50, **world.options)
        assert world.sleeps == []


def test_a_probe_is_leased_for_what_the_invocation_has_left():
    world = World()
    world.deadline = world.mono + 65
    breaker = CircuitBreaker(1, 60, lease=500, **world.clocks)
    breaker.record_failure()
    world.advance(60)

    def dies():
        # As if the function was stopped: nothing is ever reported.
        assert not breaker.acquire()
        world.advance(5.9)
        assert not breaker.acquire()
        world.advance(0.2)
        assert breaker.acquire()
        return "late"

    retry_call(dies, circuit_breaker=breaker, context=world, **world.options)
    assert breaker.state == "HALF_OPEN"


# --- jitter ---------------------------------------------------------------------------------------


def test_kinds_of_jitter():
    cases = {
        "proportional": [2.3, 4.6, 9.2],
        "full": [1.0, 2.0, 4.0],
        "equal": [1.5, 3.0, 6.0],
        "decorrelated": [4.0, 7.0, 11.5],
        "none": [2.0, 4.0, 8.0],
    }
    for jitter, expected in cases.items():
        world = World(0.5)
        with raises(OSError):
            retry_call(Script(OSError), base_delay=2, max_retries=4, jitter=jitter, **world.options)
        assert [round(s, 9) for s in world.sleeps] == expected, (jitter, world.sleeps)


def test_max_delay_caps_before_jitter_and_a_callable_decides_alone():
    world = World(0.5)
    with raises(OSError):
        retry_call(Script(OSError), max_retries=4, jitter="full", max_delay=6, **world.options)
    assert world.sleeps == [2.5, 3.0, 3.0]
    seen = []

    def jitter(rng, delay, previous):
        seen.append((rng.random(), delay, previous))
        return 0.25 * len(seen)

    world = World(0.5)
    with raises(OSError):
        retry_call(Script(OSError), jitter=jitter, **world.options)
    assert seen == [(0.5, 5.0, 5.0), (0.5, 10.0, 0.25)]
    assert world.sleeps == [0.25, 0.5]
    with raises(ValueError, "jitter returned"):
        retry_call(Script(OSError), jitter=lambda *_: float("nan"), **world.options)


def test_no_jitter_overflows():
    for jitter in ("proportional", "full", "equal", "decorrelated", "none"):
        world = World(0.999)
        with raises(OSError):
            retry_call(
                Script(OSError), base_delay=1e300, max_retries=1200, jitter=jitter, **world.options
            )
        assert all(0 <= seconds <= 31_536_000 for seconds in world.sleeps)


# --- budget ---------------------------------------------------------------------------------------


def test_budget_fails_fast_when_it_is_empty_and_the_first_attempt_is_free():
    world = World()
    budget = RetryBudget(3, 0.5)
    operation = Script(OSError)
    options = {"budget": budget, "max_retries": 3, **world.options}
    for _ in range(3):
        with raises(OSError):
            retry_call(operation, **options)
    assert operation.calls == 6  # three first attempts, three tokens
    assert len(world.sleeps) == 3
    assert "the retry budget is used up" in reason_of(lambda: retry_call(operation, **options))
    for _ in range(2):
        retry_call(Script("ok"), **options)
    assert budget.tokens == 1.0
    assert retry_call(Script(OSError, "ok"), **options) == "ok"


def test_budget_never_exceeds_its_capacity_and_loses_no_token_between_threads():
    budget = RetryBudget(50, 1)
    taken = queue.SimpleQueue()
    barrier = threading.Barrier(16)

    def worker():
        barrier.wait(WAIT)
        for _ in range(10):
            taken.put(budget.withdraw())

    crowd = [threading.Thread(target=worker) for _ in range(16)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join(WAIT)
    assert [taken.get() for _ in range(160)].count(True) == 50
    for _ in range(60):
        budget.deposit()
    assert budget.tokens == 50


def test_a_retry_that_does_not_happen_takes_no_token():
    world = World()
    budget = RetryBudget(3)
    with raises(OSError):
        retry_call(Script(OSError), budget=budget, timeout=1, **world.options)
    assert budget.tokens == 3


# --- hooks and AWS --------------------------------------------------------------------------------


def test_result_predicate_retries_values_and_counts_them_as_failures():
    world = World()
    breaker = CircuitBreaker(3, **world.clocks)
    options = {"retry_result": lambda value: value == "pending", **world.options}
    assert retry_call(Script("pending", None), circuit_breaker=breaker, **options) is None
    with raises(ResultRejectedError) as caught:
        retry_call(Script("pending"), circuit_breaker=breaker, **options)
    assert caught[0].value == "pending"
    assert breaker.state == "OPEN"
    assert retry_with_backoff(Script("pending"), "poll", **options) is None


def test_is_retriable_of_the_caller_ends_the_attempts_and_is_ignored_by_the_breaker():
    world = World()
    breaker = CircuitBreaker(1, **world.clocks)
    operation = Script(OSError("disk"))
    with raises(OSError):
        retry_call(
            operation,
            circuit_breaker=breaker,
            is_retriable=lambda error: "net" in str(error),
            **world.options,
        )
    assert (operation.calls, breaker.state) == (1, "CLOSED")


def test_classifier_decides_what_is_retried_and_what_counts():
    cases = {
        "failure": (3, "OPEN"),
        "throttle": (3, "OPEN"),
        "success": (1, "CLOSED"),
        "ignore": (1, "CLOSED"),
    }
    for outcome, (calls, state) in cases.items():
        world = World()
        breaker = CircuitBreaker(3, **world.clocks)
        operation = Script(OSError)
        with raises(OSError):
            retry_call(
                operation,
                circuit_breaker=breaker,
                classify=lambda _, outcome=outcome: outcome,
                **world.options,
            )
        assert (operation.calls, breaker.state) == (calls, state), outcome
    with raises(ValueError, "classify must return"):
        retry_call(Script(OSError), classify=lambda _: "bad", **World().options)


def test_classified_success_of_a_probe_closes_and_ignore_gives_the_permit_back():
    for outcome, state in (("success", "CLOSED"), ("ignore", "HALF_OPEN")):
        world = World()
        breaker = CircuitBreaker(1, 60, **world.clocks)
        breaker.record_failure()
        world.advance(60)
        with raises(OSError):
            retry_call(
                Script(OSError),
                circuit_breaker=breaker,
                classify=lambda _, outcome=outcome: outcome,
                **world.options,
            )
        assert breaker.state == state
        assert breaker.can_execute()


def test_a_hook_that_fails_gives_the_permit_back():
    world = World()
    breaker = CircuitBreaker(1, 60, **world.clocks)
    breaker.record_failure()
    world.advance(60)
    with raises(ZeroDivisionError):
        retry_call(
            Script(OSError), circuit_breaker=breaker, classify=lambda _: 1 / 0, **world.options
        )
    assert breaker.can_execute()


def test_whichever_hook_fails_its_error_comes_out_and_nothing_is_counted():
    def fails(*_):
        raise ZeroDivisionError

    for hook in ("is_retriable", "classify", "retry_after", "retry_result", "jitter"):
        world = World()
        breaker = CircuitBreaker(1, **world.clocks)
        operation = Script("value" if hook == "retry_result" else OSError)
        with raises(ZeroDivisionError):
            retry_call(
                operation,
                circuit_breaker=breaker,
                breaker_scope="call",
                **{hook: fails},
                **world.options,
            )
        assert (operation.calls, world.sleeps, breaker.state) == (1, [], "CLOSED"), hook


def test_retry_after_hook_sets_the_delay_within_the_deadline():
    world = World()
    seen = []

    def hint(error, delay):
        seen.append((str(error), delay))
        return None if len(seen) == 1 else 7

    with raises(OSError):
        retry_call(Script(OSError("busy")), retry_after=hint, **world.options)
    assert (seen, world.sleeps) == ([("busy", 5.0), ("busy", 10.0)], [5.0, 7])
    world = World()
    with raises(OSError):
        retry_call(Script(OSError), retry_after=lambda *_: 90, timeout=60, **world.options)
    assert world.sleeps == []
    with raises(ValueError, "retry_after returned"):
        retry_call(Script(OSError), retry_after=lambda *_: -1, **World().options)


def test_aws_errors_are_classified():
    class BotoCoreError(Exception):
        pass

    class HTTPClientError(BotoCoreError):
        pass

    class NoCredentialsError(BotoCoreError):
        pass

    cases = [
        (AwsError("ThrottlingException"), "throttle"),
        (AwsError("ProvisionedThroughputExceededException"), "throttle"),
        (AwsError("Anything", 429), "throttle"),
        (AwsError("SlowDown", 503), "throttle"),
        (AwsError("InternalServerError", 500), "failure"),
        (AwsError("Anything", 503), "failure"),
        (AwsError("RequestTimeout"), "failure"),
        (AwsError("ValidationException"), "success"),
        (AwsError("ConditionalCheckFailedException"), "success"),
        (AwsError("AccessDenied", 403), "success"),
        (HTTPClientError(), "failure"),
        (NoCredentialsError(), "ignore"),
        (OSError(), "failure"),
    ]
    for error, expected in cases:
        assert aws_classify(error) == expected, error


def test_what_botocore_has_retried_is_not_retried_again():
    assert aws_is_retriable(AwsError("ThrottlingException"))
    assert aws_is_retriable(OSError())
    once = AwsError("ThrottlingException", MaxAttemptsReached=True, RetryAttempts=0)
    assert aws_is_retriable(once)  # botocore was told to try once, so this is the only layer
    often = AwsError("ThrottlingException", MaxAttemptsReached=True, RetryAttempts=2)
    quota = AwsError("ThrottlingException", RetryQuotaReached=True)
    for error in (often, quota):
        world = World()
        breaker = CircuitBreaker(1, **world.clocks)
        operation = Script(error)
        with raises(AwsError):
            retry_call(
                operation,
                circuit_breaker=breaker,
                classify=aws_classify,
                is_retriable=aws_is_retriable,
                **world.options,
            )
        assert (operation.calls, breaker.state) == (1, "OPEN")


def test_aws_hints_set_the_delay():
    def asked(delay, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return aws_retry_after(AwsError("SlowDown", 503, HTTPHeaders=named), delay)

    assert asked(1.0) is None
    assert asked(1.0, x_amz_retry_after="1500") == 1.5
    assert asked(1.0, x_amz_retry_after="100") == 1.0
    assert asked(1.0, x_amz_retry_after="60000") == 6.0
    assert asked(1.0, x_amz_retry_after="soon") is None
    assert asked(1.0, Retry_After="30") == 30.0
    assert asked(1.0, Retry_After="9999999") == 21600.0
    assert asked(1.0, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT") == 1.0
    assert asked(1.0, Retry_After="whenever") is None
    assert aws_retry_after(OSError(), 1.0) is None


# --- recovery -------------------------------------------------------------------------------------


def opened(world, **options):
    breaker = CircuitBreaker(1, 60, **{**world.clocks, **options})
    breaker.record_failure()
    assert breaker.state == "OPEN"
    return breaker


def probe(breaker, outcome):
    permit = breaker.acquire()
    getattr(permit, outcome)()
    return bool(permit)


def test_so_many_probes_in_a_row_must_succeed():
    world = World()
    breaker = opened(world, success_threshold=3)
    world.advance(60)
    assert probe(breaker, "success")
    assert probe(breaker, "success")
    assert breaker.state == "HALF_OPEN"
    assert probe(breaker, "failure")
    assert breaker.state == "OPEN"
    world.advance(60)
    for state in ("HALF_OPEN", "HALF_OPEN", "CLOSED"):
        assert probe(breaker, "success")
        assert breaker.state == state


def test_a_probe_that_died_breaks_the_row():
    world = World()
    breaker = opened(world, success_threshold=2, lease=5)
    world.advance(60)
    assert probe(breaker, "success")
    assert breaker.acquire()
    world.advance(5)
    assert probe(breaker, "success")
    assert breaker.state == "HALF_OPEN"
    assert probe(breaker, "success")
    assert breaker.state == "CLOSED"


def test_openings_grow_to_their_limit_and_start_anew_after_closing():
    world = World()
    breaker = opened(world, max_reset_timeout=200)
    for seconds in (60, 120, 200, 200):
        assert round(breaker.retry_after, 6) == seconds
        world.advance(seconds)
        assert probe(breaker, "failure")
    world.advance(200)
    assert probe(breaker, "success")
    breaker.record_failure()
    assert round(breaker.retry_after, 6) == 60


def test_openings_are_jittered_upwards():
    world = World(0.5)
    assert opened(world, reset_jitter=0.2).retry_after == 66.0


def test_admitted_share_ramps_up_after_closing():
    world = World()
    breaker = opened(world, ramp=90)
    world.advance(60)
    assert probe(breaker, "success")
    assert breaker.state == "CLOSED"
    for draw, answer in ((0.05, True), (0.15, False)):
        world.draw = draw
        assert bool(breaker.acquire()) is answer
    world.advance(45)
    for draw, answer in ((0.5, True), (0.6, False)):
        world.draw = draw
        assert bool(breaker.acquire()) is answer
    world.advance(45)
    world.draw = 0.999
    assert breaker.acquire()


# --- windows --------------------------------------------------------------------------------------


def test_failure_rate_over_the_last_calls():
    world = World()
    breaker = CircuitBreaker(1, window=4, failure_rate=0.5, min_calls=4, **world.clocks)
    for outcome in ("failure", "success", "success"):
        probe(breaker, outcome)
    assert breaker.state == "CLOSED"
    probe(breaker, "success")  # one of four
    probe(breaker, "failure")  # the first failure has left the window
    assert breaker.state == "CLOSED"
    probe(breaker, "ignore")
    assert breaker.state == "CLOSED"
    probe(breaker, "failure")
    assert breaker.state == "OPEN"


def test_failure_rate_over_the_last_seconds():
    world = World()
    breaker = CircuitBreaker(window=10.0, failure_rate=0.5, min_calls=4, **world.clocks)
    for _ in range(3):
        probe(breaker, "failure")
    world.advance(10)
    probe(breaker, "failure")  # alone in its window, however long no call came before it
    assert breaker.state == "CLOSED"
    for outcome in ("success", "success", "success", "failure"):
        world.advance(1)
        probe(breaker, outcome)
    assert breaker.state == "CLOSED"
    probe(breaker, "failure")
    assert breaker.state == "OPEN"


def test_a_time_window_is_emptied_by_a_freeze():
    for frozen in ("mono", "epoch"):
        world = World()
        breaker = CircuitBreaker(window=1000.0, failure_rate=0.5, min_calls=4, **world.clocks)
        for _ in range(3):
            probe(breaker, "failure")
        setattr(world, frozen, getattr(world, frozen) - 10)
        probe(breaker, "failure")
        assert breaker.state == "CLOSED"


def test_slow_calls_open_the_circuit_and_a_slow_probe_opens_it_again():
    world = World()
    breaker = CircuitBreaker(
        1, 60, window=4, min_calls=2, slow_call=2.0, slow_rate=1.0, **world.clocks
    )
    slow = Script("ok", world=world, takes=2.0)
    retry_call(slow, circuit_breaker=breaker, **world.options)
    assert breaker.state == "CLOSED"
    retry_call(slow, circuit_breaker=breaker, **world.options)
    assert breaker.state == "OPEN"
    world.advance(60)
    assert retry_with_circuit_breaker(slow, "slow", breaker, **world.options) == "ok"
    assert breaker.state == "OPEN"
    world.advance(60)
    retry_call(Script("ok"), circuit_breaker=breaker, **world.options)
    assert breaker.state == "CLOSED"


def test_without_a_failure_rate_failures_in_a_row_still_open():
    world = World()
    breaker = CircuitBreaker(2, window=4, min_calls=4, slow_call=2.0, slow_rate=1.0, **world.clocks)
    probe(breaker, "failure")
    probe(breaker, "failure")
    assert breaker.state == "OPEN"


# --- control --------------------------------------------------------------------------------------


def test_isolate_trip_and_reset():
    world = World()
    breaker = CircuitBreaker(5, 60, **world.clocks)
    late = breaker.acquire()
    breaker.isolate()
    world.advance(1e9)
    refused = breaker.acquire()
    assert (breaker.state, bool(refused), refused.retry_after) == ("ISOLATED", False, float("inf"))
    late.success()
    assert breaker.state == "ISOLATED"
    breaker.reset()
    assert breaker.state == "CLOSED"
    assert breaker.can_execute()
    breaker.trip()
    assert (breaker.state, breaker.retry_after) == ("OPEN", 60.0)
    world.advance(60)
    assert probe(breaker, "success")
    assert breaker.state == "CLOSED"


def test_mode_retries_only_never_refuses_a_first_attempt():
    world = World()
    breaker = CircuitBreaker(2, 60, mode="retries-only", **world.clocks)
    operation = Script(OSError)
    for scope in ("attempt", "call"):
        breaker.trip()
        operation.calls = 0
        with raises(OSError):
            retry_call(operation, circuit_breaker=breaker, breaker_scope=scope, **world.options)
        assert operation.calls == 1
    assert world.sleeps == []
    world.advance(60)
    assert retry_call(Script("ok"), circuit_breaker=breaker, **world.options) == "ok"
    assert breaker.state == "CLOSED"


def test_no_mode_but_enforce_refuses_a_first_attempt_of_an_isolated_circuit():
    for mode in ("retries-only", "metrics-only"):
        breaker = CircuitBreaker(mode=mode, **World().clocks)
        breaker.isolate()
        assert breaker.call(lambda: "called") == "called"
        assert retry_with_circuit_breaker(lambda: "called", "call", breaker) == "called"
        assert (breaker.state, breaker.retry_after) == ("ISOLATED", float("inf"))


def test_mode_metrics_only_refuses_nothing_but_keeps_the_state():
    world = World()
    breaker = CircuitBreaker(2, 60, mode="metrics-only", **world.clocks)
    operation = Script(OSError)
    with raises(OSError):
        retry_call(operation, circuit_breaker=breaker, max_retries=4, **world.options)
    assert (operation.calls, breaker.state) == (4, "OPEN")
    assert breaker.can_execute() is True
    world.advance(60)
    with raises(OSError):
        retry_call(operation, circuit_breaker=breaker, max_retries=3, **world.options)
    assert operation.calls == 7  # a probe that fails is retried too: nothing is influenced


# --- logging --------------------------------------------------------------------------------------


def test_each_event_is_logged_at_the_level_that_is_documented():
    world = World()
    breaker = CircuitBreaker(2, 60, name="inventory", **world.clocks)
    options = {"circuit_breaker": breaker, **world.options}
    with logs() as lines:
        retry_call(Script("ok"), "fetch", **options)
        assert lines == []
        with raises(OSError):
            retry_call(Script(OSError("x")), "fetch", **options)
        with raises(CircuitOpenError):
            retry_call(Script("ok"), "fetch", **options)
        world.advance(60)
        retry_call(Script("ok"), "fetch", **options)
    assert lines == [
        ("WARNING", "fetch: attempt 1 of 3 failed, the next is in 5.000 s: OSError('x')"),
        ("WARNING", "circuit inventory: CLOSED -> OPEN"),
        (
            "ERROR",
            "fetch: gave up after 2 of 3 attempts in 5.000 s: the circuit is open: OSError('x')",
        ),
        ("INFO", "fetch: not called: circuit 'inventory' is open; retry after 60.000 s"),
        ("INFO", "circuit inventory: OPEN -> HALF_OPEN"),
        ("INFO", "circuit inventory: HALF_OPEN -> CLOSED"),
    ]


# --- listeners ------------------------------------------------------------------------------------


def test_listeners_hear_of_transitions_retries_and_giving_up_outside_the_lock():
    world = World()
    heard = []

    def listener(event):
        breaker.release()  # would wait for ever for a lock that is held
        heard.append(event)
        raise ZeroDivisionError

    breaker = CircuitBreaker(2, 60, name="inventory", listener=listener, **world.clocks)
    with logs() as lines, raises(OSError):
        retry_call(
            Script(OSError("x")),
            "fetch",
            circuit_breaker=breaker,
            listener=listener,
            **world.options,
        )
    assert heard == [
        {"event": "retry", "name": "fetch", "attempt": 1, "delay": 5.0, "error": "OSError('x')"},
        {"event": "transition", "name": "inventory", "from": "CLOSED", "to": "OPEN"},
        {
            "event": "exhausted",
            "name": "fetch",
            "reason": "the circuit is open",
            "attempts": 2,
            "elapsed": 5.0,
        },
    ]
    assert sum("a listener failed" in text for _, text in lines) == 3


def test_emf_lines_are_written_at_transitions_and_exhaustion_only():
    world = World()
    lines = []
    listener = emf_listener("Inventory", lines.append)
    breaker = CircuitBreaker(3, 60, name="inventory", listener=listener, **world.clocks)
    options = {"circuit_breaker": breaker, "listener": listener, **world.options}
    retry_call(Script(OSError, "ok"), "fetch", **options)
    assert lines == []
    with raises(OSError):
        retry_call(Script(OSError), "fetch", **options)
    opened_line, exhausted_line = (json.loads(line) for line in lines)
    assert opened_line["_aws"]["CloudWatchMetrics"] == [
        {
            "Namespace": "Inventory",
            "Dimensions": [["Circuit", "State"]],
            "Metrics": [{"Name": "CircuitTransition", "Unit": "Count"}],
        }
    ]
    assert (opened_line["Circuit"], opened_line["State"]) == ("inventory", "OPEN")
    assert opened_line["CircuitTransition"] == 1
    assert exhausted_line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["Operation"]]
    assert (exhausted_line["Operation"], exhausted_line["RetryExhausted"]) == ("fetch", 1)
    assert isinstance(exhausted_line["_aws"]["Timestamp"], int)


def test_an_emf_line_is_one_line_on_standard_output():
    world = World()
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        breaker = CircuitBreaker(1, name="two\nlines", listener=emf_listener("N"), **world.clocks)
        breaker.record_success()
        breaker.record_failure()
    (line,) = output.getvalue().splitlines()
    assert json.loads(line)["Circuit"] == "two\nlines"


# --- clocks ---------------------------------------------------------------------------------------


def test_an_open_circuit_is_due_when_either_clock_says_so():
    for frozen in ("mono", "epoch"):
        world = World()
        breaker = opened(world)
        kept = getattr(world, frozen)
        world.advance(60)
        setattr(world, frozen, kept - 500)
        assert breaker.acquire(), frozen


def test_a_lease_lapses_when_either_clock_says_so():
    for frozen in ("mono", "epoch"):
        world = World()
        breaker = opened(world, lease=5)
        world.advance(60)
        assert breaker.acquire()
        kept = getattr(world, frozen)
        world.advance(5)
        setattr(world, frozen, kept)
        assert breaker.acquire(), frozen


# --- asyncio --------------------------------------------------------------------------------------


def test_the_asynchronous_twin_retries_without_blocking():
    world = World()
    slept = []

    async def sleep(seconds):
        slept.append(seconds)

    calls = []

    async def operation():
        calls.append(1)
        if len(calls) < 3:
            raise OSError
        return "ok"

    options = {**world.options, "sleep": sleep}
    assert asyncio.run(async_retry_call(operation, **options)) == "ok"
    assert slept == [5.0, 10.0]
    with raises(TypeError, "not an awaitable"):
        asyncio.run(async_retry_call(lambda: 1))

    async def fails():
        raise OSError("last")

    with raises(OSError, "last"):
        asyncio.run(async_retry_call(fails, max_retries=2, base_delay=0))


def test_a_cancelled_probe_gives_its_permit_back():
    world = World()
    breaker = opened(world)
    world.advance(60)

    async def scenario():
        started = asyncio.Event()

        async def hangs():
            started.set()
            await asyncio.sleep(WAIT)

        task = asyncio.ensure_future(async_retry_call(hangs, circuit_breaker=breaker))
        await started.wait()
        assert not breaker.acquire()
        task.cancel()
        with raises(asyncio.CancelledError):
            await task
        with raises(CircuitOpenError), breaker.acquire():
            pending = breaker.acquire()
            assert not pending
            raise CircuitOpenError("x", 0)

    asyncio.run(scenario())
    assert breaker.state == "HALF_OPEN"


def test_a_cancellation_ends_a_wait_at_once_and_says_nothing_of_the_dependency():
    for scope in ("call", "attempt"):
        world = World()
        breaker = CircuitBreaker(2, **world.clocks)
        operation = Script(OSError)

        async def scenario(breaker=breaker, operation=operation, scope=scope):
            waiting = asyncio.Event()

            async def sleep(_):
                waiting.set()
                await asyncio.sleep(WAIT)

            async def fails():
                return operation()

            call = async_retry_call(
                fails, circuit_breaker=breaker, breaker_scope=scope, sleep=sleep, base_delay=1
            )
            task = asyncio.ensure_future(call)
            await waiting.wait()
            task.cancel()
            with raises(asyncio.CancelledError):
                await task

        asyncio.run(scenario())
        assert operation.calls == 1
        # The call as a whole was ignored; of single attempts the one that failed has counted.
        breaker.record_failure()
        assert breaker.state == ("CLOSED" if scope == "call" else "OPEN")


def test_the_asynchronous_twin_heeds_circuit_deadline_and_budget():
    world = World()
    made = []

    async def fails():
        made.append(1)
        raise OSError("real")

    async def sleep(seconds):
        world.sleep(seconds)

    options = {**world.options, "sleep": sleep}
    with raises(OSError, "real"):
        asyncio.run(async_retry_call(fails, timeout=5, **options))
    assert (len(made), world.sleeps) == (1, [])
    budget = RetryBudget(1, 0)
    for _ in range(2):
        with raises(OSError, "real"):
            asyncio.run(async_retry_call(fails, max_retries=2, budget=budget, **options))
    assert (len(made), world.sleeps) == (4, [5.0])
    breaker = opened(world)
    with raises(CircuitOpenError):
        asyncio.run(async_retry_call(fails, circuit_breaker=breaker, **options))
    assert len(made) == 4
    world.advance(60)
    with raises(OSError, "real"):
        asyncio.run(async_retry_call(fails, circuit_breaker=breaker, **options))
    assert (len(made), breaker.state) == (5, "OPEN")  # a probe is attempted once


def test_tasks_that_share_a_thread_keep_their_permits_apart():
    world = World()
    breaker = opened(world, half_open_max_calls=2)
    world.advance(60)

    async def call(outcome):
        await asyncio.sleep(0)
        if outcome:
            raise outcome

    async def scenario():
        return await asyncio.gather(
            *(
                async_retry_call(lambda o=o: call(o), circuit_breaker=breaker, max_retries=1)
                for o in (KeyError("a"), None)
            ),
            return_exceptions=True,
        )

    first, second = asyncio.run(scenario())
    assert isinstance(first, KeyError)
    assert second is None
    assert breaker.state == "OPEN"


def test_the_decorator_makes_an_asynchronous_function_retry_asynchronously():
    calls = []

    @retriable(base_delay=0)
    async def fetch(key):
        calls.append(key)
        if len(calls) == 1:
            raise OSError
        return key

    assert asyncio.run(fetch("a")) == "a"
    assert calls == ["a", "a"]


# --- arguments ------------------------------------------------------------------------------------


def test_bad_arguments_are_refused_and_named():
    nan = float("nan")
    retry_cases = [
        ({"timeout": 0}, ValueError, "timeout"),
        ({"timeout": nan}, ValueError, "timeout"),
        ({"timeout": True}, TypeError, "timeout"),
        ({"context": object()}, TypeError, "get_remaining_time_in_millis"),
        ({"reserve": -1}, ValueError, "reserve"),
        ({"min_attempt": "1"}, TypeError, "min_attempt"),
        ({"jitter": "some"}, ValueError, "jitter must be one of"),
        ({"max_delay": -1}, ValueError, "max_delay"),
        ({"is_retriable": 1}, TypeError, "is_retriable"),
        ({"classify": 1}, TypeError, "classify"),
        ({"retry_after": 1}, TypeError, "retry_after"),
        ({"retry_result": 1}, TypeError, "retry_result"),
        ({"budget": 1}, TypeError, "budget must be a RetryBudget"),
        ({"listener": 1}, TypeError, "listener"),
        ({"clock": 1}, TypeError, "clock"),
        ({"sleep": 1}, TypeError, "sleep"),
        ({"unknown": 1}, TypeError, "unknown"),
        ({"circuit_breaker": 1}, TypeError, "circuit_breaker"),
    ]
    for options, kind, text in retry_cases:
        operation = Script("ok")
        with raises(kind, text):
            retry_call(operation, **options)
        assert operation.calls == 0
    breaker_cases = [
        ({"success_threshold": 0}, ValueError, "success_threshold"),
        ({"max_reset_timeout": nan}, ValueError, "max_reset_timeout"),
        ({"reset_jitter": -1}, ValueError, "reset_jitter"),
        ({"ramp": nan}, ValueError, "ramp"),
        ({"window": 0, "failure_rate": 0.5}, ValueError, "window"),
        ({"window": 10}, ValueError, "need each other"),
        ({"failure_rate": 0.5}, ValueError, "need each other"),
        ({"window": 10, "failure_rate": 1.5}, ValueError, "at most 1"),
        ({"window": 10, "failure_rate": 0}, ValueError, "failure_rate"),
        ({"window": 5, "failure_rate": 0.5}, ValueError, "must hold min_calls"),
        ({"window": 10, "slow_rate": 0.5}, ValueError, "needs slow_call"),
        ({"min_calls": 0}, ValueError, "min_calls"),
        ({"slow_call": 0}, ValueError, "slow_call"),
        ({"mode": "off"}, ValueError, "mode"),
        ({"classify": 1}, TypeError, "classify"),
        ({"listener": 1}, TypeError, "listener"),
        ({"store": object()}, ValueError, "needs a name"),
        ({"wall": 1}, TypeError, "wall"),
    ]
    for options, kind, text in breaker_cases:
        with raises(kind, text):
            CircuitBreaker(**options)
    for arguments, text in (((0,), "capacity"), ((5, -1), "deposit"), ((True,), "capacity")):
        with raises((ValueError, TypeError), text):
            RetryBudget(*arguments)
    with raises(ValueError, "namespace"):
        emf_listener("")
    # Before boto3 is looked for.
    for arguments, kind, text in (
        (("",), ValueError, "table"),
        ((7,), ValueError, "table"),
        (("circuits", None, 0), ValueError, "timeout"),
        (("circuits", None, True), TypeError, "timeout"),
    ):
        table, *rest = arguments
        with raises(kind, text):
            DynamoDBStore(table, *rest[:1], **({"timeout": rest[1]} if rest else {}))


def test_none_stands_for_the_default_of_a_function_and_of_nothing_else():
    nothing = {"clock": None, "wall": None, "rng": None}
    breaker = CircuitBreaker(1, **nothing, listener=None, lease=None)
    breaker.record_failure()
    assert 0 < breaker.retry_after <= 60
    options = {**nothing, "sleep": None, "timeout": None, "base_delay": 0, "context": None}
    assert retry_call(Script(OSError, "ok"), **options, circuit_breaker=None) == "ok"
    for name in ("max_retries", "reserve", "retriable_exceptions", "jitter", "breaker_scope"):
        with raises((TypeError, ValueError), name):
            retry_call(Script("ok"), **{name: None})
    for name in ("failure_threshold", "min_calls", "mode", "store_ttl"):
        with raises((TypeError, ValueError), name):
            CircuitBreaker(**{name: None})


def test_a_refused_call_names_the_seconds_that_the_clock_which_says_more_leaves():
    # Seconds that the monotonic and the wall clock move, and what is left of 60; None: a probe.
    moves = ((0, 0, 60), (-5, -9, 60), (59, 1, 1), (1, 59, 1), (60, 0, None), (-9, 70, None))
    for monotonic, wall, left in moves:
        now = [100.0, 1000.0]
        breaker = CircuitBreaker(1, 60, clock=lambda n=now: n[0], wall=lambda n=now: n[1])
        breaker.record_failure()
        now[0] += monotonic
        now[1] += wall
        seconds = None
        try:
            assert breaker.call(lambda: "probe") == "probe"
        except CircuitOpenError as error:
            seconds = error.retry_after
        assert seconds == left
        assert breaker.state == ("CLOSED" if left is None else "OPEN")
