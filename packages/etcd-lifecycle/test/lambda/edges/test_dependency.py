"""A breaker for each dependency, told by failures only."""

import pytest
from etcd_lifecycle.dependency import (
    FAILURE_THRESHOLD,
    HEARTBEAT_ATTEMPTS,
    HEARTBEAT_BUDGET,
    RESET_TIMEOUT,
    Dependency,
)
from python_retry import CircuitOpenError


class FailureError(Exception):
    """The dependency failed."""


class AnswerError(Exception):
    """The dependency answered no."""


class Time:
    """A clock that moves only when somebody sleeps."""

    def __init__(self):
        self.now = 0.0
        self.sleeps = []

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.sleeps.append(seconds)
        self.now += seconds


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def dependency(time):
    return Dependency(
        "something",
        lambda error: isinstance(error, FailureError),
        clock=time.clock,
        sleep=time.sleep,
    )


def scripted(*outcomes):
    """Return an operation with these outcomes, one a call, the last one for ever; and its calls."""
    calls = []

    def operation():
        outcome = outcomes[min(len(calls), len(outcomes) - 1)]
        calls.append(outcome)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return operation, calls


def open_circuit(dependency):
    operation, _ = scripted(FailureError())
    for _ in range(FAILURE_THRESHOLD):
        with pytest.raises(FailureError):
            dependency.call(operation, "fail", attempts=1)
    assert dependency.breaker.state == "OPEN"


def test_a_value_is_returned_and_none_is_one(dependency):
    assert dependency.call(lambda: 7, "seven") == 7
    assert dependency.call(lambda: None, "nothing") is None
    assert dependency.call_without_breaker(lambda: None, "nothing") is None


def test_a_failure_is_tried_again_after_short_delays(dependency, time):
    operation, calls = scripted(FailureError(), FailureError(), "value")
    assert dependency.call(operation, "operation") == "value"
    assert len(calls) == 3
    first, second = time.sleeps
    assert 0.2 <= first <= 0.2 * 1.3
    assert 0.4 <= second <= 0.4 * 1.3


def test_the_last_failure_is_raised_unchanged(dependency):
    last = FailureError("last")
    operation, calls = scripted(FailureError("first"), FailureError("second"), last)
    with pytest.raises(FailureError) as caught:
        dependency.call(operation, "operation")
    assert caught.value is last
    assert len(calls) == 3


def test_an_answer_is_raised_at_once_and_does_not_open_the_circuit(dependency, time):
    answer = AnswerError("no")
    operation, calls = scripted(answer)
    for _ in range(3 * FAILURE_THRESHOLD):
        with pytest.raises(AnswerError) as caught:
            dependency.call(operation, "operation")
        assert caught.value is answer
    assert len(calls) == 3 * FAILURE_THRESHOLD
    assert time.sleeps == []
    assert dependency.breaker.state == "CLOSED"


def test_an_answer_shows_that_the_dependency_is_well(dependency):
    failing, _ = scripted(FailureError())
    answering, _ = scripted(AnswerError())
    for _ in range(FAILURE_THRESHOLD - 1):
        with pytest.raises(FailureError):
            dependency.call(failing, "fail", attempts=1)
    with pytest.raises(AnswerError):
        dependency.call(answering, "answer")
    with pytest.raises(FailureError):
        dependency.call(failing, "fail", attempts=1)
    assert dependency.breaker.state == "CLOSED"


def test_an_answer_to_a_probe_closes_the_circuit(dependency, time):
    open_circuit(dependency)
    time.now += RESET_TIMEOUT
    operation, _ = scripted(AnswerError())
    with pytest.raises(AnswerError):
        dependency.call(operation, "probe")
    assert dependency.breaker.state == "CLOSED"


def test_each_attempt_counts_and_an_open_circuit_ends_the_attempts(dependency):
    operation, calls = scripted(FailureError())
    with pytest.raises(FailureError):
        dependency.call(operation, "operation", attempts=FAILURE_THRESHOLD + 3)
    assert len(calls) == FAILURE_THRESHOLD
    with pytest.raises(CircuitOpenError):
        dependency.call(operation, "operation")
    assert len(calls) == FAILURE_THRESHOLD


def test_an_open_circuit_does_not_stop_a_heartbeat(dependency):
    open_circuit(dependency)
    operation, calls = scripted(FailureError(), "beat")
    assert dependency.call_without_breaker(operation, "heartbeat") == "beat"
    assert len(calls) == 2
    assert dependency.breaker.state == "OPEN"


def test_while_it_is_open_whoever_gives_no_answer_to_a_heartbeat_is_asked_once_a_run(
    dependency, time
):
    calls = []

    def hang():
        calls.append(time.now)
        time.now += HEARTBEAT_BUDGET
        raise FailureError

    with pytest.raises(FailureError):
        dependency.call_without_breaker(hang, "heartbeat")
    assert len(calls) == HEARTBEAT_ATTEMPTS

    open_circuit(dependency)
    calls.clear()
    with pytest.raises(FailureError):
        dependency.call_without_breaker(hang, "heartbeat")
    assert len(calls) == 1


def test_while_it_is_open_a_heartbeat_that_is_refused_at_once_is_sent_as_often_as_else(dependency):
    open_circuit(dependency)
    operation, calls = scripted(FailureError())
    with pytest.raises(FailureError):
        dependency.call_without_breaker(operation, "heartbeat")
    assert len(calls) == HEARTBEAT_ATTEMPTS


def test_it_knows_what_it_failed_with_until_it_answers(dependency, time):
    failure = FailureError("down")
    with pytest.raises(FailureError):
        dependency.call(scripted(failure)[0], "fail", attempts=1)
    assert dependency.failure is failure
    dependency.call(scripted("value")[0], "answer")
    assert dependency.failure is None

    open_circuit(dependency)
    with pytest.raises(CircuitOpenError) as refused:
        dependency.call(scripted("value")[0], "refused")
    assert dependency.failure is refused.value

    # A heartbeat says nothing of what ended the call.
    dependency.call_without_breaker(scripted("beat")[0], "heartbeat")
    assert dependency.failure is refused.value

    time.now += RESET_TIMEOUT
    with pytest.raises(AnswerError):
        dependency.call(scripted(AnswerError())[0], "answer")
    assert dependency.failure is None


def test_it_tells_once_that_it_has_answered_a_probe(dependency, time):
    dependency.call(scripted("value")[0], "call")
    assert not dependency.take_recovery()

    open_circuit(dependency)
    time.now += RESET_TIMEOUT
    with pytest.raises(FailureError):
        dependency.call(scripted(FailureError())[0], "probe")
    assert not dependency.take_recovery()

    time.now += RESET_TIMEOUT
    dependency.call(scripted("value")[0], "probe")
    assert not dependency.is_down
    assert dependency.take_recovery()
    assert not dependency.take_recovery()


def test_failed_heartbeats_do_not_open_the_circuit(dependency):
    operation, calls = scripted(FailureError())
    with pytest.raises(FailureError):
        dependency.call_without_breaker(operation, "heartbeat")
    assert len(calls) == HEARTBEAT_ATTEMPTS
    assert dependency.call(lambda: "change", "change") == "change"


def test_an_answer_to_a_heartbeat_is_not_tried_again(dependency):
    operation, calls = scripted(AnswerError())
    with pytest.raises(AnswerError):
        dependency.call_without_breaker(operation, "heartbeat")
    assert len(calls) == 1


def test_no_attempt_begins_after_the_budget(dependency, time):
    calls = []

    def hang():
        calls.append(time.now)
        time.now += 2
        raise FailureError

    with pytest.raises(FailureError):
        dependency.call(hang, "hang", budget=2)
    assert calls == [0]
    assert time.sleeps == []

    calls.clear()
    with pytest.raises(FailureError):
        dependency.call(hang, "hang", budget=4.1)
    assert len(calls) == 2
