import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { defaultPython } from '@quorate/test-harness';
import { describeOutage, type Simulation } from '../../../bench/python-retry/outage';
import { drawOutage } from '../../../bench/python-retry/plot';
import {
  describeMeasurement,
  type Measurement,
  withFigures,
} from '../../../bench/python-retry/report';
import { writePythonRetry } from '../src';

const PACKAGE = join(__dirname, '..');
const BENCH = join(PACKAGE, '..', '..', 'bench');
const MEND = '"npx projen bench:python-retry report" writes it anew';

const measured = JSON.parse(
  readFileSync(join(BENCH, 'results', 'python-retry-outage.json'), 'utf8'),
) as Simulation;
const timed = JSON.parse(
  readFileSync(join(BENCH, 'results', 'python-retry-calls.json'), 'utf8'),
) as Measurement;
let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'python-retry-outage-'));
  writePythonRetry(directory, { features: 'all' });
});

afterAll(() => {
  rmSync(directory, { recursive: true });
});

test(`the plot of the README is that of the last simulation; ${MEND}`, () => {
  expect(readFileSync(join(PACKAGE, 'outage.svg'), 'utf8')).toBe(drawOutage(measured));
});

test(`the report is that of the last measurement and simulation; ${MEND}`, () => {
  const report = readFileSync(join(BENCH, 'results', 'python-retry.md'), 'utf8');
  expect(report).toBe(describeMeasurement(timed) + describeOutage(measured));
});

test(`the figures of the README are those of the last measurement; ${MEND}`, () => {
  const readme = readFileSync(join(PACKAGE, 'README.md'), 'utf8');
  expect(readme).toBe(withFigures(readme, timed));
  expect(() => withFigures('', timed)).toThrow(/no place for what is measured/);
});

// Virtual time and seeds of its own: what differs is what the emitted text does. It may draw in
// another order, so that a few calls more or less are no other behaviour.
test.each(['ours', 'ours, with store', 'ours, with store, no retry'])(
  `"%s" still does in the simulation as the plot shows it; "npx projen bench:python-retry outage" draws it anew`,
  (policy) => {
    const output = execFileSync(
      defaultPython().executable,
      [join(BENCH, 'python-retry', 'simulate.py'), policy, '1.0', '1'],
      { encoding: 'utf8', env: { ...process.env, PYTHONPATH: directory } },
    );
    const now = JSON.parse(output) as { readonly reached: number };
    const plotted = measured.series[policy]?.at(-1)?.[1] ?? Number.NaN;
    expect(Math.abs(now.reached / plotted - 1)).toBeLessThan(0.25);
  },
);
