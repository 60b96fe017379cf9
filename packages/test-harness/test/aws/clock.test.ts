import { describe, expect, test } from '@jest/globals';
import { ManualClock, SystemClock } from '../../src/aws';

describe('ManualClock', () => {
  test('calls what falls due in order, each at its time', () => {
    const clock = new ManualClock(100);
    const calls: [string, number][] = [];
    const note = (name: string) => () => calls.push([name, clock.now()]);
    clock.schedule(130, note('late'));
    clock.schedule(110, () => {
      note('early')();
      clock.schedule(120, note('scheduled on the way'));
    });
    clock.schedule(131, note('too late'));
    clock.schedule(50, note('overdue'));
    clock.schedule(115, note('cancelled'))();

    clock.advance(30);
    expect(clock.now()).toBe(130);
    expect(calls).toEqual([
      ['overdue', 100],
      ['early', 110],
      ['scheduled on the way', 120],
      ['late', 130],
    ]);
  });

  test('does not go back', () => {
    expect(() => new ManualClock().advance(-1)).toThrow(RangeError);
    expect(() => new ManualClock().advance(Number.NaN)).toThrow(RangeError);
  });
});

describe('SystemClock', () => {
  test('calls back, but not what was cancelled', async () => {
    const clock = new SystemClock();
    const calls: string[] = [];
    clock.schedule(clock.now() + 0.01, () => calls.push('cancelled'))();
    await new Promise<void>((resolve) => {
      clock.schedule(clock.now() + 0.02, () => {
        calls.push('called');
        resolve();
      });
    });
    expect(calls).toEqual(['called']);
  });

  test('a time further away than a timer of Node can be is not called at once', async () => {
    const clock = new SystemClock();
    let called = false;
    const cancel = clock.schedule(clock.now() + 100 * 24 * 3600, () => {
      called = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    cancel();
    expect(called).toBe(false);
  });
});
