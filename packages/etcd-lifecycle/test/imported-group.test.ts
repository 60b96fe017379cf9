import { beforeAll, describe, expect, test } from '@jest/globals';
import { LocalAutoScaling } from '@quorate/test-harness';
import { Annotations, Match, Template } from 'aws-cdk-lib/assertions';
import { AutoScalingGroup } from 'aws-cdk-lib/aws-autoscaling';
import { SecurityGroup } from 'aws-cdk-lib/aws-ec2';
import { Role } from 'aws-cdk-lib/aws-iam';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import {
  EtcdJoin,
  EtcdLifecycle,
  type EtcdLifecycleProps,
  type EtcdMembers,
  EtcdRemovalAtDeadline,
} from '../src';
import { ClusterStack } from './cluster-stack';

const NAME = 'etcd-of-old';

/** A stack that has the group, its security group and its role from elsewhere. */
class ImportingStack extends ClusterStack {
  readonly group = AutoScalingGroup.fromAutoScalingGroupName(this, 'Imported', NAME);
  readonly members: Required<EtcdMembers> = {
    securityGroups: [SecurityGroup.fromSecurityGroupId(this, 'Members', 'sg-1', { mutable: true })],
    role: Role.fromRoleName(this, 'MemberRole', 'etcd-member'),
  };

  importGroup(props: Partial<EtcdLifecycleProps> = {}): EtcdLifecycle {
    return this.addLifecycle({ autoScalingGroup: this.group, members: this.members, ...props });
  }
}

function warnings(stack: ClusterStack): unknown[] {
  return Annotations.fromStack(stack)
    .findWarning('/Stack/EtcdLifecycle', Match.anyValue())
    .map(({ entry }) => entry.data);
}

describe('a group that was made elsewhere', () => {
  let template: Template;

  beforeAll(() => {
    const stack = new ImportingStack();
    stack.importGroup({ snapshots: { bucket: Bucket.fromBucketName(stack, 'B', 'backups') } });
    template = Template.fromStack(stack);
  });

  test('gets its hooks beside it, once there is all that answers them', () => {
    template.resourceCountIs('AWS::AutoScaling::AutoScalingGroup', 0);
    const hooks = template.findResources('AWS::AutoScaling::LifecycleHook');
    expect(Object.values(hooks).map(({ Properties }) => Properties)).toEqual([
      {
        AutoScalingGroupName: NAME,
        LifecycleHookName: 'quorate-main-launch',
        LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
        HeartbeatTimeout: 900,
        DefaultResult: 'ABANDON',
      },
      {
        AutoScalingGroupName: NAME,
        LifecycleHookName: 'quorate-main-terminate',
        LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
        HeartbeatTimeout: 900,
        DefaultResult: 'CONTINUE',
      },
    ]);
    const answering = [
      'AWS::IAM::Policy',
      'AWS::Lambda::Function',
      'AWS::Lambda::EventSourceMapping',
      'AWS::SQS::QueuePolicy',
      'AWS::Events::Rule',
    ].flatMap((type) =>
      Object.keys(template.findResources(type)).filter((id) => id.startsWith('EtcdLifecycle')),
    );
    expect(answering.length).toBeGreaterThan(6);
    for (const { DependsOn } of Object.values(hooks)) {
      expect(DependsOn).toEqual(expect.arrayContaining(answering));
    }
  });

  test('has hooks that the local Auto Scaling takes', async () => {
    const hooks = Object.values(template.findResources('AWS::AutoScaling::LifecycleHook'));
    await using service = await LocalAutoScaling.start();
    service.createGroup({ name: NAME, minSize: 0, maxSize: 1, desiredCapacity: 0 });
    for (const { Properties } of hooks) {
      const response = await fetch(service.endpoint, {
        method: 'POST',
        body: new URLSearchParams({
          Action: 'PutLifecycleHook',
          Version: '2011-01-01',
          ...Object.fromEntries(
            Object.entries(Properties).map(([name, value]) => [name, String(value)]),
          ),
        }).toString(),
      });
      expect(response.status).toBe(200);
    }
  });

  test('is the one whose events are looked at, and which the function may change', () => {
    template.hasResourceProperties('AWS::Events::Rule', {
      EventPattern: {
        source: ['aws.autoscaling'],
        detail: { AutoScalingGroupName: [NAME] },
      },
    });
    template.hasResourceProperties('AWS::Lambda::Function', {
      Environment: { Variables: { QUORATE_GROUP: NAME } },
    });
    template.hasResourceProperties('AWS::IAM::Policy', {
      PolicyDocument: {
        Statement: Match.arrayWith([
          {
            Effect: 'Allow',
            Action: [
              'autoscaling:CompleteLifecycleAction',
              'autoscaling:RecordLifecycleActionHeartbeat',
            ],
            Resource: {
              'Fn::Join': [
                '',
                Match.arrayWith([`:autoScalingGroup:*:autoScalingGroupName/${NAME}`]),
              ],
            },
          },
        ]),
      },
    });
  });

  test('has members that admit the function and each other, and may read what they need', () => {
    const ingress = Object.values(template.findResources('AWS::EC2::SecurityGroupIngress'));
    expect(
      ingress
        .map(({ Properties: { FromPort, GroupId, SourceSecurityGroupId } }) =>
          JSON.stringify([FromPort, GroupId, SourceSecurityGroupId]),
        )
        .sort(),
    ).toEqual([
      '[2379,"sg-1","sg-1"]',
      expect.stringMatching(/^\[2379,"sg-1",{"Fn::GetAtt":\["EtcdLifecycleSecurityGroup/),
      '[2380,"sg-1","sg-1"]',
    ]);
    template.hasResourceProperties('AWS::IAM::Policy', {
      Roles: ['etcd-member'],
      PolicyDocument: {
        Statement: [
          Match.objectLike({ Action: 'ssm:GetParameter' }),
          Match.objectLike({ Action: 's3:GetObject' }),
        ],
      },
    });
  });
});

describe('what nobody knows of an imported group', () => {
  test('is what its owner must see to', () => {
    const stack = new ImportingStack();
    stack.importGroup();
    expect(warnings(stack)).toEqual([
      `the group ${NAME} is imported, so that it is neither judged nor changed: see that its ` +
        'capacity is odd and less than its maximum, that it has neither spot instances nor a warm ' +
        'pool whose instances are stopped, and that no update replaces it as a whole; give it an ' +
        'instance maintenance policy with a minimum of 100 % and a maximum that leaves room for one ' +
        'instance more, so that it launches before it terminates ' +
        '[ack: @quorate/etcd-lifecycle:importedGroup]',
    ]);
  });

  test('depends on how members are to leave', () => {
    const stack = new ImportingStack();
    stack.importGroup({ removal: { atDeadline: EtcdRemovalAtDeadline.RETAIN } });
    expect(warnings(stack)).toEqual([
      expect.stringMatching(
        /set TerminateHookAbandon to "retain" in its instance lifecycle policy/,
      ),
    ]);
    Template.fromStack(stack).hasResourceProperties('AWS::IAM::Policy', {
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({
            Action: Match.arrayWith(['autoscaling:TerminateInstanceInAutoScalingGroup']),
          }),
        ]),
      },
    });
    const other = new ImportingStack();
    other.importGroup({ removal: { replacementFirst: false } });
    expect(warnings(other)).toEqual([expect.not.stringMatching(/maintenance policy/)]);
  });

  test('may be its role: then what that needs is told', () => {
    const stack = new ImportingStack();
    const { securityGroups } = stack.members;
    stack.importGroup({ members: { securityGroups } });
    expect(warnings(stack)).toEqual([
      expect.stringContaining('importedGroup'),
      'members has no role, so that the instances are not allowed what bootstrapCommands() does: ' +
        'pass it, or allow ssm:GetParameter below the parameters of the cluster yourself ' +
        '[ack: @quorate/etcd-lifecycle:noMemberRole]',
    ]);
  });

  test('may be its role where the instances join by their own means: they read nothing', () => {
    const stack = new ImportingStack();
    const { securityGroups } = stack.members;
    stack.importGroup({ members: { securityGroups }, join: EtcdJoin.managedByInstance() });
    expect(warnings(stack)).toEqual([expect.stringContaining('importedGroup')]);
  });

  test('may be whether its security groups take rules', () => {
    const stack = new ImportingStack();
    stack.importGroup({
      members: {
        ...stack.members,
        securityGroups: [
          SecurityGroup.fromSecurityGroupId(stack, 'Fixed', 'sg-2', { mutable: false }),
        ],
      },
    });
    expect(warnings(stack)).toEqual([
      expect.stringContaining('importedGroup'),
      expect.stringContaining('notAdmitted'),
    ]);
  });
});

describe('refused are', () => {
  test.each([undefined, { securityGroups: [] }])(
    'an imported group with %j of members',
    (members) => {
      expect(() => new ImportingStack().importGroup({ members })).toThrow(
        'Stack/EtcdLifecycle: autoScalingGroup is imported, so that the security groups of its ' +
          'instances are unknown: pass members: { securityGroups: [...], role }',
      );
    },
  );

  test('members of a group that is part of the app', () => {
    const stack = new ImportingStack();
    expect(() => stack.importGroup({ autoScalingGroup: stack.addGroup() })).toThrow(
      'Stack/EtcdLifecycle: members is for an imported group',
    );
  });

  test('two that look after a group that was imported twice', () => {
    const stack = new ImportingStack();
    stack.importGroup();
    expect(
      () =>
        new EtcdLifecycle(stack, 'Other', {
          autoScalingGroup: AutoScalingGroup.fromAutoScalingGroupName(stack, 'Again', NAME),
          members: stack.members,
          clusterName: 'other',
          vpc: stack.vpc,
        }),
    ).toThrow('Stack/Other: Stack/EtcdLifecycle looks after this group already');
  });
});
