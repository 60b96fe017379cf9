import { describe, expect, test } from '@jest/globals';
import {
  describeSchedule,
  FAULT_KINDS,
  planSchedule,
  RECOVERY_SECONDS,
} from '../../chaos/schedule';

const SEEDS = Array.from({ length: 40 }, (_, index) => index * 7919);

function all(seed: number, seconds: number) {
  const { replacements, members, surroundings } = planSchedule(seed, seconds);
  return [...replacements, ...members, ...surroundings];
}

describe('the schedule of a seed', () => {
  test('is the same each time', () => {
    expect(planSchedule(42, 600)).toEqual(planSchedule(42, 600));
  });

  test('differs from that of another seed', () => {
    expect(planSchedule(42, 600)).not.toEqual({ ...planSchedule(43, 600), seed: 42 });
  });

  test.each(SEEDS.slice(0, 10))('begins, for seed %d, with that of a shorter run', (seed) => {
    const short = planSchedule(seed, 120);
    const long = planSchedule(seed, 600);
    for (const track of ['replacements', 'members', 'surroundings'] as const) {
      const ended = long[track].filter(({ at, seconds }) => at + seconds <= 120);
      expect(ended).toEqual(short[track]);
    }
  });

  test('faults one member at a time, with time to recover between two', () => {
    for (const seed of SEEDS) {
      const { members } = planSchedule(seed, 1200);
      members.slice(1).forEach((fault, index) => {
        const before = members[index];
        const free = fault.at - ((before?.at ?? 0) + (before?.seconds ?? 0));
        expect(free).toBeGreaterThanOrEqual(RECOVERY_SECONDS - 0.1);
      });
    }
  });

  test('ends each fault within the run', () => {
    for (const seed of SEEDS) {
      for (const { at, seconds } of all(seed, 90)) {
        expect(at).toBeGreaterThanOrEqual(1);
        expect(at + seconds).toBeLessThanOrEqual(90);
      }
    }
  });

  test('has every kind of fault, and members that hang for longer than etcd notices', () => {
    const faults = SEEDS.flatMap((seed) => all(seed, 600));
    expect(new Set(faults.map(({ kind }) => kind))).toEqual(new Set(FAULT_KINDS));
    expect(faults.some(({ kind, seconds }) => kind === 'pause' && seconds > 20)).toBe(true);
  });

  test('is told in the order of time, one line for each fault', () => {
    const schedule = planSchedule(1, 60);
    const lines = describeSchedule(schedule).split('\n');
    expect(lines).toHaveLength(all(1, 60).length);
    const times = lines.map((line) => Number.parseFloat(line));
    expect(times).toEqual([...times].sort((a, b) => a - b));
  });
});
