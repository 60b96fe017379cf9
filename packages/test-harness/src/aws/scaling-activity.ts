import { isoTime } from './iso-time';

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

/** An activity that goes on. */
export type MutableActivity = { -readonly [K in keyof ScalingActivity]: ScalingActivity[K] };

// In the words of the service.
const TERMINATION_CAUSES = {
  healthCheck: 'an instance was taken out of service in response to an EC2 health check',
  userRequest: 'an instance was taken out of service in response to a user request',
  surplus:
    'an instance was taken out of service in response to a difference between desired and actual capacity',
  abandonedLaunch: 'an instance was taken out of service because its launch was abandoned',
} as const;

/** Why an instance is terminated. */
export type TerminationCause = keyof typeof TERMINATION_CAUSES;

/** Where and when an activity begins. */
export interface ActivityStart {
  readonly activityId: string;
  readonly instanceId: string;
  readonly availabilityZone: string;
  /** Seconds since the epoch. */
  readonly time: number;
}

/**
 * Begins a launch.
 *
 * @param capacity how many instances the group has without this one.
 */
export function beginLaunch(start: ActivityStart, capacity: number): MutableActivity {
  return begin(
    start,
    `Launching a new EC2 instance: ${start.instanceId}`,
    'an instance was started in response to a difference between desired and actual ' +
      `capacity, increasing the capacity from ${capacity} to ${capacity + 1}.`,
  );
}

/** Begins a termination. */
export function beginTermination(start: ActivityStart, cause: TerminationCause): MutableActivity {
  return begin(
    start,
    `Terminating EC2 instance: ${start.instanceId}`,
    `${TERMINATION_CAUSES[cause]}.`,
  );
}

function begin(start: ActivityStart, description: string, cause: string): MutableActivity {
  return {
    activityId: start.activityId,
    instanceId: start.instanceId,
    description,
    cause: `At ${isoTime(start.time)} ${cause}`,
    startTime: start.time,
    statusCode: 'InProgress',
    progress: 50,
    details: JSON.stringify({ 'Availability Zone': start.availabilityZone }),
  };
}

/** Ends an activity, well or not. */
export function endActivity(
  activity: MutableActivity,
  now: number,
  statusCode: 'Successful' | 'Cancelled',
  statusMessage?: string,
): void {
  Object.assign(activity, { statusCode, statusMessage, endTime: now, progress: 100 });
}
