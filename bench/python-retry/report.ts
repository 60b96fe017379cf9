import {
  emitPythonRetry,
  PYTHON_RETRY_FEATURES,
  type PythonRetryFeature,
} from '../../packages/python-retry/src';
import { table } from '../table';

/** What measure.py prints: µs for a call, ms for imports and for compiling. */
export interface Measurement {
  readonly python: string;
  readonly bare: number;
  readonly calls: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly compiled: Readonly<Record<string, number>>;
  readonly imports: Readonly<
    Record<string, { readonly ms: number; readonly modules: number | null }>
  >;
}

/** The texts whose compilation is timed, by the name that measure.py gives each. */
export const COMPILED_TEXTS: Readonly<Record<string, readonly PythonRetryFeature[] | 'all'>> = {
  python_retry_alone: [],
  python_retry_core_compact: ['breaker'],
  python_retry_compact: 'all',
};

const bytes = (features: readonly PythonRetryFeature[] | 'all') =>
  emitPythonRetry({ features, compact: true }).bytes;

interface Goal {
  readonly what: string;
  /** What the core alone came to; undefined where it has no such thing. */
  readonly core?: number;
  /** What the text with all features came to. */
  readonly all?: number;
  readonly most: number;
  readonly unit: 'µs' | 'ms' | 'bytes' | '';
}

/** The aims, and what was measured for each. */
function goals(measured: Measurement): readonly Goal[] {
  const { retry = {}, breaker = {}, open = {} } = measured.calls;
  const peers = breaker['tenacity + pybreaker'] ?? Number.NaN;
  const both = breaker['ours, with retry'] ?? Number.NaN;
  const coreBoth = breaker['ours, the core alone, with retry'] ?? Number.NaN;
  const raised = (open['an error alone, raised and caught'] ?? Number.NaN).toFixed(2);
  return [
    {
      what: 'a retry whose first attempt succeeds, beyond a bare call',
      core: retry['ours, the core alone'],
      all: retry.ours,
      most: 0.3,
      unit: 'µs',
    },
    {
      what: 'the same with a breaker, thread-safe and fenced',
      core: coreBoth,
      all: both,
      most: 1,
      unit: 'µs',
    },
    {
      what: 'that as a share of tenacity with pybreaker',
      core: coreBoth / peers,
      all: both / peers,
      most: 0.1,
      unit: '',
    },
    {
      what: 'an open circuit refuses: `can_execute`',
      core: open['ours, the core alone, can_execute'],
      all: open['ours, can_execute'],
      most: 0.5,
      unit: 'µs',
    },
    {
      what: 'the same: `retry_with_circuit_breaker`',
      core: open['ours, the core alone, retry_with_circuit_breaker'],
      all: open['ours, retry_with_circuit_breaker'],
      most: 0.5,
      unit: 'µs',
    },
    {
      what: `the same: \`breaker.call\`; an error that is raised and caught takes ${raised} µs of it`,
      all: open['ours, breaker.call'],
      most: 0.5,
      unit: 'µs',
    },
    {
      what: 'compact text compiled anew and run, beyond an empty one',
      core: measured.compiled.python_retry_core_compact,
      most: 2,
      unit: 'ms',
    },
    {
      what: 'modules that the import loads beyond those of Lambda',
      core: measured.imports.python_retry_core?.modules ?? Number.NaN,
      all: measured.imports.python_retry?.modules ?? Number.NaN,
      most: 0,
      unit: '',
    },
    { what: 'compact text: the core', core: bytes(['breaker']), most: 8192, unit: 'bytes' },
    { what: 'compact text: all features', all: bytes('all'), most: 24_576, unit: 'bytes' },
  ];
}

function figure(value: number | undefined, { unit }: Goal): string {
  if (value === undefined) {
    return '';
  }
  const digits = unit === 'bytes' || Number.isInteger(value) ? 0 : 2;
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return `${value.toLocaleString('en-US', options)} ${unit}`.trim();
}

/** The table of the aims, for the report and for the README. */
export function describeGoals(measured: Measurement): string {
  const rows = goals(measured).map((goal) => {
    const { what, core, all, most } = goal;
    // As it is shown: what rounds to the aim is level with it.
    const met = (value: number) => Number(value.toFixed(2)) <= most;
    const given = [core, all].filter((value) => value !== undefined);
    const some = given.some(met) ? 'the core' : 'no';
    const verdict = given.every(met) ? 'yes' : some;
    return [what, figure(core, goal), figure(all, goal), figure(most, goal), verdict];
  });
  const head = [`on CPython ${measured.python}`, 'the core', 'all features', 'aim, at most', 'met'];
  return table(head, rows);
}

/** The cells of the README's comparison that are measured: new modules, and the happy path. */
export function describePeers(measured: Measurement): readonly [modules: string, path: string] {
  const { retry = {}, breaker = {} } = measured.calls;
  const us = (value = Number.NaN) => value.toFixed(value < 1 ? 2 : 1);
  const modules = [
    'python_retry',
    'tenacity',
    'pybreaker',
    'circuitbreaker',
    'nopanic',
    'interlock',
  ];
  const powertools = measured.imports['aws_lambda_powertools.utilities.circuit_breaker'];
  const counts = [...modules.map((name) => measured.imports[name]), powertools];
  const line = (head: string, cells: readonly (string | number)[]) =>
    `| ${[head, ...cells].join(' | ')} |`;
  return [
    line(
      'new modules at import, over what Lambda loads',
      counts.map((one) => one?.modules ?? '?'),
    ),
    line('happy path, µs (retry; breaker)', [
      `${us(retry.ours)}; ${us(breaker['ours, with retry'])} both`,
      us(retry['tenacity, Retrying']),
      us(breaker.pybreaker),
      us(breaker.circuitbreaker),
      `${us(retry.nopanic)}; ${us(breaker.nopanic)}`,
      us(breaker.interlock),
      '',
    ]),
  ];
}

const GOALS = /(<!-- bench -->\n)[\s\S]*?(<!-- \/bench -->)/;
const MODULES = /^\| new modules at import.*$/m;
const HAPPY_PATH = /^\| happy path, µs.*$/m;

/**
 * Returns the README with the figures of a measurement.
 *
 * @throws Error if the README has no place for one of them
 */
export function withFigures(readme: string, measured: Measurement): string {
  for (const place of [GOALS, MODULES, HAPPY_PATH]) {
    if (!place.test(readme)) {
      throw new Error(`the README of python-retry has no place for what is measured: ${place}`);
    }
  }
  const [modules, path] = describePeers(measured);
  return readme
    .replace(GOALS, `$1${describeGoals(measured)}\n$2`)
    .replace(MODULES, modules)
    .replace(HAPPY_PATH, path);
}

function callTable(title: string, calls: Readonly<Record<string, number>>, ours: string): string {
  const own = calls[ours] ?? Number.NaN;
  const rows = Object.entries(calls)
    .sort(([, a], [, b]) => a - b)
    .map(([name, us]) => [name, us.toFixed(2), `${(us / own).toFixed(1)} x`]);
  return `### ${title}\n\n${table(['', 'µs', `of "${ours}"`], rows)}\n`;
}

function sizes(): string {
  const rows = [['breaker'] as const, 'all' as const].flatMap((features) =>
    [{}, { docstrings: false }, { docstrings: false, types: false }, { compact: true }].map(
      (style) => [
        `${features === 'all' ? 'all features' : 'core'} ${JSON.stringify(style)}`,
        emitPythonRetry({ features, ...style }).bytes,
      ],
    ),
  );
  return table(['emitted', 'bytes'], rows);
}

/** What each feature costs in a text written compactly, with what it needs. */
function featureSizes(): string {
  const core = bytes(['breaker']);
  return table(
    ['beside the core, compact', 'bytes more'],
    [
      ['retry_with_backoff alone', bytes([]) - core],
      ...PYTHON_RETRY_FEATURES.filter((name) => name !== 'breaker').map((name) => [
        name,
        bytes(['breaker', name]) - core,
      ]),
    ],
  );
}

/** The report up to the outage. */
export function describeMeasurement(measured: Measurement): string {
  const imports = Object.entries(measured.imports).map(([name, { ms, modules }]) => [
    name,
    ms.toFixed(1),
    modules ?? '',
  ]);
  const compiled = Object.entries(COMPILED_TEXTS).map(([name, features]) => [
    features === 'all' ? 'everything' : (features[0] && 'the core') || 'retry_with_backoff alone',
    (measured.compiled[name] ?? Number.NaN).toFixed(2),
  ]);
  return `# python-retry beside other packages

Written by \`npx projen bench:python-retry\` on CPython ${measured.python}, a machine
that others may use too: ratios matter, not absolutes. The packages are those of
\`bench/python-retry/requirements.txt\`.

## The aims

${describeGoals(measured)}

## One call

Medians of interleaved rounds, process time, less a bare call (${measured.bare.toFixed(3)} µs).

${callTable('A retry whose first attempt succeeds', measured.calls.retry ?? {}, 'ours')}
${callTable('A breaker whose circuit is closed', measured.calls.breaker ?? {}, 'ours, with retry')}
${callTable('A call that an open circuit refuses', measured.calls.open ?? {}, 'ours, can_execute')}
## Import

CPU milliseconds more than an interpreter that has loaded what Lambda's bootstrap loads (medians of
fresh processes, to be read with a grain of salt: a process more or less is 1 ms); and new modules
beyond that.

${table(['module', 'ms', 'new modules'], imports)}

Milliseconds to compile and run a compact text that has no compiled file beside it, as in a template,
beyond an empty one (medians of interleaved rounds in one process).

${table(['emitted', 'ms'], compiled)}

## Size

${sizes()}

${featureSizes()}

`;
}
