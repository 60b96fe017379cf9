"""The functions that people write by hand: what the comparison starts from."""

from __future__ import annotations

import random
import time


def retry_with_backoff(
    operation,
    operation_name,
    max_retries=3,
    base_delay=5,
    jitter_factor=0.3,
    retriable_exceptions=(Exception,),
):
    """Retry; None when all attempts failed."""
    for attempt in range(1, max_retries + 1):
        try:
            return operation()
        except retriable_exceptions as error:
            if getattr(error, "is_retriable", True) is False or attempt == max_retries:
                return None
            delay = base_delay * 2 ** (attempt - 1)
            time.sleep(delay + random.uniform(0, jitter_factor * delay))
    return None


class CircuitBreaker:
    """Consecutive failures open it; after the time-out everyone is let through."""

    def __init__(self, failure_threshold=5, reset_timeout=60):
        self.failure_threshold = failure_threshold
        self.reset_timeout = reset_timeout
        self.failures = 0
        self.opened_at = 0.0
        self.state = "CLOSED"

    def can_execute(self):
        if self.state == "OPEN":
            if time.time() - self.opened_at < self.reset_timeout:
                return False
            self.state = "HALF_OPEN"
        return True

    def record_success(self):
        self.failures = 0
        self.state = "CLOSED"

    def record_failure(self):
        self.failures += 1
        if self.failures >= self.failure_threshold:
            self.state = "OPEN"
            self.opened_at = time.time()


def retry_with_circuit_breaker(operation, operation_name, circuit_breaker, *args, **kwargs):
    """Retry behind a breaker; a None of the operation passes for a failure."""
    if not circuit_breaker.can_execute():
        return None
    result = retry_with_backoff(operation, operation_name, *args, **kwargs)
    if result is None:
        circuit_breaker.record_failure()
    else:
        circuit_breaker.record_success()
    return result
