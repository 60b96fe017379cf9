/**
 * Compares the emitted module with other packages, side by side, and writes
 * bench/results/python-retry.md, what it is made of (python-retry-calls.json for what was timed,
 * python-retry-outage.json for what was simulated), and plot and figures of the README. One command,
 * from the root:
 *
 *     npx projen bench:python-retry
 *
 * The packages come from PyPI, pinned by hash, into a virtual environment of their own.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { writePythonRetry } from '../../packages/python-retry/src';
import { describeOutage, type Simulation } from './outage';
import { drawOutage } from './plot';
import { COMPILED_TEXTS, describeMeasurement, type Measurement, withFigures } from './report';

const ROOT = join(__dirname, '..', '..');
const VENV = join(ROOT, '.cache', 'bench-python-retry');
const PYTHON = join(VENV, 'bin', 'python');
const PACKAGE = join(ROOT, 'packages', 'python-retry');
const RESULTS = join(ROOT, 'bench', 'results');
const MEASURED = join(RESULTS, 'python-retry-calls.json');
const SIMULATED = join(RESULTS, 'python-retry-outage.json');

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

function run<T>(script: string, modules: string, args: readonly string[] = []): T {
  const output = execFileSync(PYTHON, [join(__dirname, script), ...args], {
    encoding: 'utf8',
    env: { ...process.env, PYTHONPATH: [modules, __dirname].join(delimiter) },
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return JSON.parse(output) as T;
}

/** Writes what the outage came to, the plot, the report, and the figures of the README. */
function write(measured: Measurement, simulation: Simulation): void {
  mkdirSync(RESULTS, { recursive: true });
  const report = describeMeasurement(measured) + describeOutage(simulation);
  writeFileSync(join(RESULTS, 'python-retry.md'), report);
  // What report, plot and README are made of; a test holds them to it.
  writeFileSync(MEASURED, `${JSON.stringify(measured)}\n`);
  writeFileSync(SIMULATED, `${JSON.stringify(simulation)}\n`);
  writeFileSync(join(PACKAGE, 'outage.svg'), drawOutage(simulation));
  const readme = join(PACKAGE, 'README.md');
  writeFileSync(readme, withFigures(readFileSync(readme, 'utf8'), measured));
}

const read = <T>(file: string) => JSON.parse(readFileSync(file, 'utf8')) as T;

const USAGE = `Usage: npx projen bench:python-retry [calls | outage | report | quick]

Without an argument all is measured, which wants a machine with nothing else to do.
  calls   only what takes real time is measured anew, not the simulation
  outage  only the simulation is run anew, which no load of the machine disturbs
  report  nothing is run: writes report, plot and README from what was measured last
  quick   everything is run, in a few rounds, and nothing is written: prints the report
`;

function main([only = 'all', ...rest]: readonly string[]): void {
  if (rest.length > 0 || !['all', 'calls', 'outage', 'report', 'quick'].includes(only)) {
    process.stderr.write(USAGE);
    process.exitCode = 2;
    return;
  }
  if (only === 'report') {
    write(read<Measurement>(MEASURED), read<Simulation>(SIMULATED));
    return;
  }
  installPeers();
  const modules = mkdtempSync(join(tmpdir(), 'bench-python-retry-'));
  try {
    writePythonRetry(modules, { features: 'all' });
    writePythonRetry(modules, { moduleName: 'python_retry_core' });
    for (const [moduleName, features] of Object.entries(COMPILED_TEXTS)) {
      writePythonRetry(modules, { features, compact: true, moduleName });
    }
    const measured =
      only === 'outage'
        ? read<Measurement>(MEASURED)
        : run<Measurement>('measure.py', modules, only === 'quick' ? ['quick'] : []);
    if (only === 'quick') {
      // The rounds of the simulation are virtual time: one policy shows that it runs.
      run('simulate.py', modules, ['ours, with store', '1.0', '1']);
      process.stdout.write(describeMeasurement(measured));
      return;
    }
    const simulation =
      only === 'calls' ? read<Simulation>(SIMULATED) : run<Simulation>('simulate.py', modules);
    write(measured, simulation);
  } finally {
    rmSync(modules, { recursive: true });
  }
}

main(process.argv.slice(2));
