import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  DeleteItemCommand,
  DynamoDBClient,
  GetItemCommand,
  QueryCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import {
  CreateBucketCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { CreateQueueCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import {
  EtcdGateway,
  type EtcdMemberInfo,
  type EtcdStatus,
  Etcdutl,
  LocalAutoScaling,
  type LocalInstance,
  Ministack,
  resolveEtcd,
} from '@quorate/test-harness';
import { App } from 'aws-cdk-lib';
import { DemoStack } from '../../demo/demo-stack';
import { createFunctionTable } from '../../demo/function-table';
import { QUICK_CHANGES, QUICK_PROGRAMS } from '../quick-boot';
import { type CrashPoint, FunctionHost, type InvocationResult } from './function-host';
import { createHandOverFunction } from './hand-over-function';

const TABLE = 'crash-tests';
const PREFIX = '/quorate';
/** Where snapshots go. */
export const SNAPSHOT_BUCKET = 'crash-tests';

const LAUNCH_HOOK = 'launch';
const TERMINATE_HOOK = 'terminate';
const MAX_SIZE = 4;

/** After how long the lease of a run that was killed ends: nobody should have to wait for it. */
const LEASE_SECONDS = 0.2;

/** How long a group may take to settle, which is many times what it takes. */
const PATIENCE_SECONDS = 120;

/**
 * How long a member may take to start. It serves clients only when it has told the others of itself;
 * if it gets a snapshot from the leader at that moment, the message is lost, and etcd sends it again
 * after 7 s: 5 s and two election time-outs.
 */
const START_SECONDS = 15;

/** What the schedule sends each minute. */
const TICK = { source: 'aws.events', 'detail-type': 'Scheduled Event', detail: {} };

/** The record of the bootstrap. */
export interface SeedRecord {
  readonly instanceId: string | undefined;
  readonly clusterId: string | undefined;
}

/** What the function remembers of a cluster. */
export interface CrashRecords {
  readonly seed: SeedRecord;
  /** Recorded member ids by instance id. */
  readonly members: Readonly<Record<string, string>>;
  /** What is remembered to wait. */
  readonly waiting: readonly string[];
  /** The instances whose hand-over is recorded. */
  readonly handOvers: readonly string[];
}

/** With which results a hook that held an instance was completed: one, unless something is wrong. */
export interface HookCompletions {
  readonly instanceId: string;
  readonly hook: string;
  readonly results: readonly string[];
}

/** The emulator, the group's service and the function that all clusters of a test file share. */
export class CrashBench implements AsyncDisposable {
  static async start(): Promise<CrashBench> {
    const directory = mkdtempSync(join(tmpdir(), 'quorate-crash-'));
    const etcd = await resolveEtcd();
    const etcdutl = await Etcdutl.resolve();
    const autoScaling = await LocalAutoScaling.start();
    let ministack: Ministack | undefined;
    try {
      ministack = await Ministack.start();
      const dynamodb = new DynamoDBClient(ministack.clientConfig());
      await createFunctionTable(dynamodb, TABLE);
      const s3 = new S3Client({ ...ministack.clientConfig(), forcePathStyle: true });
      await s3.send(new CreateBucketCommand({ Bucket: SNAPSHOT_BUCKET }));
      const sqs = new SQSClient(ministack.clientConfig());
      const { QueueUrl = '' } = await sqs.send(
        new CreateQueueCommand({
          QueueName: 'dead-letters.fifo',
          Attributes: { FifoQueue: 'true', ContentBasedDeduplication: 'true' },
        }),
      );
      const environment = { ...ministack.env(), ...autoScaling.env() };
      const logFile = join(directory, 'function.log');
      const host = FunctionHost.start(ministack.python, environment, logFile);
      return new CrashBench(
        {
          directory,
          etcd: etcd.path,
          etcdutl: etcdutl.path,
          logFile,
          betweenRuns: join(directory, 'between-runs'),
          deadLetterQueueUrl: QueueUrl,
        },
        { autoScaling, ministack, dynamodb, s3, sqs, host },
      );
    } catch (error) {
      await autoScaling.stop();
      await ministack?.stop();
      await rm(directory, { recursive: true, force: true });
      throw error;
    }
  }

  private constructor(
    readonly at: {
      readonly directory: string;
      readonly etcd: string;
      readonly etcdutl: string;
      readonly logFile: string;
      /** A file that is there while the function does not run. */
      readonly betweenRuns: string;
      readonly deadLetterQueueUrl: string;
    },
    readonly parts: {
      readonly autoScaling: LocalAutoScaling;
      readonly ministack: Ministack;
      readonly dynamodb: DynamoDBClient;
      readonly s3: S3Client;
      readonly sqs: SQSClient;
      readonly host: FunctionHost;
    },
  ) {}

  /** Takes the messages out of the dead-letter queue. */
  async deadLetters(): Promise<string[]> {
    const { Messages = [] } = await this.parts.sqs.send(
      new ReceiveMessageCommand({
        QueueUrl: this.at.deadLetterQueueUrl,
        MaxNumberOfMessages: 10,
        VisibilityTimeout: 0,
      }),
    );
    return Messages.map((message) => message.Body ?? '');
  }

  /** The last that the function logged, for an error. */
  lastLog(lines = 40): string {
    return readFileSync(this.at.logFile, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.parts.host[Symbol.asyncDispose]();
    await this.parts.autoScaling.stop();
    this.parts.dynamodb.destroy();
    this.parts.s3.destroy();
    this.parts.sqs.destroy();
    await this.parts.ministack.stop();
    await rm(this.at.directory, { recursive: true, force: true });
  }
}

/** A cluster whose function is invoked by the test, pass by pass, and can be killed at each effect. */
export class CrashCluster {
  /** The names of the side effects so far, in their order. */
  readonly effects: string[] = [];

  /** Where the function is to die next. */
  crash: CrashPoint | undefined;

  /** How often it died. */
  deaths = 0;

  /** The part of whatever has no name in {@link names}. */
  newcomer = 'the newcomer';

  /** The parts that instances play, by their ids. */
  names = new Map<string, string>();

  /** Further environment variables of each invocation. */
  environment: Readonly<Record<string, string>> = {};

  private readonly disks = new Set<string>();
  private readonly paused = new Set<string>();
  private readonly memberIds = new Map<string, string>();
  private readonly addresses = new Map<string, string>();
  private passedTransitions = 0;
  private passedCalls = 0;

  /** Creates a group that launches its first instances at once. */
  constructor(
    private readonly bench: CrashBench,
    readonly name: string,
    private readonly props: {
      readonly size: number;
      readonly baseAddress: string;
      /** Further environment variables of the function. */
      readonly environment?: Readonly<Record<string, string>>;
    },
  ) {
    const { autoScaling, ministack } = bench.parts;
    this.begin();
    autoScaling.createGroup({
      name,
      minSize: 0,
      maxSize: MAX_SIZE,
      desiredCapacity: props.size,
      baseAddress: props.baseAddress,
      reuseAddresses: true,
      lifecycleHooks: [
        { name: LAUNCH_HOOK, transition: 'autoscaling:EC2_INSTANCE_LAUNCHING' },
        { name: TERMINATE_HOOK, transition: 'autoscaling:EC2_INSTANCE_TERMINATING' },
      ],
      boot: {
        script: this.userData(),
        environment: {
          ...ministack.env(),
          etcd_binary: bench.at.etcd,
          BETWEEN_RUNS: bench.at.betweenRuns,
          ...QUICK_CHANGES,
        },
        path: [QUICK_PROGRAMS, dirname(ministack.python), dirname(bench.at.etcdutl)],
      },
    });
  }

  /**
   * A run of a scenario begins: forgets what happened so far.
   *
   * @param from - `creation` keeps what the group has done since it was created.
   */
  begin(from: 'now' | 'creation' = 'now'): void {
    this.effects.length = 0;
    this.deaths = 0;
    this.crash = undefined;
    if (from === 'now') {
      this.passedTransitions = this.autoScaling.transitions.length;
      this.passedCalls = this.autoScaling.calls.length;
    }
    this.bench.parts.host.begin();
  }

  get autoScaling(): LocalAutoScaling {
    return this.bench.parts.autoScaling;
  }

  instances(): LocalInstance[] {
    return this.autoScaling.instances(this.name);
  }

  /** The client URLs of the instances in service. */
  clientUrls(): string[] {
    return this.instances()
      .filter((one) => one.lifecycleState === 'InService' && one.processesAlive)
      .map((one) => clientUrl(one));
  }

  /** Sets how many instances the group wants. */
  async scaleTo(size: number): Promise<void> {
    const response = await fetch(this.autoScaling.endpoint, {
      method: 'POST',
      body: new URLSearchParams({
        Action: 'SetDesiredCapacity',
        Version: '2011-01-01',
        AutoScalingGroupName: this.name,
        DesiredCapacity: String(size),
      }).toString(),
    });
    if (!response.ok) {
      throw new Error(`the group was not scaled: ${await response.text()}`);
    }
  }

  /**
   * Invokes the function once.
   *
   * @param event - What it is called with; a tick of the schedule by default.
   */
  async pass(event: object = TICK): Promise<InvocationResult> {
    await this.learnNames();
    rmSync(this.bench.at.betweenRuns, { force: true });
    const result = await this.bench.parts.host.invoke({
      event,
      newcomer: this.newcomer,
      names: Object.fromEntries([...this.names, ...this.memberIds, ...this.addresses]),
      hanging: this.instances()
        .filter((one) => this.paused.has(one.instanceId))
        .map((one) => one.privateIpAddress),
      crash: this.crash,
      environment: {
        QUORATE_CLUSTER: this.name,
        QUORATE_GROUP: this.name,
        QUORATE_LAUNCH_HOOK: LAUNCH_HOOK,
        QUORATE_TERMINATE_HOOK: TERMINATE_HOOK,
        QUORATE_TABLE: TABLE,
        QUORATE_PARAMETER_PREFIX: PREFIX,
        QUORATE_DEAD_LETTER_QUEUE_URL: this.bench.at.deadLetterQueueUrl,
        QUORATE_LEASE_SECONDS: String(LEASE_SECONDS),
        ...this.props.environment,
        ...this.environment,
      },
    });
    this.effects.push(...result.effects);
    if (result.unknown.length > 0) {
      throw new Error(
        'the function did something that side_effects.py does not know, so that it is no numbered ' +
          `point. Say there whether it reads or what it changes:\n${result.unknown.join('\n')}`,
      );
    }
    if (result.ended === 'raised') {
      throw new Error(`the function failed:\n${result.error}\n${this.bench.lastLog()}`);
    }
    if (result.ended === 'killed') {
      this.deaths += 1;
      this.crash = undefined;
      // As long as the queue would keep the message from the next run, only shorter.
      await sleep(LEASE_SECONDS * 1000);
    }
    return result;
  }

  /**
   * Invokes the function until something is true, with a pause in which whoever was told to start a
   * member has started it.
   */
  async passUntil(description: string, done: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = performance.now() + PATIENCE_SECONDS * 1000;
    while (!(await done())) {
      if (performance.now() > deadline) {
        throw new Error(
          `${PATIENCE_SECONDS} s of runs, and yet not: ${description}. Instances:\n` +
            `${this.instances().map((one) => `${one.instanceId} ${one.lifecycleState}`)}\n` +
            `Side effects: ${this.effects.slice(-20).join('; ')}\n${this.bench.lastLog()}`,
        );
      }
      await this.pass();
      await this.membersStarted();
    }
  }

  /** Invokes the function until all instances are in service and none is left over. */
  async settle(size: number): Promise<void> {
    await this.passUntil(`${size} instances are in service and no other is left`, () => {
      const states = this.instances().map((one) => one.lifecycleState);
      return states.length === size && states.every((state) => state === 'InService');
    });
    // The run that completed the last hook may have died of it: one more tidies up.
    while ((await this.pass()).ended === 'killed') {}
  }

  /** Waits until each instance that was told to start its member, and can, has a member that answers. */
  async membersStarted(): Promise<void> {
    const told = await this.joinParameters();
    writeFileSync(this.bench.at.betweenRuns, '');
    for (const instance of this.instances()) {
      const { instanceId, lifecycleState, processesAlive } = instance;
      const starting = lifecycleState === 'Pending:Wait' && told.includes(instanceId);
      if (starting && processesAlive && !this.paused.has(instanceId)) {
        await eventually(START_SECONDS, async () => {
          const status = await this.status(instance);
          return status?.leader !== undefined;
        });
      }
    }
  }

  /** What the member of an instance says of itself; undefined if it does not answer. */
  async status(instance: LocalInstance): Promise<EtcdStatus | undefined> {
    const gateway = new EtcdGateway(clientUrl(instance), { timeoutMs: 1000 });
    try {
      return await gateway.status();
    } catch {
      return undefined;
    } finally {
      gateway.close();
    }
  }

  /**
   * The members by the linearizable list of the first member that gives one.
   *
   * @param urls - Whom to ask; by default those in service.
   */
  async members(urls = this.clientUrls()): Promise<EtcdMemberInfo[]> {
    for (const url of urls) {
      const gateway = new EtcdGateway(url, { timeoutMs: 2000 });
      try {
        return await gateway.memberList();
      } catch {
        // The next one may answer.
      } finally {
        gateway.close();
      }
    }
    return [];
  }

  /** Asks the member of an instance. */
  async ask<T>(instance: LocalInstance, use: (gateway: EtcdGateway) => Promise<T>): Promise<T> {
    const gateway = new EtcdGateway(clientUrl(instance));
    try {
      return await use(gateway);
    } finally {
      gateway.close();
    }
  }

  /** Waits until something is true of the members, which takes no run of the function. */
  async waitUntil(description: string, done: () => Promise<boolean>): Promise<void> {
    await eventually(PATIENCE_SECONDS, done);
    if (!(await done())) {
      throw new Error(`${PATIENCE_SECONDS} s, and yet not: ${description}`);
    }
  }

  /** The instance whose member leads, once all members in service agree on it. */
  async leader(): Promise<LocalInstance> {
    let leader: LocalInstance | undefined;
    await eventually(10, async () => {
      const serving = this.instances().filter((one) => one.lifecycleState === 'InService');
      const seen = await Promise.all(serving.map((one) => this.status(one)));
      const id = seen[0]?.leader;
      leader = serving[seen.findIndex((one) => one?.memberId === id)];
      return id !== undefined && seen.every((one) => one?.leader === id);
    });
    if (!leader) {
      throw new Error(`the members of ${this.name} do not agree on a leader`);
    }
    return leader;
  }

  /** Makes the member of an instance lead. */
  async lead(target: LocalInstance): Promise<void> {
    const leader = await this.leader();
    if (leader.instanceId === target.instanceId) {
      return;
    }
    const { memberId = '' } = (await this.status(target)) ?? {};
    await this.ask(leader, (gateway) => gateway.transferLeadership(memberId));
    await eventually(10, async () => (await this.leader()).instanceId === target.instanceId);
  }

  /** What the function remembers. */
  async records(): Promise<CrashRecords> {
    const below = await this.readState();
    const [seed] = below('state#seed').map(([, item]) => item);
    return {
      seed: { instanceId: seed?.instance_id?.S, clusterId: seed?.cluster_id?.S },
      members: Object.fromEntries(
        below('state#member#').map(([id, item]) => [id, item.member_id?.S ?? '']),
      ),
      waiting: below('state#seen#').map(([key]) => key),
      handOvers: below('state#prepare#').map(([id]) => id),
    };
  }

  /** The actions in the journal, the oldest first. */
  async journal(): Promise<string[]> {
    const below = await this.read('journal#');
    return below('journal#').map(([, item]) => item.action?.S ?? '');
  }

  /** The members that an operator has ordered to remove. */
  async overrides(): Promise<string[]> {
    const below = await this.readState();
    return below('state#override').map(([, item]) => item.member?.S ?? '');
  }

  /** The key and the revision of the snapshot that is recorded, and the keys of all that are stored. */
  async snapshots(): Promise<{
    recorded: string | undefined;
    revision: number;
    stored: string[];
  }> {
    const below = await this.readState();
    const { Contents = [] } = await this.bench.parts.s3.send(
      new ListObjectsV2Command({ Bucket: SNAPSHOT_BUCKET, Prefix: `${this.name}/` }),
    );
    const [snapshot] = below('state#snapshot').map(([, item]) => item);
    return {
      recorded: snapshot?.key?.S,
      revision: Number(snapshot?.revision?.S),
      stored: Contents.map(({ Key = '' }) => Key),
    };
  }

  /** Makes the last snapshot too old to count, and leaves one of years ago. */
  async ageSnapshots(): Promise<void> {
    await this.bench.parts.dynamodb.send(
      new DeleteItemCommand({ TableName: TABLE, Key: this.key('state#snapshot') }),
    );
    await this.bench.parts.s3.send(
      new PutObjectCommand({
        Bucket: SNAPSHOT_BUCKET,
        Key: `${this.name}/20200101T000000Z-1.db`,
        Body: 'a snapshot',
      }),
    );
  }

  /** The circuit of a service that the environments of the function share, as it is in the table. */
  async circuit(service: string): Promise<{ phase: string; version: number }> {
    const { Item } = await this.bench.parts.dynamodb.send(
      new GetItemCommand({
        TableName: TABLE,
        Key: this.key(`circuit#${service}`),
        ConsistentRead: true,
      }),
    );
    return {
      phase: JSON.parse(Item?.state?.S ?? '{"phase":"CLOSED"}').phase,
      version: Number(Item?.version?.N ?? 0),
    };
  }

  private key(sortKey: string) {
    return { pk: { S: `cluster#${this.name}` }, sk: { S: sortKey } };
  }

  private readState() {
    return this.read('state#');
  }

  /** The items of the cluster below a key: by a prefix, the rests of the keys and the items. */
  private async read(above: string) {
    const { Items = [] } = await this.bench.parts.dynamodb.send(
      new QueryCommand({
        TableName: TABLE,
        KeyConditionExpression: 'pk = :pk AND begins_with(sk, :prefix)',
        ExpressionAttributeValues: {
          ':pk': { S: `cluster#${this.name}` },
          ':prefix': { S: above },
        },
        ConsistentRead: true,
      }),
    );
    return (prefix: string) =>
      Items.filter((item) => item.sk?.S?.startsWith(prefix)).map(
        (item) => [item.sk?.S?.slice(prefix.length) ?? '', item] as const,
      );
  }

  /** Makes the function remember that an instance and its member have waited since yesterday. */
  async haveWaitedForADay({ instanceId }: LocalInstance): Promise<void> {
    const { members, waiting } = await this.records();
    for (const key of waiting.filter((one) => [instanceId, members[instanceId]].includes(one))) {
      await this.bench.parts.dynamodb.send(
        new UpdateItemCommand({
          TableName: TABLE,
          Key: this.key(`state#seen#${key}`),
          UpdateExpression: 'SET since = since - :day',
          ExpressionAttributeValues: { ':day': { N: String(24 * 3600) } },
        }),
      );
    }
  }

  /** Has a function hand over for instances before their members are removed. */
  async handOverByFunction(): Promise<void> {
    this.environment = {
      QUORATE_BEFORE_REMOVAL_FUNCTION: await createHandOverFunction(this.bench.parts.ministack),
      QUORATE_BEFORE_REMOVAL_TIMEOUT: '20',
    };
  }

  /** Whether the function has handed over for an instance. */
  async hasHandedOver(instanceId: string): Promise<boolean> {
    const found = await this.askSsm('GetParameters', { Names: [`/hand-over/${instanceId}`] });
    return found.length > 0;
  }

  /** The instances that have a join configuration. */
  async joinParameters(): Promise<string[]> {
    const path = `${PREFIX}/${this.name}`;
    const found = await this.askSsm('GetParametersByPath', { Path: path });
    return found.map((name) => name.slice(path.length + 1));
  }

  /** The names of the parameters that SSM answers with. */
  private async askSsm(operation: string, input: object): Promise<string[]> {
    const response = await fetch(this.bench.parts.ministack.endpoint, {
      method: 'POST',
      headers: {
        'x-amz-target': `AmazonSSM.${operation}`,
        'content-type': 'application/x-amz-json-1.1',
      },
      body: JSON.stringify(input),
    });
    const { Parameters } = (await response.json()) as { Parameters: { Name: string }[] };
    return Parameters.map(({ Name }) => Name);
  }

  /** The results with which each hook that held an instance was completed, as Auto Scaling saw it. */
  completions(): HookCompletions[] {
    const completed = this.autoScaling.calls
      .slice(this.passedCalls)
      .filter((call) => call.action === 'CompleteLifecycleAction' && call.errorCode === undefined)
      .map((call) => call.parameters);
    return this.autoScaling.transitions
      .slice(this.passedTransitions)
      .filter((one) => one.groupName === this.name && one.to.endsWith(':Wait'))
      .map(({ instanceId, to }) => {
        const hook = to === 'Pending:Wait' ? LAUNCH_HOOK : TERMINATE_HOOK;
        const results = completed
          .filter((one) => one.InstanceId === instanceId && one.LifecycleHookName === hook)
          .map((one) => one.LifecycleActionResult ?? '');
        return { instanceId, hook, results };
      });
  }

  /** Lets an instance hang until it is terminated. */
  async pause(instance: LocalInstance): Promise<void> {
    this.paused.add(instance.instanceId);
    await this.autoScaling.pauseInstance(instance.instanceId);
  }

  /** Kills what is left of the cluster, and removes its files: each member takes 128 MB and more. */
  async end(): Promise<void> {
    for (const instance of this.instances().filter((one) => one.processesAlive)) {
      this.autoScaling.killInstanceProcesses(instance.instanceId);
    }
    await eventually(10, async () => this.instances().every((one) => !one.processesAlive));
    for (const disk of this.disks) {
      await rm(disk, { recursive: true, force: true, maxRetries: 5 });
    }
  }

  /** The user data that a stack would give its instances, with their files in their own folders. */
  private userData(): string {
    const app = new App({
      outdir: join(this.bench.at.directory, 'cdk.out'),
      context: { 'aws:cdk:bundling-stacks': [] },
    });
    const { lifecycle } = new DemoStack(app, 'Crash', { clusterName: this.name, size: 1 });
    return lifecycle
      .bootstrapCommands({
        dataDirectory: `\${QUORATE_INSTANCE_ROOT}/data`,
        environmentFile: `\${QUORATE_INSTANCE_ROOT}/etcd.env`,
        startCommand: 'exec "$etcd_binary"',
        pollSeconds: 0.2,
      })
      .join('\n');
  }

  /**
   * The client URLs of those that follow a leader: others would answer with an error, after seconds.
   * The first member of a cluster is among them before its launch is complete.
   */
  private async ledUrls(): Promise<string[]> {
    const asked = this.instances().filter(
      (one) =>
        ['InService', 'Pending:Wait'].includes(one.lifecycleState) &&
        one.processesAlive &&
        !this.paused.has(one.instanceId),
    );
    const seen = await Promise.all(asked.map((one) => this.status(one)));
    return asked.filter((_, index) => seen[index]?.leader !== undefined).map(clientUrl);
  }

  /** Learns which addresses, members and files belong to the instances that have a part. */
  private async learnNames(): Promise<void> {
    for (const one of this.instances()) {
      if (one.rootDirectory) {
        this.disks.add(one.rootDirectory);
      }
      // An address may have served another instance before.
      this.addresses.set(one.privateIpAddress, this.names.get(one.instanceId) ?? this.newcomer);
    }
    for (const member of await this.members(await this.ledUrls())) {
      const host = new URL(member.peerUrls[0] ?? '').hostname;
      this.memberIds.set(member.id, this.addresses.get(host) ?? this.newcomer);
    }
  }
}

function clientUrl(instance: LocalInstance): string {
  return `http://${instance.privateIpAddress}:2379`;
}

/** Asks again until it is true or the time is over; what must be true is checked by the caller. */
async function eventually(seconds: number, done: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + seconds * 1000;
  while (!(await done()) && performance.now() < deadline) {
    await sleep(20);
  }
}
