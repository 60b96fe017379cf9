"""Reads the inventory, through a circuit breaker, for as long as the invocation lasts."""

from __future__ import annotations

import os
import urllib.request
from typing import Any

from python_retry import CircuitBreaker, CircuitOpenError, retry_call

# Outside the handler: it outlives an invocation.
BREAKER = CircuitBreaker(failure_threshold=10, name="inventory")


def fetch() -> str:
    """Make one attempt."""
    with urllib.request.urlopen(os.environ["INVENTORY_URL"], timeout=3) as answer:
        body: bytes = answer.read()
        return body.decode()


def handler(_event: object, context: Any) -> dict[str, object]:
    """Answer with the inventory, or when to ask again."""
    try:
        body = retry_call(
            fetch,
            "fetch inventory",
            circuit_breaker=BREAKER,
            max_retries=4,
            base_delay=0.5,
            jitter="full",
            context=context,
        )
    except CircuitOpenError as error:
        return {"statusCode": 503, "headers": {"Retry-After": round(error.retry_after)}}
    return {"statusCode": 200, "body": body}
