import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { App, Duration, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { AutoScalingGroup } from 'aws-cdk-lib/aws-autoscaling';
import { InstanceType, MachineImage, Vpc } from 'aws-cdk-lib/aws-ec2';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { EtcdLifecycle, EtcdTls } from '../src';
import { escaped } from './markup';

/** Where the picture is checked in. */
export const DASHBOARD_PICTURE = join(__dirname, '..', 'docs', 'dashboard.svg');

/** A square of the dashboard's grid, in pixels. */
const SQUARE = 40;
const MINUTES = 60;
const PALETTE = ['#1f77b4', '#ff7f0e', '#9467bd', '#17becf', '#8c564b'];

interface Widget {
  readonly type: 'alarm' | 'metric';
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly properties: {
    readonly title: string;
    readonly view?: 'singleValue' | 'timeSeries';
    readonly metrics?: unknown[][];
  };
}

interface Series {
  readonly label: string;
  readonly color: string;
  readonly values: number[];
}

/** Made-up data of the minutes in which a member is replaced: minute 20 to 32. */
const DATA: Readonly<Record<string, (minute: number) => number>> = {
  voters: (minute) => (minute >= 28 && minute < 32 ? 4 : 3),
  'healthy voters': (minute) => (minute >= 28 && minute < 32 ? 4 : 3),
  quorum: () => 1,
  AddLearner: (minute) => (minute === 23 ? 1 : 0),
  Promote: (minute) => (minute === 28 ? 1 : 0),
  TransferLeadership: (minute) => (minute === 31 ? 1 : 0),
  RemoveMember: (minute) => (minute === 32 ? 1 : 0),
  'oldest hook': (minute) => (minute >= 20 && minute < 33 ? (minute - 20) * 60 : 0),
  'oldest learner': (minute) => (minute >= 23 && minute < 28 ? (minute - 23) * 60 : 0),
  looks: (minute) => (minute >= 20 && minute < 33 ? 3 + (minute % 4) : 1),
  'duration (s)': (minute) => 0.3 + 0.05 * ((minute * 7) % 5),
  'duration (ms)': (minute) => (minute >= 20 && minute < 33 ? 9000 : 700) + 90 * ((minute * 7) % 5),
  'snapshot: age (s)': (minute) => (minute >= 31 ? (minute - 31) * 60 : 7200 + minute * 60),
  'snapshot: bytes': () => 48_234_496,
  'certificate: time left (s)': (minute) => 7_344_000 - minute * 60,
};

/**
 * Draws the dashboard of a cluster with TLS and snapshots, as its definition says.
 *
 * @param outdir - Where the assembly of the stack goes.
 */
export function drawDashboard(outdir: string): string {
  const { widgets, alarms } = defineDashboard(outdir);
  const height = Math.max(...widgets.map((one) => one.y + one.height)) * SQUARE;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${24 * SQUARE}" height="${height}" ` +
      `font-family="sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="#f2f3f3"/>`,
    ...widgets.flatMap((widget) => [
      `<g transform="translate(${widget.x * SQUARE + 4} ${widget.y * SQUARE + 4})">`,
      `<rect width="${widget.width * SQUARE - 8}" height="${widget.height * SQUARE - 8}" rx="4" ` +
        `fill="#fff" stroke="#d5dbdb"/>`,
      text(10, 20, widget.properties.title, 'font-weight="bold"'),
      ...drawContent(widget, alarms),
      '</g>',
    ]),
    '</svg>',
    '',
  ].join('\n');
}

function defineDashboard(outdir: string): { widgets: Widget[]; alarms: string[] } {
  const stack = new Stack(new App({ outdir }), 'Stack');
  const vpc = new Vpc(stack, 'Vpc');
  const lifecycle = new EtcdLifecycle(stack, 'EtcdLifecycle', {
    autoScalingGroup: new AutoScalingGroup(stack, 'Members', {
      vpc,
      instanceType: new InstanceType('m7g.medium'),
      machineImage: MachineImage.latestAmazonLinux2023(),
      minCapacity: 3,
      maxCapacity: 4,
    }),
    clusterName: 'main',
    vpc,
    tls: EtcdTls.fromSecret(new Secret(stack, 'Certificate')),
    snapshots: { bucket: new Bucket(stack, 'Snapshots'), interval: Duration.hours(6) },
  });
  const [dashboard] = Object.values(
    Template.fromStack(stack).findResources('AWS::CloudWatch::Dashboard'),
  );
  const parts = dashboard?.Properties.DashboardBody['Fn::Join'][1] as unknown[];
  const body = parts.map((part) => (typeof part === 'string' ? part : 'token')).join('');
  return {
    widgets: (JSON.parse(body) as { widgets: Widget[] }).widgets,
    alarms: Object.keys(lifecycle.alarms ?? {}),
  };
}

function drawContent(widget: Widget, alarms: string[]): string[] {
  if (widget.type === 'alarm') {
    return drawAlarms(widget, alarms);
  }
  const series = readSeries(widget);
  return widget.properties.view === 'singleValue'
    ? drawValues(widget, series)
    : drawGraph(widget, series);
}

function readSeries({ properties }: Widget): Series[] {
  return (properties.metrics ?? []).map((metric, index) => {
    const options = metric.at(-1) as { label: string; color?: string };
    const values = Array.from(
      { length: MINUTES },
      (_, minute) => DATA[options.label]?.(minute) ?? 0,
    );
    return {
      label: options.label,
      color: options.color ?? PALETTE[index % PALETTE.length] ?? '#000',
      values,
    };
  });
}

function drawAlarms({ width }: Widget, alarms: string[]): string[] {
  const columns = 7;
  const step = (width * SQUARE - 20) / columns;
  return alarms.flatMap((name, index) => {
    const [x, y] = [10 + (index % columns) * step, 32 + Math.floor(index / columns) * 36];
    return [
      `<rect x="${round(x)}" y="${y}" width="${round(step - 8)}" height="28" rx="3" ` +
        'fill="#e9f7ef" stroke="#2ca02c"/>',
      text(x + 8, y + 18, name),
    ];
  });
}

function drawValues({ width }: Widget, series: Series[]): string[] {
  const step = (width * SQUARE - 20) / series.length;
  return series.flatMap(({ label, values }, index) => [
    text(10 + index * step, 60, (values.at(-1) ?? 0).toLocaleString('en'), 'font-size="22"'),
    text(10 + index * step, 84, label, 'fill="#545b64"'),
  ]);
}

/** Each series to its own scale, whose end stands in the legend: there are two axes at most. */
function drawGraph({ width, height }: Widget, series: Series[]): string[] {
  const [left, right, top] = [12, width * SQUARE - 22, 34];
  const legend = 16 * Math.ceil(series.length / 2);
  const bottom = height * SQUARE - 24 - legend;
  return [
    `<path d="M${left} ${top}V${bottom}H${right}" fill="none" stroke="#aab7b8"/>`,
    ...series.flatMap(({ label, color, values }, index) => {
      const most = Math.max(...values, 1);
      const points = values.map((value, minute) => {
        const x = left + (minute / (MINUTES - 1)) * (right - left);
        return `${round(x)},${round(bottom - (value / most) * (bottom - top - 4))}`;
      });
      const [x, y] = [left + (index % 2) * 150, bottom + 18 + Math.floor(index / 2) * 16];
      return [
        `<polyline points="${points.join(' ')}" fill="none" stroke="${color}" stroke-width="1.5"/>`,
        `<rect x="${x}" y="${y - 9}" width="10" height="10" fill="${color}"/>`,
        text(x + 14, y, `${label} ≤ ${Math.max(...values).toLocaleString('en')}`),
      ];
    }),
  ];
}

function text(x: number, y: number, content: string, attributes = ''): string {
  return `<text x="${round(x)}" y="${round(y)}" ${attributes}>${escaped(content)}</text>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

if (require.main === module) {
  mkdirSync(dirname(DASHBOARD_PICTURE), { recursive: true });
  const assembly = mkdtempSync(join(tmpdir(), 'dashboard-picture-'));
  try {
    writeFileSync(DASHBOARD_PICTURE, drawDashboard(assembly));
  } finally {
    rmSync(assembly, { recursive: true, force: true });
  }
  console.log(DASHBOARD_PICTURE);
}
