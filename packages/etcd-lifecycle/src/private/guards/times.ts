import { Duration } from 'aws-cdk-lib';
import type { IConstruct } from 'constructs';
import type { Settings } from '../defaults';
import { refuse } from '../findings';

/**
 * Auto Scaling ends a wait after so many heartbeat timeouts, or after so many seconds, whichever is
 * less (its API reference, PutLifecycleHook).
 */
const MOST_HEARTBEAT_TIMEOUTS = 100;
const LONGEST_WAIT = Duration.hours(48).toSeconds();

/** How long etcd takes to say that there is no quorum; it is asked at the start of a run. */
const NO_QUORUM_SECONDS = 7;

/** For how many seconds a hook can hold an instance, whatever its heartbeats. */
export function longestWait(heartbeatTimeout: number): number {
  return Math.min(MOST_HEARTBEAT_TIMEOUTS * heartbeatTimeout, LONGEST_WAIT);
}

/** How the time-outs and deadlines go together. */
export function guardTimes(scope: IConstruct, settings: Settings): void {
  const heartbeat = settings.heartbeatTimeout.toSeconds();
  const timeout = settings.timeout.toSeconds();
  const launch = settings.launchDeadline.toSeconds();
  if (heartbeat < 30 || heartbeat > 7200) {
    refuse(scope, `heartbeatTimeout is ${heartbeat} s; Auto Scaling takes 30 to 7200`);
  }
  if (timeout < 30 || timeout > 900) {
    refuse(scope, `timeout is ${timeout} s; the function needs 30, and Lambda takes at most 900`);
  }
  const shortest = timeout + 120 + NO_QUORUM_SECONDS;
  if (heartbeat < shortest) {
    refuse(
      scope,
      `heartbeatTimeout is ${heartbeat} s, but heartbeats can be a minute, a run of ${timeout} s ` +
        `and the ${NO_QUORUM_SECONDS} s of a quorum that does not answer apart, and one may be ` +
        `lost: make it at least ${shortest} s`,
    );
  }
  if (launch < 60) {
    refuse(
      scope,
      `launchDeadline is ${launch} s, but the function may only look once a minute, so that ` +
        'each launch would be given up: make it at least 60 s',
    );
  }
  const { hookHeld, learnerStalled, snapshotAge } = settings.alarms ?? {};
  for (const [name, time] of Object.entries({ hookHeld, learnerStalled, snapshotAge })) {
    if (time?.toSeconds() === 0) {
      refuse(scope, `alarms.${name} is 0 s, so that the alarm would always be on: make it longer`);
    }
  }
  const longest = longestWait(heartbeat);
  for (const [name, deadline] of Object.entries({
    'removal.deadline': settings.replacementDeadline.toSeconds(),
    launchDeadline: launch,
    'alarms.hookHeld': hookHeld?.toSeconds() ?? 0,
  })) {
    if (deadline >= longest) {
      refuse(
        scope,
        `${name} is ${deadline} s, but with a heartbeatTimeout of ${heartbeat} s Auto Scaling ` +
          `ends the wait after ${longest} s: make it shorter`,
      );
    }
  }
}
