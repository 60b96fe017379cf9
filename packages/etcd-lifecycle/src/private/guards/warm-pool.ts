import { Stack } from 'aws-cdk-lib';
import { type AutoScalingGroup, CfnWarmPool } from 'aws-cdk-lib/aws-autoscaling';
import type { IConstruct } from 'constructs';
import { refuse, warn } from '../findings';

/**
 * Warm pools: instances run their user data when they enter the pool, where there is no place for
 * them yet. It goes on waiting in one that runs or hibernates, but is lost in one that is stopped; and
 * the data of a member that has left are of no use to one that joins.
 */
export function guardWarmPool(
  scope: IConstruct,
  autoScalingGroup: AutoScalingGroup,
  bootstrapped: boolean,
): void {
  const stack = Stack.of(autoScalingGroup);
  const name = JSON.stringify(stack.resolve(autoScalingGroup.autoScalingGroupName));
  const pools = stack.node
    .findAll()
    .filter((one) => one instanceof CfnWarmPool)
    .filter((pool) => JSON.stringify(stack.resolve(pool.autoScalingGroupName)) === name);
  for (const pool of pools) {
    const { reuseOnScaleIn } = stack.resolve(pool.instanceReusePolicy) ?? {};
    const stopped = (pool.poolState ?? 'Stopped') === 'Stopped';
    if (bootstrapped && (stopped || reuseOnScaleIn)) {
      refuse(
        scope,
        `the group has a warm pool, ${pool.node.path}, that ` +
          `${stopped ? 'stops its instances' : 'takes instances back'}: the lines of ` +
          'bootstrapCommands() are run but once, so that no member would start. Remove it, or let ' +
          'it have PoolState.RUNNING and no reuseOnScaleIn',
      );
    }
    warn(
      scope,
      'warmPool',
      `the group has a warm pool, ${pool.node.path}: its instances must start their members when ` +
        'they leave the pool, without data of an earlier member',
    );
  }
}
