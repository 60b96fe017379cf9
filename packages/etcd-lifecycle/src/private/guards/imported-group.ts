import { Stack } from 'aws-cdk-lib';
import type { IConstruct } from 'constructs';
import { EtcdRemovalAtDeadline } from '../../etcd-removal';
import type { Settings } from '../defaults';
import { refuse, warn } from '../findings';
import { ownGroup } from '../members';

/**
 * A group that was made elsewhere: what is needed to work with it, and what nobody can look at here.
 */
export function guardImportedGroup(scope: IConstruct, settings: Settings): void {
  const { autoScalingGroup, members, replacementFirst, atDeadline, join } = settings;
  if (ownGroup(autoScalingGroup)) {
    if (members) {
      refuse(
        scope,
        'members is for an imported group; of this one, which is part of the app, the construct ' +
          'knows the security groups and the role: leave it out',
      );
    }
    return;
  }
  if (!members?.securityGroups.length) {
    refuse(
      scope,
      'autoScalingGroup is imported, so that the security groups of its instances are unknown: ' +
        'pass members: { securityGroups: [...], role }',
    );
  }
  const todo = [
    'see that its capacity is odd and less than its maximum, that it has neither spot instances nor ' +
      'a warm pool whose instances are stopped, and that no update replaces it as a whole',
    ...(replacementFirst
      ? [
          'give it an instance maintenance policy with a minimum of 100 % and a maximum that leaves ' +
            'room for one instance more, so that it launches before it terminates',
        ]
      : []),
    ...(atDeadline === EtcdRemovalAtDeadline.RETAIN
      ? ['set TerminateHookAbandon to "retain" in its instance lifecycle policy']
      : []),
  ];
  warn(
    scope,
    'importedGroup',
    `the group ${nameOf(scope, settings)} is imported, so that it is neither judged nor changed: ` +
      todo.join('; '),
  );
  // Instances that join by their own means read nothing of the function's.
  if (!members.role && !join.managedByInstance) {
    const needed = [
      'ssm:GetParameter below the parameters of the cluster',
      ...(settings.snapshots ? ['s3:GetObject on the snapshots'] : []),
    ];
    warn(
      scope,
      'noMemberRole',
      'members has no role, so that the instances are not allowed what bootstrapCommands() does: ' +
        `pass it, or allow ${needed.join(' and ')} yourself`,
    );
  }
}

/** The name as it can be told in a message. */
function nameOf(scope: IConstruct, { autoScalingGroup }: Settings): string {
  const name = Stack.of(scope).resolve(autoScalingGroup.autoScalingGroupName);
  return typeof name === 'string' ? name : autoScalingGroup.node.path;
}
