import { cpus, totalmem } from 'node:os';
import { median, summary } from '../etcd-lifecycle/statistics';

/** Milliseconds of processes from their start to the end of the synthesis, by what they synthesized. */
export interface Durations {
  readonly group: readonly number[];
  readonly construct: readonly number[];
}

/** The same processes, measured in two ways. */
export interface Synthesis {
  /** By the clock: what a user waits for. */
  readonly clock: Durations;
  /** Processor time, of all threads: how much work it is. */
  readonly processor: Durations;
}

/** Fresh processes that load a package's main file. */
export interface Import {
  readonly name: string;
  readonly ms: readonly number[];
  readonly modules: number;
}

/** Bytes of a package as it is published. */
export interface PackageSize {
  readonly name: string;
  readonly packed: number;
  readonly unpacked: number;
}

/** All that was measured. */
export interface Measurements {
  readonly cdk: string;
  readonly rounds: number;
  /** How many processes wanted to run before it began, on average over a minute. */
  readonly load: number;
  /** As CDK does it by default: it validates the templates too. */
  readonly validated: Synthesis;
  readonly unvalidated: Synthesis;
  readonly imports: readonly Import[];
  readonly sizes: readonly PackageSize[];
}

/** How much longer a user may wait for a stack with the construct than for one without, in percent. */
export const MOST_PERCENT = 20;

/** How much longer the stack with the construct takes, in percent. */
export function addedPercent({ group, construct }: Durations): number {
  return (median(construct) / median(group) - 1) * 100;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, i) => (i ? '---:' : '---'))), ...rows.map(line)].join('\n');
}

function synthesisRow(title: string, durations: Durations, aim = ''): string[] {
  return [
    title,
    summary(durations.group),
    summary(durations.construct),
    `${addedPercent(durations).toFixed(0)} %${aim}`,
  ];
}

function kilobytes(bytes: number): string {
  return `${(bytes / 1000).toFixed(0)} kB`;
}

/** What the README shows of the packages. */
export function packagesTable({ imports, sizes }: Measurements): string {
  return table(
    ['', 'packed', 'unpacked', 'import, ms', 'modules'],
    imports.map(({ name, ms, modules }) => {
      const size = sizes.find((one) => one.name === name);
      return [
        `\`${name}\``,
        size ? kilobytes(size.packed) : '',
        size ? kilobytes(size.unpacked) : '',
        median(ms).toFixed(0),
        String(modules),
      ];
    }),
  );
}

/** What the README shows of the synthesis. */
export function synthesisTable({ validated, unvalidated }: Measurements): string {
  const aim = ` (aim: at most ${MOST_PERCENT} %)`;
  const without = 'without its validation (`CDK_VALIDATION=false`)';
  return table(
    ['a process that synthesizes the stack, ms', 'bare group', 'with `EtcdLifecycle`', 'added'],
    [
      synthesisRow('by the clock, as CDK does by default', validated.clock, aim),
      synthesisRow(`by the clock, ${without}`, unvalidated.clock),
      synthesisRow('processor time, as CDK does by default', validated.processor),
      synthesisRow(`processor time, ${without}`, unvalidated.processor),
    ],
  );
}

/** The whole report. */
export function render(measurements: Measurements): string {
  const [cpu] = cpus();
  return `# Synthesis, imports and sizes

Written by \`npx projen bench:synth\` with Node.js ${process.version} and aws-cdk-lib
${measurements.cdk} on ${cpus().length} x ${cpu?.model.trim() ?? 'an unknown CPU'},
${(totalmem() / 2 ** 30).toFixed(0)} GiB, with a load of ${measurements.load.toFixed(1)} before it began. ${measurements.rounds} rounds of fresh processes,
interleaved, of what was compiled: ratios matter, not absolutes. Figures are medians, with the least and
the most in brackets.

## Synthesis

A network and an Auto Scaling group, bare or with the construct, its alarms and its dashboard; from the
start of the process to the end of \`app.synth()\`. The clock tells what a user waits for, and depends on
what else the machine does. Processor time tells how much work it is, of all threads together: those of
Node.js compile and collect garbage beside the one that synthesizes, so that it may be more than the time
by the clock. By default CDK validates each template against the schemas of the resources, with a
WebAssembly module that Node.js compiles anew in each process: a larger template makes more of it worth
to be optimized. The aim is for the wait, by the clock and as CDK does by default: at most ${MOST_PERCENT} % longer
with the construct. The other figures stand beside it for what a wait does not show.

${synthesisTable(measurements)}

## The packages

Their sizes, and what \`require\` of their main file takes in a process that has loaded nothing;
\`aws-cdk-lib\`, which an app loads anyhow, for comparison.

${packagesTable(measurements)}
`;
}
