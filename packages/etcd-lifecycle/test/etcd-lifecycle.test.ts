import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, jest, test } from '@jest/globals';
import { Duration, Fn, Lazy, Stack, Token } from 'aws-cdk-lib';
import { Annotations, Match, Template } from 'aws-cdk-lib/assertions';
import {
  AutoScalingGroup,
  type CfnAutoScalingGroup,
  Signals,
  UpdatePolicy,
} from 'aws-cdk-lib/aws-autoscaling';
import {
  InstanceType,
  LaunchTemplate,
  MachineImage,
  Port,
  SecurityGroup,
  SubnetType,
} from 'aws-cdk-lib/aws-ec2';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Architecture, Runtime } from 'aws-cdk-lib/aws-lambda';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { CfnQueue } from 'aws-cdk-lib/aws-sqs';
import {
  EtcdAuth,
  EtcdLifecycle,
  type EtcdLifecycleProps,
  EtcdRemovalAtDeadline,
  EtcdSnapshotFailure,
  type EtcdSnapshots,
  EtcdTls,
} from '../src';
import { ClusterStack, newApp } from './cluster-stack';

interface Statement {
  readonly Effect: string;
  readonly Action: string | string[];
  readonly Resource: unknown;
  readonly Condition?: unknown;
}

interface Resource {
  readonly Properties: Record<string, unknown>;
}

function synthesize(props: Partial<EtcdLifecycleProps> = {}) {
  const stack = new ClusterStack();
  const lifecycle = stack.addLifecycle(props);
  return { stack, lifecycle, template: Template.fromStack(stack) };
}

/** With nothing but what must be given, and TLS. */
let standard: ReturnType<typeof synthesize>;
beforeAll(() => {
  standard = synthesize();
});

/** The one resource of a type whose logical id begins with a text. */
function only(template: Template, type: string, prefix = ''): [string, Resource] {
  const found = Object.entries(template.findResources(type)).filter(([id]) =>
    id.startsWith(prefix),
  );
  expect(found).toHaveLength(1);
  return found[0] as [string, Resource];
}

/** Each action that a role may do, with the resource; a condition or a Deny is shown as well. */
function permissions(template: Template, role: string): string[] {
  const statements = Object.values(template.findResources('AWS::IAM::Policy'))
    .filter(({ Properties }) => JSON.stringify(Properties.Roles).includes(`"${role}`))
    .flatMap(({ Properties }) => Properties.PolicyDocument.Statement as Statement[]);
  return statements
    .flatMap(({ Action, Resource, ...rest }) =>
      [Action].flat().map((action) => {
        const others = Object.entries(rest).filter(
          ([key, value]) => key !== 'Effect' || value !== 'Allow',
        );
        const resource = `${action} on ${readable(Resource)}`;
        return others.length === 0 ? resource : `${resource} ${JSON.stringify(others)}`;
      }),
    )
    .sort();
}

/** An ARN as text, without the hashes in logical ids. */
function readable(value: unknown): string {
  if (typeof value === 'string') {
    return value;
  }
  const intrinsic = value as Record<string, unknown>;
  if (Array.isArray(intrinsic['Fn::Join'])) {
    return (intrinsic['Fn::Join'][1] as unknown[]).map(readable).join('');
  }
  const [reference] = [intrinsic['Fn::GetAtt'] ?? intrinsic.Ref].flat() as string[];
  return `<${String(reference).replace(/[0-9A-F]{8}$/, '')}>`;
}

describe('the lifecycle hooks', () => {
  test('are part of the group, so that its first instances are held too', () => {
    const { template } = standard;
    template.hasResourceProperties('AWS::AutoScaling::AutoScalingGroup', {
      LifecycleHookSpecificationList: [
        {
          LifecycleHookName: 'quorate-main-launch',
          LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
          HeartbeatTimeout: 900,
          DefaultResult: 'ABANDON',
          NotificationTargetARN: Match.absent(),
        },
        {
          LifecycleHookName: 'quorate-main-terminate',
          LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
          HeartbeatTimeout: 900,
          DefaultResult: 'CONTINUE',
          NotificationTargetARN: Match.absent(),
        },
      ],
    });
    template.resourceCountIs('AWS::AutoScaling::LifecycleHook', 0);
  });

  test('are appended to those that the group has', () => {
    const stack = new ClusterStack();
    const autoScalingGroup = stack.addGroup();
    (autoScalingGroup.node.defaultChild as CfnAutoScalingGroup).lifecycleHookSpecificationList = [
      {
        lifecycleHookName: 'drain',
        lifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
      },
    ];
    stack.addLifecycle({ autoScalingGroup });
    Template.fromStack(stack).hasResourceProperties('AWS::AutoScaling::AutoScalingGroup', {
      LifecycleHookSpecificationList: [
        { LifecycleHookName: 'drain' },
        { LifecycleHookName: 'quorate-main-launch' },
        { LifecycleHookName: 'quorate-main-terminate' },
      ],
    });
  });

  test('have the names that the construct and the function know', () => {
    const { lifecycle, template } = synthesize({ clusterName: 'eu.Main_1' });
    expect(lifecycle.launchHookName).toBe('quorate-eu.Main_1-launch');
    expect(lifecycle.terminateHookName).toBe('quorate-eu.Main_1-terminate');
    template.hasResourceProperties('AWS::Lambda::Function', {
      Environment: {
        Variables: {
          QUORATE_LAUNCH_HOOK: 'quorate-eu.Main_1-launch',
          QUORATE_TERMINATE_HOOK: 'quorate-eu.Main_1-terminate',
        },
      },
    });
  });

  test('hold an instance for the heartbeat timeout', () => {
    const { template } = synthesize({ heartbeatTimeout: Duration.minutes(5) });
    template.hasResourceProperties('AWS::AutoScaling::AutoScalingGroup', {
      LifecycleHookSpecificationList: [{ HeartbeatTimeout: 300 }, { HeartbeatTimeout: 300 }],
    });
  });
});

describe('events and ticks', () => {
  test('the rule takes the events of this group that can change what is to be done', () => {
    const { template } = standard;
    const [group] = only(template, 'AWS::AutoScaling::AutoScalingGroup');
    const [, { Properties }] = only(template, 'AWS::Events::Rule', 'EtcdLifecycleEvents');
    expect(Properties.EventPattern).toEqual({
      source: ['aws.autoscaling'],
      'detail-type': [
        'EC2 Instance-launch Lifecycle Action',
        'EC2 Instance-terminate Lifecycle Action',
        'EC2 Instance Terminate Successful',
      ],
      detail: { AutoScalingGroupName: [{ Ref: group }] },
    });
    expect(Properties.State).toBe('ENABLED');
  });

  test('the schedule ticks each minute', () => {
    const { template } = standard;
    const [, { Properties }] = only(template, 'AWS::Events::Rule', 'EtcdLifecycleSchedule');
    expect(Properties.ScheduleExpression).toBe('rate(1 minute)');
    expect(Properties.State).toBe('ENABLED');
  });

  test('what EC2 says of its instances goes the same way', () => {
    const { template } = standard;
    const [, { Properties }] = only(template, 'AWS::Events::Rule', 'EtcdLifecycleNotices');
    expect(Properties.EventPattern).toEqual({
      source: ['aws.ec2'],
      'detail-type': [
        'EC2 Spot Instance Interruption Warning',
        'EC2 Instance Rebalance Recommendation',
      ],
    });
  });

  test('all go to the queue as they are: equal bodies would be dropped as duplicates', () => {
    const { template } = standard;
    const [queue] = only(template, 'AWS::SQS::Queue', 'EtcdLifecycleQueue');
    const rules = Object.values(template.findResources('AWS::Events::Rule'));
    expect(rules.map(({ Properties }) => Properties.Targets)).toEqual(
      Array(3).fill([
        {
          Arn: { 'Fn::GetAtt': [queue, 'Arn'] },
          Id: 'Target0',
          SqsParameters: { MessageGroupId: 'main' },
        },
      ]),
    );
  });

  test('the queue is FIFO, encrypted, and gives up a message after three attempts', () => {
    const { template } = synthesize({ timeout: Duration.seconds(90) });
    const [deadLetterQueue] = only(template, 'AWS::SQS::Queue', 'EtcdLifecycleDeadLetterQueue');
    const [, queue] = only(template, 'AWS::SQS::Queue', 'EtcdLifecycleQueue');
    expect(queue.Properties).toEqual({
      FifoQueue: true,
      ContentBasedDeduplication: true,
      SqsManagedSseEnabled: true,
      VisibilityTimeout: 100,
      RedrivePolicy: {
        deadLetterTargetArn: { 'Fn::GetAtt': [deadLetterQueue, 'Arn'] },
        maxReceiveCount: 3,
      },
    });
  });

  test('the dead-letter queue is FIFO and encrypted, and keeps messages for 14 days', () => {
    const { template } = standard;
    const [, queue] = only(template, 'AWS::SQS::Queue', 'EtcdLifecycleDeadLetterQueue');
    expect(queue.Properties).toEqual({
      FifoQueue: true,
      ContentBasedDeduplication: true,
      SqsManagedSseEnabled: true,
      MessageRetentionPeriod: 1_209_600,
    });
  });

  test('the queue admits the three rules, over TLS, and nobody else', () => {
    const { template } = standard;
    const [queue] = only(template, 'AWS::SQS::Queue', 'EtcdLifecycleQueue');
    const [events] = only(template, 'AWS::Events::Rule', 'EtcdLifecycleEvents');
    const [notices] = only(template, 'AWS::Events::Rule', 'EtcdLifecycleNotices');
    const [schedule] = only(template, 'AWS::Events::Rule', 'EtcdLifecycleSchedule');
    const [, { Properties }] = only(template, 'AWS::SQS::QueuePolicy', 'EtcdLifecycleQueue');
    const Resource = { 'Fn::GetAtt': [queue, 'Arn'] };
    const admitted = (rule: string) => ({
      Effect: 'Allow',
      Principal: { Service: 'events.amazonaws.com' },
      Action: ['sqs:SendMessage', 'sqs:GetQueueAttributes', 'sqs:GetQueueUrl'],
      Resource,
      Condition: { ArnEquals: { 'aws:SourceArn': { 'Fn::GetAtt': [rule, 'Arn'] } } },
    });
    expect((Properties.PolicyDocument as { Statement: unknown }).Statement).toEqual([
      {
        Effect: 'Deny',
        Principal: { AWS: '*' },
        Action: 'sqs:*',
        Resource,
        Condition: { Bool: { 'aws:SecureTransport': 'false' } },
      },
      admitted(events),
      admitted(notices),
      admitted(schedule),
    ]);
  });

  test('the dead-letter queue is reached over TLS only', () => {
    const { template } = standard;
    const [, { Properties }] = only(
      template,
      'AWS::SQS::QueuePolicy',
      'EtcdLifecycleDeadLetterQueue',
    );
    expect((Properties.PolicyDocument as { Statement: unknown }).Statement).toMatchObject([
      { Effect: 'Deny', Condition: { Bool: { 'aws:SecureTransport': 'false' } } },
    ]);
  });

  test('the function takes them in batches whose failures it reports one by one', () => {
    const { template } = standard;
    const [queue] = only(template, 'AWS::SQS::Queue', 'EtcdLifecycleQueue');
    const [lambda] = only(template, 'AWS::Lambda::Function', 'EtcdLifecycleFunction');
    const [, { Properties }] = only(template, 'AWS::Lambda::EventSourceMapping');
    expect(Properties).toEqual({
      EventSourceArn: { 'Fn::GetAtt': [queue, 'Arn'] },
      FunctionName: { Ref: lambda },
      BatchSize: 10,
      FunctionResponseTypes: ['ReportBatchItemFailures'],
    });
  });
});

describe('the function', () => {
  test('is Python 3.13 on ARM64 with a minute of time, in the private subnets', () => {
    const { template } = standard;
    template.hasResourceProperties('AWS::Lambda::Function', {
      Handler: 'etcd_lifecycle.handler.handle',
      Runtime: 'python3.13',
      Architectures: ['arm64'],
      Timeout: 60,
      MemorySize: 256,
      VpcConfig: {
        SubnetIds: [
          { Ref: Match.stringLikeRegexp('VpcPrivateSubnet1') },
          { Ref: Match.stringLikeRegexp('VpcPrivateSubnet2') },
        ],
      },
      LoggingConfig: { LogGroup: { Ref: Match.stringLikeRegexp('^EtcdLifecycleLog') } },
    });
  });

  test('is told all that it reads from its environment', () => {
    const { template } = standard;
    const [group] = only(template, 'AWS::AutoScaling::AutoScalingGroup');
    const [table] = only(template, 'AWS::DynamoDB::GlobalTable');
    const [deadLetterQueue] = only(template, 'AWS::SQS::Queue', 'EtcdLifecycleDeadLetterQueue');
    const [secret] = only(template, 'AWS::SecretsManager::Secret');
    const [, { Properties }] = only(template, 'AWS::Lambda::Function');
    expect(Properties.Environment).toEqual({
      Variables: {
        QUORATE_CLUSTER: 'main',
        QUORATE_GROUP: { Ref: group },
        QUORATE_LAUNCH_HOOK: 'quorate-main-launch',
        QUORATE_TERMINATE_HOOK: 'quorate-main-terminate',
        QUORATE_TABLE: { Ref: table },
        QUORATE_PARAMETER_PREFIX: '/quorate',
        QUORATE_DEAD_LETTER_QUEUE_URL: { Ref: deadLetterQueue },
        QUORATE_CLIENT_PORT: '2379',
        QUORATE_PEER_PORT: '2380',
        QUORATE_REPLACEMENT_DEADLINE: '3600',
        QUORATE_AT_DEADLINE: 'proceed',
        QUORATE_LAUNCH_DEADLINE: '1800',
        QUORATE_TLS_SECRET: { Ref: secret },
      },
    });
  });

  test('takes what the props say instead', () => {
    const { template } = synthesize({
      timeout: Duration.minutes(2),
      memorySize: 512,
      runtime: Runtime.PYTHON_3_12,
      architecture: Architecture.X86_64,
      vpcSubnets: { subnetType: SubnetType.PRIVATE_WITH_EGRESS, onePerAz: true },
      logRetention: RetentionDays.ONE_YEAR,
      ports: { client: 12379, peer: 12380 },
      removal: { deadline: Duration.hours(2) },
      launchDeadline: Duration.minutes(10),
      environment: { QUORATE_STALE_GRACE: '120', QUORATE_LAUNCH_DEADLINE: '90' },
    });
    template.hasResourceProperties('AWS::Lambda::Function', {
      Runtime: 'python3.12',
      Architectures: ['x86_64'],
      Timeout: 120,
      MemorySize: 512,
      Environment: {
        Variables: {
          QUORATE_CLIENT_PORT: '12379',
          QUORATE_PEER_PORT: '12380',
          QUORATE_REPLACEMENT_DEADLINE: '7200',
          QUORATE_LAUNCH_DEADLINE: '90',
          QUORATE_STALE_GRACE: '120',
        },
      },
    });
    template.hasResourceProperties('AWS::Logs::LogGroup', { RetentionInDays: 365 });
  });

  test('keeps its log for 90 days and takes it along when the stack goes', () => {
    const { template } = standard;
    template.hasResource('AWS::Logs::LogGroup', {
      Properties: { RetentionInDays: 90 },
      DeletionPolicy: 'Delete',
    });
  });

  test('waits for its permissions, as its first tick comes within a minute', () => {
    const { template } = standard;
    const [policy] = only(template, 'AWS::IAM::Policy', 'EtcdLifecycleRole');
    template.hasResource('AWS::Lambda::Function', { DependsOn: Match.arrayWith([policy]) });
  });
});

describe('snapshots', () => {
  function variables(snapshots: Omit<EtcdSnapshots, 'bucket'>): Record<string, unknown> {
    const stack = new ClusterStack();
    stack.addLifecycle({ snapshots: { bucket: new Bucket(stack, 'Backups'), ...snapshots } });
    const [, { Properties }] = only(
      Template.fromStack(stack),
      'AWS::Lambda::Function',
      'EtcdLifecycleFunction',
    );
    const { Variables } = Properties.Environment as { Variables: Record<string, unknown> };
    return Object.fromEntries(
      Object.entries(Variables).filter(([name]) => name.startsWith('QUORATE_SNAPSHOT_')),
    );
  }

  test('are taken before each removal, which waits for them, where there is a bucket', () => {
    expect(variables({})).toEqual({
      QUORATE_SNAPSHOT_BUCKET: { Ref: expect.stringMatching(/^Backups/) },
      QUORATE_SNAPSHOT_BEFORE_REMOVAL: 'true',
      QUORATE_SNAPSHOT_ON_FAILURE: 'stop',
    });
  });

  test('are taken as the props say', () => {
    expect(
      variables({
        prefix: 'etcd/eu',
        beforeRemoval: false,
        interval: Duration.hours(1),
        keep: 24,
        onFailure: EtcdSnapshotFailure.WARN,
      }),
    ).toEqual({
      QUORATE_SNAPSHOT_BUCKET: { Ref: expect.stringMatching(/^Backups/) },
      QUORATE_SNAPSHOT_PREFIX: 'etcd/eu',
      QUORATE_SNAPSHOT_BEFORE_REMOVAL: 'false',
      QUORATE_SNAPSHOT_ON_FAILURE: 'warn',
      QUORATE_SNAPSHOT_INTERVAL: '3600',
      QUORATE_SNAPSHOT_KEEP: '24',
    });
  });

  const refused: [Omit<EtcdSnapshots, 'bucket'>, RegExp][] = [
    [{ prefix: '/etcd' }, /snapshots.prefix "\/etcd" must be of letters/],
    [{ prefix: '' }, /snapshots.prefix "" must be/],
    [{ prefix: 'a*' }, /snapshots.prefix "a\*" must be/],
    [{ keep: 0 }, /snapshots.keep is 0; it is a whole number from 1 on/],
    [{ keep: 1.5 }, /snapshots.keep is 1.5;/],
    [{ interval: Duration.seconds(59) }, /snapshots.interval is 59 s, .* at least 60 s/],
  ];
  test.each(refused)('are refused with %j', (snapshots, message) => {
    expect(() => variables(snapshots)).toThrow(message);
  });
});

test('the table outlives the stack, since it knows that the cluster has existed', () => {
  const { template } = standard;
  template.hasResource('AWS::DynamoDB::GlobalTable', {
    Properties: {
      KeySchema: [
        { AttributeName: 'pk', KeyType: 'HASH' },
        { AttributeName: 'sk', KeyType: 'RANGE' },
      ],
      AttributeDefinitions: [
        { AttributeName: 'pk', AttributeType: 'S' },
        { AttributeName: 'sk', AttributeType: 'S' },
      ],
      BillingMode: 'PAY_PER_REQUEST',
      TimeToLiveSpecification: { AttributeName: 'expires', Enabled: true },
      Replicas: [{ PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true } }],
    },
    DeletionPolicy: 'Retain',
    UpdateReplacePolicy: 'Retain',
  });
});

describe('the permissions', () => {
  const LOCATION = '<AWS::Region>:<AWS::AccountId>';
  const GROUP =
    `arn:<AWS::Partition>:autoscaling:${LOCATION}:autoScalingGroup:*:` +
    'autoScalingGroupName/<GroupASG>';
  const PARAMETERS = `arn:<AWS::Partition>:ssm:${LOCATION}:parameter/quorate/main/*`;
  const TABLE = '<EtcdLifecycleTable>';
  const FUNCTION = [
    'autoscaling:DescribeAutoScalingGroups on *',
    'autoscaling:DescribeWarmPool on *',
    'ec2:DescribeInstances on *',
    `autoscaling:CompleteLifecycleAction on ${GROUP}`,
    `autoscaling:RecordLifecycleActionHeartbeat on ${GROUP}`,
    `ssm:PutParameter on ${PARAMETERS}`,
    `ssm:GetParameters on ${PARAMETERS}`,
    `ssm:DeleteParameters on ${PARAMETERS}`,
    `dynamodb:Query on ${TABLE}`,
    `dynamodb:PutItem on ${TABLE}`,
    `dynamodb:UpdateItem on ${TABLE}`,
    `dynamodb:DeleteItem on ${TABLE}`,
    'sqs:SendMessage on <EtcdLifecycleDeadLetterQueue>',
    'sqs:ReceiveMessage on <EtcdLifecycleQueue>',
    'sqs:DeleteMessage on <EtcdLifecycleQueue>',
    'sqs:ChangeMessageVisibility on <EtcdLifecycleQueue>',
    'sqs:GetQueueAttributes on <EtcdLifecycleQueue>',
    'sqs:GetQueueUrl on <EtcdLifecycleQueue>',
    'logs:CreateLogStream on <EtcdLifecycleLog>',
    'logs:PutLogEvents on <EtcdLifecycleLog>',
    // For Lambda itself, and not for the function's own code.
    ...[
      'ec2:CreateNetworkInterface on *',
      'ec2:DescribeNetworkInterfaces on *',
      'ec2:DescribeSubnets on *',
      'ec2:DeleteNetworkInterface on *',
      'ec2:AssignPrivateIpAddresses on *',
      'ec2:UnassignPrivateIpAddresses on *',
    ].flatMap((one) => [
      one,
      `${one} [["Condition",{"ArnEquals":{"lambda:SourceFunctionArn":` +
        '{"Fn::GetAtt":["EtcdLifecycleFunction25E13A96","Arn"]}}}],["Effect","Deny"]]',
    ]),
  ];

  test('of the function are these and no others', () => {
    const { template } = synthesize({ tls: EtcdTls.none() });
    expect(permissions(template, 'EtcdLifecycleRole')).toEqual([...FUNCTION].sort());
  });

  test('of the function are to terminate instances only where the group may retain them', () => {
    const TERMINATE = `autoscaling:TerminateInstanceInAutoScalingGroup on ${GROUP}`;
    const tls = EtcdTls.none();
    const removal = { atDeadline: EtcdRemovalAtDeadline.RETAIN };
    const { template } = synthesize({ tls, removal });
    expect(permissions(template, 'EtcdLifecycleRole')).toEqual([...FUNCTION, TERMINATE].sort());

    const stack = new ClusterStack();
    const autoScalingGroup = stack.addGroup();
    (autoScalingGroup.node.defaultChild as CfnAutoScalingGroup).instanceLifecyclePolicy = {
      retentionTriggers: { terminateHookAbandon: 'retain' },
    };
    stack.addLifecycle({ tls, autoScalingGroup });
    expect(permissions(Template.fromStack(stack), 'EtcdLifecycleRole')).toContain(TERMINATE);
  });

  test('of the function include the secret with TLS', () => {
    const { template } = standard;
    expect(permissions(template, 'EtcdLifecycleRole')).toEqual(
      [
        ...FUNCTION,
        'secretsmanager:GetSecretValue on <Certificate>',
        'secretsmanager:DescribeSecret on <Certificate>',
      ].sort(),
    );
  });

  test('of the function with snapshots are to write them, and to delete old ones if wanted', () => {
    const FOLDER = '<Backups>/etcd/main';
    const stack = new ClusterStack();
    const bucket = new Bucket(stack, 'Backups');
    stack.addLifecycle({ tls: EtcdTls.none(), snapshots: { bucket, prefix: 'etcd', keep: 24 } });
    expect(permissions(Template.fromStack(stack), 'EtcdLifecycleRole')).toEqual(
      [
        ...FUNCTION,
        `s3:PutObject on ${FOLDER}/*`,
        `s3:AbortMultipartUpload on ${FOLDER}/*`,
        `s3:DeleteObject on ${FOLDER}/*`,
        's3:ListBucket on <Backups> [["Condition",{"StringEquals":{"s3:prefix":"etcd/main/"}}]]',
      ].sort(),
    );
  });

  test('of the function with snapshots that are all kept, in a bucket with a key', () => {
    const stack = new ClusterStack();
    const encryptionKey = new Key(stack, 'Key');
    const bucket = new Bucket(stack, 'Backups', { encryptionKey });
    stack.addLifecycle({ tls: EtcdTls.none(), snapshots: { bucket } });
    const template = Template.fromStack(stack);
    expect(permissions(template, 'EtcdLifecycleRole')).toEqual(
      [
        ...FUNCTION,
        's3:PutObject on <Backups>/main/*',
        's3:AbortMultipartUpload on <Backups>/main/*',
        'kms:GenerateDataKey on <Key>',
        'kms:Decrypt on <Key>',
      ].sort(),
    );
  });

  test('of a member are to read the parameters of its cluster', () => {
    const { template } = standard;
    expect(permissions(template, 'GroupMember')).toEqual([`ssm:GetParameter on ${PARAMETERS}`]);
  });

  test('of a member with snapshots are to read them too, for a recovery', () => {
    const stack = new ClusterStack();
    const bucket = new Bucket(stack, 'Backups', { encryptionKey: new Key(stack, 'Key') });
    stack.addLifecycle({ tls: EtcdTls.none(), snapshots: { bucket } });
    expect(permissions(Template.fromStack(stack), 'GroupMember')).toEqual(
      [
        `ssm:GetParameter on ${PARAMETERS}`,
        's3:GetObject on <Backups>/main/*',
        'kms:Decrypt on <Key>',
      ].sort(),
    );
  });

  test('come from no managed policy, and only Lambda takes the function’s role', () => {
    const { template } = standard;
    const [, { Properties }] = only(template, 'AWS::IAM::Role', 'EtcdLifecycleRole');
    expect(Object.keys(Properties).sort()).toEqual(['AssumeRolePolicyDocument', 'Description']);
    expect(Properties.AssumeRolePolicyDocument).toMatchObject({
      Statement: [
        {
          Action: 'sts:AssumeRole',
          Effect: 'Allow',
          Principal: { Service: 'lambda.amazonaws.com' },
        },
      ],
    });
  });
});

describe('the network', () => {
  /** Each rule as `port: who may reach whom`. */
  function ingress(template: Template): string[] {
    return Object.values(template.findResources('AWS::EC2::SecurityGroupIngress'))
      .map(({ Properties: rule }) => {
        expect(rule.IpProtocol).toBe('tcp');
        expect(rule.ToPort).toBe(rule.FromPort);
        return `${rule.FromPort}: ${readable(rule.SourceSecurityGroupId)} to ${readable(rule.GroupId)}`;
      })
      .sort();
  }

  test('lets members reach each other, and the function reach their client port', () => {
    expect(ingress(standard.template)).toEqual([
      '2379: <EtcdLifecycleSecurityGroup> to <GroupMembers>',
      '2379: <GroupMembers> to <GroupMembers>',
      '2380: <GroupMembers> to <GroupMembers>',
    ]);
  });

  test('follows the ports', () => {
    const { template } = synthesize({ ports: { client: 12379, peer: 12380 } });
    expect(ingress(template)).toEqual([
      '12379: <EtcdLifecycleSecurityGroup> to <GroupMembers>',
      '12379: <GroupMembers> to <GroupMembers>',
      '12380: <GroupMembers> to <GroupMembers>',
    ]);
  });

  test('takes security groups that are there', () => {
    const stack = new ClusterStack();
    const own = new SecurityGroup(stack, 'Own', { vpc: stack.vpc });
    stack.addLifecycle({ securityGroups: [own] });
    const template = Template.fromStack(stack);
    expect(ingress(template)).toContain('2379: <Own> to <GroupMembers>');
    expect(Object.keys(template.findResources('AWS::EC2::SecurityGroup')).sort()).toEqual([
      expect.stringMatching(/^GroupMembers/),
      expect.stringMatching(/^Own/),
    ]);
  });

  test('says so on both sides where not all outbound traffic is allowed', () => {
    const stack = new ClusterStack();
    const closed = (id: string) =>
      new SecurityGroup(stack, id, { vpc: stack.vpc, allowAllOutbound: false });
    const autoScalingGroup = new AutoScalingGroup(stack, 'Group', {
      vpc: stack.vpc,
      instanceType: new InstanceType('m7g.medium'),
      machineImage: MachineImage.latestAmazonLinux2023(),
      securityGroup: closed('Members'),
    });
    stack.addLifecycle({ autoScalingGroup, securityGroups: [closed('Own')] });
    const egress = Template.fromStack(stack).findResources('AWS::EC2::SecurityGroupEgress');
    expect(
      Object.values(egress)
        .map(
          ({ Properties: rule }) =>
            `${rule.FromPort}: ${readable(rule.GroupId)} to ${readable(rule.DestinationSecurityGroupId)}`,
        )
        .sort(),
    ).toEqual([
      '2379: <Members> to <Members>',
      '2379: <Own> to <Members>',
      '2380: <Members> to <Members>',
    ]);
  });

  test('can be opened further through the connections of the construct', () => {
    const stack = new ClusterStack();
    const other = new SecurityGroup(stack, 'Other', { vpc: stack.vpc });
    stack.addLifecycle().connections.allowTo(other, Port.tcp(443));
    expect(ingress(Template.fromStack(stack))).toContain(
      '443: <EtcdLifecycleSecurityGroup> to <Other>',
    );
  });
});

describe('TLS', () => {
  test('nothing of the secret but its ARN is in the template', () => {
    const stack = new ClusterStack();
    const secret = Secret.fromSecretCompleteArn(
      stack,
      'Imported',
      'arn:aws:secretsmanager:eu-central-1:111111111111:secret:etcd-AbCdEf',
    );
    stack.addLifecycle({ tls: EtcdTls.fromSecret(secret) });
    const template = Template.fromStack(stack);
    template.hasResourceProperties('AWS::Lambda::Function', {
      Environment: { Variables: { QUORATE_TLS_SECRET: secret.secretArn } },
    });
    expect(JSON.stringify(template.toJSON())).not.toContain('{{resolve:');
  });

  test('members and function speak https with a secret, http without one', () => {
    const stack = new ClusterStack();
    expect(stack.addTls().scheme).toBe('https');
    expect(EtcdTls.none().scheme).toBe('http');
  });

  test('without TLS the function is told of no secret', () => {
    const { template } = synthesize({ tls: EtcdTls.none() });
    template.hasResourceProperties('AWS::Lambda::Function', {
      Environment: { Variables: { QUORATE_TLS_SECRET: Match.absent() } },
    });
  });

  test('bootstrapCommands() needs the paths of the certificates with TLS', () => {
    const { lifecycle } = standard;
    expect(() => lifecycle.bootstrapCommands()).toThrow(
      'Stack/EtcdLifecycle: the cluster uses TLS, so bootstrapCommands() needs tlsFiles, the ' +
        'paths of the certificates on the instance',
    );
  });

  test('bootstrapCommands() takes no certificates that would be ignored', () => {
    const { lifecycle } = synthesize({ tls: EtcdTls.none() });
    const tlsFiles = { caFile: '/ca.pem', certificateFile: '/member.pem', keyFile: '/key.pem' };
    expect(() => lifecycle.bootstrapCommands({ tlsFiles })).toThrow(
      /^Stack\/EtcdLifecycle: bootstrapCommands\(\) has tlsFiles, but the cluster uses no TLS/,
    );
  });
});

describe('auth', () => {
  function synthesizeWithUser(tls?: EtcdTls) {
    const stack = new ClusterStack();
    const user = new Secret(stack, 'User');
    stack.addLifecycle({ auth: EtcdAuth.fromSecret(user), ...(tls && { tls }) });
    return { stack, template: Template.fromStack(stack), user };
  }

  test('the function is told of the secret, and may read it', () => {
    const { stack, template, user } = synthesizeWithUser();
    template.hasResourceProperties('AWS::Lambda::Function', {
      Environment: { Variables: { QUORATE_AUTH_SECRET: stack.resolve(user.secretArn) } },
    });
    expect(permissions(template, 'EtcdLifecycleRole')).toContain(
      'secretsmanager:GetSecretValue on <User>',
    );
    Annotations.fromStack(stack).hasNoWarning('*', Match.stringLikeRegexp('authWithoutTls'));
  });

  test('without it the function is told of none', () => {
    standard.template.hasResourceProperties('AWS::Lambda::Function', {
      Environment: { Variables: { QUORATE_AUTH_SECRET: Match.absent() } },
    });
  });

  test('without TLS there is a warning, for the password is sent', () => {
    const { stack } = synthesizeWithUser(EtcdTls.none());
    Annotations.fromStack(stack).hasWarning(
      '/Stack/EtcdLifecycle',
      'without TLS the password of auth crosses the network in the clear ' +
        '[ack: @quorate/etcd-lifecycle:authWithoutTls]',
    );
  });
});

describe('several clusters', () => {
  test('live in one stack, each with its own queue, table and permissions', () => {
    const stack = new ClusterStack();
    const tls = stack.addTls();
    for (const clusterName of ['one', 'two']) {
      new EtcdLifecycle(stack, clusterName, {
        autoScalingGroup: stack.addGroup(`Group-${clusterName}`),
        clusterName,
        vpc: stack.vpc,
        tls,
      });
    }
    const template = Template.fromStack(stack);
    template.resourceCountIs('AWS::Lambda::Function', 2);
    template.resourceCountIs('AWS::SQS::Queue', 4);
    template.resourceCountIs('AWS::DynamoDB::GlobalTable', 2);
    for (const clusterName of ['one', 'two']) {
      expect(permissions(template, `${clusterName}Role`).filter((one) => /ssm/.test(one))).toEqual(
        ['DeleteParameters', 'GetParameters', 'PutParameter'].map(
          (action) =>
            `ssm:${action} on arn:<AWS::Partition>:ssm:<AWS::Region>:<AWS::AccountId>:` +
            `parameter/quorate/${clusterName}/*`,
        ),
      );
    }
  });

  test('cannot share a name', () => {
    const stack = new ClusterStack();
    stack.addLifecycle();
    expect(
      () =>
        new EtcdLifecycle(stack, 'Other', {
          autoScalingGroup: stack.addGroup('OtherGroup'),
          clusterName: 'main',
          vpc: stack.vpc,
        }),
    ).toThrow(
      'Stack/Other: clusterName "main" is also that of Stack/EtcdLifecycle; it must be unique in ' +
        'the account and Region',
    );
  });

  test('cannot share a group', () => {
    const stack = new ClusterStack();
    const autoScalingGroup = stack.addGroup();
    stack.addLifecycle({ autoScalingGroup });
    expect(
      () =>
        new EtcdLifecycle(stack, 'Other', {
          autoScalingGroup,
          clusterName: 'other',
          vpc: stack.vpc,
        }),
    ).toThrow('Stack/Other: Stack/EtcdLifecycle looks after this group already');
  });

  test('the group can be in a stack of its own', () => {
    const app = newApp();
    const groups = new ClusterStack(app, 'Groups');
    const autoScalingGroup = groups.addGroup();
    const stack = new Stack(app, 'Lifecycle');
    const lifecycle = new EtcdLifecycle(stack, 'EtcdLifecycle', {
      autoScalingGroup,
      clusterName: 'main',
      vpc: groups.vpc,
    });
    autoScalingGroup.addUserData(...lifecycle.bootstrapCommands());
    Template.fromStack(groups).hasResourceProperties('AWS::AutoScaling::AutoScalingGroup', {
      LifecycleHookSpecificationList: Match.anyValue(),
    });
    Template.fromStack(stack).resourceCountIs('AWS::Lambda::Function', 1);
    expect(groups.dependencies).toEqual([]);
  });
});

describe('warnings', () => {
  const PATH = '/Stack/EtcdLifecycle';

  test.each([undefined, EtcdTls.none()])('of a cluster without TLS', (tls) => {
    const { stack } = synthesize({ tls });
    Annotations.fromStack(stack).hasWarning(
      PATH,
      'the cluster has no TLS: whoever reaches its ports can read and change everything. Pass ' +
        'tls: EtcdTls.fromSecret(...) [ack: @quorate/etcd-lifecycle:noTls]',
    );
  });

  test('of an even number of members', () => {
    const stack = new ClusterStack();
    stack.addLifecycle({ autoScalingGroup: stack.addGroup('Group', { minCapacity: 4 }) });
    Annotations.fromStack(stack).hasWarning(
      PATH,
      'a cluster of 4 survives no more failures than one of 3: give the group an odd capacity ' +
        '[ack: @quorate/etcd-lifecycle:evenCapacity]',
    );
  });

  test('go by the desired capacity if there is one', () => {
    const stack = new ClusterStack();
    const autoScalingGroup = stack.addGroup('Group', { minCapacity: 2, desiredCapacity: 3 });
    stack.addLifecycle({ autoScalingGroup });
    expect(Annotations.fromStack(stack).findWarning(PATH, Match.anyValue())).toEqual([]);
  });

  test('of a capacity that only the deployment knows there are none', () => {
    const stack = new ClusterStack();
    const minCapacity = Token.asNumber(Fn.importValue('capacity'));
    stack.addLifecycle({ autoScalingGroup: stack.addGroup('Group', { minCapacity }) });
    expect(Annotations.fromStack(stack).findWarning(PATH, Match.anyValue())).toEqual([]);
  });

  test('a cluster of three with TLS gives neither a warning nor an error', () => {
    const { stack } = standard;
    expect(Annotations.fromStack(stack).findWarning('*', Match.anyValue())).toEqual([]);
    expect(Annotations.fromStack(stack).findError('*', Match.anyValue())).toEqual([]);
  });
});

describe('what cannot work is refused at synthesis', () => {
  const seconds = Duration.seconds;
  const refused: [string, Partial<EtcdLifecycleProps>, string][] = [
    ['an empty name', { clusterName: '' }, 'clusterName "" must be 1 to 64 letters'],
    ['a name with a slash', { clusterName: 'a/b' }, 'clusterName "a/b" must be 1 to 64 letters'],
    ['a name that begins with a dot', { clusterName: '.a' }, 'starting with a letter or digit'],
    ['a name of 65', { clusterName: 'a'.repeat(65) }, 'must be 1 to 64 letters'],
    ['a port of 0', { ports: { client: 0 } }, 'ports.client is 0; a port is a whole number'],
    ['a port of 65536', { ports: { peer: 65536 } }, 'ports.peer is 65536; a port is a whole'],
    ['a port and a half', { ports: { peer: 2380.5 } }, 'ports.peer is 2380.5; a port is'],
    ['one port for both', { ports: { client: 2380 } }, 'ports.peer are both 2380; a member'],
    ['Node.js', { runtime: Runtime.NODEJS_LATEST }, '; the function is written in Python'],
    ['Python 3.9', { runtime: Runtime.PYTHON_3_9 }, 'runtime is python3.9; the function'],
    ['Python 2', { runtime: Runtime.PYTHON_2_7 }, 'runtime is python2.7; the function'],
    ['no name', { clusterName: undefined }, 'clusterName undefined must be 1 to 64 letters'],
    ['memory below 128 MiB', { memorySize: 127 }, 'memorySize is 127; Lambda takes 128 to 10240'],
    ['memory above 10 GiB', { memorySize: 10241 }, 'memorySize is 10241; Lambda takes 128 to'],
    ['memory by halves', { memorySize: 256.5 }, 'memorySize is 256.5; Lambda takes 128 to'],
    ['no security group', { securityGroups: [] }, 'securityGroups is empty'],
    [
      'heartbeats that Auto Scaling does not take',
      { heartbeatTimeout: seconds(7201) },
      'heartbeatTimeout is 7201 s; Auto Scaling takes 30 to 7200',
    ],
    [
      'too short a heartbeat timeout for Auto Scaling',
      { heartbeatTimeout: seconds(29) },
      'heartbeatTimeout is 29 s; Auto Scaling takes 30 to 7200',
    ],
    [
      'too short a heartbeat timeout for the runs of the function',
      { heartbeatTimeout: seconds(216), timeout: seconds(90) },
      'a run of 90 s and the 7 s of a quorum that does not answer apart, and one may be lost: make ' +
        'it at least 217 s',
    ],
    ['a time-out below 30 s', { timeout: seconds(29) }, 'timeout is 29 s; the function needs 30'],
    ['a time-out above 15 minutes', { timeout: seconds(901) }, 'Lambda takes at most 900'],
    [
      'a launch deadline that comes before the function looks again',
      { launchDeadline: seconds(59) },
      'launchDeadline is 59 s, but the function may only look once a minute',
    ],
    [
      'a replacement deadline that Auto Scaling does not wait for',
      { removal: { deadline: seconds(20_000) }, heartbeatTimeout: seconds(200) },
      'removal.deadline is 20000 s, but with a heartbeatTimeout of 200 s Auto Scaling ends ' +
        'the wait after 20000 s: make it shorter',
    ],
    [
      'a launch deadline of two days',
      { launchDeadline: Duration.days(2) },
      'launchDeadline is 172800 s, but with a heartbeatTimeout of 900 s Auto Scaling ends the ' +
        'wait after 90000 s',
    ],
    [
      'a replacement deadline of two days',
      { removal: { deadline: Duration.days(2) }, heartbeatTimeout: Duration.hours(2) },
      'Auto Scaling ends the wait after 172800 s',
    ],
    [
      'an alarm of a hook that Auto Scaling has ended before',
      { alarms: { hookHeld: seconds(90_000) } },
      'alarms.hookHeld is 90000 s, but with a heartbeatTimeout of 900 s Auto Scaling ends the wait',
    ],
    ...(['hookHeld', 'learnerStalled', 'snapshotAge'] as const).map(
      (name): [string, Partial<EtcdLifecycleProps>, string] => [
        `an alarm that is always on: ${name}`,
        { alarms: { [name]: seconds(0) } },
        `alarms.${name} is 0 s, so that the alarm would always be on`,
      ],
    ),
  ];

  test.each(refused)('%s', (_title, props, message) => {
    const stack = new ClusterStack();
    expect(() => stack.addLifecycle(props)).toThrow(message);
    expect(() => new ClusterStack().addLifecycle(props)).toThrow(/^Stack\/EtcdLifecycle: /);
  });

  const accepted: [string, Partial<EtcdLifecycleProps>][] = [
    ['a name of 64', { clusterName: 'a'.repeat(64) }],
    ['a name that only the deployment knows', { clusterName: Fn.importValue('name') }],
    ['the least memory', { memorySize: 128 }],
    ['the most memory', { memorySize: 10240 }],
    ['the lowest and the highest port', { ports: { client: 1, peer: 65535 } }],
    ['Python 3.10', { runtime: Runtime.PYTHON_3_10 }],
    ['the shortest times', { heartbeatTimeout: seconds(157), timeout: seconds(30) }],
    ['the longest times', { heartbeatTimeout: seconds(7200), timeout: seconds(900) }],
    ['no wait for a replacement', { removal: { deadline: seconds(0) } }],
    [
      'the longest deadlines',
      {
        heartbeatTimeout: seconds(200),
        removal: { deadline: seconds(19_999) },
        launchDeadline: seconds(19_999),
      },
    ],
  ];

  test.each(accepted)('but not %s', (_title, props) => {
    synthesize(props).template.resourceCountIs('AWS::Lambda::Function', 1);
  });

  test('no group, which JavaScript lets one leave out', () => {
    const props = { clusterName: 'main' } as EtcdLifecycleProps;
    expect(() => new EtcdLifecycle(new ClusterStack(), 'EtcdLifecycle', props)).toThrow(
      'Stack/EtcdLifecycle: autoScalingGroup is missing',
    );
  });

  test('an interval of zero in the user data', () => {
    const { lifecycle } = synthesize({ tls: EtcdTls.none() });
    expect(() => lifecycle.bootstrapCommands({ pollSeconds: 0 })).toThrow(
      'Stack/EtcdLifecycle: pollSeconds is 0; it must be more than 0',
    );
  });

  test('a group that waits for signals, which only a member could send', () => {
    const stack = new ClusterStack();
    const autoScalingGroup = stack.addGroup('Group', { signals: Signals.waitForAll() });
    expect(() => stack.addLifecycle({ autoScalingGroup })).toThrow(
      'Stack/EtcdLifecycle: the group waits for signals of its instances',
    );
  });

  test('a group that is replaced as a whole', () => {
    const stack = new ClusterStack();
    const updatePolicy = UpdatePolicy.replacingUpdate();
    const autoScalingGroup = stack.addGroup('Group', { updatePolicy });
    expect(() => stack.addLifecycle({ autoScalingGroup })).toThrow(
      'Stack/EtcdLifecycle: the update policy of the group replaces it as a whole',
    );
  });

  test('hooks of the group that are no list', () => {
    const stack = new ClusterStack();
    const autoScalingGroup = stack.addGroup();
    (autoScalingGroup.node.defaultChild as CfnAutoScalingGroup).lifecycleHookSpecificationList =
      Lazy.any({ produce: () => [] });
    expect(() => stack.addLifecycle({ autoScalingGroup })).toThrow(
      "Stack/EtcdLifecycle: the group's lifecycleHookSpecificationList is not a plain list",
    );
  });

  test.each(['role', 'securityGroup'] as const)('a launch template without %s', (absent) => {
    const stack = new ClusterStack();
    const parts = {
      role: new Role(stack, 'Member', { assumedBy: new ServicePrincipal('ec2.amazonaws.com') }),
      securityGroup: new SecurityGroup(stack, 'Members', { vpc: stack.vpc }),
    };
    const autoScalingGroup = new AutoScalingGroup(stack, 'Group', {
      vpc: stack.vpc,
      launchTemplate: new LaunchTemplate(stack, 'Template', {
        instanceType: new InstanceType('m7g.medium'),
        machineImage: MachineImage.latestAmazonLinux2023(),
        ...parts,
        [absent]: undefined,
      }),
    });
    expect(() => stack.addLifecycle({ autoScalingGroup })).toThrow(
      'Stack/EtcdLifecycle: the group\'s launch template needs "role" and "securityGroup"',
    );
  });
});

test('the validator of CDK, which knows the schemas of the resources, finds only what is planted', () => {
  const app = newApp();
  const stack = new ClusterStack(app);
  stack.addLifecycle();
  // Without any finding, the report would look as if nothing had been checked.
  new CfnQueue(stack, 'Planted').addPropertyOverride('VisibilityTimeout', 'long');
  const previous = process.env.CDK_VALIDATION;
  delete process.env.CDK_VALIDATION;
  const printed = jest.spyOn(console, 'error').mockImplementation(() => undefined);
  try {
    const { directory } = app.synth();
    const report = JSON.parse(readFileSync(join(directory, 'validation-report.json'), 'utf8'));
    const violations = report.pluginReports.flatMap(
      (plugin: { violations: { description: string; violatingConstructs: unknown[] }[] }) =>
        plugin.violations,
    );
    expect(violations).toEqual([
      expect.objectContaining({
        description: "VisibilityTimeout: 'long' is not of type 'integer'",
        violatingConstructs: [expect.objectContaining({ constructPath: 'Stack/Planted' })],
      }),
    ]);
  } finally {
    printed.mockRestore();
    process.env.CDK_VALIDATION = previous;
  }
}, 60_000);
