import type { CfnAutoScalingGroup } from 'aws-cdk-lib/aws-autoscaling';

/**
 * Makes the group launch a replacement before it terminates a member. By default it does both at
 * once, or terminates first (Auto Scaling user guide, "Instance maintenance policies").
 *
 * A policy that the group has already stands.
 */
export function launchBeforeTerminate(group: CfnAutoScalingGroup): void {
  const desired = Number(group.desiredCapacity ?? group.minSize);
  group.instanceMaintenancePolicy ??= {
    minHealthyPercentage: 100,
    // One more than it wants, since members join one at a time anyhow.
    maxHealthyPercentage: desired > 0 ? Math.min(200, 100 + Math.ceil(100 / desired)) : 200,
  };
}
