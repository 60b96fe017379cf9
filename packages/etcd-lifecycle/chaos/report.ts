import type { ChaosResult } from './chaos-run';
import { FAULT_KINDS } from './schedule';

/** What came of a run, as lines for a terminal. */
export function renderResult(result: ChaosResult): string {
  const { registers } = result;
  const faults = FAULT_KINDS.flatMap((kind) =>
    result.faults[kind] ? [`${kind} ${result.faults[kind]}`] : [],
  );
  return [
    `seed ${result.seed}, ${result.minutes} min: ${result.problems.length === 0 ? 'PASSED' : 'FAILED'}`,
    `  faults: ${faults.join(', ')}; left out ${result.leftOut}`,
    `  instances: ${result.departed} let go, ${result.arrived} came into service, ` +
      `${result.hooksCompleted} hooks completed`,
    `  writes: ${result.acknowledged} acknowledged, ${result.lost} lost, ` +
      `${result.failedWrites} failed, longest gap ${result.longestGapMs} ms`,
    `  registers: ${registers.result} (${registers.operations} operations, ` +
      `${result.unknownOutcomes} of unknown outcome)`,
    `  at rest ${result.settleSeconds.toFixed(1)} s after the last fault`,
    ...result.problems.map((problem) => `  PROBLEM: ${problem}`),
  ].join('\n');
}

/**
 * The results of several runs as a page of Markdown.
 *
 * @param results - In the order in which they are shown.
 * @param machine - On what they were made.
 */
export function renderReport(results: readonly ChaosResult[], machine: string): string {
  const sum = (value: (result: ChaosResult) => number) =>
    results.reduce((total, result) => total + value(result), 0);
  const kinds = FAULT_KINDS.map((kind) => [kind, sum((one) => one.faults[kind] ?? 0)] as const);
  const etcd = [...new Set(results.map((one) => one.etcd))].join(', ');
  const failed = results.filter(({ problems }) => problems.length > 0);
  return [
    '# Chaos',
    '',
    'Random replacements and faults under write load, on real etcd processes and the real handler; see',
    '`npx projen chaos --help`. A seed determines its faults.',
    '',
    `${machine}; etcd ${etcd}; ${sum((one) => one.minutes)} minutes of faults in all.`,
    '',
    '| seed | minutes | faults | instances replaced | hooks completed | writes acknowledged | lost | longest write gap | register operations | of unknown outcome | linearizable | at rest after | problems |',
    '| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- | ---: | ---: |',
    ...results.map((one) =>
      row([
        one.seed,
        one.minutes,
        FAULT_KINDS.reduce((total, kind) => total + (one.faults[kind] ?? 0), 0),
        one.departed,
        one.hooksCompleted,
        one.acknowledged,
        one.lost,
        `${(one.longestGapMs / 1000).toFixed(1)} s`,
        one.registers.operations,
        one.unknownOutcomes,
        one.registers.result === 'linearizable' ? 'yes' : one.registers.result,
        `${one.settleSeconds.toFixed(0)} s`,
        one.problems.length,
      ]),
    ),
    row([
      '**all**',
      sum((one) => one.minutes),
      kinds.reduce((total, [, count]) => total + count, 0),
      sum((one) => one.departed),
      sum((one) => one.hooksCompleted),
      sum((one) => one.acknowledged),
      sum((one) => one.lost),
      `${(Math.max(...results.map((one) => one.longestGapMs)) / 1000).toFixed(1)} s`,
      sum((one) => one.registers.operations),
      sum((one) => one.unknownOutcomes),
      failed.some((one) => one.registers.result !== 'linearizable') ? 'no' : 'yes',
      '',
      sum((one) => one.problems.length),
    ]),
    '',
    '## Faults by kind',
    '',
    '| fault | times |',
    '| --- | ---: |',
    ...kinds.map(([kind, count]) => row([kind, count])),
    '',
    `${sum((one) => one.eventsDisturbed)} events were lost, doubled or held up, and ` +
      `${sum((one) => one.requestsDisturbed)} requests to AWS failed or delayed by these. ` +
      `${sum((one) => one.leftOut)} planned faults were left out, since the cluster could not have ` +
      'borne them or there was no instance to meet.',
    '',
    '## Problems',
    '',
    ...(failed.length === 0
      ? ['None: no invariant was broken.']
      : failed.flatMap(({ seed, problems }) => problems.map((text) => `- seed ${seed}: ${text}`))),
    '',
  ].join('\n');
}

function row(cells: readonly (string | number)[]): string {
  return `| ${cells.join(' | ')} |`;
}
