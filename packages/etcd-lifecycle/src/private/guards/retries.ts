import { explainPolicy, type RetryPolicy } from '@quorate/python-retry';
import type { IConstruct } from 'constructs';
import type { Settings } from '../defaults';
import { refuse, warn } from '../findings';

/** How the function retries what it calls; the numbers are those of `dependency.py` and `aws.py`. */
export const RETRY_POLICIES: Readonly<Record<string, RetryPolicy>> = {
  heartbeat: { maxRetries: 5, baseDelay: 0.2, attemptTimeout: 7 },
  'call of AWS': { maxRetries: 3, baseDelay: 0.2, attemptTimeout: 7 },
};

/** Whether all attempts of a call fit into a run of the function. */
export function guardRetries(scope: IConstruct, { timeout }: Settings): void {
  for (const [name, policy] of Object.entries(RETRY_POLICIES)) {
    for (const { level, message } of explainPolicy(policy, timeout).problems) {
      const told = `timeout does not fit the retries of a ${name}. ${message}`;
      if (level === 'error') {
        refuse(scope, told);
      }
      warn(scope, 'retriesCutShort', told);
    }
  }
}
