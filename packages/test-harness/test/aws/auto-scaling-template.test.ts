import { describe, expect, test } from '@jest/globals';
import { LocalAutoScaling } from '../../src/aws';

const GROUP = {
  Type: 'AWS::AutoScaling::AutoScalingGroup',
  Properties: {
    MinSize: '3',
    MaxSize: '4',
    InstanceLifecyclePolicy: { RetentionTriggers: { TerminateHookAbandon: 'retain' } },
    LifecycleHookSpecificationList: [
      {
        LifecycleHookName: 'launch',
        LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
        HeartbeatTimeout: 300,
        DefaultResult: 'ABANDON',
        NotificationMetadata: 'main',
      },
    ],
  },
};

describe('a group of a template', () => {
  test('has sizes, hooks and policy', () => {
    expect(
      LocalAutoScaling.fromTemplate({ Resources: { Group: GROUP } }, undefined, {
        name: 'physical',
        baseAddress: '127.0.30.2',
      }),
    ).toEqual({
      name: 'physical',
      baseAddress: '127.0.30.2',
      minSize: 3,
      maxSize: 4,
      terminateHookAbandon: 'retain',
      lifecycleHooks: [
        {
          name: 'launch',
          transition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
          heartbeatTimeout: 300,
          defaultResult: 'ABANDON',
          notificationMetadata: 'main',
        },
      ],
    });
  });

  test('has the hooks that stand beside it, and not those of another group', () => {
    const hook = (group: string) => ({
      Type: 'AWS::AutoScaling::LifecycleHook',
      Properties: {
        AutoScalingGroupName: { Ref: group },
        LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
      },
    });
    const { lifecycleHooks } = LocalAutoScaling.fromTemplate(
      { Resources: { Group: GROUP, Other: GROUP, Hook: hook('Group'), OtherHook: hook('Other') } },
      'Group',
      { name: 'physical' },
    );

    expect(lifecycleHooks?.map(({ name }) => name)).toEqual(['launch', 'Hook']);
  });

  test('can be overridden', () => {
    expect(
      LocalAutoScaling.fromTemplate({ Resources: { Group: GROUP } }, 'Group', {
        name: 'physical',
        desiredCapacity: 4,
        boot: { script: 'true' },
      }),
    ).toMatchObject({ desiredCapacity: 4, minSize: 3, boot: { script: 'true' } });
  });

  test.each([
    ['no group', {}, undefined, /has 0 Auto Scaling groups/],
    ['two groups', { A: GROUP, B: GROUP }, undefined, /has 2 Auto Scaling groups/],
    ['another group', { A: GROUP }, 'B', /0 Auto Scaling groups with the logical id B/],
    [
      'a size that is not literal',
      { A: { ...GROUP, Properties: { MinSize: { Ref: 'Size' }, MaxSize: '1' } } },
      undefined,
      /MinSize is not a literal number.*Size/,
    ],
    [
      'a hook name that is not literal',
      {
        A: {
          ...GROUP,
          Properties: {
            ...GROUP.Properties,
            LifecycleHookSpecificationList: [{ LifecycleHookName: { Ref: 'Name' } }],
          },
        },
      },
      undefined,
      /LifecycleHookName is not literal text/,
    ],
  ])('%s is an error', (_, resources, logicalId, message) => {
    expect(() =>
      LocalAutoScaling.fromTemplate({ Resources: resources }, logicalId, { name: 'physical' }),
    ).toThrow(message);
  });
});
