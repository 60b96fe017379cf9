import { Token } from 'aws-cdk-lib';
import type { IConstruct } from 'constructs';
import type { Settings } from '../defaults';
import { refuse } from '../findings';

/** Where snapshots go, and how often. */
export function guardSnapshots(scope: IConstruct, { snapshots }: Settings): void {
  const { prefix, interval, keep } = snapshots ?? {};
  if (
    prefix !== undefined &&
    !Token.isUnresolved(prefix) &&
    !/^[A-Za-z0-9!_.'()-]+(\/[A-Za-z0-9!_.'()-]+)*$/.test(prefix)
  ) {
    refuse(
      scope,
      `snapshots.prefix "${prefix}" must be of letters, digits and ! - _ . ' ( ), in parts that ` +
        'are divided by single slashes',
    );
  }
  if (keep !== undefined && !(Number.isInteger(keep) && keep >= 1)) {
    refuse(scope, `snapshots.keep is ${keep}; it is a whole number from 1 on`);
  }
  if (interval !== undefined && interval.toSeconds() < 60) {
    refuse(
      scope,
      `snapshots.interval is ${interval.toSeconds()} s, but the function may only look once a ` +
        'minute: make it at least 60 s',
    );
  }
}
