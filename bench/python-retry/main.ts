/**
 * Compares the emitted module with other packages, side by side, and writes
 * bench/results/python-retry.md, what the outage came to (python-retry-outage.json) and the plot of
 * the README. One command, from the root:
 *
 *     npx projen bench:python-retry
 *
 * The packages come from PyPI, pinned by hash, into a virtual environment of their own.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import {
  emitPythonRetry,
  PYTHON_RETRY_FEATURES,
  type PythonRetryFeature,
  writePythonRetry,
} from '../../packages/python-retry/src';
import { table } from '../table';
import { describeOutage, type Simulation } from './outage';
import { drawOutage } from './plot';

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

function callTable(title: string, calls: Record<string, number>, ours: string): string {
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

/** The report up to the outage. */
function reportHead(measured: Measurement): string {
  const imports = Object.entries(measured.imports).map(([name, { ms, modules }]) => [
    name,
    ms.toFixed(1),
    modules ?? '',
  ]);
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

`;
}

/** Writes what the outage came to, the plot, and the report with a new section about it. */
function write(simulation: Simulation, head: string): void {
  const results = join(ROOT, 'bench', 'results');
  mkdirSync(results, { recursive: true });
  writeFileSync(join(results, 'python-retry.md'), head + describeOutage(simulation));
  // What that section and the plot are made of; a test holds them to it.
  writeFileSync(join(results, 'python-retry-outage.json'), `${JSON.stringify(simulation)}\n`);
  writeFileSync(join(ROOT, 'packages', 'python-retry', 'outage.svg'), drawOutage(simulation));
}

/** The report up to the outage, as it is. */
function writtenHead(): string {
  const report = readFileSync(join(ROOT, 'bench', 'results', 'python-retry.md'), 'utf8');
  return report.slice(0, report.indexOf('## An outage'));
}

function main([only, ...rest]: readonly string[]): void {
  if (rest.length > 0 || (only !== undefined && only !== 'outage')) {
    process.stderr.write(
      'Usage: npx projen bench:python-retry [outage]\n' +
        'With "outage" only the simulation is run anew, which no load of the machine disturbs.\n',
    );
    process.exitCode = 2;
    return;
  }
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
    const head = only ? writtenHead() : reportHead(run<Measurement>('measure.py', modules));
    write(run<Simulation>('simulate.py', modules), head);
  } finally {
    rmSync(modules, { recursive: true });
  }
}

main(process.argv.slice(2));
