import { emitPythonRetry, type PythonRetryOptions } from './emit';

export {
  emitPythonRetry,
  type PythonRetryEmission,
  type PythonRetryOptions,
  type PythonRetryVersion,
  type WritePythonRetryOptions,
  writePythonRetry,
} from './emit';
export {
  explainPolicy,
  type HasSeconds,
  type PolicyExplanation,
  type PolicyProblem,
  type RetryPolicy,
} from './explain-policy';
export {
  DEFAULT_FEATURES,
  describeFeature,
  PYTHON_RETRY_FEATURES,
  type PythonRetryFeature,
} from './features';

/**
 * Returns the text of a Python module with retry and a circuit breaker, to be put into the code of a
 * Lambda function.
 *
 * The module runs as it stands on Python 3.10 and later, with nothing but the standard library
 * (`logging`, `random`, `threading`, `time`). It defines:
 *
 * - `retry_with_backoff(operation, operation_name, max_retries=3, base_delay=5, jitter_factor=0.3,
 *   retriable_exceptions=(Exception,))`: calls an operation until it succeeds or its attempts are
 *   used up; returns its result, or `None` when all attempts failed.
 * - `CircuitBreaker(failure_threshold=5, reset_timeout=60)`: refuses calls to a dependency after so
 *   many failures in a row, and lets one probe through after so many seconds.
 * - `retry_with_circuit_breaker(operation, operation_name, circuit_breaker, ...)`: the two together;
 *   fails fast, without calling the operation, while the circuit is open.
 * - `CircuitOpenError(name, retry_after)`: raised for a refused call when `raise_on_failure=True`.
 *
 * More is emitted on request: `features` adds deadlines, budgets, jitter, windows, a shared store
 * and others. Keyword arguments and the semantics of every edge case are in the docstrings and in the
 * README of this package.
 *
 * The text begins with a docstring and `from __future__ import annotations`, so code that is joined
 * to it has to come after it. The package reads no file for this: the text is part of the compiled
 * JavaScript and survives a bundler. The same options always give the same text.
 *
 * @example
 * ```ts
 * new lambda.Function(this, 'Sync', {
 *   runtime: lambda.Runtime.PYTHON_3_13,
 *   handler: 'index.handler',
 *   timeout: cdk.Duration.minutes(1),
 *   code: lambda.Code.fromInline(`${getPythonRetryUtils()}
 * import urllib.request
 *
 * breaker = CircuitBreaker(name="inventory")
 *
 * def fetch():
 *     with urllib.request.urlopen("https://inventory.example.com/", timeout=3) as answer:
 *         return answer.read().decode()
 *
 * def handler(event, context):
 *     return retry_with_circuit_breaker(fetch, "fetch inventory", breaker, base_delay=1)
 * `),
 * });
 * ```
 *
 * @param options what is emitted, and how; the compatible core by default
 * @returns Python source, in UTF-8 with `\n` line ends, that ends with a newline
 */
export function getPythonRetryUtils(options: PythonRetryOptions = {}): string {
  return emitPythonRetry(options).source;
}
