import { AddressPool } from './address-pool';
import type { ServiceEvent } from './auto-scaling-events';
import {
  completeHook,
  globalTimeout,
  type LifecycleActionResult,
  type LifecycleHook,
  type LifecycleHookProps,
  type LifecycleTransition,
} from './lifecycle-hook';
import { validationError } from './service-error';

/** State of an instance in its group. */
export type LifecycleState =
  | 'Pending'
  | 'Pending:Wait'
  | 'Pending:Proceed'
  | 'InService'
  | 'Terminating'
  | 'Terminating:Wait'
  | 'Terminating:Proceed'
  | 'Terminating:Retained'
  | 'Terminated';

/** State of an instance in EC2. */
export type Ec2State = 'running' | 'shutting-down' | 'terminated';

/** Seconds that the service takes for its own part of a transition. */
export interface AutoScalingDelays {
  /** From the launch to the launch hooks (Pending). Default: 0. */
  readonly pending?: number;

  /** From the end of the launch hooks to InService (Pending:Proceed). Default: 0. */
  readonly pendingProceed?: number;

  /** From the end of the terminate hooks to Terminated (Terminating:Proceed). Default: 0. */
  readonly terminatingProceed?: number;

  /** From an instance turning unhealthy or vanishing to its replacement. Default: 0. */
  readonly healthCheck?: number;
}

/** An Auto Scaling group. */
export interface AutoScalingGroupProps {
  /** Name of the group. */
  readonly name: string;

  /** Fewest instances. */
  readonly minSize: number;

  /** Most instances. */
  readonly maxSize: number;

  /** Instances to begin with. Default: `minSize`. */
  readonly desiredCapacity?: number;

  /** Lifecycle hooks that hold also the first instances. Default: none. */
  readonly lifecycleHooks?: readonly LifecycleHookProps[];

  /**
   * What becomes of an instance whose terminate hook is abandoned: `retain` keeps it in
   * `Terminating:Retained` until it is terminated by a call. Default: terminate.
   */
  readonly terminateHookAbandon?: 'retain' | 'terminate';

  /** Default: zones a, b and c of the region. */
  readonly availabilityZones?: readonly string[];

  /** Private address of the first instance; the next ones follow. Default: 127.0.0.2. */
  readonly baseAddress?: string;

  /** Whether addresses of terminated instances are used again. Default: false. */
  readonly reuseAddresses?: boolean;

  /**
   * When the instance that takes the place of a terminating one is launched. Amazon EC2 Auto Scaling
   * makes no promise; a product has to work with both. Default: immediately.
   */
  readonly replacement?: 'immediately' | 'after-termination';

  /**
   * Whether the terminate hooks hold an instance that never came into service, because its launch
   * hook was abandoned or because it was terminated before. Default: true.
   */
  readonly terminateHooksBeforeService?: boolean;

  /** How long the service takes. Default: no time. */
  readonly delays?: AutoScalingDelays;

  /** Tags of the instances, besides `aws:autoscaling:groupName`. Default: none. */
  readonly tags?: Readonly<Record<string, string>>;
}

/** Where a group lives, and where its random names come from. */
export interface AutoScalingGroupContext {
  /** Region of the group. */
  readonly region: string;

  /** Account of the group. */
  readonly accountId: string;

  /** A new UUID. */
  readonly uuid: () => string;

  /** A new EC2 instance id. */
  readonly instanceId: () => string;
}

/** A lifecycle action that somebody has to complete. */
export interface LifecycleAction {
  /** The hook as it was when the action began. */
  readonly hook: LifecycleHook;

  /** UUID of the action. */
  readonly token: string;

  /** When it times out without another heartbeat, in seconds since the epoch. */
  deadline: number;

  /** When it times out whatever happens, in seconds since the epoch. */
  readonly globalDeadline: number;
}

/** An instance of a group. */
export interface GroupInstance {
  readonly instanceId: string;
  readonly groupName: string;
  readonly availabilityZone: string;
  readonly privateIpAddress: string;
  /** When it was launched, in seconds since the epoch. */
  readonly launchTime: number;
  readonly tags: Readonly<Record<string, string>>;
  readonly lifecycleState: LifecycleState;
  readonly healthStatus: 'Healthy' | 'Unhealthy';
  readonly ec2State: Ec2State;
  /** What it waits for. */
  readonly actions: readonly Readonly<LifecycleAction>[];
}

/** A launch or termination. */
export interface ScalingActivity {
  readonly activityId: string;
  readonly instanceId: string;
  readonly description: string;
  readonly cause: string;
  /** Seconds since the epoch. */
  readonly startTime: number;
  readonly endTime?: number;
  readonly statusCode: 'InProgress' | 'MidLifecycleAction' | 'Successful' | 'Cancelled';
  readonly statusMessage?: string;
  readonly progress: number;
  readonly details: string;
}

/** What is to be done in the world because of a change of the group. */
export type Effect =
  | { readonly kind: 'start-instance'; readonly instance: GroupInstance }
  | { readonly kind: 'stop-instance'; readonly instance: GroupInstance }
  | { readonly kind: 'send-event'; readonly event: ServiceEvent }
  | {
      readonly kind: 'state-changed';
      readonly instance: GroupInstance;
      readonly from: LifecycleState | undefined;
      readonly to: LifecycleState;
      readonly time: number;
    };

/** Names a lifecycle action: by its token, or by its instance. */
export interface ActionReference {
  readonly hookName: string;
  readonly token?: string;
  readonly instanceId?: string;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

interface MutableInstance extends Mutable<Omit<GroupInstance, 'actions'>> {
  actions: LifecycleAction[];
  /** When the service is done with the present state. */
  due?: number;
  /** When the health check notices that the instance is unhealthy. */
  unhealthyDue?: number;
  cameIntoService: boolean;
  activity: MutableActivity;
}
type MutableActivity = Mutable<ScalingActivity>;

const LAUNCHING: LifecycleTransition = 'autoscaling:EC2_INSTANCE_LAUNCHING';
const TERMINATING: LifecycleTransition = 'autoscaling:EC2_INSTANCE_TERMINATING';

/**
 * The state of an Auto Scaling group and its rules, without time, randomness or I/O of its own: each
 * method is told the time, and returns what is to be done.
 *
 * What it does is what the user guide and API reference of Amazon EC2 Auto Scaling say. What they
 * leave open is decided thus:
 *
 * - All hooks of a transition begin together, each with its own token and times.
 * - A launch goes to the zone with the fewest instances, in the order of the zones. To scale in, the
 *   oldest instance of the fullest zone goes, one in service before one that is pending.
 * - An instance that vanishes is unhealthy at once; the terminate hooks fire for it as well.
 * - A request to terminate an instance that already is terminating changes nothing.
 */
export class AutoScalingGroup {
  readonly name: string;
  readonly arn: string;
  /** When the group was created, in seconds since the epoch. */
  readonly createdTime: number;
  readonly availabilityZones: readonly string[];
  readonly terminateHookAbandon: 'retain' | 'terminate' | undefined;

  private min: number;
  private max: number;
  private desired: number;
  private readonly hooks = new Map<string, LifecycleHook>();
  private readonly members = new Map<string, MutableInstance>();
  private readonly departed: MutableInstance[] = [];
  private readonly history: MutableActivity[] = [];
  private readonly addresses: AddressPool;
  private effects: Effect[] = [];

  /**
   * @param props the group.
   * @param context where it lives.
   * @param now seconds since the epoch.
   * @throws ServiceError (ValidationError) if sizes or hooks are wrong.
   */
  constructor(
    private readonly props: AutoScalingGroupProps,
    private readonly context: AutoScalingGroupContext,
    now: number,
  ) {
    this.name = props.name;
    this.arn =
      `arn:aws:autoscaling:${context.region}:${context.accountId}:autoScalingGroup:` +
      `${context.uuid()}:autoScalingGroupName/${props.name}`;
    this.createdTime = now;
    this.availabilityZones =
      props.availabilityZones ?? ['a', 'b', 'c'].map((zone) => context.region + zone);
    this.terminateHookAbandon = props.terminateHookAbandon;
    this.addresses = new AddressPool(
      props.baseAddress ?? '127.0.0.2',
      props.reuseAddresses ?? false,
    );
    this.min = props.minSize;
    this.max = props.maxSize;
    this.desired = props.desiredCapacity ?? props.minSize;
    if (this.availabilityZones.length === 0) {
      throw validationError('At least one Availability Zone or VPC Subnet is required.');
    }
    checkSizes(this.min, this.max, this.desired);
    for (const hook of props.lifecycleHooks ?? []) {
      this.putHook(hook);
    }
  }

  get minSize(): number {
    return this.min;
  }

  get maxSize(): number {
    return this.max;
  }

  get desiredCapacity(): number {
    return this.desired;
  }

  get lifecycleHooks(): readonly LifecycleHook[] {
    return [...this.hooks.values()];
  }

  /** The instances of the group, oldest first. */
  get instances(): readonly GroupInstance[] {
    return [...this.members.values()];
  }

  /** Instances that have left the group, first departed first. */
  get terminatedInstances(): readonly GroupInstance[] {
    return this.departed;
  }

  /** Launches and terminations, newest first. */
  get activities(): readonly ScalingActivity[] {
    return this.history.toReversed();
  }

  /** When {@link tick} is to be called next, in seconds since the epoch; undefined: not before a change. */
  get nextDeadline(): number | undefined {
    const times = [...this.members.values()].flatMap((instance) => [
      ...(instance.due === undefined ? [] : [instance.due]),
      ...(instance.unhealthyDue === undefined ? [] : [instance.unhealthyDue]),
      ...instance.actions.map((action) => action.deadline),
    ]);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** The latest launch or termination of an instance. */
  activityOf(instanceId: string): ScalingActivity {
    return this.member(instanceId).activity;
  }

  /** Launches the first instances. */
  start(now: number): Effect[] {
    this.reconcile(now);
    return this.takeEffects();
  }

  /** Does what has fallen due up to a time, in order. */
  tick(now: number): Effect[] {
    for (;;) {
      const time = this.nextDeadline;
      if (time === undefined || time > now) {
        return this.takeEffects();
      }
      const instance = [...this.members.values()].find(
        (candidate) =>
          candidate.due === time ||
          candidate.unhealthyDue === time ||
          candidate.actions.some((action) => action.deadline === time),
      ) as MutableInstance;
      if (instance.due === time) {
        this.step(instance, time);
      } else if (instance.unhealthyDue === time) {
        instance.unhealthyDue = undefined;
        this.terminate(
          instance,
          time,
          'an instance was taken out of service in response to an EC2 health check',
        );
      } else {
        const action = instance.actions.find(
          ({ deadline }) => deadline === time,
        ) as LifecycleAction;
        this.resolve(instance, action, action.hook.defaultResult, time, 'Heartbeat Timeout');
      }
      this.reconcile(time);
    }
  }

  /** Adds a hook, or replaces the one of the same name for later transitions. */
  putHook(props: LifecycleHookProps): void {
    this.hooks.set(props.name, completeHook(props));
  }

  /**
   * Sets the number of instances.
   *
   * @throws ServiceError (ValidationError) if it is outside of the group's limits.
   */
  setDesiredCapacity(capacity: number, now: number): Effect[] {
    if (capacity > this.max) {
      throw validationError(
        `New SetDesiredCapacity value ${capacity} is above max value ${this.max} for the AutoScalingGroup.`,
      );
    }
    if (capacity < this.min) {
      throw validationError(
        `New SetDesiredCapacity value ${capacity} is below min value ${this.min} for the AutoScalingGroup.`,
      );
    }
    this.desired = capacity;
    this.reconcile(now);
    return this.takeEffects();
  }

  /**
   * Changes the limits. A desired capacity that is not given moves inside of the new limits.
   *
   * @throws ServiceError (ValidationError) if the sizes contradict each other.
   */
  update(
    sizes: {
      readonly minSize?: number;
      readonly maxSize?: number;
      readonly desiredCapacity?: number;
    },
    now: number,
  ): Effect[] {
    const min = sizes.minSize ?? this.min;
    const max = sizes.maxSize ?? this.max;
    const desired = sizes.desiredCapacity ?? Math.min(Math.max(this.desired, min), max);
    checkSizes(min, max, desired);
    this.min = min;
    this.max = max;
    this.desired = desired;
    this.reconcile(now);
    return this.takeEffects();
  }

  /**
   * Ends a lifecycle action. On a launch, ABANDON terminates the instance. On a termination both
   * results let it terminate, and ABANDON ends the other hooks' actions too, unless the group
   * retains abandoned instances.
   *
   * @throws ServiceError (ValidationError) if there is no such action.
   */
  completeAction(reference: ActionReference, result: LifecycleActionResult, now: number): Effect[] {
    const [instance, action] = this.findAction(reference);
    this.resolve(instance, action, result, now, `Lifecycle Action Completed with ${result} Result`);
    this.reconcile(now);
    return this.takeEffects();
  }

  /**
   * Restarts the heartbeat timeout of an action; the global timeout stays.
   *
   * @throws ServiceError (ValidationError) if there is no such action.
   */
  recordHeartbeat(reference: ActionReference, now: number): Effect[] {
    const [, action] = this.findAction(reference);
    action.deadline = Math.min(now + action.hook.heartbeatTimeout, action.globalDeadline);
    return this.takeEffects();
  }

  /**
   * Terminates an instance, also one that is retained.
   *
   * @param decrement whether it is not to be replaced.
   * @throws ServiceError (ValidationError) if the instance is unknown or the group would get too small.
   */
  terminateInstance(instanceId: string, decrement: boolean, now: number): Effect[] {
    const instance = this.member(instanceId);
    if (instance.lifecycleState === 'Terminating:Retained') {
      this.shutDown(instance, now);
    } else if (!isTerminating(instance)) {
      if (decrement) {
        if (this.desired <= this.min) {
          throw validationError(
            `Currently, desiredSize equals minSize (${this.min}). Terminating instance without ` +
              "replacement will violate group's min size constraint. Either set " +
              "shouldDecrementDesiredCapacity flag to false or lower group's min size.",
          );
        }
        this.desired -= 1;
      }
      this.terminate(
        instance,
        now,
        'an instance was taken out of service in response to a user request',
      );
    }
    this.reconcile(now);
    return this.takeEffects();
  }

  /**
   * Sets what the health check says of an instance. An unhealthy one is replaced.
   *
   * @throws ServiceError (ValidationError) if the instance is unknown.
   */
  setInstanceHealth(instanceId: string, status: 'Healthy' | 'Unhealthy', now: number): Effect[] {
    const instance = this.member(instanceId);
    instance.healthStatus = status;
    instance.unhealthyDue =
      status === 'Unhealthy' && !isTerminating(instance)
        ? now + (this.props.delays?.healthCheck ?? 0)
        : undefined;
    return this.tick(now);
  }

  /**
   * An instance vanishes, as if it had been terminated in EC2 or its host had died.
   *
   * @throws ServiceError (ValidationError) if the instance is unknown.
   */
  loseInstance(instanceId: string, now: number): Effect[] {
    const instance = this.member(instanceId);
    this.stop(instance);
    instance.ec2State = 'terminated';
    return this.setInstanceHealth(instanceId, 'Unhealthy', now);
  }

  private member(instanceId: string): MutableInstance {
    const instance = this.members.get(instanceId);
    if (instance === undefined) {
      throw validationError(
        `Instance Id not found - No managed instance found for instance ID: ${instanceId}`,
      );
    }
    return instance;
  }

  private findAction(reference: ActionReference): [MutableInstance, LifecycleAction] {
    const { hookName, token, instanceId } = reference;
    if (token === undefined && instanceId === undefined) {
      throw validationError('Either a lifecycle action token or an instance ID must be provided');
    }
    for (const instance of this.members.values()) {
      for (const action of instance.actions) {
        if (
          action.hook.name === hookName &&
          (token === undefined || action.token === token) &&
          (instanceId === undefined || instance.instanceId === instanceId)
        ) {
          return [instance, action];
        }
      }
    }
    throw validationError(
      token === undefined
        ? `No active Lifecycle Action found with instance ID ${instanceId}`
        : `No active Lifecycle Action found with token ${token}`,
    );
  }

  /** Launches or terminates what the desired capacity asks for. */
  private reconcile(now: number): void {
    const all = [...this.members.values()];
    const active = all.filter((instance) => !isTerminating(instance));
    for (let surplus = active.length - this.desired; surplus > 0; surplus -= 1) {
      const instance = this.chooseVictim();
      this.terminate(
        instance,
        now,
        'an instance was taken out of service in response to a difference between desired and actual capacity',
      );
    }
    const held =
      this.props.replacement === 'after-termination'
        ? all.filter(
            (instance) =>
              isTerminating(instance) && instance.lifecycleState !== 'Terminating:Retained',
          ).length
        : 0;
    for (let missing = this.desired - active.length - held; missing > 0; missing -= 1) {
      this.launch(now);
    }
  }

  private chooseVictim(): MutableInstance {
    const active = [...this.members.values()].filter((instance) => !isTerminating(instance));
    const inZone = this.countByZone(active);
    const fullest = Math.max(...inZone.values());
    const candidates = active.filter(
      (instance) => inZone.get(instance.availabilityZone) === fullest,
    );
    // Members are in the order of their launch.
    return (candidates.find((instance) => instance.lifecycleState === 'InService') ??
      candidates[0]) as MutableInstance;
  }

  private countByZone(instances: readonly GroupInstance[]): Map<string, number> {
    const counts = new Map(this.availabilityZones.map((zone) => [zone, 0]));
    for (const { availabilityZone } of instances) {
      counts.set(availabilityZone, (counts.get(availabilityZone) ?? 0) + 1);
    }
    return counts;
  }

  private launch(now: number): void {
    const active = [...this.members.values()].filter((instance) => !isTerminating(instance));
    const inZone = this.countByZone(active);
    const emptiest = Math.min(...inZone.values());
    const availabilityZone = this.availabilityZones.find(
      (zone) => inZone.get(zone) === emptiest,
    ) as string;
    const instanceId = this.context.instanceId();
    const instance: MutableInstance = {
      instanceId,
      groupName: this.name,
      availabilityZone,
      privateIpAddress: this.addresses.take(),
      launchTime: now,
      tags: { ...this.props.tags, 'aws:autoscaling:groupName': this.name },
      lifecycleState: 'Pending',
      healthStatus: 'Healthy',
      ec2State: 'running',
      actions: [],
      due: now + (this.props.delays?.pending ?? 0),
      cameIntoService: false,
      activity: this.beginActivity(
        instanceId,
        availabilityZone,
        now,
        `Launching a new EC2 instance: ${instanceId}`,
        'an instance was started in response to a difference between desired and actual ' +
          `capacity, increasing the capacity from ${active.length} to ${active.length + 1}.`,
      ),
    };
    this.members.set(instanceId, instance);
    this.effects.push(
      { kind: 'state-changed', instance, from: undefined, to: 'Pending', time: now },
      { kind: 'start-instance', instance },
    );
    this.stepIfDue(instance, now);
  }

  /** Goes on from a state in which only the service's own work is awaited. */
  private step(instance: MutableInstance, now: number): void {
    instance.due = undefined;
    switch (instance.lifecycleState) {
      case 'Pending':
        this.beginActions(instance, LAUNCHING, now);
        break;
      case 'Pending:Proceed':
        this.enterService(instance, now);
        break;
      default:
        this.depart(instance, now);
    }
  }

  private stepIfDue(instance: MutableInstance, now: number): void {
    if (instance.due !== undefined && instance.due <= now) {
      this.step(instance, now);
    }
  }

  private beginActions(
    instance: MutableInstance,
    transition: LifecycleTransition,
    now: number,
  ): void {
    instance.actions = [...this.hooks.values()]
      .filter((hook) => hook.transition === transition)
      .map((hook) => ({
        hook,
        token: this.context.uuid(),
        deadline: now + Math.min(hook.heartbeatTimeout, globalTimeout(hook)),
        globalDeadline: now + globalTimeout(hook),
      }));
    if (instance.actions.length === 0) {
      this.proceed(instance, now);
      return;
    }
    this.setState(instance, transition === LAUNCHING ? 'Pending:Wait' : 'Terminating:Wait', now);
    instance.activity.statusCode = 'MidLifecycleAction';
    for (const { hook, token } of instance.actions) {
      this.sendEvent(
        transition === LAUNCHING
          ? 'EC2 Instance-launch Lifecycle Action'
          : 'EC2 Instance-terminate Lifecycle Action',
        now,
        {
          LifecycleActionToken: token,
          AutoScalingGroupName: this.name,
          LifecycleHookName: hook.name,
          EC2InstanceId: instance.instanceId,
          LifecycleTransition: transition,
          ...(hook.notificationMetadata === undefined
            ? {}
            : { NotificationMetadata: hook.notificationMetadata }),
          ...direction(transition),
        },
        [this.arn],
      );
    }
  }

  private resolve(
    instance: MutableInstance,
    action: LifecycleAction,
    result: LifecycleActionResult,
    now: number,
    reason: string,
  ): void {
    instance.actions = instance.actions.filter((other) => other !== action);
    if (result === 'CONTINUE') {
      if (instance.actions.length === 0) {
        this.proceed(instance, now);
      }
      return;
    }
    instance.actions = [];
    if (action.hook.transition === LAUNCHING) {
      this.abandonLaunch(
        instance,
        now,
        "Instance failed to complete user's Lifecycle Action: Lifecycle Action with token " +
          `${action.token} was abandoned: ${reason}`,
      );
    } else if (this.terminateHookAbandon === 'retain') {
      this.setState(instance, 'Terminating:Retained', now);
    } else {
      this.proceed(instance, now);
    }
  }

  /** Goes on when no lifecycle action is left. */
  private proceed(instance: MutableInstance, now: number): void {
    if (isTerminating(instance)) {
      this.shutDown(instance, now);
      return;
    }
    if (instance.lifecycleState === 'Pending:Wait') {
      this.setState(instance, 'Pending:Proceed', now);
      instance.due = now + (this.props.delays?.pendingProceed ?? 0);
      this.stepIfDue(instance, now);
    } else {
      this.enterService(instance, now);
    }
  }

  private enterService(instance: MutableInstance, now: number): void {
    this.setState(instance, 'InService', now);
    instance.cameIntoService = true;
    this.endActivity(instance, now, 'Successful');
    this.sendActivityEvent('EC2 Instance Launch Successful', instance, now, LAUNCHING);
  }

  private abandonLaunch(instance: MutableInstance, now: number, reason: string): void {
    this.endActivity(instance, now, 'Cancelled', reason);
    this.sendActivityEvent('EC2 Instance Launch Unsuccessful', instance, now, LAUNCHING);
    this.terminate(
      instance,
      now,
      'an instance was taken out of service because its launch was abandoned',
    );
  }

  private terminate(instance: MutableInstance, now: number, cause: string): void {
    if (instance.activity.endTime === undefined) {
      this.endActivity(instance, now, 'Cancelled', 'The instance is being terminated');
    }
    instance.actions = [];
    instance.due = undefined;
    instance.unhealthyDue = undefined;
    instance.activity = this.beginActivity(
      instance.instanceId,
      instance.availabilityZone,
      now,
      `Terminating EC2 instance: ${instance.instanceId}`,
      `${cause}.`,
    );
    this.setState(instance, 'Terminating', now);
    if (instance.cameIntoService || (this.props.terminateHooksBeforeService ?? true)) {
      this.beginActions(instance, TERMINATING, now);
    } else {
      this.proceed(instance, now);
    }
  }

  private shutDown(instance: MutableInstance, now: number): void {
    if (instance.lifecycleState !== 'Terminating') {
      this.setState(instance, 'Terminating:Proceed', now);
    }
    instance.activity.statusCode = 'InProgress';
    this.stop(instance);
    instance.due = now + (this.props.delays?.terminatingProceed ?? 0);
    this.stepIfDue(instance, now);
  }

  private stop(instance: MutableInstance): void {
    if (instance.ec2State === 'running') {
      instance.ec2State = 'shutting-down';
      this.effects.push({ kind: 'stop-instance', instance });
    }
  }

  private depart(instance: MutableInstance, now: number): void {
    instance.ec2State = 'terminated';
    this.members.delete(instance.instanceId);
    this.departed.push(instance);
    this.addresses.free(instance.privateIpAddress);
    this.setState(instance, 'Terminated', now);
    this.endActivity(instance, now, 'Successful');
    this.sendActivityEvent('EC2 Instance Terminate Successful', instance, now, TERMINATING);
  }

  private setState(instance: MutableInstance, to: LifecycleState, now: number): void {
    const from = instance.lifecycleState;
    instance.lifecycleState = to;
    this.effects.push({ kind: 'state-changed', instance, from, to, time: now });
  }

  private beginActivity(
    instanceId: string,
    availabilityZone: string,
    now: number,
    description: string,
    cause: string,
  ): MutableActivity {
    const activity: MutableActivity = {
      activityId: this.context.uuid(),
      instanceId,
      description,
      cause: `At ${isoTime(now)} ${cause}`,
      startTime: now,
      statusCode: 'InProgress',
      progress: 50,
      details: JSON.stringify({ 'Availability Zone': availabilityZone }),
    };
    this.history.push(activity);
    return activity;
  }

  private endActivity(
    instance: MutableInstance,
    now: number,
    statusCode: ScalingActivity['statusCode'],
    statusMessage?: string,
  ): void {
    Object.assign(instance.activity, { statusCode, statusMessage, endTime: now, progress: 100 });
  }

  private sendActivityEvent(
    detailType: string,
    instance: MutableInstance,
    now: number,
    transition: LifecycleTransition,
  ): void {
    const { activity } = instance;
    this.sendEvent(
      detailType,
      now,
      {
        StatusCode: activity.statusCode === 'Cancelled' ? 'Failed' : 'InProgress',
        StatusMessage: activity.statusMessage ?? '',
        AutoScalingGroupName: this.name,
        ActivityId: activity.activityId,
        RequestId: activity.activityId,
        Description: activity.description,
        Cause: activity.cause,
        Details: JSON.parse(activity.details),
        EC2InstanceId: instance.instanceId,
        StartTime: isoTime(activity.startTime),
        EndTime: isoTime(activity.endTime ?? now),
        ...direction(transition),
      },
      [
        this.arn,
        `arn:aws:ec2:${this.context.region}:${this.context.accountId}:instance/${instance.instanceId}`,
      ],
    );
  }

  private sendEvent(
    detailType: string,
    time: number,
    detail: Readonly<Record<string, unknown>>,
    resources: readonly string[],
  ): void {
    this.effects.push({
      kind: 'send-event',
      event: { source: 'aws.autoscaling', detailType, resources, time, detail },
    });
  }

  private takeEffects(): Effect[] {
    const effects = this.effects;
    this.effects = [];
    return effects;
  }
}

/** Seconds since the epoch as ISO 8601 in UTC with milliseconds. */
export function isoTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}

/** Whether an instance is on its way out. */
export function isTerminating(instance: GroupInstance): boolean {
  return instance.lifecycleState.startsWith('Terminat');
}

function direction(transition: LifecycleTransition): { Origin: string; Destination: string } {
  return transition === LAUNCHING
    ? { Origin: 'EC2', Destination: 'AutoScalingGroup' }
    : { Origin: 'AutoScalingGroup', Destination: 'EC2' };
}

function checkSizes(min: number, max: number, desired: number): void {
  for (const size of [min, max, desired]) {
    if (!Number.isInteger(size) || size < 0) {
      throw validationError(`A group's sizes are whole numbers from 0 on: ${size}`);
    }
  }
  if (min > max) {
    throw validationError(`Max bound, ${max}, must be greater than or equal to min bound, ${min}`);
  }
  if (desired < min || desired > max) {
    throw validationError(
      `Desired capacity:${desired} must be between the specified min size:${min} and max size:${max}`,
    );
  }
}
