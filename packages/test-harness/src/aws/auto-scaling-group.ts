import { AddressPool } from './address-pool';
import {
  type ActivityOutcome,
  activityEvent,
  lifecycleActionEvent,
  type ServiceEvent,
} from './auto-scaling-events';
import type { AutoScalingGroupContext, AutoScalingGroupProps } from './auto-scaling-group-props';
import { type GroupInstance, isTerminating, type LifecycleState } from './group-instance';
import {
  changeSizes,
  checkSizes,
  type GroupSizes,
  withDesiredCapacity,
  withOneLess,
} from './group-sizes';
import {
  type ActionReference,
  beginAction,
  findAction,
  type LifecycleAction,
  prolongAction,
} from './lifecycle-action';
import {
  completeHook,
  type LifecycleActionResult,
  type LifecycleHook,
  type LifecycleHookProps,
  type LifecycleTransition,
} from './lifecycle-hook';
import {
  beginLaunch,
  beginTermination,
  endActivity,
  type MutableActivity,
  type ScalingActivity,
  type TerminationCause,
} from './scaling-activity';
import { validationError } from './service-error';
import { instanceToScaleIn, zoneToLaunchIn } from './zone-balance';

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

  private sizes: GroupSizes;
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
    if (this.availabilityZones.length === 0) {
      throw validationError('At least one Availability Zone or VPC Subnet is required.');
    }
    this.sizes = checkSizes({
      minSize: props.minSize,
      maxSize: props.maxSize,
      desiredCapacity: props.desiredCapacity ?? props.minSize,
    });
    for (const hook of props.lifecycleHooks ?? []) {
      this.putHook(hook);
    }
  }

  get minSize(): number {
    return this.sizes.minSize;
  }

  get maxSize(): number {
    return this.sizes.maxSize;
  }

  get desiredCapacity(): number {
    return this.sizes.desiredCapacity;
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
        this.terminate(instance, time, 'healthCheck');
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
    this.sizes = withDesiredCapacity(this.sizes, capacity);
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
    this.sizes = changeSizes(this.sizes, sizes);
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
    const [instance, action] = findAction(this.members.values(), reference);
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
    const [, action] = findAction(this.members.values(), reference);
    prolongAction(action, now);
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
        this.sizes = withOneLess(this.sizes);
      }
      this.terminate(instance, now, 'userRequest');
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

  /** Launches or terminates what the desired capacity asks for. */
  private reconcile(now: number): void {
    const all = [...this.members.values()];
    const active = this.active();
    for (let surplus = active.length - this.desiredCapacity; surplus > 0; surplus -= 1) {
      this.terminate(instanceToScaleIn(this.availabilityZones, this.active()), now, 'surplus');
    }
    const held =
      this.props.replacement === 'after-termination'
        ? all.filter(
            (instance) =>
              isTerminating(instance) && instance.lifecycleState !== 'Terminating:Retained',
          ).length
        : 0;
    for (let missing = this.desiredCapacity - active.length - held; missing > 0; missing -= 1) {
      this.launch(now);
    }
  }

  /** The instances that are not on their way out, oldest first. */
  private active(): MutableInstance[] {
    return [...this.members.values()].filter((instance) => !isTerminating(instance));
  }

  private launch(now: number): void {
    const active = this.active();
    const availabilityZone = zoneToLaunchIn(this.availabilityZones, active);
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
      activity: beginLaunch(
        { activityId: this.context.uuid(), instanceId, availabilityZone, time: now },
        active.length,
      ),
    };
    this.history.push(instance.activity);
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
      .map((hook) => beginAction(hook, this.context.uuid(), now));
    if (instance.actions.length === 0) {
      this.proceed(instance, now);
      return;
    }
    this.setState(instance, transition === LAUNCHING ? 'Pending:Wait' : 'Terminating:Wait', now);
    instance.activity.statusCode = 'MidLifecycleAction';
    for (const action of instance.actions) {
      this.sendEvent(lifecycleActionEvent(this, instance.instanceId, action, now));
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
    endActivity(instance.activity, now, 'Successful');
    this.sendActivityEvent('Launch Successful', instance, now);
  }

  private abandonLaunch(instance: MutableInstance, now: number, reason: string): void {
    endActivity(instance.activity, now, 'Cancelled', reason);
    this.sendActivityEvent('Launch Unsuccessful', instance, now);
    this.terminate(instance, now, 'abandonedLaunch');
  }

  private terminate(instance: MutableInstance, now: number, cause: TerminationCause): void {
    if (instance.activity.endTime === undefined) {
      endActivity(instance.activity, now, 'Cancelled', 'The instance is being terminated');
    }
    instance.actions = [];
    instance.due = undefined;
    instance.unhealthyDue = undefined;
    const { instanceId, availabilityZone } = instance;
    instance.activity = beginTermination(
      { activityId: this.context.uuid(), instanceId, availabilityZone, time: now },
      cause,
    );
    this.history.push(instance.activity);
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
    endActivity(instance.activity, now, 'Successful');
    this.sendActivityEvent('Terminate Successful', instance, now);
  }

  private setState(instance: MutableInstance, to: LifecycleState, now: number): void {
    const from = instance.lifecycleState;
    instance.lifecycleState = to;
    this.effects.push({ kind: 'state-changed', instance, from, to, time: now });
  }

  private sendActivityEvent(
    outcome: ActivityOutcome,
    { instanceId, activity }: MutableInstance,
    now: number,
  ): void {
    const { region, accountId } = this.context;
    const instanceArn = `arn:aws:ec2:${region}:${accountId}:instance/${instanceId}`;
    this.sendEvent(activityEvent(outcome, this, instanceArn, activity, now));
  }

  private sendEvent(event: ServiceEvent): void {
    this.effects.push({ kind: 'send-event', event });
  }

  private takeEffects(): Effect[] {
    const effects = this.effects;
    this.effects = [];
    return effects;
  }
}
