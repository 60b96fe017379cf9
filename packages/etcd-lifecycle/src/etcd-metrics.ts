import { Duration } from 'aws-cdk-lib';
import { Metric, type MetricOptions, Stats, Unit } from 'aws-cdk-lib/aws-cloudwatch';
import { Construct } from 'constructs';

/** The namespace of the metrics that the function writes. */
export const ETCD_METRICS_NAMESPACE = 'Quorate';

/** The metrics that the function writes of a cluster, with the dimension `Cluster`. */
export abstract class EtcdMetrics extends Construct {
  /** The name of the cluster, which is the dimension of its metrics. */
  public abstract readonly clusterName: string;

  /**
   * A metric of the cluster by its name.
   * @default - the average over a minute
   */
  public metric(metricName: string, props: MetricOptions = {}): Metric {
    return new Metric({
      namespace: ETCD_METRICS_NAMESPACE,
      metricName,
      period: Duration.minutes(1),
      ...props,
      dimensionsMap: { Cluster: this.clusterName, ...props.dimensionsMap },
    });
  }

  /**
   * Looks at the cluster; there is at least one each minute.
   * @default - the sum over a minute
   */
  public metricPasses(props?: MetricOptions): Metric {
    return this.metric('Passes', { statistic: Stats.SUM, unit: Unit.COUNT, ...props });
  }

  /**
   * Whether a quorum answered: 1 or 0.
   * @default - the minimum over a minute
   */
  public metricQuorum(props?: MetricOptions): Metric {
    return this.metric('Quorum', { statistic: Stats.MINIMUM, unit: Unit.NONE, ...props });
  }

  /**
   * How many members vote.
   * @default - the maximum over a minute
   */
  public metricVoters(props?: MetricOptions): Metric {
    return this.metric('Voters', { statistic: Stats.MAXIMUM, unit: Unit.COUNT, ...props });
  }

  /**
   * How many voters are known to be well.
   * @default - the minimum over a minute
   */
  public metricHealthyVoters(props?: MetricOptions): Metric {
    return this.metric('HealthyVoters', { statistic: Stats.MINIMUM, unit: Unit.COUNT, ...props });
  }

  /**
   * Seconds since the instance that a hook has held for the longest was first seen held; 0 for none.
   * @default - the maximum over a minute
   */
  public metricOldestHook(props?: MetricOptions): Metric {
    return this.metric('OldestHook', { statistic: Stats.MAXIMUM, unit: Unit.SECONDS, ...props });
  }

  /**
   * Seconds since the learner was added, or last came nearer to the leader; 0 if there is none.
   * @default - the maximum over a minute
   */
  public metricOldestLearner(props?: MetricOptions): Metric {
    return this.metric('OldestLearner', { statistic: Stats.MAXIMUM, unit: Unit.SECONDS, ...props });
  }

  /**
   * Voters that are not well although their instances are to stay.
   * @default - the maximum over a minute
   */
  public metricUnwellVoters(props?: MetricOptions): Metric {
    return this.metric('UnwellVoters', { statistic: Stats.MAXIMUM, unit: Unit.COUNT, ...props });
  }

  /**
   * Voters that are to go, or are gone, and cannot be removed safely.
   * @default - the maximum over a minute
   */
  public metricRefusals(props?: MetricOptions): Metric {
    return this.metric('Refusals', { statistic: Stats.MAXIMUM, unit: Unit.COUNT, ...props });
  }

  /**
   * Instances that are to go and have not handed over what they had to; written only where something
   * is done before a removal.
   * @default - the maximum over a minute
   */
  public metricPreparationFailures(props?: MetricOptions): Metric {
    return this.metric('PreparationFailures', {
      statistic: Stats.MAXIMUM,
      unit: Unit.COUNT,
      ...props,
    });
  }

  /**
   * Seconds that a look and the decision took.
   * @default - the maximum over a minute
   */
  public metricDuration(props?: MetricOptions): Metric {
    return this.metric('Duration', { statistic: Stats.MAXIMUM, unit: Unit.SECONDS, ...props });
  }

  /**
   * Members for which an alarm of etcd stands: NOSPACE or CORRUPT.
   * @default - the maximum over a minute
   */
  public metricAlarms(props?: MetricOptions): Metric {
    return this.metric('Alarms', { statistic: Stats.MAXIMUM, unit: Unit.COUNT, ...props });
  }

  /**
   * Bytes of the largest database of a member.
   * @default - the maximum over a minute
   */
  public metricDatabaseSize(props?: MetricOptions): Metric {
    return this.metric('DatabaseSize', { statistic: Stats.MAXIMUM, unit: Unit.BYTES, ...props });
  }

  /**
   * Decisions of a kind, such as `RemoveMember`, `Promote`, or `Stop`, which needs a person.
   * @default - the sum over a minute
   */
  public metricDecisions(action: string, props?: MetricOptions): Metric {
    return this.metric('Decisions', {
      statistic: Stats.SUM,
      unit: Unit.COUNT,
      ...props,
      dimensionsMap: { Action: action, ...props?.dimensionsMap },
    });
  }

  /**
   * Services of AWS that are not called for now, because they failed.
   * @default - the maximum over a minute
   */
  public metricOpenCircuits(props?: MetricOptions): Metric {
    return this.metric('OpenCircuits', { statistic: Stats.MAXIMUM, unit: Unit.COUNT, ...props });
  }

  /**
   * Seconds until the first certificate in the function's secret ends; written every five minutes,
   * with TLS only.
   * @default - the minimum over an hour
   */
  public metricCertificateSeconds(props?: MetricOptions): Metric {
    return this.metric('CertificateSeconds', {
      statistic: Stats.MINIMUM,
      unit: Unit.SECONDS,
      period: Duration.hours(1),
      ...props,
    });
  }

  /**
   * Snapshots that were stored.
   * @default - the sum over an hour
   */
  public metricSnapshots(props?: MetricOptions): Metric {
    return this.metric('Snapshots', {
      statistic: Stats.SUM,
      unit: Unit.COUNT,
      period: Duration.hours(1),
      ...props,
    });
  }

  /**
   * Snapshots that failed.
   * @default - the sum over a minute
   */
  public metricSnapshotFailures(props?: MetricOptions): Metric {
    return this.metric('SnapshotFailures', { statistic: Stats.SUM, unit: Unit.COUNT, ...props });
  }

  /**
   * Seconds since the last snapshot was stored; not written before the first one.
   * @default - the maximum over a minute
   */
  public metricSnapshotAge(props?: MetricOptions): Metric {
    return this.metric('SnapshotAge', { statistic: Stats.MAXIMUM, unit: Unit.SECONDS, ...props });
  }

  /**
   * Bytes of a snapshot.
   * @default - the maximum over an hour
   */
  public metricSnapshotSize(props?: MetricOptions): Metric {
    return this.metric('SnapshotSize', {
      statistic: Stats.MAXIMUM,
      unit: Unit.BYTES,
      period: Duration.hours(1),
      ...props,
    });
  }

  /**
   * Seconds that a snapshot took.
   * @default - the maximum over an hour
   */
  public metricSnapshotDuration(props?: MetricOptions): Metric {
    return this.metric('SnapshotDuration', {
      statistic: Stats.MAXIMUM,
      unit: Unit.SECONDS,
      period: Duration.hours(1),
      ...props,
    });
  }
}
