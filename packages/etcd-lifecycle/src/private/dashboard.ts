import {
  AlarmStatusWidget,
  Color,
  Dashboard,
  GraphWidget,
  type GraphWidgetProps,
  type IMetric,
  SingleValueWidget,
  Stats,
} from 'aws-cdk-lib/aws-cloudwatch';
import type { Construct } from 'constructs';
import type { EtcdAlarmSet } from '../etcd-alarms';
import type { Watched } from './alarms';
import type { Settings } from './defaults';

/** The kinds of decisions that change something, or need a person. */
const CHANGES = ['AddLearner', 'Promote', 'TransferLeadership', 'RemoveMember', 'Stop'];

/** Makes the dashboard of a cluster: is it well, what happens, and does the function work? */
export function addDashboard(
  scope: Construct,
  { metrics, function: lambda, deadLetterQueue }: Watched,
  alarms: EtcdAlarmSet | undefined,
  { snapshots, tls, beforeRemoval }: Settings,
): Dashboard {
  const dashboard = new Dashboard(scope, 'Dashboard');
  const graph = (title: string, left: IMetric[], props: GraphWidgetProps = {}) =>
    new GraphWidget({ title, left, width: 8, height: 6, leftYAxis: { min: 0 }, ...props });
  if (alarms) {
    dashboard.addWidgets(
      new AlarmStatusWidget({
        title: 'Alarms',
        alarms: Object.values(alarms),
        width: 24,
        height: 3,
      }),
    );
  }
  dashboard.addWidgets(
    graph('Members', [
      metrics.metricVoters({ label: 'voters' }),
      metrics.metricHealthyVoters({ label: 'healthy voters', color: Color.GREEN }),
      metrics.metricUnwellVoters({ label: 'unwell, and to stay', color: Color.RED }),
    ]),
    graph('Quorum, and what cannot be removed', [
      metrics.metricQuorum({ label: 'quorum', color: Color.GREEN }),
      metrics.metricRefusals({ label: 'refused', color: Color.RED }),
      ...(beforeRemoval
        ? [metrics.metricPreparationFailures({ label: 'not handed over', color: Color.ORANGE })]
        : []),
    ]),
    graph(
      'Decisions',
      CHANGES.map((action) => metrics.metricDecisions(action, { label: action })),
      { stacked: true },
    ),
  );
  dashboard.addWidgets(
    graph('Waiting (s)', [
      metrics.metricOldestHook({ label: 'oldest hook' }),
      metrics.metricOldestLearner({ label: 'oldest learner' }),
    ]),
    graph('Looks', [metrics.metricPasses({ label: 'looks' })], {
      right: [metrics.metricDuration({ label: 'duration (s)' })],
      rightYAxis: { min: 0 },
    }),
    graph(
      'Function',
      [
        lambda.metricErrors({ label: 'errors', color: Color.RED }),
        metrics.metricOpenCircuits({ label: 'open circuits' }),
        deadLetterQueue.metricApproximateNumberOfMessagesVisible({ label: 'dead letters' }),
      ],
      {
        right: [lambda.metricDuration({ label: 'duration (ms)', statistic: Stats.MAXIMUM })],
        rightYAxis: { min: 0 },
      },
    ),
  );
  const values = [
    ...(snapshots
      ? [
          metrics.metricSnapshotAge({ label: 'snapshot: age (s)' }),
          metrics.metricSnapshotSize({ label: 'snapshot: bytes' }),
          metrics.metricSnapshotFailures({ label: 'snapshots failed' }),
        ]
      : []),
    ...(tls.secret
      ? [metrics.metricCertificateSeconds({ label: 'certificate: time left (s)' })]
      : []),
  ];
  if (values.length > 0) {
    dashboard.addWidgets(
      new SingleValueWidget({ title: 'Snapshots and certificate', metrics: values, width: 24 }),
    );
  }
  return dashboard;
}
