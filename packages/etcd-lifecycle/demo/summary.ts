import type {
  RecordedCall,
  StateTransition,
  WriteReport,
  WriteVerification,
} from '@quorate/test-harness';
import type { Observation } from './cluster-observer';
import type { JournalRecord } from './journal-follower';
import type { Timeline, TimelineInstance } from './timeline';

/** An instance that was replaced. Times are seconds since the epoch. */
export interface Replacement {
  readonly instanceId: string;
  /** Whether its member led when its termination began. */
  readonly leader: boolean;
  /** When its termination was asked for. */
  readonly startedAt: number;
  /** When it was gone and its replacement in service. */
  readonly endedAt: number;
}

/** Everything that the demo saw. Times are seconds since the epoch. */
export interface DemoResult {
  readonly startedAt: number;
  readonly endedAt: number;
  /** How many members the cluster has. */
  readonly size: number;
  readonly replacements: readonly Replacement[];
  readonly report: WriteReport;
  readonly verification: WriteVerification;
  readonly calls: readonly RecordedCall[];
  readonly transitions: readonly StateTransition[];
  readonly journal: readonly JournalRecord[];
  readonly observations: readonly Observation[];
  readonly leaders: readonly { readonly at: number; readonly instanceId: string | undefined }[];
}

/** What went wrong, as sentences; none when all went well. */
export function problemsOf(result: DemoResult): string[] {
  const problems: string[] = [];
  const expected = expectedHooks(result);
  const completed = completedHooks(result);
  if (result.verification.lost.length > 0) {
    problems.push(`${result.verification.lost.length} acknowledged writes were lost`);
  }
  if (result.report.acknowledged.length === 0) {
    problems.push('no write was acknowledged');
  }
  if (result.replacements.length < result.size) {
    problems.push(`${result.replacements.length} of ${result.size} members were replaced`);
  }
  if (completed !== expected) {
    problems.push(`${completed} lifecycle hooks were completed where ${expected} were expected`);
  }
  if (!result.replacements.some((replacement) => replacement.leader)) {
    problems.push('no replaced member led');
  }
  return problems;
}

/** The summary as a table, and what went wrong. */
export function renderSummary(result: DemoResult): string {
  const rows = summaryRows(result);
  const width = Math.max(...rows.map(({ label }) => label.length));
  const problems = problemsOf(result).map((problem) => `FAILED: ${problem}`);
  return [
    ...rows.map(({ label, value }) => `  ${label.padEnd(width)}  ${value}`),
    ...problems,
  ].join('\n');
}

/** The picture of what the demo saw. */
export function timelineOf(result: DemoResult): Timeline {
  return {
    title: `${result.size} etcd members replaced one by one`,
    // The set-up is left out: nothing happens in the cluster meanwhile.
    startedAt: result.transitions[0]?.time ?? result.startedAt,
    endedAt: result.endedAt,
    instances: instancesOf(result),
    leaders: result.leaders,
    actions: result.journal.map((record) => ({
      at: record.time,
      text: `${record.kind}: ${record.reason}`,
      instanceId: instancesOf(result).find(({ id }) => record.reason.includes(id))?.id,
    })),
    writes: result.report.timeline.map((slice) => ({ ...slice, at: slice.at / 1000 })),
    summary: summaryRows(result),
  };
}

function summaryRows(result: DemoResult): { label: string; value: string }[] {
  const { report, verification } = result;
  return [
    { label: 'Acknowledged writes', value: String(report.acknowledged.length) },
    { label: 'Lost writes', value: String(verification.lost.length) },
    { label: 'Writes that failed', value: `${report.failed.length} (${report.retried} retried)` },
    { label: 'Longest write gap', value: `${report.longestGapMs.toFixed(0)} ms` },
    ...result.replacements.map(({ instanceId, leader, startedAt, endedAt }) => ({
      label: `Replaced ${instanceId}`,
      value: `${(endedAt - startedAt).toFixed(1)} s${leader ? ', the leader' : ''}`,
    })),
    {
      label: 'Leadership transfers',
      value: String(result.journal.filter(({ kind }) => kind === 'TransferLeadership').length),
    },
    {
      label: 'Hooks completed',
      value: `${completedHooks(result)} of ${expectedHooks(result)}`,
    },
    { label: 'Total time', value: `${(result.endedAt - result.startedAt).toFixed(1)} s` },
  ];
}

/** A launch hook for each member and each replacement, a terminate hook for each replaced one. */
function expectedHooks({ size }: DemoResult): number {
  return 3 * size;
}

function completedHooks({ calls }: DemoResult): number {
  return calls.filter(({ action, errorCode }) => action === 'CompleteLifecycleAction' && !errorCode)
    .length;
}

function instancesOf(result: DemoResult): TimelineInstance[] {
  const ids = [...new Set(result.transitions.map(({ instanceId }) => instanceId))];
  return ids.map((id) => {
    const own = result.transitions.filter(({ instanceId }) => instanceId === id);
    return {
      id,
      address: own[0]?.privateIpAddress ?? '',
      states: own.map(({ time, to }) => ({ at: time, state: to })),
      membership: result.observations
        .filter(({ instanceId }) => instanceId === id)
        .map(({ at, membership }) => ({ at, kind: membership })),
    };
  });
}
