import { Stack } from 'aws-cdk-lib';
import { type AutoScalingGroup, CfnWarmPool } from 'aws-cdk-lib/aws-autoscaling';
import type { IConstruct } from 'constructs';
import { refuse } from '../findings';

/** A warm pool would keep instances whose user data has run when there was no place for them. */
export function guardWarmPool(scope: IConstruct, autoScalingGroup: AutoScalingGroup): void {
  const stack = Stack.of(autoScalingGroup);
  const name = JSON.stringify(stack.resolve(autoScalingGroup.autoScalingGroupName));
  for (const pool of stack.node.findAll()) {
    if (
      pool instanceof CfnWarmPool &&
      JSON.stringify(stack.resolve(pool.autoScalingGroupName)) === name
    ) {
      refuse(
        scope,
        `the group has a warm pool, ${pool.node.path}: its instances run their user data when ` +
          'they enter the pool and not when they are to join, so that no member would start. ' +
          'Remove the warm pool',
      );
    }
  }
}
