import { Stack } from 'aws-cdk-lib';
import type { CfnAutoScalingGroup } from 'aws-cdk-lib/aws-autoscaling';
import type { IConstruct } from 'constructs';
import { warn } from '../findings';

/** Whether the group is as large as it should be, and may grow while a member is replaced. */
export function guardCapacity(scope: IConstruct, group: CfnAutoScalingGroup): void {
  // What only the deployment knows is no number.
  const desired = Number(group.desiredCapacity ?? group.minSize);
  if (desired > 0 && desired % 2 === 0) {
    warn(
      scope,
      'evenCapacity',
      `a cluster of ${desired} survives no more failures than one of ${desired - 1}: give the ` +
        'group an odd capacity',
    );
  }
  if (Number(group.maxSize) <= desired) {
    warn(
      scope,
      'noSpareCapacity',
      `maxCapacity of the group is ${group.maxSize}, which its ${desired} members fill, so that ` +
        `no replacement can be launched before a member goes: make it at least ${desired + 1}`,
    );
  }
  const { maxHealthyPercentage } = Stack.of(group).resolve(group.instanceMaintenancePolicy) ?? {};
  if (typeof maxHealthyPercentage === 'number' && maxHealthyPercentage <= 100) {
    warn(
      scope,
      'terminateFirst',
      'the instanceMaintenancePolicy of the group has a maxHealthyPercentage of ' +
        `${maxHealthyPercentage}, so that a member goes before its replacement comes: make it more ` +
        'than 100, or leave the policy to the construct',
    );
  }
}
