import { explainPolicy, type RetryPolicy } from '@quorate/python-retry';
import type { IConstruct } from 'constructs';
import type { Settings } from '../defaults';
import { warn } from '../findings';

/** How the function retries what it calls; the numbers are those of `dependency.py` and `aws.py`. */
export const RETRY_POLICIES: Readonly<Record<string, RetryPolicy>> = {
  heartbeat: { maxRetries: 5, baseDelay: 0.2, attemptTimeout: 7 },
  'call of AWS': { maxRetries: 3, baseDelay: 0.2, attemptTimeout: 7 },
};

/** Whether all attempts of a call fit into a run of the function, whose sleeps alone always do. */
export function guardRetries(scope: IConstruct, { timeout }: Settings): void {
  for (const [name, policy] of Object.entries(RETRY_POLICIES)) {
    const { worstCaseTime = 0, fits } = explainPolicy(policy, timeout);
    if (!fits) {
      warn(
        scope,
        'retriesCutShort',
        `timeout is ${timeout.toSeconds()} s, but all attempts of a ${name} may take ` +
          `${worstCaseTime.toFixed(1)} s, so that the last ones may not be made: make it at least ` +
          `${Math.floor(worstCaseTime) + 1} s`,
      );
    }
  }
}
