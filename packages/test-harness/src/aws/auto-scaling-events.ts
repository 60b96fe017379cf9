import { isoTime } from './iso-time';
import type { LifecycleAction } from './lifecycle-action';
import type { LifecycleTransition } from './lifecycle-hook';
import type { ScalingActivity } from './scaling-activity';

/** An event that an AWS service puts on the default event bus. */
export interface ServiceEvent {
  /** For example `aws.autoscaling`. */
  readonly source: string;

  /** For example `EC2 Instance-launch Lifecycle Action`. */
  readonly detailType: string;

  /** ARNs of what the event is about. */
  readonly resources: readonly string[];

  /** When it happened, in seconds since the epoch. */
  readonly time: number;

  /** The event's own content. */
  readonly detail: Readonly<Record<string, unknown>>;
}

/** Takes the events of a service, for example to an event bus; rejects if it cannot. */
export type EventSink = (event: ServiceEvent) => Promise<void>;

/** The group that an event is about. */
interface EventGroup {
  readonly name: string;
  readonly arn: string;
}

/** What a launch or termination has come to. */
export type ActivityOutcome = 'Launch Successful' | 'Launch Unsuccessful' | 'Terminate Successful';

/** Announces a lifecycle action that somebody has to complete. */
export function lifecycleActionEvent(
  group: EventGroup,
  instanceId: string,
  { hook, token }: LifecycleAction,
  time: number,
): ServiceEvent {
  return {
    source: 'aws.autoscaling',
    detailType: isLaunch(hook.transition)
      ? 'EC2 Instance-launch Lifecycle Action'
      : 'EC2 Instance-terminate Lifecycle Action',
    resources: [group.arn],
    time,
    detail: {
      LifecycleActionToken: token,
      AutoScalingGroupName: group.name,
      LifecycleHookName: hook.name,
      EC2InstanceId: instanceId,
      LifecycleTransition: hook.transition,
      ...(hook.notificationMetadata === undefined
        ? {}
        : { NotificationMetadata: hook.notificationMetadata }),
      ...direction(isLaunch(hook.transition)),
    },
  };
}

/** Reports a launch or termination that has ended. */
export function activityEvent(
  outcome: ActivityOutcome,
  group: EventGroup,
  instanceArn: string,
  activity: ScalingActivity,
  time: number,
): ServiceEvent {
  return {
    source: 'aws.autoscaling',
    detailType: `EC2 Instance ${outcome}`,
    resources: [group.arn, instanceArn],
    time,
    detail: {
      StatusCode: activity.statusCode === 'Cancelled' ? 'Failed' : 'InProgress',
      StatusMessage: activity.statusMessage ?? '',
      AutoScalingGroupName: group.name,
      ActivityId: activity.activityId,
      RequestId: activity.activityId,
      Description: activity.description,
      Cause: activity.cause,
      Details: JSON.parse(activity.details),
      EC2InstanceId: activity.instanceId,
      StartTime: isoTime(activity.startTime),
      EndTime: isoTime(activity.endTime ?? time),
      ...direction(outcome !== 'Terminate Successful'),
    },
  };
}

function isLaunch(transition: LifecycleTransition): boolean {
  return transition === 'autoscaling:EC2_INSTANCE_LAUNCHING';
}

function direction(launch: boolean): { Origin: string; Destination: string } {
  return launch
    ? { Origin: 'EC2', Destination: 'AutoScalingGroup' }
    : { Origin: 'AutoScalingGroup', Destination: 'EC2' };
}
