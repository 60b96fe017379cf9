import { Annotations, Duration, RemovalPolicy, Stack, Token } from 'aws-cdk-lib';
import {
  type AutoScalingGroup,
  type CfnAutoScalingGroup,
  DefaultResult,
  LifecycleTransition,
} from 'aws-cdk-lib/aws-autoscaling';
import { AttributeType, Billing, TableV2 } from 'aws-cdk-lib/aws-dynamodb';
import {
  type Connections,
  type IConnectable,
  type ISecurityGroup,
  type IVpc,
  Port,
  SecurityGroup,
  type SubnetSelection,
} from 'aws-cdk-lib/aws-ec2';
import { Rule, Schedule } from 'aws-cdk-lib/aws-events';
import { SqsQueue } from 'aws-cdk-lib/aws-events-targets';
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import {
  Architecture,
  Function as LambdaFunction,
  Runtime,
  RuntimeFamily,
} from 'aws-cdk-lib/aws-lambda';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { type BootstrapOptions, renderBootstrap } from './bootstrap';
import type { EtcdAuth } from './etcd-auth';
import { EtcdSnapshotFailure, type EtcdSnapshots } from './etcd-snapshots';
import { EtcdTls } from './etcd-tls';
import { createEtcdLifecycleLambdaCode, ETCD_LIFECYCLE_HANDLER } from './lambda-code';

/** The ports that the members listen at. */
export interface EtcdPorts {
  /**
   * For clients.
   * @default 2379
   */
  readonly client?: number;
  /**
   * For other members.
   * @default 2380
   */
  readonly peer?: number;
}

/** What is needed to look after an etcd cluster. */
export interface EtcdLifecycleProps {
  /**
   * The group whose instances are the members. Its lifecycle hooks are added to the group itself,
   * so that its very first instances are held as well; its role and its security group are given
   * what the members need. So its launch template must have both.
   */
  readonly autoScalingGroup: AutoScalingGroup;

  /**
   * The name of the cluster: letters, digits, `-`, `_` and `.`, at most 64 of them. It must be
   * unique in the account and Region.
   */
  readonly clusterName: string;

  /** The network from which the function reaches the members' client port. */
  readonly vpc: IVpc;

  /**
   * Where in the network the function runs. It needs a way to the endpoints of Auto Scaling, EC2,
   * DynamoDB, SQS, SSM and, with TLS, Secrets Manager, and with snapshots S3.
   * @default - the private subnets
   */
  readonly vpcSubnets?: SubnetSelection;

  /**
   * The function's security groups.
   * @default - a new one, which the group's security group admits at the client port
   */
  readonly securityGroups?: ISecurityGroup[];

  /**
   * Whether the cluster uses TLS.
   * @default EtcdTls.none(), with a warning
   */
  readonly tls?: EtcdTls;

  /**
   * The user as whom the function logs in, for a cluster with users and roles of etcd's own. With TLS,
   * the function's certificate must then have an empty common name.
   * @default - nobody: etcd's own authentication is off
   */
  readonly auth?: EtcdAuth;

  /**
   * The members' ports.
   * @default - 2379 and 2380
   */
  readonly ports?: EtcdPorts;

  /**
   * Snapshots of the data: one before each removal, and on schedule if wanted.
   * @default - none are taken
   */
  readonly snapshots?: EtcdSnapshots;

  /**
   * How long a lifecycle hook holds an instance without a heartbeat; 30 seconds to 2 hours. The
   * function sends one each minute; Auto Scaling ends the wait after 100 times this, or 48 hours.
   * @default Duration.minutes(15)
   */
  readonly heartbeatTimeout?: Duration;

  /**
   * How long a healthy member that must go waits for its replacement. Afterwards it is removed
   * without one if a healthy majority remains, and held otherwise. Zero: it does not wait.
   * @default Duration.hours(1)
   */
  readonly replacementDeadline?: Duration;

  /**
   * How long a launching instance has to become a voter, before it is given up and replaced; at
   * least a minute, as the function may only look once in one.
   * @default Duration.minutes(30)
   */
  readonly launchDeadline?: Duration;

  /**
   * How long the function may run; 30 seconds to 15 minutes. It needs that much, as etcd takes 7
   * seconds to say that there is no quorum; a snapshot of much data needs
   * more, and says how much when it fails.
   * @default Duration.minutes(1)
   */
  readonly timeout?: Duration;

  /**
   * Memory of the function in MiB.
   * @default 256
   */
  readonly memorySize?: number;

  /**
   * The function's Python; 3.10 or newer.
   * @default Runtime.PYTHON_3_13
   */
  readonly runtime?: Runtime;

  /**
   * The function's processor.
   * @default Architecture.ARM_64
   */
  readonly architecture?: Architecture;

  /**
   * How long the function's log is kept.
   * @default RetentionDays.THREE_MONTHS
   */
  readonly logRetention?: RetentionDays;

  /**
   * Further environment variables of the function. They win over those that the construct sets.
   * @default - none
   */
  readonly environment?: Record<string, string>;
}

const DEFAULTS = {
  clientPort: 2379,
  peerPort: 2380,
  heartbeatTimeout: Duration.minutes(15),
  replacementDeadline: Duration.hours(1),
  launchDeadline: Duration.minutes(30),
  timeout: Duration.minutes(1),
  runtime: Runtime.PYTHON_3_13,
};

/**
 * Auto Scaling ends a wait after so many heartbeat timeouts, or after so many seconds, whichever is
 * less (its API reference, PutLifecycleHook).
 */
const MOST_HEARTBEAT_TIMEOUTS = 100;
const LONGEST_WAIT = Duration.hours(48).toSeconds();

/** The SSM parameters of a cluster are below this and its name. */
const PARAMETER_ROOT = '/quorate';

/** The events at which it is worth to look at the cluster at once. */
const EVENTS = [
  'EC2 Instance-launch Lifecycle Action',
  'EC2 Instance-terminate Lifecycle Action',
  'EC2 Instance Terminate Successful',
];

const NOTICES = ['EC2 Spot Instance Interruption Warning', 'EC2 Instance Rebalance Recommendation'];

/**
 * Looks after the membership of an etcd cluster whose members are the instances of an Auto Scaling
 * group.
 *
 * New instances join as learners and enter service when they are voters; instances that must go
 * leave when the cluster can spare them. See the package's README for the rules.
 */
export class EtcdLifecycle extends Construct implements IConnectable {
  /** The function that looks at the cluster and changes it. */
  public readonly function: LambdaFunction;

  /** What the function remembers: the seed, its lease, and the journal. Kept when the stack goes. */
  public readonly table: TableV2;

  /** Events and ticks, one at a time. */
  public readonly queue: Queue;

  /** Messages that could not be understood or worked on. It should be empty. */
  public readonly deadLetterQueue: Queue;

  /** The function's log. */
  public readonly logGroup: LogGroup;

  /** The name of the hook that holds launching instances. */
  public readonly launchHookName: string;

  /** The name of the hook that holds terminating instances. */
  public readonly terminateHookName: string;

  /** The function's side of the network. */
  public readonly connections: Connections;

  private readonly autoScalingGroup: AutoScalingGroup;
  private readonly clusterName: string;
  private readonly parameterPrefix: string;
  private readonly tls: EtcdTls;
  private readonly clientPort: number;
  private readonly peerPort: number;
  private readonly snapshots: EtcdSnapshots | undefined;

  constructor(scope: Construct, id: string, props: EtcdLifecycleProps) {
    super(scope, id);
    const { autoScalingGroup, clusterName } = props;
    const timeout = props.timeout ?? DEFAULTS.timeout;
    this.autoScalingGroup = autoScalingGroup;
    this.clusterName = clusterName;
    this.tls = props.tls ?? EtcdTls.none();
    this.clientPort = props.ports?.client ?? DEFAULTS.clientPort;
    this.peerPort = props.ports?.peer ?? DEFAULTS.peerPort;
    this.snapshots = props.snapshots;
    this.validateProps(props);
    this.validateTimes(props);
    this.validateSnapshots();
    this.validateGroup();
    this.validateUniqueness();
    this.addWarnings(props);
    this.parameterPrefix = `${PARAMETER_ROOT}/${clusterName}`;
    this.launchHookName = `quorate-${clusterName}-launch`;
    this.terminateHookName = `quorate-${clusterName}-terminate`;
    this.addHooks(props.heartbeatTimeout ?? DEFAULTS.heartbeatTimeout);

    this.table = new TableV2(this, 'Table', {
      partitionKey: { name: 'pk', type: AttributeType.STRING },
      sortKey: { name: 'sk', type: AttributeType.STRING },
      billing: Billing.onDemand(),
      timeToLiveAttribute: 'expires',
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      // It knows that the cluster has existed, and so keeps it from being seeded twice.
      removalPolicy: RemovalPolicy.RETAIN,
    });
    this.deadLetterQueue = new Queue(this, 'DeadLetterQueue', {
      fifo: true,
      contentBasedDeduplication: true,
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      retentionPeriod: Duration.days(14),
    });
    this.queue = new Queue(this, 'Queue', {
      fifo: true,
      contentBasedDeduplication: true,
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      // A failed run blocks the cluster's queue for this long, so it is no longer than it must be.
      visibilityTimeout: timeout.plus(Duration.seconds(10)),
      deadLetterQueue: { queue: this.deadLetterQueue, maxReceiveCount: 3 },
    });
    this.logGroup = new LogGroup(this, 'Log', {
      retention: props.logRetention ?? RetentionDays.THREE_MONTHS,
      removalPolicy: RemovalPolicy.DESTROY,
    });

    const role = new Role(this, 'Role', {
      assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
      description: `Looks after the etcd cluster ${clusterName}`,
    });
    const securityGroups = props.securityGroups ?? [this.addSecurityGroup(props.vpc)];
    this.function = new LambdaFunction(this, 'Function', {
      description: `Looks after the etcd cluster ${clusterName}`,
      code: createEtcdLifecycleLambdaCode(),
      handler: ETCD_LIFECYCLE_HANDLER,
      runtime: props.runtime ?? DEFAULTS.runtime,
      architecture: props.architecture ?? Architecture.ARM_64,
      memorySize: props.memorySize ?? 256,
      timeout,
      vpc: props.vpc,
      vpcSubnets: props.vpcSubnets,
      securityGroups,
      logGroup: this.logGroup,
      role,
      environment: {
        QUORATE_CLUSTER: clusterName,
        QUORATE_GROUP: autoScalingGroup.autoScalingGroupName,
        QUORATE_LAUNCH_HOOK: this.launchHookName,
        QUORATE_TERMINATE_HOOK: this.terminateHookName,
        QUORATE_TABLE: this.table.tableName,
        QUORATE_PARAMETER_PREFIX: PARAMETER_ROOT,
        QUORATE_DEAD_LETTER_QUEUE_URL: this.deadLetterQueue.queueUrl,
        QUORATE_CLIENT_PORT: String(this.clientPort),
        QUORATE_PEER_PORT: String(this.peerPort),
        QUORATE_REPLACEMENT_DEADLINE: seconds(
          props.replacementDeadline ?? DEFAULTS.replacementDeadline,
        ),
        QUORATE_LAUNCH_DEADLINE: seconds(props.launchDeadline ?? DEFAULTS.launchDeadline),
        ...(this.tls.secret ? { QUORATE_TLS_SECRET: this.tls.secret.secretArn } : {}),
        ...(props.auth ? { QUORATE_AUTH_SECRET: props.auth.secret.secretArn } : {}),
        ...this.snapshotEnvironment(),
        ...props.environment,
      },
    });
    this.connections = this.function.connections;
    this.grantFunction(role);
    props.auth?.grantRead(role);
    this.connect();
    this.addEventSources();
  }

  /**
   * The shell lines for the instances' user data that start etcd as the function says. They need
   * curl, the AWS CLI and etcd (3.5.31 or newer, or 3.6.12 or newer) on the instance, and wait
   * until the function has handed over a place in the cluster.
   *
   * @throws Error if `tlsFiles` are missing for a cluster with TLS, or given for one without.
   */
  public bootstrapCommands(options: BootstrapOptions = {}): string[] {
    if (this.tls.secret && !options.tlsFiles) {
      this.fail(
        'the cluster uses TLS, so bootstrapCommands() needs tlsFiles, the paths of the ' +
          'certificates on the instance',
      );
    }
    if (!this.tls.secret && options.tlsFiles) {
      this.fail(
        'bootstrapCommands() has tlsFiles, but the cluster uses no TLS, so etcd would ignore ' +
          'them: pass tls: EtcdTls.fromSecret(...) to the construct',
      );
    }
    if (options.pollSeconds !== undefined && !(options.pollSeconds > 0)) {
      this.fail(`pollSeconds is ${options.pollSeconds}; it must be more than 0`);
    }
    return renderBootstrap(
      {
        parameterPrefix: this.parameterPrefix,
        scheme: this.tls.scheme,
        clientPort: this.clientPort,
        peerPort: this.peerPort,
      },
      options,
    );
  }

  private validateProps(props: EtcdLifecycleProps): void {
    if (
      !Token.isUnresolved(this.clusterName) &&
      !/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/.test(this.clusterName)
    ) {
      this.fail(
        `clusterName "${this.clusterName}" must be 1 to 64 letters, digits, "-", "_" or ".", ` +
          'starting with a letter or digit',
      );
    }
    for (const [name, port] of Object.entries({ client: this.clientPort, peer: this.peerPort })) {
      if (!Number.isInteger(port) || port < 1 || port > 65535) {
        this.fail(`ports.${name} is ${port}; a port is a whole number from 1 to 65535`);
      }
    }
    if (this.clientPort === this.peerPort) {
      this.fail(
        `ports.client and ports.peer are both ${this.clientPort}; a member listens at two ports`,
      );
    }
    const { family, name } = props.runtime ?? DEFAULTS.runtime;
    const [, minor] = /^python3\.(\d+)$/.exec(name) ?? [];
    if (family !== RuntimeFamily.PYTHON || !(Number(minor) >= 10)) {
      this.fail(`runtime is ${name}; the function is written in Python, for 3.10 or newer`);
    }
    if (props.securityGroups?.length === 0) {
      this.fail(
        'securityGroups is empty, so the members could not admit the function: give at least ' +
          'one, or leave it out for a new one',
      );
    }
  }

  private validateTimes(props: EtcdLifecycleProps): void {
    const heartbeat = (props.heartbeatTimeout ?? DEFAULTS.heartbeatTimeout).toSeconds();
    const timeout = (props.timeout ?? DEFAULTS.timeout).toSeconds();
    const replacement = (props.replacementDeadline ?? DEFAULTS.replacementDeadline).toSeconds();
    const launch = (props.launchDeadline ?? DEFAULTS.launchDeadline).toSeconds();
    if (heartbeat < 30 || heartbeat > 7200) {
      this.fail(`heartbeatTimeout is ${heartbeat} s; Auto Scaling takes 30 to 7200`);
    }
    if (timeout < 30 || timeout > 900) {
      this.fail(`timeout is ${timeout} s; the function needs 30, and Lambda takes at most 900`);
    }
    if (heartbeat < timeout + 120) {
      this.fail(
        `heartbeatTimeout is ${heartbeat} s, but heartbeats can be a minute and a run of ` +
          `${timeout} s apart, and one may be lost: make it at least ${timeout + 120} s`,
      );
    }
    if (launch < 60) {
      this.fail(
        `launchDeadline is ${launch} s, but the function may only look once a minute, so that ` +
          'each launch would be given up: make it at least 60 s',
      );
    }
    const longest = Math.min(MOST_HEARTBEAT_TIMEOUTS * heartbeat, LONGEST_WAIT);
    for (const [name, deadline] of Object.entries({
      replacementDeadline: replacement,
      launchDeadline: launch,
    })) {
      if (deadline >= longest) {
        this.fail(
          `${name} is ${deadline} s, but with a heartbeatTimeout of ${heartbeat} s Auto Scaling ` +
            `ends the wait after ${longest} s: make it shorter`,
        );
      }
    }
  }

  private validateSnapshots(): void {
    const { prefix, interval, keep } = this.snapshots ?? {};
    if (
      prefix !== undefined &&
      !Token.isUnresolved(prefix) &&
      !/^[A-Za-z0-9!_.'()-]+(\/[A-Za-z0-9!_.'()-]+)*$/.test(prefix)
    ) {
      this.fail(
        `snapshots.prefix "${prefix}" must be of letters, digits and ! - _ . ' ( ), in parts ` +
          'that are divided by single slashes',
      );
    }
    if (keep !== undefined && !(Number.isInteger(keep) && keep >= 1)) {
      this.fail(`snapshots.keep is ${keep}; it is a whole number from 1 on`);
    }
    if (interval !== undefined && interval.toSeconds() < 60) {
      this.fail(
        `snapshots.interval is ${interval.toSeconds()} s, but the function may only look once a ` +
          'minute: make it at least 60 s',
      );
    }
  }

  private validateGroup(): void {
    try {
      // Both are got from the launch template, and may be unknown to it.
      void this.autoScalingGroup.role;
      void this.autoScalingGroup.connections;
    } catch (cause) {
      throw new Error(
        `${this.node.path}: the group's launch template needs "role" and "securityGroup", which ` +
          'the construct gives what the members need',
        { cause },
      );
    }
    const group = this.autoScalingGroup.node.defaultChild as CfnAutoScalingGroup;
    if (group.cfnOptions.creationPolicy?.resourceSignal) {
      this.fail(
        'the group waits for signals of its instances, and they wait for this function, which is ' +
          'only made after the group: remove "signals" from the group',
      );
    }
    if (group.cfnOptions.updatePolicy?.autoScalingReplacingUpdate?.willReplace) {
      this.fail(
        'the update policy of the group replaces it as a whole, and all members with it: use ' +
          'UpdatePolicy.rollingUpdate()',
      );
    }
  }

  /** What two of them would fight over, as far as one stack shows it. */
  private validateUniqueness(): void {
    for (const other of Stack.of(this).node.findAll()) {
      if (!(other instanceof EtcdLifecycle) || other === this) {
        continue;
      }
      if (other.clusterName === this.clusterName) {
        this.fail(
          `clusterName "${this.clusterName}" is also that of ${other.node.path}; it must be ` +
            'unique in the account and Region',
        );
      }
      if (other.autoScalingGroup === this.autoScalingGroup) {
        this.fail(`${other.node.path} looks after this group already; each needs its own`);
      }
    }
  }

  private addWarnings(props: EtcdLifecycleProps): void {
    const group = this.autoScalingGroup.node.defaultChild as CfnAutoScalingGroup;
    const desired = Number(group.desiredCapacity ?? group.minSize);
    if (desired > 0 && desired % 2 === 0) {
      Annotations.of(this).addWarningV2(
        '@quorate/etcd-lifecycle:evenCapacity',
        `a cluster of ${desired} survives no more failures than one of ${desired - 1}: ` +
          'give the group an odd capacity',
      );
    }
    if (!this.tls.secret) {
      Annotations.of(this).addWarningV2(
        '@quorate/etcd-lifecycle:noTls',
        'the cluster has no TLS: whoever reaches its ports can read and change everything. ' +
          'Pass tls: EtcdTls.fromSecret(...)',
      );
      if (props.auth) {
        Annotations.of(this).addWarningV2(
          '@quorate/etcd-lifecycle:authWithoutTls',
          'without TLS the password of auth crosses the network in the clear',
        );
      }
    }
  }

  private fail(message: string): never {
    throw new Error(`${this.node.path}: ${message}`);
  }

  /** Hooks that are part of the group hold its first instances too; separate ones may come late. */
  private addHooks(heartbeatTimeout: Duration): void {
    const group = this.autoScalingGroup.node.defaultChild as CfnAutoScalingGroup;
    const existing = group.lifecycleHookSpecificationList ?? [];
    if (!Array.isArray(existing)) {
      this.fail(
        "the group's lifecycleHookSpecificationList is not a plain list, so hooks cannot be added",
      );
    }
    group.lifecycleHookSpecificationList = [
      ...existing,
      {
        lifecycleHookName: this.launchHookName,
        lifecycleTransition: LifecycleTransition.INSTANCE_LAUNCHING,
        heartbeatTimeout: heartbeatTimeout.toSeconds(),
        // Nobody said that the instance has joined: another one is launched in its place.
        defaultResult: DefaultResult.ABANDON,
      },
      {
        lifecycleHookName: this.terminateHookName,
        lifecycleTransition: LifecycleTransition.INSTANCE_TERMINATING,
        heartbeatTimeout: heartbeatTimeout.toSeconds(),
        // Neither result keeps the instance; this one leaves the group's other hooks their turn.
        defaultResult: DefaultResult.CONTINUE,
      },
    ];
  }

  /** What the function calls, and nothing else. */
  private grantFunction(role: Role): void {
    const stack = Stack.of(this);
    const allow = (actions: string[], ...resources: string[]) =>
      role.addToPolicy(new PolicyStatement({ actions, resources }));
    const parameters = stack.formatArn({
      service: 'ssm',
      resource: 'parameter',
      resourceName: `${this.parameterPrefix.slice(1)}/*`,
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
        'autoscaling:TerminateInstanceInAutoScalingGroup',
      ],
      stack.formatArn({
        service: 'autoscaling',
        resource: 'autoScalingGroup:*:autoScalingGroupName',
        resourceName: this.autoScalingGroup.autoScalingGroupName,
      }),
    );
    allow(['ssm:PutParameter', 'ssm:GetParameters', 'ssm:DeleteParameters'], parameters);
    this.autoScalingGroup.addToRolePolicy(
      new PolicyStatement({ actions: ['ssm:GetParameter'], resources: [parameters] }),
    );
    allow(
      ['dynamodb:Query', 'dynamodb:PutItem', 'dynamodb:UpdateItem', 'dynamodb:DeleteItem'],
      this.table.tableArn,
    );
    allow(['sqs:SendMessage'], this.deadLetterQueue.queueArn);
    this.logGroup.grantWrite(role);
    this.tls.grantRead(role);
    this.grantSnapshots(role);
    // What Lambda itself does in the function's name to reach the network.
    allow(
      [
        'ec2:CreateNetworkInterface',
        'ec2:DescribeNetworkInterfaces',
        'ec2:DescribeSubnets',
        'ec2:DeleteNetworkInterface',
        'ec2:AssignPrivateIpAddresses',
        'ec2:UnassignPrivateIpAddresses',
      ],
      '*',
    );
  }

  private snapshotEnvironment(): Record<string, string> {
    if (!this.snapshots) {
      return {};
    }
    const { bucket, prefix, beforeRemoval, interval, keep, onFailure } = this.snapshots;
    return {
      QUORATE_SNAPSHOT_BUCKET: bucket.bucketName,
      ...(prefix === undefined ? {} : { QUORATE_SNAPSHOT_PREFIX: prefix }),
      QUORATE_SNAPSHOT_BEFORE_REMOVAL: String(beforeRemoval ?? true),
      QUORATE_SNAPSHOT_ON_FAILURE: onFailure ?? EtcdSnapshotFailure.STOP,
      ...(interval === undefined ? {} : { QUORATE_SNAPSHOT_INTERVAL: seconds(interval) }),
      ...(keep === undefined ? {} : { QUORATE_SNAPSHOT_KEEP: String(keep) }),
    };
  }

  /**
   * What it takes to write snapshots; to delete old ones only if that is wanted; never to read. That
   * is for the instances, which have the data anyhow: one of them restores it in a recovery.
   */
  private grantSnapshots(role: Role): void {
    if (!this.snapshots) {
      return;
    }
    const { bucket, prefix, keep } = this.snapshots;
    const folder = [...(prefix === undefined ? [] : [prefix]), this.clusterName].join('/');
    const objects = [bucket.arnForObjects(`${folder}/*`)];
    const actions = ['s3:PutObject', 's3:AbortMultipartUpload'];
    role.addToPolicy(new PolicyStatement({ actions, resources: objects }));
    if (keep !== undefined) {
      role.addToPolicy(new PolicyStatement({ actions: ['s3:DeleteObject'], resources: objects }));
      role.addToPolicy(
        new PolicyStatement({
          actions: ['s3:ListBucket'],
          resources: [bucket.bucketArn],
          conditions: { StringEquals: { 's3:prefix': `${folder}/` } },
        }),
      );
    }
    // The parts of a multipart upload are encrypted with a data key, which is read for each.
    bucket.encryptionKey?.grant(role, 'kms:GenerateDataKey', 'kms:Decrypt');
    this.autoScalingGroup.addToRolePolicy(
      new PolicyStatement({ actions: ['s3:GetObject'], resources: objects }),
    );
    bucket.encryptionKey?.grant(this.autoScalingGroup, 'kms:Decrypt');
  }

  private addSecurityGroup(vpc: IVpc): SecurityGroup {
    const securityGroup = new SecurityGroup(this, 'SecurityGroup', {
      vpc,
      description: `Looks after the etcd cluster ${this.clusterName}`,
    });
    // CDK warns that the rule towards the members is not needed, as all outbound traffic is allowed.
    Annotations.of(securityGroup).acknowledgeWarning('@aws-cdk/aws-ec2:ipv4IgnoreEgressRule');
    return securityGroup;
  }

  private connect(): void {
    const client = Port.tcp(this.clientPort);
    const members = this.autoScalingGroup.connections;
    this.connections.allowTo(members, client, 'etcd clients: the lifecycle function');
    // Other than allowInternally(), it does not warn that all outbound traffic is allowed anyhow.
    for (const securityGroup of members.securityGroups) {
      members.allowFrom(securityGroup, client, 'etcd clients: other members');
      members.allowFrom(securityGroup, Port.tcp(this.peerPort), 'etcd peers');
    }
  }

  /** Events and the schedule take the same way: the schedule is what an event may never be. */
  private addEventSources(): void {
    const target = new SqsQueue(this.queue, { messageGroupId: this.clusterName });
    new Rule(this, 'Events', {
      description: `Instances of the etcd cluster ${this.clusterName} come and go`,
      eventPattern: {
        source: ['aws.autoscaling'],
        detailType: EVENTS,
        detail: { AutoScalingGroupName: [this.autoScalingGroup.autoScalingGroupName] },
      },
      targets: [target],
    });
    new Rule(this, 'Notices', {
      description: `EC2 is about to take instances, perhaps of the cluster ${this.clusterName}`,
      // These events do not name the group: the function ignores other instances.
      eventPattern: { source: ['aws.ec2'], detailType: NOTICES },
      targets: [target],
    });
    new Rule(this, 'Schedule', {
      description: `A look at the etcd cluster ${this.clusterName}, as events can be lost`,
      schedule: Schedule.rate(Duration.minutes(1)),
      targets: [target],
    });
    this.function.addEventSource(
      new SqsEventSource(this.queue, { batchSize: 10, reportBatchItemFailures: true }),
    );
  }
}

function seconds(duration: Duration): string {
  return String(duration.toSeconds());
}
