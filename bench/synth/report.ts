import { cpus, totalmem } from 'node:os';
import { median, summary } from '../etcd-lifecycle/statistics';

/** Milliseconds of processor time of whole processes, by what they synthesized. */
export interface Synthesis {
  readonly group: readonly number[];
  readonly construct: readonly number[];
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

/** How much a stack with the construct may take longer than one without, in percent. */
export const MOST_PERCENT = 20;

/** How much longer the stack with the construct takes, in percent. */
export function addedPercent({ group, construct }: Synthesis): number {
  return (median(construct) / median(group) - 1) * 100;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, i) => (i ? '---:' : '---'))), ...rows.map(line)].join('\n');
}

function synthesisRow(title: string, synthesis: Synthesis): string[] {
  return [
    title,
    summary(synthesis.group),
    summary(synthesis.construct),
    `${addedPercent(synthesis).toFixed(0)} %`,
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
  return table(
    [
      'processor time of a process that synthesizes the stack, ms',
      'bare group',
      'with `EtcdLifecycle`',
      'added',
    ],
    [
      synthesisRow('as CDK does by default', validated),
      synthesisRow('without its validation (`CDK_VALIDATION=false`)', unvalidated),
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
start of the process to the end of \`app.synth()\`, in processor time: it depends less than the clock on
what else the machine does. By default CDK validates each template against the schemas of the resources,
with a WebAssembly module that Node.js compiles anew in each process: a larger template makes more of it
worth to be optimized. The construct may add ${MOST_PERCENT} % by default.

${synthesisTable(measurements)}

## The packages

Their sizes, and what \`require\` of their main file takes in a process that has loaded nothing;
\`aws-cdk-lib\`, which an app loads anyhow, for comparison.

${packagesTable(measurements)}
`;
}
