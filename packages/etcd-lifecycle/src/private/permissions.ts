import { ArnFormat, Stack } from 'aws-cdk-lib';
import type { ITableV2 } from 'aws-cdk-lib/aws-dynamodb';
import { Effect, Policy, PolicyStatement, type Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { ILogGroup } from 'aws-cdk-lib/aws-logs';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import type { MemberInstances } from './members';
import { acknowledgeWildcard } from './nag';

/** What Lambda itself does in a function's name to put it into a network. */
const NETWORK_ACTIONS = [
  'ec2:CreateNetworkInterface',
  'ec2:DescribeNetworkInterfaces',
  'ec2:DescribeSubnets',
  'ec2:DeleteNetworkInterface',
  'ec2:AssignPrivateIpAddresses',
  'ec2:UnassignPrivateIpAddresses',
];

/** What the function works on. */
export interface FunctionResources {
  readonly autoScalingGroupName: string;
  readonly members: MemberInstances;
  readonly table: ITableV2;
  readonly deadLetterQueue: IQueue;
  readonly logGroup: ILogGroup;
  /** Whether the function is in a network. */
  readonly inNetwork: boolean;
  /** Whether the group may keep instances whose terminate hook was abandoned. */
  readonly retains: boolean;
  /** The part of the SSM parameters' names that is the cluster's own; without one there are none. */
  readonly parameterPrefix?: string;
}

/** Lets the function call what it calls, and the members read their join configuration. */
export function grantFunction(scope: Construct, role: Role, on: FunctionResources): void {
  const stack = Stack.of(scope);
  const allow = (actions: string[], ...resources: string[]) =>
    role.addToPolicy(new PolicyStatement({ actions, resources }));
  const group = stack.formatArn({
    service: 'autoscaling',
    resource: 'autoScalingGroup:*:autoScalingGroupName',
    resourceName: on.autoScalingGroupName,
  });
  // No describe call can be limited to a resource.
  allow(
    [
      'autoscaling:DescribeAutoScalingGroups',
      'autoscaling:DescribeWarmPool',
      'ec2:DescribeInstances',
    ],
    '*',
  );
  allow(
    [
      'autoscaling:CompleteLifecycleAction',
      'autoscaling:RecordLifecycleActionHeartbeat',
      // Only what is retained must be terminated; all else goes when its hook is completed.
      ...(on.retains ? ['autoscaling:TerminateInstanceInAutoScalingGroup'] : []),
    ],
    group,
  );
  if (on.parameterPrefix) {
    grantParameters(role, on.members, on.parameterPrefix);
  }
  allow(
    ['dynamodb:Query', 'dynamodb:PutItem', 'dynamodb:UpdateItem', 'dynamodb:DeleteItem'],
    on.table.tableArn,
  );
  allow(['sqs:SendMessage'], on.deadLetterQueue.queueArn);
  on.logGroup.grantWrite(role);
  if (on.inNetwork) {
    allow(NETWORK_ACTIONS, '*');
  }
  acknowledgeWildcard(role, 'Resource', '*', 'What is described, or made by Lambda, has no name.');
  acknowledgeWildcard(role, 'Resource', group, 'One group, whose unique id is not known.');
}

/** Lets the function hand join configurations over, and the members read them. */
function grantParameters(role: Role, members: MemberInstances, prefix: string): void {
  const parameters = Stack.of(role).formatArn({
    service: 'ssm',
    resource: 'parameter',
    resourceName: `${prefix.slice(1)}/*`,
  });
  role.addToPolicy(
    new PolicyStatement({
      actions: ['ssm:PutParameter', 'ssm:GetParameters', 'ssm:DeleteParameters'],
      resources: [parameters],
    }),
  );
  members.role?.addToPrincipalPolicy(
    new PolicyStatement({ actions: ['ssm:GetParameter'], resources: [parameters] }),
  );
  for (const grantee of members.role ? [role, members.role] : [role]) {
    acknowledgeWildcard(grantee, 'Resource', parameters, 'Of one cluster only.');
  }
}

/**
 * Leaves the network's interfaces to Lambda: what comes from the function's own code carries the
 * function's ARN, and is denied. What Lambda itself asks of EC2 to make interfaces does not carry it, and
 * the key counts in policies of a role (Lambda developer guide, "Using source function ARN to control
 * function access behavior", https://docs.aws.amazon.com/lambda/latest/dg/permissions-source-function-arn.html).
 * A policy of its own, as the function waits for the role's other one.
 */
export function denyNetworkInterfaces(scope: Construct, role: Role, ofFunction: IFunction): void {
  new Policy(scope, 'NetworkInterfaces', {
    roles: [role],
    statements: [
      new PolicyStatement({
        effect: Effect.DENY,
        actions: NETWORK_ACTIONS,
        resources: ['*'],
        conditions: { ArnEquals: { 'lambda:SourceFunctionArn': ofFunction.functionArn } },
      }),
    ],
  });
}

/** Lets the function, its log and the rules use the key. */
export function grantKey(scope: Construct, role: Role, key: IKey): void {
  const stack = Stack.of(scope);
  key.grantEncryptDecrypt(role);
  for (const action of ['kms:GenerateDataKey*', 'kms:ReEncrypt*']) {
    acknowledgeWildcard(role, 'Action', action, 'Actions of one kind, on one key.');
  }
  // The log belongs to its service, which is told whose log it is (CloudWatch Logs user guide,
  // "Encrypt log data using AWS Key Management Service").
  key.grantEncryptDecrypt(
    new ServicePrincipal(`logs.${stack.region}.amazonaws.com`, {
      conditions: {
        ArnLike: {
          'kms:EncryptionContext:aws:logs:arn': stack.formatArn({
            service: 'logs',
            resource: 'log-group',
            resourceName: '*',
            arnFormat: ArnFormat.COLON_RESOURCE_NAME,
          }),
        },
      },
    }),
  );
}
