import type { IConstruct } from 'constructs';
import type { Settings } from '../defaults';
import { warn } from '../findings';

/** Limits of alarms that there are not, or that come too late. */
export function guardAlarms(scope: IConstruct, settings: Settings): void {
  const { alarms = {}, snapshots, tls, join, launchDeadline } = settings;
  if (alarms.enabled === false) {
    // It says itself that the others have no effect.
    return;
  }
  const { snapshotAge, certificateEnds, learnerStalled } = alarms;
  if (snapshotAge && !snapshots) {
    warn(
      scope,
      'noEffect',
      'alarms.snapshotAge has no effect, as no snapshots are taken: pass snapshots, or leave it out',
    );
  }
  if (certificateEnds && !tls.secret) {
    warn(
      scope,
      'noEffect',
      'alarms.certificateEnds has no effect, as the function has no certificate: pass tls: ' +
        'EtcdTls.fromSecret(...), or leave it out',
    );
  }
  // A learner that joins by its own means may stay for longer.
  const launch = launchDeadline.toSeconds();
  if (learnerStalled && !join.managedByInstance && learnerStalled.toSeconds() >= launch) {
    warn(
      scope,
      'noEffect',
      `alarms.learnerStalled is ${learnerStalled.toSeconds()} s, but a learner without progress is ` +
        `given up at the launchDeadline of ${launch} s, before the alarm begins: make it shorter, ` +
        'or leave it out',
    );
  }
}
