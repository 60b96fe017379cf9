import { table } from '../table';
import {
  type Kind,
  OUTAGES,
  type OutageResult,
  type OutageResults,
  SETUPS,
  type Setup,
} from './outage';
import { median } from './statistics';

const COLUMNS: readonly (readonly [string, (one: OutageResult) => number])[] = [
  ['billed, s', (one) => one.billedSeconds],
  ['runs', (one) => one.runs],
  ['failed', (one) => one.failedRuns],
  ['dead letters', (one) => one.deadLetters],
  ['descriptions asked for', (one) => one.describeCalls],
  ['heartbeats sent', (one) => one.heartbeatCalls],
  ['longest time without a heartbeat, s', (one) => one.longestSilence],
  ['until the next decision, s', (one) => one.recoverySeconds],
];

/** The section of the report: each outage with every setup. */
export function outageSection(results: OutageResults): string {
  const tables = (Object.keys(OUTAGES) as Kind[]).map((kind) => {
    const rows = (Object.keys(SETUPS) as Setup[]).map((setup) => [
      setup,
      ...COLUMNS.map(([, figure]) => median(results[kind][setup].map(figure)).toFixed(0)),
    ]);
    return `### ${capitalized(OUTAGES[kind])}\n\n${table(['', ...COLUMNS.map(([name]) => name)], rows)}`;
  });
  return `## An outage of the Auto Scaling API

Ten minutes, with three instances held at their launch, and ticks each minute. The handler, its
clients and what is behind them are real; time is simulated: what the processor worked, 20 ms for each
answer of AWS, 5 s for one that does not come, and the pauses between attempts. A run that fails keeps
the queue waiting for 70 s; the third time, its messages go to the dead-letter queue. Medians of three
outages that begin at other moments between two ticks; all is counted until the function has looked at
the group again.

${tables.join('\n\n')}

Heartbeats go on whatever the breaker says, from what is remembered to wait, for both hooks of an
instance: which of them holds it cannot be seen. So most of what is still billed in the first outage is
spent on heartbeats without an answer, once for each run then, instead of five times. Where errors come
at once, their five attempts take the 3 s of a run that the breaker cannot spare.

Without a breaker a run fails, and comes again when the 70 s are over, which may be sooner after the
outage than the next tick. Sharing spares each environment the attempts by which it would find out by
itself.`;
}

/** The line of the README's table. */
export function outageRow(results: OutageResults): string[] {
  const billed = (setup: Setup) =>
    median(results.silent[setup].map(({ billedSeconds }) => billedSeconds));
  const [ours, theirs] = [billed('a shared breaker, 3 environments'), billed('no breaker')];
  return [
    'Lambda time billed in 10 minutes without an answer of Auto Scaling, s',
    ours.toFixed(0),
    `${theirs.toFixed(0)} (without a breaker)`,
    `${(ours / theirs).toFixed(2)} x`,
  ];
}

function capitalized(text: string): string {
  return `${text[0]?.toUpperCase()}${text.slice(1)}`;
}
