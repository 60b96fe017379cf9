import { Duration } from 'aws-cdk-lib';
import {
  Alarm,
  type AlarmProps,
  ComparisonOperator,
  Stats,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { EtcdAlarmSet } from '../etcd-alarms';
import type { EtcdMetrics } from '../etcd-metrics';
import type { Settings } from './defaults';
import { longestWait } from './guards/times';

/** The share of its time that the function may take. */
const NEAR_TIMEOUT = 0.9;

/** Where each alarm has a section of its name, with more than fits into a description. */
const GUIDE = 'https://github.com/quorate/quorate/blob/main/docs/operations.md';

/** What is watched. */
export interface Watched {
  readonly metrics: EtcdMetrics;
  readonly function: IFunction;
  readonly deadLetterQueue: IQueue;
}

/** Makes the alarms of a cluster. */
export function addAlarms(scope: Construct, watched: Watched, settings: Settings): EtcdAlarmSet {
  const { metrics } = watched;
  const { clusterName, timeout, alarms = {}, snapshots } = settings;
  const parent = new Construct(scope, 'Alarms');
  const action = alarms.topic && new SnsAction(alarms.topic);

  /** An alarm for so many minutes in a row; what is not measured is no trouble, unless it is said. */
  const alarm = (
    id: string,
    minutes: number,
    description: string,
    props: Omit<AlarmProps, 'evaluationPeriods'>,
  ): Alarm => {
    const made = new Alarm(parent, id, {
      evaluationPeriods: minutes,
      alarmDescription: `etcd cluster ${clusterName}: ${description} More: ${GUIDE}#${id.toLowerCase()}`,
      comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      treatMissingData: TreatMissingData.NOT_BREACHING,
      ...props,
    });
    if (action) {
      made.addAlarmAction(action);
      made.addOkAction(action);
    }
    return made;
  };

  const launchDeadline = settings.launchDeadline.toSeconds();
  const deadline = Math.max(launchDeadline, settings.replacementDeadline.toSeconds());
  // Before Auto Scaling ends the wait, after which there is nothing left to be told of.
  const end = longestWait(settings.heartbeatTimeout.toSeconds());
  const hookHeld =
    alarms.hookHeld ?? Duration.seconds(Math.min(deadline + 900, Math.ceil((deadline + end) / 2)));
  // Before the learner is given up, and its time with it.
  const learnerStalled =
    alarms.learnerStalled ?? Duration.seconds(Math.min(600, Math.ceil(launchDeadline / 2)));
  const certificateEnds = alarms.certificateEnds ?? Duration.days(14);
  const oldest =
    alarms.snapshotAge?.toSeconds() ??
    (snapshots?.interval ? 2 * snapshots.interval.toSeconds() : undefined);

  return {
    silent: alarm(
      'Silent',
      5,
      'nobody has looked at it for five minutes, and instances that hooks hold get no heartbeats. ' +
        "Look into the function's log and at its errors: it may be throttled, or disabled, or " +
        'without a way to AWS.',
      {
        metric: metrics.metricPasses(),
        threshold: 1,
        comparisonOperator: ComparisonOperator.LESS_THAN_THRESHOLD,
        treatMissingData: TreatMissingData.BREACHING,
      },
    ),
    quorumLost: alarm(
      'QuorumLost',
      5,
      'no quorum of its members has answered for five minutes. Nothing is changed, and held ' +
        'instances are kept. The log tells at "silent" why each member does not answer. Bring ' +
        'members back; if their data are lost, restore a snapshot.',
      {
        metric: metrics.metricQuorum(),
        threshold: 1,
        comparisonOperator: ComparisonOperator.LESS_THAN_THRESHOLD,
      },
    ),
    stopped: alarm(
      'Stopped',
      1,
      'something is not as it can be by itself, and nothing is done until a person has decided. ' +
        'The decision named Stop in the log says what it is.',
      { metric: metrics.metricDecisions('Stop'), threshold: 1 },
    ),
    guardRefused: alarm(
      'GuardRefused',
      5,
      'a member that is to go, or is gone, cannot be removed without losing the quorum. It is kept. ' +
        'See to it that the other members are well; the log tells which are not.',
      { metric: metrics.metricRefusals(), threshold: 1 },
    ),
    hookHeld: alarm(
      'HookHeld',
      1,
      `a lifecycle hook has held an instance for ${hookHeld.toHumanString()}. Auto Scaling ends ` +
        'that after 100 heartbeat time-outs or 48 hours. The log says what is waited for: often a ' +
        'replacement that does not launch or does not start its member.',
      { metric: metrics.metricOldestHook(), threshold: hookHeld.toSeconds() },
    ),
    learnerStalled: alarm(
      'LearnerStalled',
      1,
      `a new member has made no progress for ${learnerStalled.toHumanString()}. Look into its ` +
        "instance's cloud-init and etcd logs: it does not start, cannot reach its peers, or cannot " +
        'catch up.',
      { metric: metrics.metricOldestLearner(), threshold: learnerStalled.toSeconds() },
    ),
    memberUnwell: alarm(
      'MemberUnwell',
      10,
      'a member has not been well for ten minutes. As long as its instance is in service nothing is ' +
        'changed, and no other member can join. The log names it, and tells at "silent" why it does ' +
        'not answer. Start etcd on its instance again, or terminate the instance, so that it is ' +
        'replaced.',
      { metric: metrics.metricUnwellVoters(), threshold: 1 },
    ),
    memberAlarm: alarm(
      'MemberAlarm',
      1,
      'etcd has raised an alarm for a member. NOSPACE: writes are refused; `npx ' +
        '@quorate/etcd-lifecycle defragment --compact --disarm` gives space back. CORRUPT: terminate ' +
        "the member's instance, so that it is replaced.",
      { metric: metrics.metricAlarms(), threshold: 1 },
    ),
    deadLetters: alarm(
      'DeadLetters',
      1,
      'messages are in the dead-letter queue: they were no events, or runs with them failed three ' +
        "times. Look at them and into the function's log, then delete them.",
      {
        metric: watched.deadLetterQueue.metricApproximateNumberOfMessagesVisible({
          period: Duration.minutes(1),
          statistic: Stats.MAXIMUM,
        }),
        threshold: 1,
      },
    ),
    functionErrors: alarm(
      'FunctionErrors',
      3,
      'the function has failed in each of three minutes. Its log says why, and what mends it.',
      {
        metric: watched.function.metricErrors({ period: Duration.minutes(1) }),
        threshold: 1,
      },
    ),
    functionSlow: alarm(
      'FunctionSlow',
      3,
      `the function takes more than ${NEAR_TIMEOUT * 100} % of its ${timeout.toHumanString()}, ` +
        'after which it is stopped. The log says where the time goes; raise timeout and memorySize.',
      {
        metric: watched.function.metricDuration({
          period: Duration.minutes(1),
          statistic: Stats.MAXIMUM,
        }),
        threshold: timeout.toMilliseconds() * NEAR_TIMEOUT,
      },
    ),
    circuitOpen: alarm(
      'CircuitOpen',
      3,
      'a service of AWS has failed so often that it is not called for now. The log names it: see ' +
        "whether the function's subnets have a way to it, and whether it is disturbed.",
      { metric: metrics.metricOpenCircuits(), threshold: 1 },
    ),
    ...(settings.tls.secret && {
      certificateEnds: alarm(
        'CertificateEnds',
        1,
        `a certificate in the function's secret ends in less than ` +
          `${certificateEnds.toHumanString()}. Put a new one into the secret, which is read again ` +
          'within five minutes; and look when those of the members end.',
        {
          metric: metrics.metricCertificateSeconds(),
          threshold: certificateEnds.toSeconds(),
          comparisonOperator: ComparisonOperator.LESS_THAN_THRESHOLD,
          treatMissingData: TreatMissingData.IGNORE,
        },
      ),
    }),
    ...(settings.beforeRemoval && {
      preparationFailed: alarm(
        'PreparationFailed',
        1,
        'an instance that is to go has not handed over what beforeRemoval says. The decision in the ' +
          'log has the cause. Unless onFailure is PROCEED, its member stays, and it is tried again ' +
          'five minutes after its time is over.',
        { metric: metrics.metricPreparationFailures(), threshold: 1 },
      ),
    }),
    ...(snapshots && {
      snapshotFailed: alarm(
        'SnapshotFailed',
        1,
        'a snapshot failed. The log says why. Unless onFailure is WARN, removals wait until one is ' +
          'stored.',
        { metric: metrics.metricSnapshotFailures(), threshold: 1 },
      ),
    }),
    ...(snapshots &&
      oldest !== undefined && {
        snapshotOld: alarm(
          'SnapshotOld',
          5,
          `there is no snapshot that is younger than ${Duration.seconds(oldest).toHumanString()}. ` +
            'The log says why none was stored.',
          {
            metric: metrics.metricSnapshotAge(),
            threshold: oldest,
            treatMissingData: TreatMissingData.BREACHING,
          },
        ),
      }),
  };
}
