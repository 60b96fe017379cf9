import type { Duration } from 'aws-cdk-lib';
import type { Alarm } from 'aws-cdk-lib/aws-cloudwatch';
import type { ITopic } from 'aws-cdk-lib/aws-sns';

/** Who is told of trouble, and from when on something is trouble. */
export interface EtcdAlarms {
  /**
   * Whether there are alarms at all.
   * @default true
   */
  readonly enabled?: boolean;

  /**
   * Where alarms are sent, and their end too.
   * @default - nowhere: they can only be looked at
   */
  readonly topic?: ITopic;

  /**
   * How long a hook may hold an instance; less than Auto Scaling lets it (see `heartbeatTimeout`).
   * @default - 15 minutes more than the longer one of both deadlines; or half way from there to the
   * longest wait, if that is less
   */
  readonly hookHeld?: Duration;

  /**
   * How long a learner may come no nearer to the leader; less than `launchDeadline`, at which it is
   * given up, unless the instances join by their own means.
   * @default - 10 minutes, or half of `launchDeadline` if that is less
   */
  readonly learnerStalled?: Duration;

  /**
   * How old the last snapshot may be.
   * @default - twice the interval of the snapshots, if there is one
   */
  readonly snapshotAge?: Duration;

  /**
   * How long before its end the function's certificate should have been replaced.
   * @default Duration.days(14)
   */
  readonly certificateEnds?: Duration;
}

/** The alarms of a cluster. Each one's description says what to do, and where the guide says more. */
export interface EtcdAlarmSet {
  /** Nobody has looked at the cluster for five minutes. */
  readonly silent: Alarm;
  /** No quorum has answered for five minutes. */
  readonly quorumLost: Alarm;
  /** Something is not as it can be by itself: a person has to decide. */
  readonly stopped: Alarm;
  /** A member that is to go, or is gone, cannot be removed safely. */
  readonly guardRefused: Alarm;
  /** A hook has held an instance for too long. */
  readonly hookHeld: Alarm;
  /** A learner does not start, or does not catch up. */
  readonly learnerStalled: Alarm;
  /** A member has not been well for ten minutes. */
  readonly memberUnwell: Alarm;
  /** An alarm of etcd stands for a member: NOSPACE or CORRUPT. */
  readonly memberAlarm: Alarm;
  /** A message could not be worked on. */
  readonly deadLetters: Alarm;
  /** The function fails. */
  readonly functionErrors: Alarm;
  /** The function takes nearly all of its time. */
  readonly functionSlow: Alarm;
  /** A service of AWS fails so often that it is not called for now. */
  readonly circuitOpen: Alarm;
  /** The function's certificate ends soon; with TLS. */
  readonly certificateEnds?: Alarm;
  /** What is done before a removal failed; where something is. */
  readonly preparationFailed?: Alarm;
  /** A snapshot failed; with snapshots. */
  readonly snapshotFailed?: Alarm;
  /** The last snapshot is too old; with snapshots that are taken by their age. */
  readonly snapshotOld?: Alarm;
}
