/** A write that etcd has acknowledged. */
export interface AcknowledgedWrite {
  readonly key: string;
  readonly value: string;
  /** The revision that etcd gave the write. */
  readonly revision: number;
  /** When it was due, in milliseconds since the epoch. */
  readonly dueAt: number;
  /** When it was acknowledged, in milliseconds since the epoch. */
  readonly acknowledgedAt: number;
  /** How often it was sent. */
  readonly attempts: number;
}

/** A write that was given up. */
export interface FailedWrite {
  readonly key: string;
  /** When it was due, in milliseconds since the epoch. */
  readonly dueAt: number;
  /** When it was given up, in milliseconds since the epoch. */
  readonly failedAt: number;
  /** How often it was sent. */
  readonly attempts: number;
  /** The error of the last attempt. */
  readonly error: string;
  /** Whether one of the attempts may have been carried out although nobody heard of it. */
  readonly outcome: 'not written' | 'unknown';
}

/** A time without any acknowledged write. */
export interface WriteGap {
  /** The last acknowledgement before it (or the start), in milliseconds since the epoch. */
  readonly from: number;
  /** The first acknowledgement after it (or the end), in milliseconds since the epoch. */
  readonly to: number;
  readonly durationMs: number;
}

/** What happened in a slice of the time: a point of a chart. */
export interface WriteTimelinePoint {
  /** The start of the slice, in milliseconds since the epoch. */
  readonly at: number;
  readonly acknowledged: number;
  /** Writes given up in the slice. */
  readonly failed: number;
  /**
   * The longest time without an acknowledgement that touches the slice, counted to the slice's end if
   * it lasts longer: during an outage it grows from slice to slice.
   */
  readonly longestGapMs: number;
  /** The longest time from a write's due time to its acknowledgement, retries included. */
  readonly longestLatencyMs: number;
}

/** What a write load has seen. */
export interface WriteReport {
  readonly startedAt: number;
  readonly endedAt: number;
  /** In the order of their acknowledgement. */
  readonly acknowledged: readonly AcknowledgedWrite[];
  readonly failed: readonly FailedWrite[];
  /** How many attempts failed and were followed by another. */
  readonly retried: number;
  /** The longest time without an acknowledged write, from the start to the end of the load. */
  readonly longestGapMs: number;
  /** All times without an acknowledged write from 100 ms on, in order of time. */
  readonly gaps: readonly WriteGap[];
  /** Slices of 250 ms, in order of time. */
  readonly timeline: readonly WriteTimelinePoint[];
}

/** What a report is made of. */
export interface WriteRecords {
  readonly startedAt: number;
  readonly endedAt: number;
  readonly acknowledged: readonly AcknowledgedWrite[];
  readonly failed: readonly FailedWrite[];
  readonly retried: number;
}

const LISTED_GAP_MS = 100;
const SLICE_MS = 250;

/**
 * Summarises what was recorded.
 *
 * The time from the start to the first acknowledgement, and from the last one to the end, counts as a
 * gap too: else a load that never came through would have none.
 */
export function writeReport(records: WriteRecords): WriteReport {
  const acknowledged = [...records.acknowledged].sort(
    (a, b) => a.acknowledgedAt - b.acknowledgedAt,
  );
  const gaps = allGaps(records.startedAt, records.endedAt, acknowledged);
  return {
    startedAt: records.startedAt,
    endedAt: records.endedAt,
    acknowledged,
    failed: records.failed,
    retried: records.retried,
    longestGapMs: gaps.reduce((longest, gap) => Math.max(longest, gap.durationMs), 0),
    gaps: gaps.filter((gap) => gap.durationMs >= LISTED_GAP_MS),
    timeline: timeline(records, acknowledged, gaps),
  };
}

function allGaps(
  startedAt: number,
  endedAt: number,
  acknowledged: readonly AcknowledgedWrite[],
): WriteGap[] {
  // Writes that were in flight when the load was stopped are acknowledged after its end.
  const times = acknowledged.map((write) => write.acknowledgedAt);
  const last = Math.max(endedAt, times.at(-1) ?? endedAt);
  const edges = [startedAt, ...times, last];
  return edges.slice(1).map((to, index) => {
    const from = edges[index] ?? to;
    return { from, to, durationMs: to - from };
  });
}

function timeline(
  records: WriteRecords,
  acknowledged: readonly AcknowledgedWrite[],
  gaps: readonly WriteGap[],
): WriteTimelinePoint[] {
  const end = Math.max(
    records.endedAt,
    acknowledged.at(-1)?.acknowledgedAt ?? 0,
    ...records.failed.map((write) => write.failedAt),
  );
  const count = Math.floor((end - records.startedAt) / SLICE_MS) + 1;
  const slices = Array.from({ length: count }, (_, index) => ({
    at: records.startedAt + index * SLICE_MS,
    acknowledged: 0,
    failed: 0,
    longestGapMs: 0,
    longestLatencyMs: 0,
  }));
  const indexOf = (time: number) => Math.floor((time - records.startedAt) / SLICE_MS);
  for (const write of acknowledged) {
    const slice = slices[indexOf(write.acknowledgedAt)];
    if (slice) {
      slice.acknowledged += 1;
      slice.longestLatencyMs = Math.max(slice.longestLatencyMs, write.acknowledgedAt - write.dueAt);
    }
  }
  for (const write of records.failed) {
    const slice = slices[indexOf(write.failedAt)];
    if (slice) {
      slice.failed += 1;
    }
  }
  for (const gap of gaps) {
    for (let index = indexOf(gap.from); index <= indexOf(gap.to); index += 1) {
      const slice = slices[index];
      if (slice) {
        const until = Math.min(gap.to, slice.at + SLICE_MS);
        slice.longestGapMs = Math.max(slice.longestGapMs, until - gap.from);
      }
    }
  }
  return slices;
}
