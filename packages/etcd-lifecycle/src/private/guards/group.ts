import type { AutoScalingGroup, CfnAutoScalingGroup } from 'aws-cdk-lib/aws-autoscaling';
import type { IConstruct } from 'constructs';
import { refuse, warn } from '../findings';

/** What the group must have and must not do, as the members are its instances. */
export function guardGroup(scope: IConstruct, autoScalingGroup: AutoScalingGroup): void {
  try {
    // Both are got from the launch template, and may be unknown to it.
    void autoScalingGroup.role;
    void autoScalingGroup.connections;
  } catch (cause) {
    refuse(
      scope,
      'the group\'s launch template needs "role" and "securityGroup", which the construct gives ' +
        'what the members need',
      cause,
    );
  }
  const group = autoScalingGroup.node.defaultChild as CfnAutoScalingGroup;
  if (group.cfnOptions.creationPolicy?.resourceSignal) {
    refuse(
      scope,
      'the group waits for signals of its instances, and they wait for this function, which is ' +
        'only made after the group: remove "signals" from the group',
    );
  }
  if (group.cfnOptions.updatePolicy?.autoScalingReplacingUpdate?.willReplace) {
    refuse(
      scope,
      'the update policy of the group replaces it as a whole, and all members with it: use ' +
        'UpdatePolicy.rollingUpdate()',
    );
  }
}

/**
 * Whether the group can be made in an account of today: those opened since October 2024 can make no
 * launch configurations (Amazon EC2 Auto Scaling user guide, "Launch configurations").
 */
export function guardLaunch(scope: IConstruct, group: CfnAutoScalingGroup): void {
  if (group.launchConfigurationName !== undefined) {
    warn(
      scope,
      'launchConfiguration',
      'the group has a launch configuration, which accounts of today cannot make: set ' +
        '"@aws-cdk/aws-autoscaling:generateLaunchTemplateInsteadOfLaunchConfig": true in the context ' +
        'of cdk.json, or give the group a launchTemplate',
    );
  }
}
