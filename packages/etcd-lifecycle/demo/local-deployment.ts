import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import {
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SetQueueAttributesCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import {
  CdkDeployment,
  type EtcdBinary,
  EtcdCertificates,
  type EventSink,
  eventBridgeSink,
  LocalAutoScaling,
  type LocalInstance,
  LocalRunCommand,
  loopbackAddresses,
  Ministack,
  resolveEtcd,
  type TlsFiles,
} from '@quorate/test-harness';
import { App } from 'aws-cdk-lib';
import { DemoStack, type DemoStackProps, type DemoTls } from './demo-stack';
import { FunctionLog } from './function-log';
import { JournalFollower } from './journal-follower';

/** The certificates of a deployment, where they are not just the right ones. */
export interface LocalDeploymentTls {
  /** Those of the members, and of whoever asks {@link LocalDeployment.clientTls}. The caller's own. */
  readonly certificates: EtcdCertificates;
  /**
   * The value of the secret with the function's certificate.
   * @default - the client's certificate of `certificates`
   */
  readonly secret?: Readonly<Record<string, string>>;
}

/** How to deploy the demo's stack on this machine. */
export interface LocalDeploymentProps {
  /**
   * How many members the cluster has.
   * @default 3
   */
  readonly size?: number;
  /**
   * The address of the first instance; others follow it.
   * @default '127.0.0.2'
   */
  readonly baseAddress?: string;
  /**
   * Mutual TLS, with certificates that are made for it unless they are given.
   * @default false
   */
  readonly tls?: boolean | LocalDeploymentTls;
  /**
   * The value of the secret with the user as whom the function logs in.
   * @default - it does not log in
   */
  readonly auth?: Readonly<Record<string, string>>;
  /**
   * The etcd that the instances run.
   * @default - what `resolveEtcd()` finds or builds
   */
  readonly etcd?: EtcdBinary;
  /**
   * Further environment variables of the function.
   * @default - none
   */
  readonly environment?: Record<string, string>;
  /**
   * The bucket for snapshots, which is not made, and when they are taken.
   * @default - none are taken
   */
  readonly snapshots?: DemoStackProps['snapshots'];
  /**
   * How the function reaches the members.
   * @default - by the network
   */
  readonly access?: DemoStackProps['access'];
  /**
   * What is done before a removal.
   * @default - nothing
   */
  readonly beforeRemoval?: DemoStackProps['beforeRemoval'];
  /**
   * Whether commands of SSM Run Command are run, as processes of the instances.
   * @default false
   */
  readonly runsCommands?: boolean;
  /**
   * How members leave.
   * @default - as the construct has it by default
   */
  readonly removal?: DemoStackProps['removal'];
  /**
   * The shell command that an instance starts etcd with.
   * @default - etcd in place of the shell
   */
  readonly startCommand?: string;
  /**
   * The lines with which an instance joins by its own means.
   * @default - it is told how to join by the function
   */
  readonly ownJoin?: readonly string[];
  /**
   * Puts something between the group and the event bus.
   * @default - events go to the bus
   */
  readonly eventSink?: (bus: EventSink) => EventSink;
  /**
   * Told the endpoints of the emulator and of Auto Scaling, before the function first runs.
   * @default - nobody is told
   */
  readonly onEndpoints?: (emulator: string, autoScaling: string) => void;
  /**
   * Further environment variables of the instances, and so of etcd.
   * @default - none
   */
  readonly instanceEnvironment?: Record<string, string>;
  /**
   * Directories with programs that the instances have, besides those that every one has.
   * @default - none
   */
  readonly programs?: readonly string[];
  /**
   * Told of each step of the deployment.
   * @default - nobody is told
   */
  readonly onProgress?: (step: string) => void;
}

/** A CloudFormation template, as far as it is read. */
export interface DeployedTemplate {
  readonly Resources: Readonly<
    Record<
      string,
      { readonly Type: string; readonly Properties?: Readonly<Record<string, unknown>> }
    >
  >;
}

const STACK = 'QuorateDemo';
const CLUSTER = 'demo';

/** How many instances certificates are made for, those that are launched later included. */
const CERTIFIED_INSTANCES = 32;

/** The variable of an instance with the folder of its certificates. */
const TLS_DIRECTORY = 'etcd_tls';

/** How much of an instance's console is shown when something went wrong. */
const CONSOLE_LINES = 10;

/** What the emulator of AWS does not know, and what nothing here depends on. */
const OMITTED_RESOURCE_TYPES = [
  'AWS::EC2::SecurityGroupIngress',
  'AWS::EC2::SecurityGroupEgress',
  // Of one alarm it does not know the metric math; the dashboard shows the alarms.
  'AWS::CloudWatch::Alarm',
  'AWS::CloudWatch::Dashboard',
];

/**
 * The demo's stack, deployed to an emulator of AWS on this machine: its instances are processes that
 * run its own user data, and its function is the real handler behind rule, queue and event source
 * mapping.
 */
export class LocalDeployment {
  /** Synthesizes and deploys the stack; the group launches its first instances at once. */
  public static async start(props: LocalDeploymentProps = {}): Promise<LocalDeployment> {
    const progress = props.onProgress ?? (() => undefined);
    const etcd = props.etcd ?? (await resolveEtcd());
    progress(`etcd ${etcd.version} (${etcd.origin})`);
    const deployment = new LocalDeployment(await LocalAutoScaling.start());
    // Needed for the deployment only, so that nothing is left whatever ends it later.
    const assembly = mkdtempSync(join(tmpdir(), 'quorate-demo-'));
    try {
      await deployment.deploy(assembly, props, etcd.path, progress);
      return deployment;
    } catch (error) {
      await deployment.stop();
      throw error;
    } finally {
      await rm(assembly, { recursive: true, force: true });
    }
  }

  /** The group's name. */
  public groupName = '';
  /** The function's name. */
  public functionName = '';
  /** The name of the table. */
  public tableName = '';
  /** The template that was deployed. */
  public template: DeployedTemplate = { Resources: {} };
  private certificates: EtcdCertificates | undefined;
  private ownCertificates: EtcdCertificates | undefined;
  private functionLog: FunctionLog | undefined;
  private journalFollower: JournalFollower | undefined;
  private ministack: Ministack | undefined;
  private localRunCommand: LocalRunCommand | undefined;
  private deployed: CdkDeployment | undefined;
  private sqs: SQSClient | undefined;
  private queueUrl = '';
  private deadLetterQueueUrl = '';
  private ticker: NodeJS.Timeout | undefined;
  private readonly ticks = new Set<Promise<unknown>>();
  private readonly failedTicks: unknown[] = [];

  private constructor(
    /** The Auto Scaling group's service. */
    public readonly autoScaling: LocalAutoScaling,
  ) {}

  /** Options for the constructor of a client of the AWS SDK, for what the emulator holds. */
  public clientConfig(): ReturnType<Ministack['clientConfig']> {
    return made(this.ministack).clientConfig();
  }

  /** Process id of the emulator, whose children are the running functions. */
  public get emulatorPid(): number {
    return made(this.ministack).pid;
  }

  /** Environment variables for programs that use the AWS SDK, for what the emulator holds. */
  public environment(): Record<string, string> {
    return made(this.ministack).env();
  }

  /** The name or ARN of the one resource of a type whose logical id starts with `prefix`. */
  public physicalId(type: string, prefix: string): string {
    return physicalIdOf(made(this.deployed), type, prefix);
  }

  /** The names or ARNs of all resources, by their logical ids. */
  public physicalIds(): ReadonlyMap<string, string> {
    return new Map(
      Object.values(made(this.deployed).resources).map((one) => [one.logicalId, one.physicalId]),
    );
  }

  /** What the function logs. */
  public get log(): FunctionLog {
    return made(this.functionLog);
  }

  /** What the function records. */
  public get journal(): JournalFollower {
    return made(this.journalFollower);
  }

  /** The commands that were sent to instances. */
  public get runCommand(): LocalRunCommand {
    return made(this.localRunCommand);
  }

  /** The instances, those on their way included. */
  public instances(): LocalInstance[] {
    return this.autoScaling.instances(this.groupName);
  }

  /** What a client needs to speak TLS with the members; undefined without TLS. */
  public get clientTls(): TlsFiles | undefined {
    return this.certificates?.client;
  }

  /** The client URL of an instance's member. */
  public clientUrl(instance: LocalInstance): string {
    return `${this.certificates ? 'https' : 'http'}://${instance.privateIpAddress}:2379`;
  }

  /** The client URLs of the instances that run something. */
  public clientUrls(): string[] {
    return this.instances()
      .filter((instance) => instance.processesAlive)
      .map((instance) => this.clientUrl(instance));
  }

  /**
   * Sends ticks as the schedule does, but more often than once a minute.
   *
   * @param seconds - Between two ticks.
   */
  public startTicks(seconds: number): void {
    this.ticker = setInterval(() => this.track(this.tick()), seconds * 1000);
  }

  /** Sends no more ticks, and waits for the last one to be sent. */
  public async stopTicks(): Promise<void> {
    clearInterval(this.ticker);
    await Promise.allSettled(this.ticks);
  }

  /** Sends one tick as the schedule does, and returns the message. */
  public async tick(): Promise<string> {
    const body = JSON.stringify({
      version: '0',
      id: randomUUID(),
      'detail-type': 'Scheduled Event',
      source: 'aws.events',
      time: new Date().toISOString(),
      detail: {},
    });
    await this.send(body);
    return body;
  }

  /** Puts a message into the cluster's queue. */
  public async send(body: string): Promise<void> {
    await made(this.sqs).send(
      new SendMessageCommand({
        QueueUrl: this.queueUrl,
        MessageGroupId: CLUSTER,
        MessageDeduplicationId: randomUUID(),
        MessageBody: body,
      }),
    );
  }

  /** Takes up to ten messages out of the dead-letter queue. */
  public async deadLetters(): Promise<string[]> {
    const sqs = made(this.sqs);
    const QueueUrl = this.deadLetterQueueUrl;
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }),
    );
    for (const { ReceiptHandle } of Messages) {
      await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
    }
    return Messages.map((message) => message.Body ?? '');
  }

  /** How many messages are in the cluster's queue, those that are being handled included. */
  public async queuedMessages(): Promise<number> {
    const { Attributes = {} } = await made(this.sqs).send(
      new GetQueueAttributesCommand({
        QueueUrl: this.queueUrl,
        AttributeNames: [
          'ApproximateNumberOfMessages',
          'ApproximateNumberOfMessagesNotVisible',
          'ApproximateNumberOfMessagesDelayed',
        ],
      }),
    );
    return Object.values(Attributes).reduce((sum, number) => sum + Number(number), 0);
  }

  /**
   * Sets after how long the messages of a run that failed come back.
   *
   * @param seconds - The new time; the stack's own is a little more than the function's time-out.
   */
  public async setVisibilityTimeout(seconds: number): Promise<void> {
    await this.setQueueAttributes({ VisibilityTimeout: String(seconds) });
  }

  /**
   * Sets after how many runs that failed a message goes to the dead-letter queue.
   *
   * @param count - The new number; the stack's own is 3.
   */
  public async setMaxReceiveCount(count: number): Promise<void> {
    const { Attributes = {} } = await made(this.sqs).send(
      new GetQueueAttributesCommand({
        QueueUrl: this.deadLetterQueueUrl,
        AttributeNames: ['QueueArn'],
      }),
    );
    const policy = { deadLetterTargetArn: Attributes.QueueArn, maxReceiveCount: count };
    await this.setQueueAttributes({ RedrivePolicy: JSON.stringify(policy) });
  }

  /** Waits until all of the wanted instances are in service. */
  public async waitUntilInService(
    size: number,
    timeoutSeconds: number,
    interrupted?: AbortSignal,
  ): Promise<void> {
    await this.autoScaling.waitUntil(
      `${size} instances are in service and no other is left`,
      (instances) => {
        interrupted?.throwIfAborted();
        return (
          instances.length === size &&
          instances.every((instance) => instance.lifecycleState === 'InService')
        );
      },
      timeoutSeconds,
    );
  }

  /** The last that was heard of the emulator, the function and the instances, for an error. */
  public diagnosis(): string {
    const consoles = this.instances().flatMap(({ instanceId, logFile }) =>
      logFile ? [`Console of ${instanceId}:`, ...lastLines(logFile)] : [],
    );
    return ['Emulator and function:', this.ministack?.lastOutput(30) ?? '', ...consoles].join('\n');
  }

  /** Stops everything that was started, and removes what was written. */
  public async stop(): Promise<void> {
    await this.stopTicks();
    this.functionLog?.stop();
    await this.journalFollower?.stop();
    this.sqs?.destroy();
    await this.autoScaling.stop();
    await this.localRunCommand?.stop();
    await this.ministack?.stop();
    await this.ownCertificates?.remove();
    if (this.failedTicks.length > 0) {
      throw new AggregateError(this.failedTicks, 'ticks could not be sent');
    }
  }

  private async deploy(
    assembly: string,
    props: LocalDeploymentProps,
    etcdBinary: string,
    progress: (step: string) => void,
  ): Promise<void> {
    const tls = await this.certify(props);
    const app = new App({ outdir: assembly });
    new DemoStack(app, STACK, {
      clusterName: CLUSTER,
      size: props.size ?? 3,
      tls,
      auth: props.auth,
      environment: props.environment,
      snapshots: props.snapshots,
      beforeRemoval: props.beforeRemoval,
      access: props.access,
      removal: props.removal,
      startCommand: props.startCommand,
      ownJoin: props.ownJoin,
    });
    app.synth();
    progress('stack synthesized');

    if (props.runsCommands) {
      this.localRunCommand = await LocalRunCommand.start({ autoScaling: this.autoScaling });
    }
    const ministack = await Ministack.start({
      environment: { ...this.autoScaling.env(), ...this.localRunCommand?.env() },
    });
    this.ministack = ministack;
    this.localRunCommand?.setUpstream(ministack.endpoint);
    props.onEndpoints?.(ministack.endpoint, this.autoScaling.endpoint);
    const bus = eventBridgeSink(ministack);
    this.autoScaling.setEventSink(props.eventSink?.(bus) ?? bus);
    this.sqs = new SQSClient(ministack.clientConfig());
    const deployed = await CdkDeployment.deploy(ministack, assembly, STACK, {
      omitResourceTypes: OMITTED_RESOURCE_TYPES,
    });
    this.deployed = deployed;
    this.queueUrl = this.physicalId('AWS::SQS::Queue', 'EtcdLifecycleQueue');
    this.deadLetterQueueUrl = this.physicalId('AWS::SQS::Queue', 'EtcdLifecycleDeadLetterQueue');
    this.groupName = this.physicalId('AWS::AutoScaling::AutoScalingGroup', 'Etcd');
    this.functionName = this.physicalId('AWS::Lambda::Function', 'EtcdLifecycleFunction');
    this.tableName = this.physicalId('AWS::DynamoDB::GlobalTable', 'EtcdLifecycleTable');
    this.functionLog = FunctionLog.follow(ministack.logFile);
    this.journalFollower = new JournalFollower(ministack.clientConfig(), this.tableName, CLUSTER);
    progress('stack deployed by CloudFormation');

    const template = JSON.parse(readFileSync(join(assembly, `${STACK}.template.json`), 'utf8'));
    this.template = template;
    this.autoScaling.createGroup(
      LocalAutoScaling.fromTemplate(template, undefined, {
        name: this.groupName,
        baseAddress: baseAddressOf(props),
        boot: {
          script: userDataOf(template),
          environment: {
            ...ministack.env(),
            etcd_binary: etcdBinary,
            ...props.instanceEnvironment,
            ...(this.certificates && { [TLS_DIRECTORY]: this.certificates.directory }),
          },
          path: [...(props.programs ?? []), dirname(ministack.python)],
        },
      }),
    );
    progress('group created: it launches its first instances');
  }

  private async certify(props: LocalDeploymentProps): Promise<DemoTls | undefined> {
    if (!props.tls) {
      return undefined;
    }
    if (props.tls === true) {
      this.ownCertificates = await EtcdCertificates.create({
        addresses: loopbackAddresses(baseAddressOf(props), CERTIFIED_INSTANCES),
      });
      this.certificates = this.ownCertificates;
    } else {
      this.certificates = props.tls.certificates;
    }
    const { server, client, directory } = this.certificates;
    const onInstance = (file: string) => `\${${TLS_DIRECTORY}}/${relative(directory, file)}`;
    return {
      files: {
        caFile: onInstance(server.caFile),
        certificateFile: onInstance(server.certFile),
        keyFile: onInstance(server.keyFile),
      },
      secret: (props.tls === true ? undefined : props.tls.secret) ?? certificateSecret(client),
    };
  }

  private async setQueueAttributes(attributes: Record<string, string>): Promise<void> {
    await made(this.sqs).send(
      new SetQueueAttributesCommand({ QueueUrl: this.queueUrl, Attributes: attributes }),
    );
  }

  private track(tick: Promise<unknown>): void {
    const tracked = tick
      .catch((error) => this.failedTicks.push(error))
      .finally(() => this.ticks.delete(tracked));
    this.ticks.add(tracked);
  }
}

/** The value of the secret from which the function takes its certificate. */
export function certificateSecret(files: TlsFiles): Record<string, string> {
  return {
    ca: readFileSync(files.caFile, 'utf8'),
    certificate: readFileSync(files.certFile, 'utf8'),
    key: readFileSync(files.keyFile, 'utf8'),
  };
}

function baseAddressOf(props: LocalDeploymentProps): string {
  return props.baseAddress ?? '127.0.0.2';
}

function made<T>(part: T | undefined): T {
  if (part === undefined) {
    throw new Error('the stack is not deployed yet');
  }
  return part;
}

function lastLines(file: string): string[] {
  return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-CONSOLE_LINES);
}

function physicalIdOf(deployed: CdkDeployment, type: string, prefix: string): string {
  const found = deployed
    .resourcesOfType(type)
    .find((resource) => resource.logicalId.startsWith(prefix));
  if (!found) {
    throw new Error(`the stack has no ${type} whose logical id starts with ${prefix}`);
  }
  return found.physicalId;
}

/** The user data of the one launch template, which must be known before the deployment. */
function userDataOf(template: {
  readonly Resources: Record<
    string,
    {
      Type: string;
      Properties: { LaunchTemplateData?: { UserData?: { 'Fn::Base64'?: unknown } } };
    }
  >;
}): string {
  const launchTemplate = Object.values(template.Resources).find(
    (resource) => resource.Type === 'AWS::EC2::LaunchTemplate',
  );
  const userData = launchTemplate?.Properties.LaunchTemplateData?.UserData?.['Fn::Base64'];
  if (typeof userData !== 'string') {
    throw new Error('the launch template has no user data of plain text');
  }
  return userData;
}
