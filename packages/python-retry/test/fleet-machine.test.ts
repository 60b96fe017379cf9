import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { getPythonRetryUtils, type PythonRetryOptions } from '../src';
import { ANY_PYTHON, Machine, PYTHONS } from './machine';

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

let machine: Machine;

/** Drives a fleet of environments that have loaded an emitted text. */
const drive = (python: string, options: PythonRetryOptions, flaw = '') =>
  machine.drive(python, getPythonRetryUtils(options), flaw);

beforeAll(async () => {
  machine = await Machine.start('fleet_machine');
});

afterAll(() => machine?.stop());

test.each([
  ...PYTHONS.map(({ executable, version }) => ({
    name: `Python ${version}`,
    executable,
    options: ALL,
  })),
  ...OTHERS.map(([name, options]) => ({ name, executable: ANY_PYTHON, options })),
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
  const { failure } = await drive(ANY_PYTHON, ALL, flaw);
  expect(failure).toMatch(message);
});
