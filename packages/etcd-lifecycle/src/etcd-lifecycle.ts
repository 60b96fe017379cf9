import { AspectPriority, Aspects, Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import type { IAutoScalingGroup } from 'aws-cdk-lib/aws-autoscaling';
import type { Dashboard } from 'aws-cdk-lib/aws-cloudwatch';
import type { TableV2 } from 'aws-cdk-lib/aws-dynamodb';
import { Connections, type IConnectable } from 'aws-cdk-lib/aws-ec2';
import { type Grant, type IGrantable, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import { type BootstrapOptions, renderBootstrap } from './bootstrap';
import type { EtcdAlarmSet } from './etcd-alarms';
import type { EtcdLifecycleProps } from './etcd-lifecycle-props';
import { EtcdMetrics } from './etcd-metrics';
import { createEtcdLifecycleLambdaCode, ETCD_LIFECYCLE_HANDLER } from './lambda-code';
import { accessEnvironment } from './private/access';
import { addAlarms } from './private/alarms';
import {
  beforeRemovalEnvironment,
  grantBeforeRemoval,
  grantCommands,
} from './private/before-removal';
import { addDashboard } from './private/dashboard';
import { type Settings, seconds, settle } from './private/defaults';
import { addRules } from './private/event-sources';
import { refuse } from './private/findings';
import {
  type Grantable,
  grantOperate,
  grantReadJournal,
  grantReadSnapshots,
} from './private/grants';
import { guardAccess } from './private/guards/access';
import { guardAlarms } from './private/guards/alarms';
import { guardAgent, guardBeforeRemoval } from './private/guards/before-removal';
import { guardBootstrap } from './private/guards/bootstrap';
import { guardCapacity } from './private/guards/capacity';
import { guardGroup, guardLaunch } from './private/guards/group';
import { guardImportedGroup } from './private/guards/imported-group';
import { guardInputs } from './private/guards/inputs';
import { guardBootstrapKinds, guardKinds } from './private/guards/kinds';
import { guardBootstrapNames, guardNames } from './private/guards/names';
import { guardAdmission, guardEndpoints, guardPublicSubnets } from './private/guards/network';
import { guardPurchase } from './private/guards/purchase';
import { guardRetries } from './private/guards/retries';
import { guardSecrecy } from './private/guards/secrecy';
import { guardSnapshots } from './private/guards/snapshots';
import { guardTimes } from './private/guards/times';
import { guardWarmPool } from './private/guards/warm-pool';
import { addHooks, addHooksBeside, nameHooks } from './private/lifecycle-hooks';
import { type MemberInstances, membersOf, ownGroup } from './private/members';
import { acknowledgeRuntime } from './private/nag';
import { connect, placeFunction } from './private/network';
import { denyNetworkInterfaces, grantFunction, grantKey } from './private/permissions';
import { mayRetain, prepareGroup } from './private/removal';
import { grantRestores, grantSnapshots, snapshotEnvironment } from './private/snapshots';
import { addTable } from './private/table';

/** The SSM parameters of a cluster are below this and its name. */
const PARAMETER_ROOT = '/quorate';

/**
 * Looks after the membership of an etcd cluster whose members are the instances of an Auto Scaling
 * group.
 *
 * New instances join as learners and enter service when they are voters; instances that must go
 * leave when the cluster can spare them. See the package's README for the rules.
 */
export class EtcdLifecycle extends EtcdMetrics implements IConnectable {
  public readonly clusterName: string;

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

  /** The alarms, unless they are turned off. */
  public readonly alarms?: EtcdAlarmSet;

  /** The dashboard, unless it is turned off. */
  public readonly dashboard?: Dashboard;

  /** The function's side of the network; nothing where it is in none. */
  public readonly connections: Connections;

  private readonly settings: Settings;
  private readonly parameterPrefix: string;
  private bootstrapped = false;

  constructor(scope: Construct, id: string, props: EtcdLifecycleProps) {
    super(scope, id);
    guardNames(this, props);
    guardKinds(this, props);
    const settings = settle(props);
    this.settings = settings;
    this.clusterName = settings.clusterName;
    this.guard();
    this.parameterPrefix = `${PARAMETER_ROOT}/${settings.clusterName}`;
    const hooks = nameHooks(settings.clusterName);
    this.launchHookName = hooks.launch;
    this.terminateHookName = hooks.terminate;
    const own = ownGroup(settings.autoScalingGroup);
    if (own) {
      addHooks(this, own.resource, hooks, settings.heartbeatTimeout);
      prepareGroup(this, own.resource, settings);
    }
    const members = membersOf(settings.autoScalingGroup, settings.members);

    const key = settings.encryptionKey;
    const queueEncryption = key
      ? { encryption: QueueEncryption.KMS, encryptionMasterKey: key }
      : { encryption: QueueEncryption.SQS_MANAGED };
    this.table = addTable(this, key);
    this.deadLetterQueue = new Queue(this, 'DeadLetterQueue', {
      fifo: true,
      contentBasedDeduplication: true,
      ...queueEncryption,
      enforceSSL: true,
      retentionPeriod: Duration.days(14),
    });
    this.queue = new Queue(this, 'Queue', {
      fifo: true,
      contentBasedDeduplication: true,
      ...queueEncryption,
      enforceSSL: true,
      // A failed run blocks the cluster's queue for this long, so it is no longer than it must be.
      visibilityTimeout: settings.timeout.plus(Duration.seconds(10)),
      deadLetterQueue: { queue: this.deadLetterQueue, maxReceiveCount: 3 },
    });
    this.logGroup = new LogGroup(this, 'Log', {
      retention: settings.logRetention,
      encryptionKey: key,
      removalPolicy: RemovalPolicy.DESTROY,
    });

    const role = new Role(this, 'Role', {
      assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
      description: `Looks after the etcd cluster ${settings.clusterName}`,
    });
    this.function = new LambdaFunction(this, 'Function', {
      description: `Looks after the etcd cluster ${settings.clusterName}`,
      code: createEtcdLifecycleLambdaCode(),
      handler: ETCD_LIFECYCLE_HANDLER,
      runtime: settings.runtime,
      architecture: settings.architecture,
      memorySize: settings.memorySize,
      timeout: settings.timeout,
      ...placeFunction(this, settings),
      logGroup: this.logGroup,
      role,
      environment: this.environment(),
      environmentEncryption: key,
    });
    acknowledgeRuntime(this.function);
    this.connections = settings.vpc ? this.function.connections : new Connections();
    this.grantAll(role, members);
    if (settings.vpc) {
      denyNetworkInterfaces(this, role, this.function);
    }
    connect(this.connections, members.connections, settings);
    addRules(this, this.queue, settings);
    this.function.addEventSource(
      new SqsEventSource(this.queue, { batchSize: 10, reportBatchItemFailures: true }),
    );
    if (!own) {
      const { autoScalingGroupName } = settings.autoScalingGroup;
      addHooksBeside(this, autoScalingGroupName, hooks, settings.heartbeatTimeout);
    }

    const watched = {
      metrics: this,
      function: this.function,
      deadLetterQueue: this.deadLetterQueue,
    };
    if (settings.alarms?.enabled ?? true) {
      this.alarms = addAlarms(this, watched, settings);
    }
    if (settings.dashboard ?? true) {
      this.dashboard = addDashboard(this, watched, this.alarms, settings);
    }
  }

  /**
   * The shell lines for the instances' user data that start etcd as the function says. They need
   * curl, the AWS CLI and etcd (3.5.31 or newer, or 3.6.12 or newer) on the instance, and wait
   * until the function has handed over a place in the cluster. Never to ask for them is warned of,
   * unless the group is imported or the instances join by their own means.
   *
   * @throws Error if `tlsFiles` are missing for a cluster with TLS, or given for one without; if an
   * option is misspelt, or of another kind; or if the instances join by their own means.
   */
  public bootstrapCommands(options: BootstrapOptions = {}): string[] {
    guardBootstrapNames(this, options);
    guardBootstrapKinds(this, options);
    const { tls, clientPort, peerPort, join } = this.settings;
    if (join.managedByInstance) {
      refuse(
        this,
        'bootstrapCommands() has no place to hand over, as join is EtcdJoin.managedByInstance(): ' +
          'leave it out, or leave join out',
      );
    }
    if (tls.scheme === 'https' && !options.tlsFiles) {
      refuse(
        this,
        'the cluster uses TLS, so bootstrapCommands() needs tlsFiles, the paths of the ' +
          'certificates on the instance',
      );
    }
    if (tls.scheme === 'http' && options.tlsFiles) {
      refuse(
        this,
        'bootstrapCommands() has tlsFiles, but the cluster uses no TLS, so etcd would ignore ' +
          'them: pass tls: EtcdTls.fromSecret(...) to the construct',
      );
    }
    if (options.pollSeconds !== undefined && !(options.pollSeconds > 0)) {
      refuse(this, `pollSeconds is ${options.pollSeconds}; it must be more than 0`);
    }
    this.bootstrapped = true;
    return renderBootstrap(
      { parameterPrefix: this.parameterPrefix, scheme: tls.scheme, clientPort, peerPort },
      options,
    );
  }

  /**
   * Lets somebody read what was decided and done, and why: the journal, by
   * `npx @quorate/etcd-lifecycle history`.
   */
  public grantReadJournal(grantee: IGrantable): Grant {
    return grantReadJournal(grantee, this.grantable());
  }

  /**
   * Lets somebody operate the cluster by each command of `npx @quorate/etcd-lifecycle`: `plan`, which
   * changes nothing, and also `override`, `defragment` and `recover`. All of them invoke the function, so
   * that none can be granted without the others. `recover` needs {@link grantReadSnapshots} besides.
   */
  public grantOperate(grantee: IGrantable): Grant {
    return grantOperate(grantee, this.grantable());
  }

  /**
   * Lets somebody read the snapshots of the cluster, and so all of its data.
   *
   * @throws Error if the construct takes no snapshots.
   */
  public grantReadSnapshots(grantee: IGrantable): Grant {
    return grantReadSnapshots(this, grantee, this.grantable());
  }

  private grantable(): Grantable {
    const { clusterName, encryptionKey, snapshots } = this.settings;
    return { clusterName, encryptionKey, snapshots, function: this.function, table: this.table };
  }

  private guard(): void {
    guardInputs(this, this.settings);
    guardAccess(this, this.settings);
    guardPublicSubnets(this, this.settings);
    guardTimes(this, this.settings);
    guardSnapshots(this, this.settings);
    guardAlarms(this, this.settings);
    guardBeforeRemoval(this, this.settings);
    guardImportedGroup(this, this.settings);
    const own = ownGroup(this.settings.autoScalingGroup);
    if (own) {
      guardGroup(this, own.group);
    }
    this.guardUniqueness();
    guardSecrecy(this, this.settings);
    guardRetries(this, this.settings);
    // What is still being put together is judged when the app is complete.
    Aspects.of(this).add(
      { visit: (node) => (node === this ? this.guardComplete() : undefined) },
      { priority: AspectPriority.READONLY },
    );
  }

  private guardComplete(): void {
    const { autoScalingGroup, members, beforeRemoval, access } = this.settings;
    const own = ownGroup(autoScalingGroup);
    if (own) {
      guardLaunch(this, own.resource);
      guardCapacity(this, own.resource);
      guardPurchase(this, own.group, own.resource);
      guardWarmPool(this, own.group, this.bootstrapped);
      guardBootstrap(this, this.settings, this.bootstrapped);
    }
    if (access.runCommand ?? beforeRemoval?.commands) {
      guardAgent(this, membersOf(autoScalingGroup, members).role);
    }
    guardEndpoints(this, this.settings);
    guardAdmission(
      this,
      membersOf(autoScalingGroup, members).connections.securityGroups,
      this.connections.securityGroups,
      this.settings,
    );
  }

  /** What two of them would fight over, as far as one stack shows it. */
  private guardUniqueness(): void {
    const { clusterName, autoScalingGroup } = this.settings;
    for (const other of Stack.of(this).node.findAll()) {
      if (!(other instanceof EtcdLifecycle) || other === this) {
        continue;
      }
      if (other.settings.clusterName === clusterName) {
        refuse(
          this,
          `clusterName "${clusterName}" is also that of ${other.node.path}; it must be unique ` +
            'in the account and Region',
        );
      }
      if (this.nameOf(other.settings.autoScalingGroup) === this.nameOf(autoScalingGroup)) {
        refuse(this, `${other.node.path} looks after this group already; each needs its own`);
      }
    }
  }

  /** The name of a group, equal for a group that was imported twice. */
  private nameOf(group: IAutoScalingGroup): string {
    return JSON.stringify(Stack.of(this).resolve(group.autoScalingGroupName));
  }

  private environment(): Record<string, string> {
    const { settings } = this;
    return {
      QUORATE_CLUSTER: settings.clusterName,
      QUORATE_GROUP: settings.autoScalingGroup.autoScalingGroupName,
      QUORATE_LAUNCH_HOOK: this.launchHookName,
      QUORATE_TERMINATE_HOOK: this.terminateHookName,
      QUORATE_TABLE: this.table.tableName,
      ...(settings.join.managedByInstance
        ? { QUORATE_JOIN: settings.join.mode }
        : { QUORATE_PARAMETER_PREFIX: PARAMETER_ROOT }),
      QUORATE_DEAD_LETTER_QUEUE_URL: this.deadLetterQueue.queueUrl,
      QUORATE_CLIENT_PORT: String(settings.clientPort),
      QUORATE_PEER_PORT: String(settings.peerPort),
      QUORATE_REPLACEMENT_DEADLINE: seconds(settings.replacementDeadline),
      QUORATE_AT_DEADLINE: settings.atDeadline,
      QUORATE_LAUNCH_DEADLINE: seconds(settings.launchDeadline),
      ...(settings.tls.secret ? { QUORATE_TLS_SECRET: settings.tls.secret.secretArn } : {}),
      ...(settings.auth ? { QUORATE_AUTH_SECRET: settings.auth.secret.secretArn } : {}),
      ...snapshotEnvironment(settings.snapshots),
      ...beforeRemovalEnvironment(this, settings.beforeRemoval),
      ...accessEnvironment(settings),
      ...settings.environment,
    };
  }

  private grantAll(role: Role, members: MemberInstances): void {
    const { autoScalingGroup, clusterName, tls, auth, snapshots, encryptionKey, join } =
      this.settings;
    const { beforeRemoval, access, vpc } = this.settings;
    grantFunction(this, role, {
      autoScalingGroupName: autoScalingGroup.autoScalingGroupName,
      members,
      table: this.table,
      deadLetterQueue: this.deadLetterQueue,
      logGroup: this.logGroup,
      inNetwork: vpc !== undefined,
      retains: mayRetain(this.settings),
      parameterPrefix: join.managedByInstance ? undefined : this.parameterPrefix,
    });
    tls.grantRead(role);
    grantSnapshots(role, clusterName, snapshots);
    if (!join.managedByInstance) {
      grantRestores(members.role, clusterName, snapshots);
    }
    grantBeforeRemoval(role, beforeRemoval);
    if (access.runCommand ?? beforeRemoval?.commands) {
      grantCommands(this, role, autoScalingGroup.autoScalingGroupName);
    }
    auth?.grantRead(role);
    if (encryptionKey) {
      grantKey(this, role, encryptionKey);
    }
  }
}
