import type { AutoScalingGroup } from 'aws-cdk-lib/aws-autoscaling';
import { CfnAutoScalingGroup, type IAutoScalingGroup } from 'aws-cdk-lib/aws-autoscaling';
import { Connections } from 'aws-cdk-lib/aws-ec2';
import type { IRole } from 'aws-cdk-lib/aws-iam';
import type { EtcdMembers } from '../etcd-members';

/** The instances of the members, as far as they are known. */
export interface MemberInstances {
  readonly connections: Connections;
  /** Unknown of an imported group whose role was not given. */
  readonly role?: IRole;
}

/** A group that is part of the app, with its resource. */
export interface OwnGroup {
  readonly group: AutoScalingGroup;
  readonly resource: CfnAutoScalingGroup;
}

/** The group, if it is part of the app; undefined if it is imported, of which only the name is known. */
export function ownGroup(autoScalingGroup: IAutoScalingGroup): OwnGroup | undefined {
  const { defaultChild } = autoScalingGroup.node;
  return CfnAutoScalingGroup.isCfnAutoScalingGroup(defaultChild)
    ? { group: autoScalingGroup as AutoScalingGroup, resource: defaultChild }
    : undefined;
}

/** The instances of a group. What an imported one needs has been checked before. */
export function membersOf(
  autoScalingGroup: IAutoScalingGroup,
  members: EtcdMembers | undefined,
): MemberInstances {
  const own = ownGroup(autoScalingGroup);
  return own
    ? { connections: own.group.connections, role: own.group.role }
    : {
        connections: new Connections({ securityGroups: members?.securityGroups ?? [] }),
        role: members?.role,
      };
}
