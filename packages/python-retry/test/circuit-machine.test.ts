import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { emitPythonRetry, type PythonRetryOptions } from '../src';
import { ANY_PYTHON, Machine, PYTHONS } from './machine';

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

let machine: Machine;

/** Drives an emitted text in an interpreter, beside a circuit as it is documented. */
function drive(python: string, options: PythonRetryOptions, reference = 'ReferenceCircuit') {
  const { source, features } = emitPythonRetry(options);
  return machine.drive(python, source, [...features], reference);
}

beforeAll(async () => {
  machine = await Machine.start('circuit_machine');
});

afterAll(() => machine?.stop());

test.each(
  PYTHONS.flatMap(({ executable, version }) =>
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
  const { failure } = await drive(ANY_PYTHON, {}, reference);
  expect(failure).toContain('AssertionError');
});
