import { randomBytes, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { TemporaryDirectory } from '../process/temporary-directory';
import { waitUntil } from '../wait-until';
import { AUTO_SCALING_VERSION, answerAutoScaling, autoScalingError } from './auto-scaling-api';
import type { EventSink, ServiceEvent } from './auto-scaling-events';
import { AutoScalingGroup, type Effect } from './auto-scaling-group';
import type { AutoScalingGroupProps } from './auto-scaling-group-props';
import {
  type AutoScalingGroupFromTemplateProps,
  autoScalingGroupFromTemplate,
  type CloudFormationTemplate,
} from './auto-scaling-template';
import { type Clock, SystemClock } from './clock';
import { answerEc2, EC2_VERSION, ec2Error } from './ec2-api';
import type { GroupInstance, LifecycleState } from './group-instance';
import { InstanceMetadataService } from './instance-metadata';
import { type BootProps, InstanceProcess, type ScriptResult } from './instance-process';
import { QueryRequest } from './query-protocol';
import { ServiceError, validationError } from './service-error';

/** How to start a {@link LocalAutoScaling}. */
export interface LocalAutoScalingProps {
  /** Port on 127.0.0.1. Default: a free one. */
  readonly port?: number;

  /** Default: us-east-1. */
  readonly region?: string;

  /** Default: 000000000000, the account of ministack. */
  readonly accountId?: string;

  /** Where the time comes from. Default: {@link SystemClock}. */
  readonly clock?: Clock;

  /** Takes the events of the service. Default: they are only kept in {@link LocalAutoScaling.events}. */
  readonly eventSink?: EventSink;
}

/** A group, and what its instances run. */
export interface LocalAutoScalingGroupProps extends AutoScalingGroupProps {
  /** What an instance runs when it boots. Default: nothing; instances have no processes. */
  readonly boot?: BootProps;
}

/** An instance as a test sees it. */
export interface LocalInstance {
  readonly instanceId: string;
  readonly groupName: string;
  readonly availabilityZone: string;
  readonly privateIpAddress: string;
  readonly lifecycleState: LifecycleState;
  readonly healthStatus: 'Healthy' | 'Unhealthy';
  /** Process id of the boot script, and of its process group; undefined without a boot script. */
  readonly pid?: number;
  /** Whether any process of the instance is left. */
  readonly processesAlive: boolean;
  /** Exit code or signal of the boot script; undefined while it runs. */
  readonly bootExitStatus?: number | string;
  /** File with the output of the instance's processes. */
  readonly logFile?: string;
  /** The directory that stands for the machine's disk. */
  readonly rootDirectory?: string;
}

/** A change of an instance's state. */
export interface StateTransition {
  /** Seconds since the epoch. */
  readonly time: number;
  readonly groupName: string;
  readonly instanceId: string;
  readonly privateIpAddress: string;
  /** Undefined for a launch. */
  readonly from: LifecycleState | undefined;
  readonly to: LifecycleState;
}

/** A request that was answered. */
export interface RecordedCall {
  /** Seconds since the epoch. */
  readonly time: number;
  /** For example `CompleteLifecycleAction`. */
  readonly action: string;
  readonly parameters: Readonly<Record<string, string>>;
  /** Code of the error that was answered; undefined for a success. */
  readonly errorCode?: string;
}

/** An error to answer with instead of doing what is asked. */
export interface InjectedFault {
  /** How many calls fail. Default: 1. */
  readonly times?: number;
  /** Default: Throttling. */
  readonly code?: string;
  /** Default: Rate exceeded. */
  readonly message?: string;
  /** Default: 400. */
  readonly httpStatus?: number;
}

/**
 * Amazon EC2 Auto Scaling, and the little of EC2 that goes with it, on 127.0.0.1: real SDKs and
 * command lines talk to it, instances run real processes, and events go to a real event bus.
 *
 * What a group does is decided by {@link AutoScalingGroup}; this class gives it a clock, a network
 * and processes.
 */
export class LocalAutoScaling implements AsyncDisposable {
  /** Starts the service without any group. */
  static async start(props: LocalAutoScalingProps = {}): Promise<LocalAutoScaling> {
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(props.port ?? 0, '127.0.0.1', resolve);
    });
    return new LocalAutoScaling(props, server);
  }

  /**
   * Reads a group from a synthesized CloudFormation template, for {@link createGroup}.
   *
   * @param template the template, as an object.
   * @param logicalId which resource; undefined if the template has only one group.
   * @param overrides the physical name, and what replaces or adds to the template.
   */
  static fromTemplate(
    template: CloudFormationTemplate,
    logicalId: string | undefined,
    overrides: AutoScalingGroupFromTemplateProps & Pick<LocalAutoScalingGroupProps, 'boot'>,
  ): LocalAutoScalingGroupProps {
    return {
      ...autoScalingGroupFromTemplate(template, logicalId, overrides),
      boot: overrides.boot,
    };
  }

  /** URL of both services. */
  readonly endpoint: string;

  /** Every event that was sent, oldest first. */
  readonly events: ServiceEvent[] = [];

  /** Every change of an instance's state, oldest first. */
  readonly transitions: StateTransition[] = [];

  /** Every request to Auto Scaling and EC2, oldest first. */
  readonly calls: RecordedCall[] = [];

  private readonly region: string;
  private readonly accountId: string;
  private readonly clock: Clock;
  /** Made when the first instance boots. */
  private directory: TemporaryDirectory | undefined;
  private readonly groups = new Map<string, AutoScalingGroup>();
  private readonly boots = new Map<string, BootProps>();
  private readonly processes = new Map<string, InstanceProcess>();
  private readonly metadata: InstanceMetadataService;
  private readonly faults = new Map<string, { fault: InjectedFault; left: number }>();
  private readonly listeners = new Set<(transition: StateTransition) => void>();
  private readonly work = new Set<Promise<void>>();
  private errors: Error[] = [];
  private eventSink: EventSink | undefined;
  private lastDelivery: Promise<void> = Promise.resolve();
  /** Starts and stops of processes by address, as an address may serve one instance after another. */
  private readonly addressWork = new Map<string, Promise<void>>();
  private cancelWake: (() => void) | undefined;
  private stopped = false;

  private constructor(
    props: LocalAutoScalingProps,
    private readonly server: Server,
  ) {
    this.region = props.region ?? 'us-east-1';
    this.accountId = props.accountId ?? '000000000000';
    this.clock = props.clock ?? new SystemClock();
    this.eventSink = props.eventSink;
    this.endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.metadata = new InstanceMetadataService(() => this.clock.now(), this.region);
    server.on('request', (request, response) => {
      this.handle(request, response).catch((error: Error) => {
        this.errors.push(error);
        response.destroy(error);
      });
    });
  }

  /** Environment variables that point the AWS SDKs and command line at this service. */
  env(): Record<string, string> {
    return {
      AWS_ENDPOINT_URL_AUTO_SCALING: this.endpoint,
      AWS_ENDPOINT_URL_EC2: this.endpoint,
    };
  }

  /** Where events go from now on; for a sink that is there only after this service has started. */
  setEventSink(sink: EventSink): void {
    this.eventSink = sink;
  }

  /**
   * Creates a group, which launches its first instances.
   *
   * @throws ServiceError if the name is taken or a value is wrong.
   */
  createGroup(props: LocalAutoScalingGroupProps): AutoScalingGroup {
    if (this.groups.has(props.name)) {
      throw new ServiceError(
        'AlreadyExists',
        `AutoScalingGroup by this name already exists - A group with the name ${props.name} already exists`,
      );
    }
    const group = new AutoScalingGroup(
      props,
      {
        region: this.region,
        accountId: this.accountId,
        uuid: randomUUID,
        instanceId: () => `i-0${randomBytes(8).toString('hex')}`,
      },
      this.clock.now(),
    );
    this.groups.set(group.name, group);
    if (props.boot !== undefined) {
      this.boots.set(group.name, props.boot);
    }
    this.apply(group.start(this.clock.now()));
    return group;
  }

  /**
   * A group by its name.
   *
   * @throws Error if there is none.
   */
  group(name: string): AutoScalingGroup {
    const group = this.groups.get(name);
    if (group === undefined) {
      throw new Error(`No Auto Scaling group ${name}; there are: ${[...this.groups.keys()]}`);
    }
    return group;
  }

  /** The instances of all groups, or of one, oldest first; those that were terminated are left out. */
  instances(groupName?: string): LocalInstance[] {
    const groups = groupName === undefined ? [...this.groups.values()] : [this.group(groupName)];
    return groups.flatMap((group) =>
      group.instances.map((instance) => {
        const process = this.processes.get(instance.instanceId);
        return {
          instanceId: instance.instanceId,
          groupName: instance.groupName,
          availabilityZone: instance.availabilityZone,
          privateIpAddress: instance.privateIpAddress,
          lifecycleState: instance.lifecycleState,
          healthStatus: instance.healthStatus,
          pid: process?.pid,
          processesAlive: process?.alive ?? false,
          bootExitStatus: process?.bootExitStatus,
          logFile: process?.logFile,
          rootDirectory: process?.rootDirectory,
        };
      }),
    );
  }

  /** Calls back at each change of an instance's state. Returns a function that ends that. */
  onTransition(listener: (transition: StateTransition) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /**
   * Waits, in real time, until the instances are as wished.
   *
   * @param description what is waited for, for the error.
   * @throws Error with the state of the instances if it takes too long.
   */
  async waitUntil(
    description: string,
    condition: (instances: LocalInstance[]) => boolean,
    timeoutSeconds = 30,
  ): Promise<void> {
    await waitUntil(
      `the instances until ${description}`,
      () => condition(this.instances()) || undefined,
      {
        timeoutMs: timeoutSeconds * 1000,
        intervalMs: 20,
        retryable: () => false,
        detail: () =>
          this.instances()
            .map(
              (instance) =>
                `${instance.instanceId} ${instance.privateIpAddress} ${instance.lifecycleState}`,
            )
            .join('\n') || 'no instance',
      },
    );
  }

  /** Stops the processes of an instance without ending them (SIGSTOP), like a machine that hangs. */
  async pauseInstance(instanceId: string): Promise<void> {
    await this.process(instanceId).pause();
  }

  /** Lets the processes of a paused instance go on (SIGCONT). */
  resumeInstance(instanceId: string): void {
    this.process(instanceId).signal('SIGCONT');
  }

  /** Kills the processes of an instance; the group does not notice. */
  killInstanceProcesses(instanceId: string): void {
    this.process(instanceId).signal('SIGKILL');
  }

  /** Whether {@link runScript} would do something: the instance has processes, and does not hang. */
  takesScripts(instanceId: string): boolean {
    return this.processes.get(instanceId)?.takesScripts ?? false;
  }

  /**
   * Runs a script of a POSIX shell as a process of the instance, with its files and environment.
   *
   * @param script its lines.
   * @param seconds how long it may take.
   * @throws Error if the instance has no processes.
   */
  async runScript(instanceId: string, script: string, seconds: number): Promise<ScriptResult> {
    return this.process(instanceId).run(script, seconds);
  }

  /** Terminates an instance through the group, as the operation of the same name does. */
  terminateInstance(instanceId: string, options: { readonly decrement?: boolean } = {}): void {
    this.apply(
      this.groupOf(instanceId).terminateInstance(
        instanceId,
        options.decrement ?? false,
        this.clock.now(),
      ),
    );
  }

  /**
   * Sets a group's desired capacity, as the operation of the same name does.
   *
   * @throws ServiceError if it is beyond the group's limits.
   */
  setDesiredCapacity(groupName: string, capacity: number): void {
    this.apply(this.group(groupName).setDesiredCapacity(capacity, this.clock.now()));
  }

  /** An instance vanishes, as if it had been terminated in EC2 or its host had died. */
  loseInstance(instanceId: string): void {
    this.apply(this.groupOf(instanceId).loseInstance(instanceId, this.clock.now()));
  }

  /** Makes the next calls of an action fail. */
  failNext(action: string, fault: InjectedFault = {}): void {
    this.faults.set(action, { fault, left: fault.times ?? 1 });
  }

  /**
   * Waits until events are delivered and processes are started and stopped.
   *
   * @throws AggregateError of what went wrong since the last call: events that were not delivered,
   *   boot scripts that could not be started.
   */
  async settled(): Promise<void> {
    while (this.work.size > 0) {
      await Promise.all(this.work);
    }
    if (this.errors.length > 0) {
      const errors = this.errors;
      this.errors = [];
      throw new AggregateError(errors, errors.map(({ message }) => message).join('\n'));
    }
  }

  /**
   * Ends the service and every process of its instances, and removes their files.
   *
   * @throws AggregateError of what went wrong and was not reported by {@link settled} yet.
   */
  async stop(): Promise<void> {
    this.stopped = true;
    this.cancelWake?.();
    this.server.closeAllConnections();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
    try {
      await this.settled();
    } finally {
      await Promise.all([...this.processes.values()].map((process) => process.stop()));
      await this.directory?.remove();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  private process(instanceId: string): InstanceProcess {
    const process = this.processes.get(instanceId);
    if (process === undefined) {
      throw new Error(`Instance ${instanceId} has no processes`);
    }
    return process;
  }

  private groupOf(instanceId: string): AutoScalingGroup {
    for (const group of this.groups.values()) {
      if (group.instances.some((instance) => instance.instanceId === instanceId)) {
        return group;
      }
    }
    throw new Error(`No group has an instance ${instanceId}`);
  }

  private apply(effects: readonly Effect[]): void {
    for (const effect of effects) {
      switch (effect.kind) {
        case 'state-changed':
          this.recordTransition(effect);
          break;
        case 'send-event':
          this.send(effect.event);
          break;
        case 'start-instance':
          this.startInstance(effect.instance);
          break;
        case 'stop-instance':
          this.stopInstance(effect.instance);
          break;
      }
    }
    this.wakeLater();
  }

  private recordTransition(effect: Effect & { readonly kind: 'state-changed' }): void {
    const { instance, from, to, time } = effect;
    const { groupName, instanceId, privateIpAddress } = instance;
    const transition = { time, groupName, instanceId, privateIpAddress, from, to };
    this.transitions.push(transition);
    for (const listener of this.listeners) {
      listener(transition);
    }
  }

  /** Events are delivered in order. */
  private send(event: ServiceEvent): void {
    this.events.push(event);
    const sink = this.eventSink;
    if (sink === undefined) {
      return;
    }
    this.lastDelivery = this.track(
      this.lastDelivery.then(async () => {
        try {
          await sink(event);
        } catch (error) {
          throw new Error(`'${event.detailType}' was not delivered: ${(error as Error).message}`, {
            cause: error,
          });
        }
      }),
    );
  }

  private startInstance(instance: GroupInstance): void {
    const boot = this.boots.get(instance.groupName);
    if (boot === undefined) {
      return;
    }
    this.atAddress(instance, async () => {
      if (instance.ec2State !== 'running' || this.stopped) {
        return;
      }
      this.directory ??= TemporaryDirectory.create('local-auto-scaling-');
      const process = await InstanceProcess.boot(
        boot,
        join(this.directory.path, instance.instanceId),
        {
          AWS_REGION: this.region,
          AWS_DEFAULT_REGION: this.region,
          AWS_ACCESS_KEY_ID: 'test',
          AWS_SECRET_ACCESS_KEY: 'test',
          AWS_EC2_METADATA_SERVICE_ENDPOINT: `${this.endpoint}/imds/${instance.instanceId}`,
          ...this.env(),
        },
      );
      this.processes.set(instance.instanceId, process);
    });
  }

  private stopInstance(instance: GroupInstance): void {
    this.atAddress(instance, async () => {
      await this.processes.get(instance.instanceId)?.stop();
    });
  }

  private atAddress(instance: GroupInstance, action: () => Promise<void>): void {
    const address = instance.privateIpAddress;
    const before = this.addressWork.get(address) ?? Promise.resolve();
    this.addressWork.set(address, this.track(before.then(action)));
  }

  /** Waits for a piece of work in {@link settled}; a failure is reported there, and nowhere else. */
  private track(work: Promise<void>): Promise<void> {
    const tracked: Promise<void> = work
      .catch((error: Error) => {
        this.errors.push(error);
      })
      .finally(() => this.work.delete(tracked));
    this.work.add(tracked);
    return tracked;
  }

  private wakeLater(): void {
    this.cancelWake?.();
    this.cancelWake = undefined;
    const deadlines = [...this.groups.values()]
      .map((group) => group.nextDeadline)
      .filter((deadline) => deadline !== undefined);
    if (deadlines.length === 0 || this.stopped) {
      return;
    }
    this.cancelWake = this.clock.schedule(Math.min(...deadlines), () => {
      const now = this.clock.now();
      this.apply([...this.groups.values()].flatMap((group) => group.tick(now)));
    });
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = new URL(request.url ?? '/', this.endpoint).pathname;
    const metadata = /^\/imds\/([^/]+)(\/.*)$/.exec(path);
    if (metadata !== null) {
      const [, instanceId, subPath = ''] = metadata;
      const instance = [...this.groups.values()]
        .flatMap((group) => group.instances)
        .find((candidate) => candidate.instanceId === instanceId);
      const userData = instance && this.boots.get(instance.groupName)?.script;
      this.metadata.answer(instance, subPath, userData, request, response);
      return;
    }
    const chunks: Buffer[] = [];
    for await (const chunk of request) {
      chunks.push(chunk as Buffer);
    }
    const query = QueryRequest.parse(Buffer.concat(chunks).toString('utf8'));
    const { status, body } = this.answer(query);
    response.writeHead(status, { 'Content-Type': 'text/xml;charset=UTF-8' }).end(body);
  }

  private answer(query: QueryRequest): { status: number; body: string } {
    const requestId = randomUUID();
    const time = this.clock.now();
    const call = { time, action: query.action, parameters: query.toObject() };
    const isEc2 = query.version === EC2_VERSION;
    const state = {
      accountId: this.accountId,
      groups: this.groups,
      now: () => time,
      apply: (effects: readonly Effect[]) => this.apply(effects),
    };
    try {
      this.throwInjectedFault(query.action);
      if (!isEc2 && query.version !== AUTO_SCALING_VERSION) {
        throw validationError(
          `Version '${query.version}' is neither that of Auto Scaling (${AUTO_SCALING_VERSION}) ` +
            `nor that of EC2 (${EC2_VERSION})`,
        );
      }
      const body = isEc2
        ? answerEc2(query, state, requestId)
        : answerAutoScaling(query, state, requestId);
      this.calls.push(call);
      return { status: 200, body };
    } catch (error) {
      if (!(error instanceof ServiceError)) {
        throw error;
      }
      this.calls.push({ ...call, errorCode: error.code });
      const body = isEc2 ? ec2Error(error, requestId) : autoScalingError(error, requestId);
      return { status: error.httpStatus, body };
    }
  }

  private throwInjectedFault(action: string): void {
    const entry = this.faults.get(action);
    if (entry === undefined || entry.left === 0) {
      return;
    }
    entry.left -= 1;
    const { code = 'Throttling', message = 'Rate exceeded', httpStatus } = entry.fault;
    throw new ServiceError(code, message, httpStatus);
  }
}
