import { CfnAutoScalingGroup } from 'aws-cdk-lib/aws-autoscaling';
import type { IConstruct } from 'constructs';
import { EtcdRemovalAtDeadline } from '../etcd-removal';
import type { Settings } from './defaults';
import { refuse } from './findings';
import { ownGroup } from './members';

/** Makes the group work as the removal of members asks for. */
export function prepareGroup(
  scope: IConstruct,
  group: CfnAutoScalingGroup,
  { replacementFirst, atDeadline }: Settings,
): void {
  if (replacementFirst) {
    launchBeforeTerminate(group);
  }
  if (atDeadline === EtcdRemovalAtDeadline.RETAIN) {
    retain(scope, group);
  }
}

/**
 * Makes the group launch a replacement before it terminates a member. By default it does both at
 * once, or terminates first (Auto Scaling user guide, "Instance maintenance policies").
 *
 * A policy that the group has already stands.
 */
function launchBeforeTerminate(group: CfnAutoScalingGroup): void {
  const desired = Number(group.desiredCapacity ?? group.minSize);
  group.instanceMaintenancePolicy ??= {
    minHealthyPercentage: 100,
    // One more than it wants, since members join one at a time anyhow.
    maxHealthyPercentage: desired > 0 ? Math.min(200, 100 + Math.ceil(100 / desired)) : 200,
  };
}

/** Whether the group may retain instances: by the props, or since it was told so before. */
export function mayRetain({ autoScalingGroup, atDeadline }: Settings): boolean {
  return (
    atDeadline === EtcdRemovalAtDeadline.RETAIN ||
    ownGroup(autoScalingGroup)?.resource.instanceLifecyclePolicy !== undefined
  );
}

function retain(scope: IConstruct, group: CfnAutoScalingGroup): void {
  // One below the range of the package, which npm can be told to install, does not know it.
  if (!('instanceLifecyclePolicy' in CfnAutoScalingGroup.prototype)) {
    refuse(
      scope,
      'removal.atDeadline is RETAIN, but this version of aws-cdk-lib does not know the ' +
        'instanceLifecyclePolicy of a group: use 2.271.0 or newer, or choose HOLD',
    );
  }
  group.instanceLifecyclePolicy ??= { retentionTriggers: { terminateHookAbandon: 'retain' } };
}
