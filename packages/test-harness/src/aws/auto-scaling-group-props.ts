import type { LifecycleHookProps } from './lifecycle-hook';

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
