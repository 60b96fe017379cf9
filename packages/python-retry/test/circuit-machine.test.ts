import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { findPythons, PythonRunner } from '@quorate/test-harness';
import { emitPythonRetry, type PythonRetryOptions } from '../src';

const VENV_PYTHON = join(__dirname, '..', '..', '..', '.venv', 'bin', 'python');

const EMISSIONS: [name: string, options: PythonRetryOptions][] = [
  ['the core', {}],
  ['the core, written compactly', { compact: true }],
  ['calls and recovery', { features: ['calls', 'recovery'], docstrings: false }],
  ['all features', { features: 'all' }],
  ['all features, written compactly', { features: 'all', compact: true }],
];

/** What a text with the core alone must have been through, or the machine proves little. */
const SEEN = [
  'CLOSED -> OPEN',
  'HALF_OPEN -> CLOSED',
  'HALF_OPEN -> OPEN',
  'OPEN -> HALF_OPEN',
  'a late result',
  'a probe beside one of an earlier opening',
  'a lease lapsed',
  'a result without a place',
  'an ignored probe',
  'call: fail',
  'call: fatal',
  'call: interrupt',
  'call: permanent',
  'call: refused',
  'call: value',
  'refused while half open',
  'refused while open',
];

interface Report {
  /** What happened at least once. */
  readonly seen: string[];
  /** The shortest run after which breaker and documentation differ. */
  readonly failure: string | null;
}

// Hypothesis needs an environment of its own; the emitted text runs in any interpreter.
const pythons = findPythons({ minimumVersion: '3.10', onePerMinorVersion: true });
let directory: string;
let runner: PythonRunner;

/** Lets Hypothesis drive an emitted text in an interpreter, beside a circuit as it is documented. */
function drive(python: string, options: PythonRetryOptions, reference = 'ReferenceCircuit') {
  const { source, features } = emitPythonRetry(options);
  const folder = mkdtempSync(join(directory, 'text-'));
  writeFileSync(join(folder, 'python_retry.py'), source);
  return runner.call<Report>('run', [python, folder, features, reference]);
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'python-retry-machine-'));
  runner = await PythonRunner.start({
    python: VENV_PYTHON,
    directory: join(__dirname, 'python'),
    module: 'circuit_machine',
    timeoutMs: 60_000,
  });
});

afterAll(async () => {
  await runner?.close();
  rmSync(directory, { recursive: true });
});

test.each(
  pythons.flatMap(({ executable, version }) =>
    EMISSIONS.map(([name, options]) => ({ name, options, executable, version })),
  ),
)('$name on Python $version does what its documentation says', async ({ executable, options }) => {
  const { seen, failure } = await drive(executable, options);
  expect(failure).toBeNull();
  expect(seen).toEqual(expect.arrayContaining(SEEN));
});

test.each([
  'ForgetsLeases',
  'ForgetsEarlierProbes',
  'TakesLateResults',
  'CountsIgnored',
  'RetriesProbes',
])('a documentation that %s is told apart', async (reference) => {
  const { failure } = await drive(pythons[0]?.executable ?? VENV_PYTHON, {}, reference);
  expect(failure).toContain('AssertionError');
});
