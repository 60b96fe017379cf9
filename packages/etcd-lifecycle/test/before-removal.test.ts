import { describe, expect, test } from '@jest/globals';
import { Duration } from 'aws-cdk-lib';
import { Annotations, Match, Template } from 'aws-cdk-lib/assertions';
import { SubnetType, Vpc } from 'aws-cdk-lib/aws-ec2';
import { ManagedPolicy, type Role } from 'aws-cdk-lib/aws-iam';
import { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import {
  EtcdBeforeRemoval,
  EtcdBeforeRemovalFailure,
  type EtcdBeforeRemovalOptions,
  type EtcdLifecycleProps,
} from '../src';
import { ClusterStack } from './cluster-stack';

const ARN = 'arn:aws:lambda:eu-central-1:123456789012:function:drain';

function byFunction(options?: EtcdBeforeRemovalOptions) {
  return (stack: ClusterStack) =>
    EtcdBeforeRemoval.lambda(LambdaFunction.fromFunctionArn(stack, 'Drain', ARN), options);
}

function byCommand(commands: string[], options?: EtcdBeforeRemovalOptions) {
  return () => EtcdBeforeRemoval.runCommand(commands, options);
}

function synthesize(
  beforeRemoval: (stack: ClusterStack) => EtcdBeforeRemoval,
  props: Partial<EtcdLifecycleProps> = {},
) {
  const stack = new ClusterStack();
  stack.addLifecycle({ beforeRemoval: beforeRemoval(stack), ...props });
  return { stack, template: Template.fromStack(stack) };
}

function variables(template: Template): Record<string, unknown> {
  const [lambda] = Object.values(
    template.findResources('AWS::Lambda::Function', {
      Properties: { Environment: { Variables: { QUORATE_CLUSTER: 'main' } } },
    }),
  );
  return Object.fromEntries(
    Object.entries(lambda?.Properties.Environment.Variables as Record<string, unknown>).filter(
      ([name]) => name.startsWith('QUORATE_BEFORE_REMOVAL_'),
    ),
  );
}

/** The statements of the function's role with these actions. */
function statements(template: Template, ...actions: string[]): unknown[] {
  return Object.values(template.findResources('AWS::IAM::Policy'))
    .flatMap(({ Properties }) => Properties.PolicyDocument.Statement as { Action: string }[])
    .filter(({ Action }) => actions.some((one) => [Action].flat().includes(one)));
}

test('nothing is done before a removal unless it is asked for', () => {
  const stack = new ClusterStack();
  stack.addLifecycle();
  const template = Template.fromStack(stack);
  expect(variables(template)).toEqual({});
  expect(statements(template, 'lambda:InvokeFunction', 'ssm:SendCommand')).toEqual([]);
});

describe('a function', () => {
  test('is called, and held for if it fails', () => {
    const { template } = synthesize(byFunction());
    expect(variables(template)).toEqual({
      QUORATE_BEFORE_REMOVAL_FUNCTION: ARN,
      QUORATE_BEFORE_REMOVAL_TIMEOUT: '30',
      QUORATE_BEFORE_REMOVAL_ON_FAILURE: 'hold',
    });
    expect(statements(template, 'lambda:InvokeFunction')).toEqual([
      { Action: 'lambda:InvokeFunction', Effect: 'Allow', Resource: ARN },
    ]);
    expect(statements(template, 'ssm:SendCommand', 'ssm:GetCommandInvocation')).toEqual([]);
  });

  test('may take as long as a run can wait', () => {
    const timeout = Duration.minutes(2);
    const fits = synthesize(byFunction({ timeout }), { timeout: Duration.seconds(150) });
    expect(variables(fits.template).QUORATE_BEFORE_REMOVAL_TIMEOUT).toBe('120');
    expect(() => synthesize(byFunction({ timeout }), { timeout: Duration.seconds(149) })).toThrow(
      "Stack/EtcdLifecycle: beforeRemoval has a timeout of 120 s, but the construct's function " +
        'waits for it within one run of 149 s: make its timeout at least 150 s, or use ' +
        'EtcdBeforeRemoval.runCommand(), which goes on from run to run',
    );
  });

  test('is reached by an endpoint of Lambda', () => {
    const stack = new ClusterStack();
    const vpc = new Vpc(stack, 'Isolated', {
      subnetConfiguration: [{ name: 'isolated', subnetType: SubnetType.PRIVATE_ISOLATED }],
    });
    stack.addLifecycle({
      vpc,
      vpcSubnets: { subnetType: SubnetType.PRIVATE_ISOLATED },
      beforeRemoval: byFunction()(stack),
    });
    Annotations.fromStack(stack).hasWarning(
      '/Stack/EtcdLifecycle',
      Match.stringLikeRegexp('no VPC endpoint there for .*lambda'),
    );
  });
});

describe('a command', () => {
  const LOCATION = [{ Ref: 'AWS::Region' }, { Ref: 'AWS::AccountId' }];

  test('is run on instances of the group, and on no others', () => {
    const { template } = synthesize(
      byCommand(['set -e', 'kubectl drain "$(hostname)"'], {
        onFailure: EtcdBeforeRemovalFailure.PROCEED,
      }),
    );
    expect(variables(template)).toEqual({
      QUORATE_BEFORE_REMOVAL_COMMANDS: '["set -e","kubectl drain \\"$(hostname)\\""]',
      QUORATE_BEFORE_REMOVAL_TIMEOUT: '300',
      QUORATE_BEFORE_REMOVAL_ON_FAILURE: 'proceed',
    });
    const partition = { Ref: 'AWS::Partition' };
    expect(statements(template, 'ssm:SendCommand')).toEqual([
      {
        Action: 'ssm:SendCommand',
        Effect: 'Allow',
        Resource: {
          'Fn::Join': [
            '',
            ['arn:', partition, ':ssm:', LOCATION[0], '::document/AWS-RunShellScript'],
          ],
        },
      },
      {
        Action: 'ssm:SendCommand',
        Effect: 'Allow',
        Resource: {
          'Fn::Join': [
            '',
            ['arn:', partition, ':ec2:', LOCATION[0], ':', LOCATION[1], ':instance/*'],
          ],
        },
        Condition: {
          StringEquals: {
            'ssm:resourceTag/aws:autoscaling:groupName': {
              Ref: expect.stringMatching(/^GroupASG/),
            },
          },
        },
      },
    ]);
    expect(statements(template, 'ssm:GetCommandInvocation')).toHaveLength(1);
    expect(statements(template, 'lambda:InvokeFunction')).toEqual([]);
  });

  const refused: [string[], EtcdBeforeRemovalOptions, RegExp][] = [
    [[], {}, /beforeRemoval has no commands: give at least one, or leave it out/],
    [
      ['drain'],
      { timeout: Duration.seconds(29) },
      /beforeRemoval has a timeout of 29 s, but SSM alone may take 30 s/,
    ],
    [
      ['drain'],
      { timeout: Duration.hours(25) },
      /a timeout of 90000 s, but with a heartbeatTimeout of 900 s .* ends the wait after 90000 s/,
    ],
    [
      ['x'.repeat(2100)],
      {},
      /commands of 2104 bytes, but the function's environment has room for 2048: put them into/,
    ],
  ];
  test.each(refused)('%j with %j is refused', (commands, options, message) => {
    expect(() => synthesize(byCommand(commands, options))).toThrow(message);
  });

  const WARNING = Match.stringLikeRegexp('lacks the managed policy AmazonSSMManagedInstanceCore');

  test('needs the agent on the instances', () => {
    const { stack } = synthesize(byCommand(['drain']));
    Annotations.fromStack(stack).hasWarning('/Stack/EtcdLifecycle', WARNING);
  });

  test('is content with a role that has its policy', () => {
    const stack = new ClusterStack();
    const autoScalingGroup = stack.addGroup();
    (autoScalingGroup.role as Role).addManagedPolicy(
      ManagedPolicy.fromAwsManagedPolicyName('AmazonSSMManagedInstanceCore'),
    );
    stack.addLifecycle({ autoScalingGroup, beforeRemoval: byCommand(['drain'])() });
    Annotations.fromStack(stack).hasNoWarning('/Stack/EtcdLifecycle', WARNING);
  });
});
