/** The lines of a program whose types are right, by whichever type checker. */
export const TYPED_USE: readonly string[] = [
  'from typing_extensions import assert_type',
  'from python_retry import CircuitBreaker, async_retry_call, retriable, retry_call',
  'from python_retry import retry_with_backoff, retry_with_circuit_breaker',
  'def f() -> int: return 1',
  'async def g() -> int: return 1',
  'b = CircuitBreaker(3, name="inventory", window=20, failure_rate=0.5)',
  'assert_type(b.can_execute(), bool)',
  'assert_type(retry_with_backoff(f, "f"), "int | None")',
  'assert_type(retry_with_backoff(f, "f", raise_on_failure=True, timeout=3.0), int)',
  'assert_type(retry_with_circuit_breaker(f, "f", b), "int | None")',
  'assert_type(retry_with_circuit_breaker(f, "f", b, raise_on_failure=True), int)',
  'assert_type(retry_call(f, circuit_breaker=b, jitter="full"), int)',
  'assert_type(b.call(f), int)',
  '@retriable("h", max_retries=2)',
  'def h(key: str) -> int: return len(key)',
  'assert_type(h("a"), int)',
  'async def main() -> None:',
  '    assert_type(await async_retry_call(g), int)',
  'with b.acquire() as permit:',
  '    assert_type(permit.retry_after, float)',
];

/** Lines to follow these, each of which is wrong: an option, a state and an argument that there are not. */
export const MISTAKES: readonly string[] = [
  'retry_call(f, unknown=1)',
  'if b.state == "HALF-OPEN": pass',
  'h(1)',
];
