import { expect, test } from '@jest/globals';
import type { ChaosResult } from '../../chaos/chaos-run';
import { renderReport, renderResult } from '../../chaos/report';

const RESULT: ChaosResult = {
  seed: 7,
  minutes: 2,
  etcd: '3.6.0',
  faults: { replace: 3, pause: 2 },
  leftOut: 1,
  eventsDisturbed: 4,
  requestsDisturbed: 5,
  departed: 3,
  arrived: 6,
  hooksCompleted: 9,
  actions: { Promote: 5 },
  memberChanges: 14,
  acknowledged: 1000,
  failedWrites: 0,
  lost: 0,
  longestGapMs: 1234,
  registers: {
    result: 'linearizable',
    operations: 500,
    registers: 3,
    violations: [],
    leftOut: 2,
  },
  unknownOutcomes: 6,
  settleSeconds: 3.21,
  problems: [],
};
const BROKEN: ChaosResult = { ...RESULT, seed: 8, lost: 1, problems: ['a write was lost'] };

test('a result tells whether its seed passed, and what was wrong', () => {
  expect(renderResult(RESULT)).toContain('seed 7, 2 min: PASSED');
  expect(renderResult(RESULT)).toContain('faults: replace 3, pause 2; left out 1');
  expect(renderResult(BROKEN)).toContain('seed 8, 2 min: FAILED');
  expect(renderResult(BROKEN)).toContain('PROBLEM: a write was lost');
});

test('a report sums the seeds, and names what was wrong', () => {
  const report = renderReport([RESULT, BROKEN], 'Two cores');
  expect(report).toContain('Two cores; etcd 3.6.0; 4 minutes of faults in all.');
  expect(report).toContain('| **all** | 4 | 10 | 6 | 18 | 2000 | 1 | 1.2 s | 1000 | 12 | yes |');
  expect(report).toContain('| pause | 4 |');
  expect(report).toContain('- seed 8: a write was lost');
  expect(renderReport([RESULT], 'Two cores')).toContain('None: no invariant was broken.');
});
