import { describe, expect, test } from '@jest/globals';
import {
  type AcknowledgedWrite,
  type WriteRecords,
  writeReport,
} from '../../src/etcd/write-report';

function acknowledged(acknowledgedAt: number, dueAt = acknowledgedAt): AcknowledgedWrite {
  return { key: `k${dueAt}`, value: 'v', revision: 1, dueAt, acknowledgedAt, attempts: 1 };
}

function records(part: Partial<WriteRecords>): WriteRecords {
  return { startedAt: 0, endedAt: 1000, acknowledged: [], failed: [], retried: 0, ...part };
}

describe('a write report', () => {
  test('finds gaps between acknowledgements, whatever the order of the writes', () => {
    const report = writeReport(
      records({ acknowledged: [acknowledged(900, 880), acknowledged(50), acknowledged(600, 60)] }),
    );
    expect(report.longestGapMs).toBe(550);
    expect(report.gaps).toEqual([
      { from: 50, to: 600, durationMs: 550 },
      { from: 600, to: 900, durationMs: 300 },
      { from: 900, to: 1000, durationMs: 100 },
    ]);
    expect(report.acknowledged.map((write) => write.acknowledgedAt)).toEqual([50, 600, 900]);
  });

  test('counts the whole time as a gap if nothing came through', () => {
    expect(writeReport(records({})).gaps).toEqual([{ from: 0, to: 1000, durationMs: 1000 }]);
  });

  test('has no gap after the end for writes that were still in flight', () => {
    const report = writeReport(records({ acknowledged: [acknowledged(500), acknowledged(1090)] }));
    expect(report.gaps.at(-1)).toEqual({ from: 500, to: 1090, durationMs: 590 });
  });

  test('shows in each slice what happened in it, and a gap that grows', () => {
    const report = writeReport(
      records({
        acknowledged: [acknowledged(100), acknowledged(240, 200), acknowledged(800, 250)],
        failed: [
          { key: 'f', dueAt: 0, failedAt: 510, attempts: 3, error: 'e', outcome: 'unknown' },
        ],
      }),
    );
    expect(report.timeline).toEqual([
      { at: 0, acknowledged: 2, failed: 0, longestGapMs: 140, longestLatencyMs: 40 },
      { at: 250, acknowledged: 0, failed: 0, longestGapMs: 260, longestLatencyMs: 0 },
      { at: 500, acknowledged: 0, failed: 1, longestGapMs: 510, longestLatencyMs: 0 },
      { at: 750, acknowledged: 1, failed: 0, longestGapMs: 560, longestLatencyMs: 550 },
      { at: 1000, acknowledged: 0, failed: 0, longestGapMs: 200, longestLatencyMs: 0 },
    ]);
  });
});
