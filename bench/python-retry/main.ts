/**
 * Compares the emitted module with other packages, side by side, and writes
 * bench/results/python-retry.md and the plot of the README. One command, from the root:
 *
 *     npx projen bench:python-retry
 *
 * The packages come from PyPI, pinned by hash, into a virtual environment of their own.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import {
  emitPythonRetry,
  PYTHON_RETRY_FEATURES,
  type PythonRetryFeature,
  writePythonRetry,
} from '../../packages/python-retry/src';
import { drawOutage, type Simulation } from './plot';

const ROOT = join(__dirname, '..', '..');
const VENV = join(ROOT, '.cache', 'bench-python-retry');
const PYTHON = join(VENV, 'bin', 'python');

interface Measurement {
  readonly python: string;
  readonly bare: number;
  readonly calls: Record<string, Record<string, number>>;
  readonly imports: Record<string, { readonly ms: number; readonly modules: number | null }>;
}

function installPeers(): void {
  if (!existsSync(PYTHON)) {
    execFileSync(process.env.QUORATE_PYTHON ?? 'python3', ['-m', 'venv', VENV], {
      stdio: 'inherit',
    });
  }
  execFileSync(
    PYTHON,
    [
      ...['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--require-hashes'],
      ...['--requirement', join(__dirname, 'requirements.txt')],
    ],
    { stdio: 'inherit' },
  );
}

function run<T>(script: string, modules: string): T {
  const output = execFileSync(PYTHON, [join(__dirname, script)], {
    encoding: 'utf8',
    env: { ...process.env, PYTHONPATH: [modules, __dirname].join(delimiter) },
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return JSON.parse(output) as T;
}

function table(head: string[], rows: (string | number)[][]): string {
  const line = (cells: (string | number)[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, i) => (i ? '---:' : '---'))), ...rows.map(line)].join('\n');
}

function callTable(title: string, calls: Record<string, number>, ours: string): string {
  const own = calls[ours] ?? Number.NaN;
  const rows = Object.entries(calls)
    .sort(([, a], [, b]) => a - b)
    .map(([name, us]) => [name, us.toFixed(2), `${(us / own).toFixed(1)} x`]);
  return `### ${title}\n\n${table(['', 'µs', `of "${ours}"`], rows)}\n`;
}

function simulationTable(simulation: Simulation, rate: string): string {
  const rows = Object.entries(simulation.policies).map(([name, byRate]) => {
    const one = byRate[rate];
    if (!one) {
      throw new Error(`the simulation of "${name}" lacks the rate ${rate}`);
    }
    return [
      name,
      one.reached.toFixed(0),
      one.late.toFixed(0),
      one.billed.toFixed(0),
      `${(100 * one.served).toFixed(1)} %`,
      one.recovery.toFixed(1),
      one.environments.toFixed(0),
    ];
  });
  const head = ['', 'calls that reached it', 'of these after the first minute', 'billed s'];
  return table([...head, 'invocations served', 's to recover', 'environments'], rows);
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
  const bytes = (features: readonly PythonRetryFeature[]) =>
    emitPythonRetry({ features, compact: true }).bytes;
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

function report(measured: Measurement, simulation: Simulation): string {
  const { settings } = simulation;
  const imports = Object.entries(measured.imports).map(([name, { ms, modules }]) => [
    name,
    ms.toFixed(1),
    modules ?? '',
  ]);
  const rates = Object.keys(Object.values(simulation.policies)[0] ?? {});
  return `# python-retry beside other packages

Written by \`npx projen bench:python-retry\` on CPython ${measured.python}, ${cpus().length} cores
that others use too: ratios matter, not absolutes. The packages are those of
\`bench/python-retry/requirements.txt\`.

## One call

Medians of interleaved rounds, process time, less a bare call (${measured.bare.toFixed(3)} µs).

${callTable('A retry whose first attempt succeeds', measured.calls.retry ?? {}, 'ours')}
${callTable('A breaker whose circuit is closed', measured.calls.breaker ?? {}, 'ours, with retry')}
${callTable('A call that an open circuit refuses', measured.calls.open ?? {}, 'ours, can_execute')}
## Import

CPU milliseconds more than an interpreter that has loaded what Lambda's bootstrap loads (medians of
fresh processes, to be read with a grain of salt: a process more or less is 1 ms); and new modules
beyond that. "Compiled anew" is code without a compiled file beside it, as in a template.

${table(['module', 'ms', 'new modules'], imports)}

## Size

${sizes()}

${featureSizes()}

## An outage

${settings.environments} environments, ${settings.arrivals} arrivals a second (Poisson), a dependency
that fails at a rate for ${settings.minutes} minutes (a failure takes 1 s, a success 50 ms);
${settings.attempts} attempts, a circuit opens after ${settings.threshold} failures in a row for
${settings.reset} s. Means of ${settings.seeds} seeds. The policies are the packages' real code on
virtual time. Powertools has no retry: its row is a breaker alone, over an item in memory with the
conditions of its DynamoDB layer. "To recover" is from the end of the outage to the last invocation
that failed.

${rates.map((rate) => `### ${Number(rate) * 100} % of the calls fail\n\n${simulationTable(simulation, rate)}`).join('\n\n')}

### How to read it

* At low rates failures in a row are rare, circuits stay closed, and retries serve almost everyone.
  A shared circuit of any kind (Powertools, ours with the store) pays for sparing the dependency with
  invocations that a partial outage would have served: one environment's trip stops all. Where a
  dependency fails in part, share no circuit, or use \`mode="retries-only"\`, which never refuses a
  first attempt.
* At full failure the store is what counts: without it, each environment has to find out by itself,
  and probes by itself. The calls that ours makes more than Powertools in the first minute are the
  retries before the first trip; Powertools does not retry.
* The time to recover is mostly the rest of an opening when the outage ends, between 0 and the
  reset time, for whoever has a circuit; no policy can know earlier without asking.
`;
}

function main(): void {
  installPeers();
  const modules = mkdtempSync(join(tmpdir(), 'bench-python-retry-'));
  try {
    writePythonRetry(modules, { features: 'all' });
    writePythonRetry(modules, { moduleName: 'python_retry_core' });
    writePythonRetry(modules, {
      features: 'all',
      compact: true,
      moduleName: 'python_retry_compact',
    });
    const measured = run<Measurement>('measure.py', modules);
    const simulation = run<Simulation>('simulate.py', modules);
    const results = join(ROOT, 'bench', 'results');
    mkdirSync(results, { recursive: true });
    writeFileSync(join(results, 'python-retry.md'), report(measured, simulation));
    writeFileSync(
      join(ROOT, 'packages', 'python-retry', 'outage.svg'),
      drawOutage(simulation, '1.0'),
    );
  } finally {
    rmSync(modules, { recursive: true });
  }
}

main();
