import { describe, expect, test } from '@jest/globals';
import { PythonRunner } from '@quorate/test-harness';
import { Annotations as CdkAnnotations, Duration, Lazy } from 'aws-cdk-lib';
import { Annotations, Match, Template } from 'aws-cdk-lib/assertions';
import {
  AutoScalingGroup,
  type AutoScalingGroupProps,
  CfnAutoScalingGroup,
  OnDemandAllocationStrategy,
  PoolState,
  type WarmPoolOptions,
} from 'aws-cdk-lib/aws-autoscaling';
import {
  CfnRoute,
  CfnVPNGatewayRoutePropagation,
  GatewayVpcEndpointAwsService,
  InstanceType,
  InterfaceVpcEndpointAwsService,
  LaunchTemplate,
  MachineImage,
  type PrivateSubnet,
  RouterType,
  SecurityGroup,
  SubnetType,
  UserData,
  Vpc,
} from 'aws-cdk-lib/aws-ec2';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import {
  EtcdJoin,
  EtcdLifecycle,
  type EtcdLifecycleProps,
  type EtcdRemoval,
  EtcdRemovalAtDeadline,
  EtcdTls,
} from '../src';
import { RETRY_POLICIES } from '../src/private/guards/retries';
import { ClusterStack, TLS_FILES } from './cluster-stack';
import { LAMBDA_PATH } from './lambda/edges/python-path';

const PATH = '/Stack/EtcdLifecycle';

/** What is warned of at the construct. */
function warnings(stack: ClusterStack): unknown[] {
  return Annotations.fromStack(stack)
    .findWarning(PATH, Match.anyValue())
    .map(({ entry }) => entry.data);
}

/** What is warned of with a group of these props. */
function warningsOf(props: Partial<AutoScalingGroupProps>): unknown[] {
  const stack = new ClusterStack();
  stack.addLifecycle({ autoScalingGroup: stack.addGroup('Group', props) });
  return warnings(stack);
}

/** A launch template with all that the construct needs. */
function template(stack: ClusterStack, spot = false): LaunchTemplate {
  return new LaunchTemplate(stack, 'Template', {
    instanceType: new InstanceType('m7g.medium'),
    machineImage: MachineImage.latestAmazonLinux2023(),
    securityGroup: new SecurityGroup(stack, 'Members', { vpc: stack.vpc }),
    role: new Role(stack, 'Member', { assumedBy: new ServicePrincipal('ec2.amazonaws.com') }),
    userData: UserData.forLinux(),
    ...(spot ? { spotOptions: {} } : {}),
  });
}

function cfn(group: AutoScalingGroup): CfnAutoScalingGroup {
  return group.node.defaultChild as CfnAutoScalingGroup;
}

describe('the capacity of the group', () => {
  test('that leaves no room for a replacement is warned of', () => {
    expect(warningsOf({ minCapacity: 3, maxCapacity: 3 })).toEqual([
      'maxCapacity of the group is 3, which its 3 members fill, so that no replacement can be ' +
        'launched before a member goes: make it at least 4 ' +
        '[ack: @quorate/etcd-lifecycle:noSpareCapacity]',
    ]);
  });

  test('is judged as it is in the end, not as it was when the construct was made', () => {
    const stack = new ClusterStack();
    const autoScalingGroup = stack.addGroup();
    stack.addLifecycle({ autoScalingGroup });
    cfn(autoScalingGroup).maxSize = '3';
    expect(warnings(stack)).toEqual([expect.stringContaining('noSpareCapacity')]);
  });

  test('may be a choice: a warning can be acknowledged', () => {
    const stack = new ClusterStack();
    const autoScalingGroup = stack.addGroup('Group', { minCapacity: 4, maxCapacity: 4 });
    const lifecycle = stack.addLifecycle({ autoScalingGroup });
    for (const id of ['evenCapacity', 'noSpareCapacity']) {
      CdkAnnotations.of(lifecycle).acknowledgeWarning(`@quorate/etcd-lifecycle:${id}`);
    }
    expect(warnings(stack)).toEqual([]);
  });
});

test('a launch configuration, which accounts of today cannot make, is warned of', () => {
  const stack = new ClusterStack();
  const autoScalingGroup = new AutoScalingGroup(stack, 'Group', {
    vpc: stack.vpc,
    instanceType: new InstanceType('m7g.medium'),
    machineImage: MachineImage.latestAmazonLinux2023(),
    securityGroup: new SecurityGroup(stack, 'Members', { vpc: stack.vpc }),
    minCapacity: 3,
    maxCapacity: 4,
  });
  stack.addLifecycle({ autoScalingGroup });
  expect(warnings(stack)).toEqual([
    expect.stringMatching(
      /generateLaunchTemplateInsteadOfLaunchConfig.* \[ack: @quorate\/etcd-lifecycle:launchConfiguration\]$/,
    ),
  ]);
});

describe('the maintenance policy of the group', () => {
  test.each([
    [1, 200],
    [3, 134],
    [5, 120],
    [7, 115],
  ])('lets one of %d be launched before another goes', (minCapacity, maxHealthyPercentage) => {
    const stack = new ClusterStack();
    const autoScalingGroup = stack.addGroup('Group', { minCapacity, maxCapacity: 9 });
    stack.addLifecycle({ autoScalingGroup });
    Template.fromStack(stack).hasResourceProperties('AWS::AutoScaling::AutoScalingGroup', {
      InstanceMaintenancePolicy: {
        MinHealthyPercentage: 100,
        MaxHealthyPercentage: maxHealthyPercentage,
      },
    });
    // The service rounds either way; one more must fit in both cases.
    expect(Math.floor((minCapacity * maxHealthyPercentage) / 100)).toBe(minCapacity + 1);
  });

  test('stands if there is one, and is warned of if it terminates first', () => {
    const stack = new ClusterStack();
    const autoScalingGroup = stack.addGroup();
    cfn(autoScalingGroup).instanceMaintenancePolicy = Lazy.any({
      produce: () => ({ minHealthyPercentage: 60, maxHealthyPercentage: 100 }),
    });
    stack.addLifecycle({ autoScalingGroup });
    expect(warnings(stack)).toEqual([
      expect.stringMatching(/has a maxHealthyPercentage of 100, so that .*:terminateFirst\]$/),
    ]);
  });
});

describe('removal', () => {
  function synthesize(removal: EtcdRemoval, prepare: (group: AutoScalingGroup) => void = () => {}) {
    const stack = new ClusterStack();
    const autoScalingGroup = stack.addGroup();
    prepare(autoScalingGroup);
    stack.addLifecycle({ autoScalingGroup, removal });
    return Template.fromStack(stack);
  }

  function environment(removal: EtcdRemoval): unknown[] {
    const [lambda] = Object.values(synthesize(removal).findResources('AWS::Lambda::Function'));
    const variables = lambda?.Properties.Environment.Variables;
    return [variables.QUORATE_REPLACEMENT_DEADLINE, variables.QUORATE_AT_DEADLINE];
  }

  const { PROCEED, HOLD, RETAIN } = EtcdRemovalAtDeadline;

  test('waits for the replacement, for an hour by default', () => {
    expect(environment({})).toEqual(['3600', 'proceed']);
    expect(environment({ deadline: Duration.hours(2), atDeadline: HOLD })).toEqual([
      '7200',
      'hold',
    ]);
  });

  test('waits for none, and leaves the group as it is, if it is not to', () => {
    expect(environment({ replacementFirst: false })).toEqual(['0', 'proceed']);
    synthesize({ replacementFirst: false }).hasResourceProperties(
      'AWS::AutoScaling::AutoScalingGroup',
      { InstanceMaintenancePolicy: Match.absent() },
    );
  });

  test.each([{ deadline: Duration.hours(1) }, { atDeadline: HOLD }])(
    'cannot wait and not wait: %j',
    (removal) => {
      expect(() => synthesize({ replacementFirst: false, ...removal })).toThrow(
        'Stack/EtcdLifecycle: removal.replacementFirst is false, so that no member waits for its ' +
          'replacement: leave out removal.deadline and removal.atDeadline',
      );
    },
  );

  test('that retains makes the group retain', () => {
    const [, atDeadline] = environment({ atDeadline: RETAIN });
    expect(atDeadline).toBe('retain');
    synthesize({ atDeadline: RETAIN }).hasResourceProperties('AWS::AutoScaling::AutoScalingGroup', {
      InstanceLifecyclePolicy: { RetentionTriggers: { TerminateHookAbandon: 'retain' } },
    });
    synthesize({ atDeadline: PROCEED }).hasResourceProperties(
      'AWS::AutoScaling::AutoScalingGroup',
      { InstanceLifecyclePolicy: Match.absent() },
    );
  });

  test('that retains is refused by a CDK that cannot say so', () => {
    const known = Object.getOwnPropertyDescriptor(
      CfnAutoScalingGroup.prototype,
      'instanceLifecyclePolicy',
    ) as PropertyDescriptor;
    Reflect.deleteProperty(CfnAutoScalingGroup.prototype, 'instanceLifecyclePolicy');
    try {
      expect(() => new ClusterStack().addLifecycle({ removal: { atDeadline: RETAIN } })).toThrow(
        'Stack/EtcdLifecycle: removal.atDeadline is RETAIN, but this version of aws-cdk-lib does ' +
          'not know the instanceLifecyclePolicy of a group: use 2.271.0 or newer, or choose HOLD',
      );
    } finally {
      Object.defineProperty(CfnAutoScalingGroup.prototype, 'instanceLifecyclePolicy', known);
    }
  });

  test('has the values that the function reads', async () => {
    const source = [
      'import json',
      'from etcd_lifecycle.model import AtDeadline',
      'print(json.dumps([one.value for one in AtDeadline]))',
    ].join('\n');
    const { stdout } = await PythonRunner.run(source, { pythonPath: LAMBDA_PATH });
    expect(JSON.parse(stdout)).toEqual(Object.values(EtcdRemovalAtDeadline));
  });
});

describe('times', () => {
  const seconds = Duration.seconds;

  test('too short for all attempts of a heartbeat are warned of', () => {
    const stack = new ClusterStack();
    stack.addLifecycle({ timeout: seconds(38) });
    expect(warnings(stack)).toEqual([
      'timeout is 38 s, but all attempts of a heartbeat may take 38.9 s, so that the last ones may ' +
        'not be made: make it at least 39 s [ack: @quorate/etcd-lifecycle:retriesCutShort]',
    ]);
  });

  test('that fit are not', () => {
    const stack = new ClusterStack();
    stack.addLifecycle({ timeout: seconds(39) });
    expect(warnings(stack)).toEqual([]);
  });

  test('are judged by the numbers that the function really has', async () => {
    const source = [
      'import inspect, json',
      'from etcd_lifecycle import aws, dependency',
      'timeout = aws.CONNECT_TIMEOUT + aws.READ_TIMEOUT',
      'call = inspect.signature(dependency.Dependency.call).parameters["attempts"].default',
      'print(json.dumps([[n, dependency.BASE_DELAY, timeout]',
      '                  for n in (dependency.HEARTBEAT_ATTEMPTS, call)]))',
    ].join('\n');
    const { stdout } = await PythonRunner.run(source, { pythonPath: LAMBDA_PATH });
    expect(JSON.parse(stdout)).toEqual(
      Object.values(RETRY_POLICIES).map((one) => [
        one.maxRetries,
        one.baseDelay,
        one.attemptTimeout,
      ]),
    );
  });
});

describe('spot instances', () => {
  const WARNED = [expect.stringMatching(/^the group has spot instances, .*:spotInstances\]$/)];

  test('of the launch template are warned of', () => {
    const stack = new ClusterStack();
    const autoScalingGroup = new AutoScalingGroup(stack, 'Group', {
      vpc: stack.vpc,
      minCapacity: 3,
      maxCapacity: 4,
      launchTemplate: template(stack, true),
    });
    stack.addLifecycle({ autoScalingGroup });
    expect(warnings(stack)).toEqual(WARNED);
  });

  test('by a price of the group are warned of', () => {
    const stack = new ClusterStack();
    const autoScalingGroup = new AutoScalingGroup(stack, 'Group', {
      vpc: stack.vpc,
      minCapacity: 3,
      maxCapacity: 4,
      instanceType: new InstanceType('m7g.medium'),
      machineImage: MachineImage.latestAmazonLinux2023(),
      spotPrice: '0.05',
    });
    stack.addLifecycle({ autoScalingGroup });
    // Only a launch configuration has one.
    expect(warnings(stack)).toEqual([expect.stringContaining('launchConfiguration'), ...WARNED]);
  });

  test.each([
    [0, false, WARNED],
    [50, false, WARNED],
    [100, false, []],
    [undefined, false, []],
    [undefined, true, WARNED],
  ])('with %p %% on demand in a mixed group, spot template %p', (percentage, spot, expected) => {
    const stack = new ClusterStack();
    const autoScalingGroup = new AutoScalingGroup(stack, 'Group', {
      vpc: stack.vpc,
      minCapacity: 3,
      maxCapacity: 4,
      mixedInstancesPolicy: {
        launchTemplate: template(stack, spot),
        instancesDistribution: {
          onDemandAllocationStrategy: OnDemandAllocationStrategy.LOWEST_PRICE,
          ...(percentage === undefined ? {} : { onDemandPercentageAboveBaseCapacity: percentage }),
        },
      },
    });
    stack.addLifecycle({ autoScalingGroup });
    expect(warnings(stack)).toEqual(expected);
  });
});

describe('a warm pool', () => {
  function withPool(pool: WarmPoolOptions, bootstrapped = true) {
    const stack = new ClusterStack();
    const autoScalingGroup = stack.addGroup();
    const lifecycle = stack.addUnbootstrapped({ autoScalingGroup, tls: EtcdTls.none() });
    for (const id of ['noTls', 'notBootstrapped']) {
      CdkAnnotations.of(lifecycle).acknowledgeWarning(`@quorate/etcd-lifecycle:${id}`);
    }
    autoScalingGroup.addWarmPool(pool);
    if (bootstrapped) {
      autoScalingGroup.addUserData(...lifecycle.bootstrapCommands());
    }
    return stack;
  }

  const refused: [string, WarmPoolOptions][] = [
    ['stops its instances', {}],
    ['stops its instances', { poolState: PoolState.STOPPED }],
    ['takes instances back', { poolState: PoolState.RUNNING, reuseOnScaleIn: true }],
  ];
  test.each(refused)('that %s is refused, also when it is added later', (what, pool) => {
    expect(() => Template.fromStack(withPool(pool))).toThrow(
      `Stack/EtcdLifecycle: the group has a warm pool, Stack/Group/WarmPool/Resource, that ${what}:`,
    );
  });

  test.each([
    [{ poolState: PoolState.RUNNING }, true],
    [{ poolState: PoolState.HIBERNATED }, true],
    [{}, false],
  ])('like %j is warned of (bootstrapCommands: %p)', (pool, bootstrapped) => {
    expect(warnings(withPool(pool, bootstrapped))).toEqual([
      expect.stringMatching(/must start their members when they leave the pool.*:warmPool\]$/),
    ]);
  });

  test('of another group is none of our business', () => {
    const stack = new ClusterStack();
    stack.addLifecycle();
    stack.addGroup('Workers').addWarmPool();
    expect(warnings(stack)).toEqual([]);
  });
});

describe('lines for the user data', () => {
  test('that nobody has asked for are warned of', () => {
    const stack = new ClusterStack();
    stack.addUnbootstrapped();
    expect(warnings(stack)).toEqual([
      'bootstrapCommands() of the construct is never called, so that no instance starts its member, ' +
        'and one after another is given up at its launch: call ' +
        'autoScalingGroup.addUserData(...lifecycle.bootstrapCommands()), or pass join: ' +
        "EtcdJoin.managedByInstance() if the instances' own tooling starts etcd " +
        '[ack: @quorate/etcd-lifecycle:notBootstrapped]',
    ]);
  });

  test('may be asked for until the app is complete', () => {
    const stack = new ClusterStack();
    const autoScalingGroup = stack.addGroup();
    const lifecycle = stack.addUnbootstrapped({ autoScalingGroup });
    autoScalingGroup.addUserData(...lifecycle.bootstrapCommands({ tlsFiles: TLS_FILES }));
    expect(warnings(stack)).toEqual([]);
  });

  test('may be another image’s business: the warning can be acknowledged', () => {
    const stack = new ClusterStack();
    const lifecycle = stack.addUnbootstrapped();
    CdkAnnotations.of(lifecycle).acknowledgeWarning('@quorate/etcd-lifecycle:notBootstrapped');
    expect(warnings(stack)).toEqual([]);
  });

  test('are not missed where instances join by their own means', () => {
    const stack = new ClusterStack();
    stack.addUnbootstrapped({ join: EtcdJoin.managedByInstance() });
    expect(warnings(stack)).toEqual([]);
  });

  test('are not missed of a group that was made elsewhere, whose user data nobody knows', () => {
    const stack = new ClusterStack();
    stack.addUnbootstrapped({
      autoScalingGroup: AutoScalingGroup.fromAutoScalingGroupName(stack, 'Group', 'etcd'),
      members: {
        securityGroups: [SecurityGroup.fromSecurityGroupId(stack, 'Members', 'sg-1')],
        role: Role.fromRoleName(stack, 'Member', 'etcd-member'),
      },
    });
    expect(warnings(stack)).toEqual([expect.stringContaining('importedGroup')]);
  });
});

describe('limits of alarms', () => {
  function warningsWith(props: Partial<EtcdLifecycleProps>): unknown[] {
    const stack = new ClusterStack();
    const lifecycle = stack.addLifecycle(props);
    CdkAnnotations.of(lifecycle).acknowledgeWarning('@quorate/etcd-lifecycle:noTls');
    return warnings(stack);
  }

  const minutes = Duration.minutes;
  const ACK = '[ack: @quorate/etcd-lifecycle:noEffect]';
  const idle: [string, Partial<EtcdLifecycleProps>, string][] = [
    [
      'of snapshots that nobody takes',
      { alarms: { snapshotAge: Duration.hours(1) } },
      'alarms.snapshotAge has no effect, as no snapshots are taken: pass snapshots, or leave it out',
    ],
    [
      'of a certificate that the function has not',
      { tls: EtcdTls.none(), alarms: { certificateEnds: Duration.days(7) } },
      'alarms.certificateEnds has no effect, as the function has no certificate: pass tls: ' +
        'EtcdTls.fromSecret(...), or leave it out',
    ],
    [
      'of a learner that is given up before',
      { launchDeadline: minutes(20), alarms: { learnerStalled: minutes(20) } },
      'alarms.learnerStalled is 1200 s, but a learner without progress is given up at the ' +
        'launchDeadline of 1200 s, before the alarm begins: make it shorter, or leave it out',
    ],
  ];
  test.each(idle)('%s are warned of', (_title, props, message) => {
    expect(warningsWith(props)).toEqual([`${message} ${ACK}`]);
    const { alarms } = props;
    expect(warningsWith({ ...props, alarms: { ...alarms, enabled: false } })).toEqual([]);
  });

  test('of what there is are not', () => {
    const stack = new ClusterStack();
    stack.addLifecycle({
      snapshots: { bucket: new Bucket(stack, 'Backups') },
      launchDeadline: minutes(20),
      alarms: {
        snapshotAge: Duration.hours(1),
        certificateEnds: Duration.days(7),
        learnerStalled: Duration.seconds(1199),
      },
    });
    expect(warnings(stack)).toEqual([]);
  });

  test('of a learner may be longer where it joins by its own means, and is not given up', () => {
    const join = EtcdJoin.managedByInstance();
    expect(warningsWith({ join, alarms: { learnerStalled: Duration.hours(1) } })).toEqual([]);
  });
});

describe('the members’ security group', () => {
  function warningsWith(mutable: boolean, props: Partial<EtcdLifecycleProps> = {}): unknown[] {
    const stack = new ClusterStack();
    const autoScalingGroup = stack.addGroup('Group', {
      launchTemplate: new LaunchTemplate(stack, 'Template', {
        instanceType: new InstanceType('m7g.medium'),
        machineImage: MachineImage.latestAmazonLinux2023(),
        securityGroup: SecurityGroup.fromSecurityGroupId(stack, 'Members', 'sg-1', { mutable }),
        role: new Role(stack, 'Member', { assumedBy: new ServicePrincipal('ec2.amazonaws.com') }),
        userData: UserData.forLinux(),
      }),
    });
    stack.addLifecycle({ autoScalingGroup, ...props });
    return warnings(stack);
  }

  test('that takes no rules is warned of', () => {
    expect(warningsWith(false, { ports: { client: 12379 } })).toEqual([
      "the security groups of the members take no rules, so the function's was not admitted at " +
        'port 12379: import them with "mutable: true", or admit it yourself ' +
        '[ack: @quorate/etcd-lifecycle:notAdmitted]',
    ]);
  });

  test('that takes them is not', () => {
    expect(warningsWith(true)).toEqual([]);
  });

  test('may have admitted the function before', () => {
    const stack = new ClusterStack();
    const own = new SecurityGroup(stack, 'Own', { vpc: stack.vpc });
    const launchTemplate = template(stack);
    for (const name of ['one', 'two']) {
      const autoScalingGroup = stack.addGroup(`Group-${name}`, { launchTemplate });
      const lifecycle = new EtcdLifecycle(stack, name === 'one' ? 'Other' : 'EtcdLifecycle', {
        autoScalingGroup,
        clusterName: name,
        vpc: stack.vpc,
        tls: stack.addTls(name),
        securityGroups: [own],
      });
      lifecycle.bootstrapCommands({ tlsFiles: TLS_FILES });
    }
    expect(warnings(stack)).toEqual([]);
  });
});

describe('public subnets', () => {
  const REFUSED = 'Stack/EtcdLifecycle: the function would run in public subnets of Stack/';

  test('are refused, as a function has no way out of them', () => {
    const stack = new ClusterStack();
    expect(() => stack.addLifecycle({ vpcSubnets: { subnetType: SubnetType.PUBLIC } })).toThrow(
      `${REFUSED}Vpc, where Lambda gives it no way to the endpoints of AWS`,
    );
  });

  test('are refused where a network has no others', () => {
    const stack = new ClusterStack();
    const vpc = Vpc.fromVpcAttributes(stack, 'Default', {
      vpcId: 'vpc-1',
      availabilityZones: ['eu-central-1a'],
      publicSubnetIds: ['subnet-1'],
    });
    expect(() => stack.addLifecycle({ vpc })).toThrow(`${REFUSED}Default`);
  });
});

describe('private subnets of a network without NAT gateways', () => {
  function withoutNat() {
    const stack = new ClusterStack();
    const vpc = new Vpc(stack, 'Closed', {
      natGateways: 0,
      maxAzs: 2,
      subnetConfiguration: [{ name: 'etcd', subnetType: SubnetType.PRIVATE_WITH_EGRESS }],
    });
    stack.addLifecycle({ vpc });
    return { stack, subnets: vpc.privateSubnets as PrivateSubnet[] };
  }

  const WARNED = [
    expect.stringMatching(/subnets of Stack\/Closed without a way out.*:noWayToAws\]$/),
  ];

  test('are no way out', () => {
    expect(warnings(withoutNat().stack)).toEqual(WARNED);
  });

  const routed: [string, (stack: ClusterStack, subnet: PrivateSubnet) => unknown][] = [
    [
      'a route that the subnet is given',
      (_stack, subnet) =>
        subnet.addRoute('Out', { routerType: RouterType.TRANSIT_GATEWAY, routerId: 'tgw-1' }),
    ],
    [
      'a route of its table',
      (stack, { node, routeTable: { routeTableId } }) =>
        new CfnRoute(stack, `Out${node.id}`, { routeTableId, transitGatewayId: 'tgw-1' }),
    ],
    [
      'routes that a VPN tells its table',
      (stack, { node, routeTable: { routeTableId } }) =>
        new CfnVPNGatewayRoutePropagation(stack, `Out${node.id}`, {
          routeTableIds: [routeTableId],
          vpnGatewayId: 'vgw-1',
        }),
    ],
  ];
  test.each(routed)('may have one by %s, which each of them needs', (_title, route) => {
    const { stack, subnets } = withoutNat();
    route(stack, subnets[0] as PrivateSubnet);
    const before = warnings(stack);
    const complete = withoutNat();
    for (const subnet of complete.subnets) {
      route(complete.stack, subnet);
    }
    expect(before).toEqual(WARNED);
    expect(warnings(complete.stack)).toEqual([]);
  });
});

describe('isolated subnets', () => {
  function isolated(props: Partial<EtcdLifecycleProps> = {}) {
    const stack = new ClusterStack();
    const vpc = new Vpc(stack, 'Isolated', {
      natGateways: 0,
      subnetConfiguration: [{ name: 'etcd', subnetType: SubnetType.PRIVATE_ISOLATED }],
    });
    stack.addLifecycle({
      vpc,
      vpcSubnets: { subnetType: SubnetType.PRIVATE_ISOLATED },
      ...props,
    });
    return { stack, vpc };
  }

  test('without endpoints are warned of, with all that the function needs', () => {
    const { stack } = isolated();
    expect(warnings(stack)).toEqual([
      'the function runs in subnets of Stack/Isolated without a way out, and the app has no VPC ' +
        'endpoint there for autoscaling, dynamodb, ec2, secretsmanager, sqs, ssm: add them with ' +
        'vpc.addInterfaceEndpoint() (addGatewayEndpoint() for dynamodb and s3), or choose subnets ' +
        'with a way out by vpcSubnets [ack: @quorate/etcd-lifecycle:noWayToAws]',
    ]);
  });

  test('need only the endpoints of what is used', () => {
    const { stack } = isolated({ tls: EtcdTls.none() });
    expect(warnings(stack)).toEqual([
      expect.stringContaining('noTls'),
      expect.stringContaining('for autoscaling, dynamodb, ec2, sqs, ssm:'),
    ]);
  });

  test('need none of SSM where instances join by their own means', () => {
    const { stack } = isolated({ tls: EtcdTls.none(), join: EtcdJoin.managedByInstance() });
    expect(warnings(stack)).toEqual([
      expect.stringContaining('noTls'),
      expect.stringContaining('for autoscaling, dynamodb, ec2, sqs:'),
    ]);
  });

  test('need that of S3 with snapshots', () => {
    const stack = new ClusterStack();
    const vpc = Vpc.fromVpcAttributes(stack, 'There', {
      vpcId: 'vpc-1',
      availabilityZones: ['eu-central-1a'],
      isolatedSubnetIds: ['subnet-1'],
    });
    const snapshots = { bucket: new Bucket(stack, 'Backups') };
    stack.addLifecycle({ vpc, snapshots, vpcSubnets: { subnetType: SubnetType.PRIVATE_ISOLATED } });
    expect(warnings(stack)).toEqual([expect.stringContaining('ec2, s3, secretsmanager, sqs')]);
  });

  test('with all endpoints are fine, those of another network do not count', () => {
    const { stack, vpc } = isolated();
    const { AUTOSCALING, EC2, SECRETS_MANAGER, SQS, SSM } = InterfaceVpcEndpointAwsService;
    vpc.addGatewayEndpoint('dynamodb', { service: GatewayVpcEndpointAwsService.DYNAMODB });
    for (const service of [AUTOSCALING, EC2, SECRETS_MANAGER, SQS]) {
      vpc.addInterfaceEndpoint(service.shortName, { service });
    }
    stack.vpc.addInterfaceEndpoint('ssm', { service: SSM });
    const before = warnings(stack);
    const complete = isolated();
    complete.vpc.addGatewayEndpoint('dynamodb', { service: GatewayVpcEndpointAwsService.DYNAMODB });
    for (const service of [AUTOSCALING, EC2, SECRETS_MANAGER, SQS, SSM]) {
      complete.vpc.addInterfaceEndpoint(service.shortName, { service });
    }
    expect(before).toEqual([expect.stringContaining('no VPC endpoint there for ssm:')]);
    expect(warnings(complete.stack)).toEqual([]);
  });
});
