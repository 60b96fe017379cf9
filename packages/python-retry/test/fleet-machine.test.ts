import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { findPythons, PythonRunner } from '@quorate/test-harness';
import { getPythonRetryUtils, type PythonRetryOptions } from '../src';

const VENV_PYTHON = join(__dirname, '..', '..', '..', '.venv', 'bin', 'python');

const ALL: PythonRetryOptions = { features: 'all' };
const OTHERS: [name: string, options: PythonRetryOptions][] = [
  ['calls and store alone', { features: ['calls', 'store'], docstrings: false }],
  ['all features, written compactly', { features: 'all', compact: true }],
];

/** What a fleet must have been through, or the machine proves little. */
const SEEN = [
  'CLOSED -> OPEN',
  'HALF_OPEN -> CLOSED',
  'HALF_OPEN -> HALF_OPEN',
  'HALF_OPEN -> OPEN',
  'OPEN -> HALF_OPEN',
  'a lease lapsed',
  "a probe of a view of one's own",
  'a result while open',
  'a verdict without a place',
  'call: fail',
  'call: fatal',
  'call: interrupt',
  'call: ok',
  'call: refused',
  'refused',
];

interface Report {
  /** What happened at least once. */
  readonly seen: string[];
  /** The shortest run after which a promise is broken. */
  readonly failure: string | null;
}

// Hypothesis needs an environment of its own; the emitted text runs in any interpreter.
const pythons = findPythons({ minimumVersion: '3.10', onePerMinorVersion: true });
const anyPython = pythons[0]?.executable ?? VENV_PYTHON;
let directory: string;
let runner: PythonRunner;

/** Lets Hypothesis drive a fleet of environments that have loaded an emitted text. */
function drive(python: string, options: PythonRetryOptions, flaw = '') {
  const folder = mkdtempSync(join(directory, 'text-'));
  writeFileSync(join(folder, 'python_retry.py'), getPythonRetryUtils(options));
  return runner.call<Report>('run', [python, folder, flaw]);
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'python-retry-fleet-'));
  runner = await PythonRunner.start({
    python: VENV_PYTHON,
    directory: join(__dirname, 'python'),
    module: 'fleet_machine',
    timeoutMs: 60_000,
  });
});

afterAll(async () => {
  await runner?.close();
  rmSync(directory, { recursive: true });
});

test.each([
  ...pythons.map(({ executable, version }) => ({
    name: `Python ${version}`,
    executable,
    options: ALL,
  })),
  ...OTHERS.map(([name, options]) => ({ name, executable: anyPython, options })),
])('a fleet keeps its promises: $name', async ({ executable, options }) => {
  const { seen, failure } = await drive(executable, options);
  expect(failure).toBeNull();
  expect(seen).toEqual(expect.arrayContaining(SEEN));
});

test.each([
  ['without conditions', /more probes are live than|without the lease|changed an open circuit/],
  ['with eternal leases', /a healthy dependency does not get back to CLOSED/],
  ['that writes each success', /a write that is no transition|a healthy call cost a write/],
  ['that counts late failures', /a result changed an open circuit|without the lease/],
])('a fleet %s is told apart', async (flaw, message) => {
  const { failure } = await drive(anyPython, ALL, flaw);
  expect(failure).toMatch(message);
});
