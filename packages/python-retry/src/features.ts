import { refuseUnknown } from './known-names';

/** What each feature adds to the emitted module. */
const FEATURES = {
  breaker: 'CircuitBreaker, CircuitOpenError and retry_with_circuit_breaker',
  calls:
    'retry_call, @retriable; with breaker also its .acquire, .call, @breaker and `with breaker`',
  deadline: 'timeout, context (remaining time of the Lambda), reserve and min_attempt',
  jitter: 'full, equal, decorrelated and no jitter, or one of your own; max_delay',
  hooks: 'is_retriable, classify, retry_after and retry_result',
  budget: 'RetryBudget',
  aws: 'aws_classify, aws_is_retriable and aws_retry_after for errors of boto3',
  recovery: 'success_threshold, growing and jittered reset time, ramp after closing',
  windows: 'failure rate and slow calls over the last calls or seconds',
  control: 'isolate, trip and reset; modes retries-only and metrics-only',
  listeners: 'listener, emf_listener',
  store: 'DynamoDBStore, and stores of your own: one circuit for many environments',
  async: 'async_retry_call',
} as const;

/** A part of the emitted Python that can be left out. */
export type PythonRetryFeature = keyof typeof FEATURES;

/** All features, in the order in which they are reported. */
export const PYTHON_RETRY_FEATURES = Object.keys(FEATURES) as readonly PythonRetryFeature[];

/** What `getPythonRetryUtils()` emits when it is not told. */
export const DEFAULT_FEATURES: readonly PythonRetryFeature[] = ['breaker'];

const NEEDS: Partial<Record<PythonRetryFeature, PythonRetryFeature>> = {
  aws: 'hooks',
  control: 'breaker',
  recovery: 'breaker',
  store: 'breaker',
  windows: 'breaker',
};

/** One line about a feature. */
export function describeFeature(feature: PythonRetryFeature): string {
  return FEATURES[feature];
}

/**
 * Checks names of features and adds what they need.
 *
 * @returns the features in the order of `PYTHON_RETRY_FEATURES`, each once
 * @throws Error if a name is unknown
 */
export function resolveFeatures(
  wanted: readonly string[] | 'all' = DEFAULT_FEATURES,
): readonly PythonRetryFeature[] {
  if (wanted === 'all') {
    return PYTHON_RETRY_FEATURES;
  }
  if (!Array.isArray(wanted)) {
    throw new Error(`features must be 'all' or a list of names, not ${JSON.stringify(wanted)}`);
  }
  refuseUnknown('feature', wanted, PYTHON_RETRY_FEATURES);
  const needed = new Set<string>(wanted);
  for (const name of wanted) {
    const need = NEEDS[name as PythonRetryFeature];
    if (need) {
      needed.add(need);
    }
  }
  return PYTHON_RETRY_FEATURES.filter((name) => needed.has(name));
}
