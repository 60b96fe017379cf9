import { Duration, Stack } from 'aws-cdk-lib';
import { PolicyStatement, type Role } from 'aws-cdk-lib/aws-iam';
import type { IConstruct } from 'constructs';
import { type EtcdBeforeRemoval, EtcdBeforeRemovalFailure } from '../etcd-before-removal';
import { seconds } from './defaults';
import { acknowledgeWildcard } from './nag';

/** How long it may take if the props do not say. */
export function timeoutOf({ fn, options }: EtcdBeforeRemoval): Duration {
  return options.timeout ?? (fn ? Duration.seconds(30) : Duration.minutes(5));
}

/** What the function's environment says of what is done before a removal. */
export function beforeRemovalEnvironment(
  scope: IConstruct,
  beforeRemoval: EtcdBeforeRemoval | undefined,
): Record<string, string> {
  if (!beforeRemoval) {
    return {};
  }
  const { fn, commands, options } = beforeRemoval;
  return {
    ...(fn
      ? { QUORATE_BEFORE_REMOVAL_FUNCTION: fn.functionArn }
      : { QUORATE_BEFORE_REMOVAL_COMMANDS: Stack.of(scope).toJsonString(commands) }),
    QUORATE_BEFORE_REMOVAL_TIMEOUT: seconds(timeoutOf(beforeRemoval)),
    QUORATE_BEFORE_REMOVAL_ON_FAILURE: options.onFailure ?? EtcdBeforeRemovalFailure.HOLD,
  };
}

/** What it takes to call the function, if one is called. */
export function grantBeforeRemoval(role: Role, beforeRemoval: EtcdBeforeRemoval | undefined): void {
  if (beforeRemoval?.fn) {
    const resources = [beforeRemoval.fn.functionArn];
    role.addToPolicy(new PolicyStatement({ actions: ['lambda:InvokeFunction'], resources }));
  }
}

/** What it takes to run shell scripts on the group's instances, and on no others. */
export function grantCommands(scope: IConstruct, role: Role, autoScalingGroupName: string): void {
  const stack = Stack.of(scope);
  const document = stack.formatArn({
    service: 'ssm',
    account: '',
    resource: 'document',
    resourceName: 'AWS-RunShellScript',
  });
  const instances = stack.formatArn({
    service: 'ec2',
    resource: 'instance',
    resourceName: '*',
  });
  role.addToPolicy(new PolicyStatement({ actions: ['ssm:SendCommand'], resources: [document] }));
  role.addToPolicy(
    new PolicyStatement({
      actions: ['ssm:SendCommand'],
      resources: [instances],
      // Auto Scaling gives each of its instances this tag, and nobody else can (its user guide, "Tag
      // Auto Scaling groups and instances").
      conditions: {
        StringEquals: {
          'ssm:resourceTag/aws:autoscaling:groupName': autoScalingGroupName,
        },
      },
    }),
  );
  // It cannot be limited to a resource.
  role.addToPolicy(
    new PolicyStatement({ actions: ['ssm:GetCommandInvocation'], resources: ['*'] }),
  );
  acknowledgeWildcard(role, 'Resource', instances, 'Instances of one group, by their tag.');
}
