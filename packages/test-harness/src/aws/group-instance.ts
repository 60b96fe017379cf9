import type { LifecycleAction } from './lifecycle-action';

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

/** Whether an instance is on its way out. */
export function isTerminating(instance: GroupInstance): boolean {
  return instance.lifecycleState.startsWith('Terminat');
}
