import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { EtcdCertificates, type PythonRunner } from '@quorate/test-harness';
import { Duration } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import type { MetricOptions } from 'aws-cdk-lib/aws-cloudwatch';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { Topic } from 'aws-cdk-lib/aws-sns';
import {
  ETCD_METRICS_NAMESPACE,
  EtcdBeforeRemoval,
  type EtcdLifecycle,
  type EtcdLifecycleProps,
} from '../src';
import { ClusterStack } from './cluster-stack';
import { LAMBDA_PATH, startDriver } from './lambda/edges/python-path';

interface AlarmProperties {
  readonly Namespace: string;
  readonly MetricName: string;
  readonly Dimensions: { readonly Name: string; readonly Value: unknown }[];
  readonly Threshold: number;
  readonly EvaluationPeriods: number;
  readonly Period: number;
  readonly AlarmDescription: string;
  readonly TreatMissingData: string;
  readonly AlarmActions?: unknown[];
  readonly OKActions?: unknown[];
}

function synthesize(props: Partial<EtcdLifecycleProps> = {}) {
  const stack = new ClusterStack();
  const lifecycle = stack.addLifecycle(props);
  return { stack, lifecycle, template: Template.fromStack(stack) };
}

/** With all that has alarms of its own. */
function synthesizeAll(props: Partial<EtcdLifecycleProps> = {}) {
  const stack = new ClusterStack();
  const topic = new Topic(stack, 'Topic');
  const snapshots = { bucket: new Bucket(stack, 'Backups'), interval: Duration.hours(6) };
  const beforeRemoval = EtcdBeforeRemoval.runCommand(['kubectl drain']);
  const lifecycle = stack.addLifecycle({ snapshots, beforeRemoval, alarms: { topic }, ...props });
  return { stack, lifecycle, template: Template.fromStack(stack) };
}

/** The alarms by the name that the construct gives them. */
function alarmsOf(template: Template): Record<string, AlarmProperties> {
  return Object.fromEntries(
    Object.entries(template.findResources('AWS::CloudWatch::Alarm')).map(([id, resource]) => [
      /^EtcdLifecycleAlarms(\w+)[0-9A-F]{8}$/.exec(id)?.[1] ?? id,
      resource.Properties as AlarmProperties,
    ]),
  );
}

let all: ReturnType<typeof synthesizeAll>;
beforeAll(() => {
  all = synthesizeAll();
});

const COMMON = [
  'CircuitOpen',
  'DeadLetters',
  'FunctionErrors',
  'FunctionSlow',
  'GuardRefused',
  'HookHeld',
  'LearnerStalled',
  'MemberAlarm',
  'MemberUnwell',
  'QuorumLost',
  'Silent',
  'Stopped',
];

describe('the alarms', () => {
  test('are there without being asked for', () => {
    const { template } = synthesize();
    expect(Object.keys(alarmsOf(template)).sort()).toEqual([...COMMON, 'CertificateEnds'].sort());
  });

  test('of snapshots, and of what is done before a removal, are there with those', () => {
    expect(Object.keys(alarmsOf(all.template)).sort()).toEqual(
      [...COMMON, 'CertificateEnds', 'PreparationFailed', 'SnapshotFailed', 'SnapshotOld'].sort(),
    );
  });

  test('can be turned off', () => {
    const { template, lifecycle } = synthesize({ alarms: { enabled: false } });
    template.resourceCountIs('AWS::CloudWatch::Alarm', 0);
    expect(lifecycle.alarms).toBeUndefined();
  });

  test('tell the cluster, what is wrong, and what to do', () => {
    for (const { AlarmDescription } of Object.values(alarmsOf(all.template))) {
      // CloudWatch takes 1024 characters.
      expect(AlarmDescription).toMatch(/^etcd cluster main: [^.]+\. .*\. More: \S+$/);
      expect(AlarmDescription.length).toBeLessThanOrEqual(1024);
    }
  });

  test('lead to their sections of the operator’s guide, and there is none without an alarm', () => {
    const repository = join(__dirname, '..', '..', '..');
    const guide = readFileSync(join(repository, 'docs', 'operations.md'), 'utf8');
    const [, section = ''] = /^## Alarms\n(.*?)^## /ms.exec(guide) ?? [];
    const titles = [...section.matchAll(/^### (\w+)$/gm)].map(([, title = '']) => title);
    const alarms = all.lifecycle.alarms ?? {};
    expect(titles.sort()).toEqual(Object.keys(alarms).sort());
    const leadTo = Object.values(alarmsOf(all.template)).map(
      ({ AlarmDescription }) => / More: (\S+)$/.exec(AlarmDescription)?.[1],
    );
    expect(leadTo.sort()).toEqual(
      // GitHub's anchors of titles are in lower case.
      titles
        .map((title) => title.toLowerCase())
        .sort()
        .map(
          (anchor) => `https://github.com/quorate/quorate/blob/main/docs/operations.md#${anchor}`,
        ),
    );
  });

  test('and their end are sent to the topic', () => {
    const topic = [{ Ref: Object.keys(all.template.findResources('AWS::SNS::Topic'))[0] }];
    for (const { AlarmActions, OKActions } of Object.values(alarmsOf(all.template))) {
      expect([AlarmActions, OKActions]).toEqual([topic, topic]);
    }
  });

  test('are sent nowhere without one', () => {
    for (const { AlarmActions } of Object.values(alarmsOf(synthesize().template))) {
      expect(AlarmActions).toBeUndefined();
    }
  });

  test('begin where the props say', () => {
    const { template } = synthesizeAll({
      alarms: {
        hookHeld: Duration.minutes(7),
        learnerStalled: Duration.minutes(3),
        snapshotAge: Duration.hours(1),
        certificateEnds: Duration.days(2),
      },
    });
    const { HookHeld, LearnerStalled, SnapshotOld, CertificateEnds } = alarmsOf(template);
    expect(
      [HookHeld, LearnerStalled, SnapshotOld, CertificateEnds].map((one) => one?.Threshold),
    ).toEqual([420, 180, 3600, 172_800]);
  });

  test('begin, by default, where it cannot go on by itself', () => {
    const { template } = synthesizeAll({
      removal: { deadline: Duration.hours(2) },
      timeout: Duration.seconds(100),
    });
    const { HookHeld, LearnerStalled, SnapshotOld, CertificateEnds, FunctionSlow } =
      alarmsOf(template);
    expect(HookHeld?.Threshold).toBe(7200 + 900);
    expect(LearnerStalled?.Threshold).toBe(600);
    expect(SnapshotOld?.Threshold).toBe(2 * 6 * 3600);
    expect(CertificateEnds?.Threshold).toBe(14 * 86_400);
    expect(FunctionSlow?.Threshold).toBe(90_000);
  });

  test('begin, by default, before what they tell of is given up', () => {
    const { template } = synthesizeAll({
      heartbeatTimeout: Duration.seconds(200),
      removal: { deadline: Duration.seconds(19_500) },
      launchDeadline: Duration.minutes(5),
    });
    const { HookHeld, LearnerStalled } = alarmsOf(template);
    // Auto Scaling ends the wait after 20000 s.
    expect(HookHeld?.Threshold).toBe(19_750);
    expect(LearnerStalled?.Threshold).toBe(150);
  });

  test('that nobody looks, and that no snapshot is there, are told by what is missing', () => {
    const missing = Object.entries(alarmsOf(all.template)).filter(
      ([, { TreatMissingData }]) => TreatMissingData === 'breaching',
    );
    expect(missing.map(([name]) => name).sort()).toEqual(['Silent', 'SnapshotOld']);
  });

  test('are attributes, so that more can be done with them', () => {
    const { lifecycle, stack } = all;
    expect(Object.keys(lifecycle.alarms ?? {})).toHaveLength(16);
    expect(stack.resolve(lifecycle.alarms?.quorumLost.alarmArn)).toHaveProperty('Fn::GetAtt');
  });
});

describe('what is watched', () => {
  let python: PythonRunner;
  let certificates: EtcdCertificates;
  let written: Set<string>;

  beforeAll(async () => {
    certificates = await EtcdCertificates.create({ addresses: ['127.0.0.1'] });
    const tests = join(__dirname, 'lambda');
    python = await startDriver('metrics_driver', {
      pythonPath: [...LAMBDA_PATH, tests, join(tests, 'edges')],
      env: { AWS_DEFAULT_REGION: 'eu-central-1' },
    });
    const pem = readFileSync(certificates.client.certFile, 'utf8');
    const metrics = (await python.call('written', [pem])) as [string, string, unknown][];
    written = new Set(metrics.map((metric) => JSON.stringify(metric)));
  }, 60_000);

  afterAll(async () => {
    await python?.[Symbol.asyncDispose]();
    await certificates?.remove();
  });

  /** A metric as the driver tells it. */
  function named(namespace: string, name: string, dimensions: Record<string, unknown>): string {
    return JSON.stringify([namespace, name, Object.entries(dimensions).sort()]);
  }

  test('by each alarm is a metric that the function writes, or that AWS does', () => {
    const watched = Object.values(alarmsOf(all.template)).map(
      ({ Namespace, MetricName, Dimensions }) => ({
        Namespace,
        name: named(
          Namespace,
          MetricName,
          Object.fromEntries(Dimensions.map(({ Name, Value }) => [Name, Value])),
        ),
      }),
    );
    const ours = watched.filter(({ Namespace }) => Namespace === ETCD_METRICS_NAMESPACE);
    expect(ours).toHaveLength(13);
    expect(ours.map(({ name }) => name).filter((name) => !written.has(name))).toEqual([]);
    const others = watched.filter(({ Namespace }) => Namespace !== ETCD_METRICS_NAMESPACE);
    expect(others.map(({ Namespace }) => Namespace).sort()).toEqual([
      'AWS/Lambda',
      'AWS/Lambda',
      'AWS/SQS',
    ]);
  });

  /** Each `metricXxx()` of the construct. */
  function metricsOf(lifecycle: EtcdLifecycle, props?: MetricOptions) {
    const { metricDecisions, ...rest } = Object.fromEntries(
      Object.getOwnPropertyNames(Object.getPrototypeOf(Object.getPrototypeOf(lifecycle)))
        .filter((name) => /^metric./.test(name))
        .map((name) => [name, Reflect.get(lifecycle, name) as (...args: unknown[]) => never]),
    );
    return [
      lifecycle.metricDecisions('Stop', props),
      ...Object.values(rest).map(
        (metric): ReturnType<EtcdLifecycle['metricVoters']> => metric.call(lifecycle, props),
      ),
    ];
  }

  test('by each metricXxx() is written, and each that is written has one', () => {
    const metrics = metricsOf(all.lifecycle);
    const names = metrics.map((one) => named(one.namespace, one.metricName, one.dimensions ?? {}));
    expect(names.filter((name) => !written.has(name))).toEqual([]);
    const offered = new Set(metrics.map(({ metricName }) => metricName));
    const emitted = new Set([...written].map((one) => (JSON.parse(one) as [string, string])[1]));
    expect([...emitted].sort()).toEqual([...offered].sort());
  });

  test('can be watched with other statistics', () => {
    const props = { statistic: 'p90', period: Duration.minutes(5), label: 'label' };
    for (const metric of metricsOf(all.lifecycle, props)) {
      expect(metric).toMatchObject({ statistic: 'p90', label: 'label' });
      expect(metric.period.toMinutes()).toBe(5);
    }
  });

  /** Each metric of the dashboard, as namespace, name and dimensions. */
  function metricsOfDashboard(template: Template): string[] {
    const [dashboard] = Object.values(template.findResources('AWS::CloudWatch::Dashboard'));
    const body = dashboard?.Properties.DashboardBody['Fn::Join'][1] as unknown[];
    const text = body.map((part) => (typeof part === 'string' ? part : 'token')).join('');
    const { widgets } = JSON.parse(text) as {
      widgets: { properties: { metrics?: unknown[][] } }[];
    };
    return widgets
      .flatMap(({ properties }) => properties.metrics ?? [])
      .map((metric) => metric.filter((part) => typeof part === 'string') as string[])
      .map(([namespace, name, ...rest]) => {
        const pairs = rest.flatMap((part, at) => (at % 2 ? [] : [[part, rest[at + 1]]]));
        return named(namespace ?? '', name ?? '', Object.fromEntries(pairs));
      });
  }

  test('by the dashboard is written as well', () => {
    const ours = metricsOfDashboard(all.template).filter((one) => one.includes('"Quorate"'));
    const unwritten = ours.filter((one) => !written.has(one));
    // Of decisions the driver makes only some.
    expect(unwritten.filter((one) => !one.includes('"Decisions"'))).toEqual([]);
    expect(ours.length).toBeGreaterThan(15);
  });
});

describe('the dashboard', () => {
  test('is there without being asked for', () => {
    synthesize().template.resourceCountIs('AWS::CloudWatch::Dashboard', 1);
  });

  test('shows the state of the alarms', () => {
    all.template.hasResourceProperties('AWS::CloudWatch::Dashboard', {
      DashboardBody: Match.objectLike({
        'Fn::Join': ['', Match.arrayWith([Match.stringLikeRegexp('"type":"alarm"')])],
      }),
    });
  });

  test('can be turned off', () => {
    const { template, lifecycle } = synthesize({ dashboard: false });
    template.resourceCountIs('AWS::CloudWatch::Dashboard', 0);
    expect(lifecycle.dashboard).toBeUndefined();
  });
});
