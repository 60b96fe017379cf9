import { Reference, Stack, Tokenization } from 'aws-cdk-lib';
import type { AutoScalingGroup, CfnAutoScalingGroup } from 'aws-cdk-lib/aws-autoscaling';
import { CfnLaunchTemplate } from 'aws-cdk-lib/aws-ec2';
import type { IConstruct } from 'constructs';
import { warn } from '../findings';

/** Whether EC2 may take instances away whatever a hook says. */
export function guardPurchase(
  scope: IConstruct,
  autoScalingGroup: AutoScalingGroup,
  group: CfnAutoScalingGroup,
): void {
  const spot =
    autoScalingGroup.spotPrice !== undefined ||
    mixesSpotIn(group) ||
    launchTemplates(group).some(asksForSpot);
  if (spot) {
    warn(
      scope,
      'spotInstances',
      'the group has spot instances, which EC2 takes two minutes after its notice, whatever a ' +
        'hook holds: a member goes without its replacement, and several may go at once. Use ' +
        'On-Demand Instances',
    );
  }
}

function mixesSpotIn(group: CfnAutoScalingGroup): boolean {
  const { instancesDistribution } = Stack.of(group).resolve(group.mixedInstancesPolicy) ?? {};
  // All are On-Demand Instances by default (API reference, InstancesDistribution).
  const onDemand = instancesDistribution?.onDemandPercentageAboveBaseCapacity ?? 100;
  return typeof onDemand === 'number' && onDemand < 100;
}

/** The launch templates of the group that are part of the app. */
function launchTemplates(group: CfnAutoScalingGroup): CfnLaunchTemplate[] {
  const stack = Stack.of(group);
  const policy = group.mixedInstancesPolicy as
    | CfnAutoScalingGroup.MixedInstancesPolicyProperty
    | undefined;
  const template = policy?.launchTemplate as CfnAutoScalingGroup.LaunchTemplateProperty | undefined;
  const specifications = [group.launchTemplate, template?.launchTemplateSpecification] as (
    | CfnAutoScalingGroup.LaunchTemplateSpecificationProperty
    | undefined
  )[];
  return specifications.flatMap((specification) => {
    const id = specification?.launchTemplateId;
    const token = id === undefined ? undefined : Tokenization.reverseString(id).firstToken;
    const target = Reference.isReference(token) ? token.target : undefined;
    return target instanceof CfnLaunchTemplate && Stack.of(target).node.root === stack.node.root
      ? [target]
      : [];
  });
}

function asksForSpot(template: CfnLaunchTemplate): boolean {
  const { instanceMarketOptions } = Stack.of(template).resolve(template.launchTemplateData) ?? {};
  return instanceMarketOptions?.marketType === 'spot';
}
