import { type NamesOf, refuseUnknownOptions } from './known-names';

/** The numbers of a retry, as they are given to the emitted functions. Times are seconds. */
export interface RetryPolicy {
  /**
   * Number of attempts, the first one included.
   *
   * @default 3
   */
  readonly maxRetries?: number;
  /**
   * Delay after the first attempt; doubled for each later one.
   *
   * @default 5
   */
  readonly baseDelay?: number;
  /**
   * The largest proportional jitter, as a share of the delay.
   *
   * @default 0.3
   */
  readonly jitterFactor?: number;
  /**
   * Kind of jitter.
   *
   * @default 'proportional'
   */
  readonly jitter?: 'proportional' | 'full' | 'equal' | 'decorrelated' | 'none';
  /**
   * The largest delay before proportional jitter.
   *
   * @default - no limit
   */
  readonly maxDelay?: number;
  /**
   * How long one attempt takes at most: the time-out of the client.
   *
   * @default - unknown, so that only the sleeps are judged
   */
  readonly attemptTimeout?: number;
  /**
   * Whether the call is given `context` or `timeout`, so that it ends at its deadline by itself.
   *
   * @default false
   */
  readonly hasDeadline?: boolean;
}

const POLICY: NamesOf<RetryPolicy> = {
  maxRetries: true,
  baseDelay: true,
  jitterFactor: true,
  jitter: true,
  maxDelay: true,
  attemptTimeout: true,
  hasDeadline: true,
};

/** A time span, such as `Duration` of the AWS CDK. */
export interface HasSeconds {
  /** The time span in seconds. */
  toSeconds(): number;
}

/** Something that is wrong with a policy in a function with a given time-out. */
export interface PolicyProblem {
  /** An error: the last attempt cannot be made in the worst case. A warning: it cannot end. */
  readonly level: 'error' | 'warning';
  /** What is wrong, and how to mend it. */
  readonly message: string;
}

/** What a policy comes to in the worst case. Times are seconds. */
export interface PolicyExplanation {
  /** The longest delay after each attempt but the last. */
  readonly delays: readonly number[];
  /** Their sum. */
  readonly worstCaseSleep: number;
  /** The sum of sleeps and attempts; undefined if `attemptTimeout` is not known. */
  readonly worstCaseTime?: number;
  /** Whether there is no problem. */
  readonly fits: boolean;
  /** What is wrong, the worst first. */
  readonly problems: readonly PolicyProblem[];
}

/**
 * Tells what a retry comes to in the worst case, and whether that fits a function's time-out. Call it
 * at synthesis, when a mistake costs nothing.
 *
 * With `hasDeadline` the emitted code never sleeps past the deadline, so that what would be an error
 * is a warning: the later attempts may never be made.
 *
 * @example
 * ```ts
 * for (const { level, message } of explainPolicy({ baseDelay: 1 }, Duration.seconds(30)).problems) {
 *   level === 'error' ? Annotations.of(fn).addError(message) : Annotations.of(fn).addWarning(message);
 * }
 * ```
 *
 * @param policy what the emitted function is called with
 * @param functionTimeout the time-out of the Lambda function, in seconds or as a duration
 * @throws Error if a number is out of its range, or the policy has something else
 */
export function explainPolicy(
  policy: RetryPolicy,
  functionTimeout: number | HasSeconds,
): PolicyExplanation {
  refuseUnknownOptions(policy, POLICY);
  const attempts = policy.maxRetries ?? 3;
  const timeout =
    typeof functionTimeout === 'number' ? functionTimeout : functionTimeout.toSeconds();
  if (!Number.isInteger(attempts) || attempts < 1) {
    throw new Error(`maxRetries must be an integer of at least 1, not ${attempts}`);
  }
  check('functionTimeout', timeout, 0);
  const delays = worstDelays(policy, attempts);
  const worstCaseSleep = delays.reduce((sum, delay) => sum + delay, 0);
  const worstCaseTime =
    policy.attemptTimeout === undefined
      ? undefined
      : worstCaseSleep + attempts * policy.attemptTimeout;
  const problems: PolicyProblem[] = [];
  const mend = 'Raise the time-out of the function, or lower baseDelay, maxDelay or maxRetries.';
  if (worstCaseSleep >= timeout) {
    problems.push({
      level: policy.hasDeadline ? 'warning' : 'error',
      message:
        `The retry sleeps up to ${round(worstCaseSleep)} s before attempt ${attempts}, but the ` +
        `function is stopped after ${round(timeout)} s: ` +
        (policy.hasDeadline
          ? `its deadline leaves out the last attempts. ${mend}`
          : `it may be stopped in its sleep, without an error. ${mend}`),
    });
  } else if (worstCaseTime !== undefined && worstCaseTime >= timeout) {
    problems.push({
      level: 'warning',
      message:
        `The attempts and sleeps of the retry take up to ${round(worstCaseTime)} s, but the ` +
        `function is stopped after ${round(timeout)} s. ${mend}`,
    });
  }
  return {
    delays,
    worstCaseSleep,
    ...(worstCaseTime === undefined ? {} : { worstCaseTime }),
    fits: problems.length === 0,
    problems,
  };
}

function worstDelays(policy: RetryPolicy, attempts: number): number[] {
  const { baseDelay = 5, jitterFactor = 0.3, jitter = 'proportional', maxDelay } = policy;
  check('baseDelay', baseDelay, 0);
  check('jitterFactor', jitterFactor, 0);
  if (maxDelay !== undefined) {
    check('maxDelay', maxDelay, 0);
  }
  if (policy.attemptTimeout !== undefined) {
    check('attemptTimeout', policy.attemptTimeout, 0);
  }
  const limit = Math.min(maxDelay ?? LONGEST_DELAY, LONGEST_DELAY);
  const factor = jitter === 'proportional' ? 1 + jitterFactor : 1;
  const growth = jitter === 'decorrelated' ? 3 : 2;
  const first = jitter === 'decorrelated' ? baseDelay * 3 : baseDelay;
  return Array.from({ length: attempts - 1 }, (_, index) =>
    Math.min(Math.min(first * growth ** Math.min(index, 62), limit) * factor, LONGEST_DELAY),
  );
}

/** A year, as in the emitted code. */
const LONGEST_DELAY = 31_536_000;

function check(name: string, value: number, least: number): void {
  if (!Number.isFinite(value) || value < least) {
    throw new Error(`${name} must be a finite number of at least ${least}, not ${value}`);
  }
}

function round(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}
