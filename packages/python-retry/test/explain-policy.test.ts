import { describe, expect, test } from '@jest/globals';
import { explainPolicy, type RetryPolicy } from '../src';

test('the defaults sleep up to 19.5 s, which does not fit a short time-out', () => {
  const explained = explainPolicy({}, 3);
  expect(explained).toMatchObject({ delays: [6.5, 13], worstCaseSleep: 19.5, fits: false });
  expect(explained.worstCaseTime).toBeUndefined();
  expect(explained.problems).toEqual([
    { level: 'error', message: expect.stringMatching(/up to 19\.5 s .* stopped after 3 s.*Raise/) },
  ]);
  expect(explainPolicy({}, 30)).toMatchObject({ fits: true, problems: [] });
});

test('takes a Duration, or anything that tells its seconds', () => {
  expect(explainPolicy({}, { toSeconds: () => 19 }).fits).toBe(false);
  expect(explainPolicy({}, { toSeconds: () => 20 }).fits).toBe(true);
});

test('counts the attempts if it knows how long one takes', () => {
  const policy = { baseDelay: 1, jitterFactor: 0, attemptTimeout: 3 };
  expect(explainPolicy(policy, 12)).toMatchObject({
    worstCaseSleep: 3,
    worstCaseTime: 12,
    problems: [{ level: 'warning', message: expect.stringMatching(/take up to 12 s/) }],
  });
  expect(explainPolicy(policy, 13).fits).toBe(true);
});

test('a deadline makes of the error a warning', () => {
  expect(explainPolicy({ hasDeadline: true }, 3).problems).toEqual([
    { level: 'warning', message: expect.stringMatching(/leaves out the last attempts/) },
  ]);
});

describe('delays', () => {
  test.each<[policy: RetryPolicy, delays: number[]]>([
    [{ maxRetries: 1 }, []],
    [{ maxRetries: 4, baseDelay: 1, jitter: 'full' }, [1, 2, 4]],
    [{ maxRetries: 4, baseDelay: 1, jitter: 'equal' }, [1, 2, 4]],
    [{ maxRetries: 4, baseDelay: 1, jitter: 'none' }, [1, 2, 4]],
    [{ maxRetries: 4, baseDelay: 1, jitter: 'decorrelated' }, [3, 9, 27]],
    [{ maxRetries: 4, baseDelay: 1, jitterFactor: 0.5, maxDelay: 3 }, [1.5, 3, 4.5]],
    [{ maxRetries: 3, baseDelay: 1e300 }, [31_536_000, 31_536_000]],
  ])('%j', (policy, delays) => {
    expect(explainPolicy(policy, 1e9).delays).toEqual(delays);
  });
});

test.each<[policy: RetryPolicy, timeout: number, message: RegExp]>([
  [{ maxRetries: 0 }, 3, /maxRetries/],
  [{ maxRetries: 1.5 }, 3, /maxRetries/],
  [{ baseDelay: -1 }, 3, /baseDelay/],
  [{ jitterFactor: Number.NaN }, 3, /jitterFactor/],
  [{ maxDelay: -1 }, 3, /maxDelay/],
  [{ attemptTimeout: Number.POSITIVE_INFINITY }, 3, /attemptTimeout/],
  [{}, Number.NaN, /functionTimeout/],
])('refuses %j in %d s', (policy, timeout, message) => {
  expect(() => explainPolicy(policy, timeout)).toThrow(message);
});
