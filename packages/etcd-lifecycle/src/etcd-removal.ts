import type { Duration } from 'aws-cdk-lib';

/** What follows when a healthy member that must go has waited too long for its replacement. */
export enum EtcdRemovalAtDeadline {
  /** It is removed without one, if a healthy majority remains; otherwise it is held. */
  PROCEED = 'proceed',
  /** It is held on, until Auto Scaling ends that: after 100 heartbeat time-outs, or 48 hours. */
  HOLD = 'hold',
  /**
   * The group keeps its instance as `Terminating:Retained`, where it does not count for the group's
   * capacity, so that another is launched. It is terminated when its member has been replaced.
   */
  RETAIN = 'retain',
}

/** How members leave whose instances are terminated. */
export interface EtcdRemoval {
  /**
   * Whether a healthy member waits until its replacement votes. For this the group is made to launch
   * before it terminates, unless it has an `InstanceMaintenancePolicy` already. A dead member never
   * waits.
   * @default true
   */
  readonly replacementFirst?: boolean;

  /**
   * How long it waits.
   * @default Duration.hours(1)
   */
  readonly deadline?: Duration;

  /**
   * What follows then.
   * @default EtcdRemovalAtDeadline.PROCEED
   */
  readonly atDeadline?: EtcdRemovalAtDeadline;
}
