import { describe, expect, test } from '@jest/globals';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { EtcdJoin, type EtcdLifecycleProps } from '../src';
import { ClusterStack } from './cluster-stack';

function synthesize(props: Partial<EtcdLifecycleProps>) {
  const stack = new ClusterStack();
  const snapshots = { bucket: new Bucket(stack, 'Bucket') };
  const lifecycle = stack.addLifecycle({ snapshots, ...props });
  return { lifecycle, template: Template.fromStack(stack) };
}

/** All actions that the stack's policies allow, sorted. */
function actionsOf(template: Template): string[] {
  const policies = Object.values(template.findResources('AWS::IAM::Policy'));
  return policies
    .flatMap(({ Properties }) => Properties.PolicyDocument.Statement)
    .flatMap(({ Action }) => Action as string | string[])
    .sort();
}

function variablesOf(template: Template): Record<string, unknown> {
  const functions = Object.values(
    template.findResources('AWS::Lambda::Function', {
      Properties: { Handler: 'etcd_lifecycle.handler.handle' },
    }),
  );
  expect(functions).toHaveLength(1);
  return functions[0]?.Properties.Environment.Variables;
}

test('by default the function brings members in', () => {
  const { template } = synthesize({});
  const explicit = synthesize({ join: EtcdJoin.learner() });
  expect(template.toJSON()).toEqual(explicit.template.toJSON());
  expect(variablesOf(template)).toMatchObject({ QUORATE_PARAMETER_PREFIX: '/quorate' });
  expect(variablesOf(template)).not.toHaveProperty('QUORATE_JOIN');
  expect(actionsOf(template)).toEqual(
    expect.arrayContaining(['ssm:DeleteParameters', 'ssm:GetParameter', 'ssm:PutParameter']),
  );
});

describe('where instances join by their own means', () => {
  const { lifecycle, template } = synthesize({ join: EtcdJoin.managedByInstance() });

  test('the function is told so, and of no parameters', () => {
    expect(variablesOf(template)).toMatchObject({ QUORATE_JOIN: 'instance' });
    expect(variablesOf(template)).not.toHaveProperty('QUORATE_PARAMETER_PREFIX');
  });

  test('nobody may use parameters, and the instances may read no snapshot', () => {
    expect(actionsOf(template).filter((action) => action.startsWith('ssm:'))).toEqual([]);
    const members = Object.entries(template.findResources('AWS::IAM::Policy')).filter(([id]) =>
      id.startsWith('GroupMember'),
    );
    expect(members).toEqual([]);
  });

  test('instances are held at their launch as well as at their end', () => {
    template.hasResourceProperties('AWS::AutoScaling::AutoScalingGroup', {
      LifecycleHookSpecificationList: [
        Match.objectLike({ LifecycleHookName: lifecycle.launchHookName, DefaultResult: 'ABANDON' }),
        Match.objectLike({ LifecycleHookName: lifecycle.terminateHookName }),
      ],
    });
  });

  test('there are no lines that wait for a place in the cluster', () => {
    expect(() => lifecycle.bootstrapCommands()).toThrow(
      /EtcdLifecycle.*bootstrapCommands\(\) has no place to hand over, as join is/,
    );
  });
});
