import { describe, expect, test } from '@jest/globals';
import { Annotations, App, Duration, Stack } from 'aws-cdk-lib';
import { Annotations as Found, Match } from 'aws-cdk-lib/assertions';
import { Code, Function as LambdaFunction, Runtime } from 'aws-cdk-lib/aws-lambda';
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

test.each<[seconds: number, policy: RetryPolicy, errors: RegExp[], warnings: RegExp[]]>([
  [3, {}, [/sleeps up to 19\.5 s before attempt 3.*stopped after 3 s/], []],
  [19, {}, [/stopped after 19 s/], []],
  [20, {}, [], []],
  [20, { attemptTimeout: 1 }, [], [/take up to 22\.5 s.*stopped after 20 s/]],
  [3, { hasDeadline: true }, [], [/leaves out the last attempts/]],
])(
  'at synthesis a function of %d s is told what %j comes to',
  (seconds, policy, errors, warnings) => {
    const stack = new Stack(new App(), 'Stack');
    const timeout = Duration.seconds(seconds);
    const sync = new LambdaFunction(stack, 'Sync', {
      runtime: Runtime.PYTHON_3_13,
      handler: 'index.handler',
      timeout,
      code: Code.fromInline('def handler(event, context): pass'),
    });
    for (const { level, message } of explainPolicy(policy, timeout).problems) {
      if (level === 'error') {
        Annotations.of(sync).addError(message);
      } else {
        Annotations.of(sync).addWarningV2('retry', message);
      }
    }
    const found = Found.fromStack(stack);
    const texts = (entries: readonly { entry: { data?: unknown } }[]) =>
      entries.map(({ entry }) => entry.data);
    const matching = (all: readonly RegExp[]) => all.map((one) => expect.stringMatching(one));
    expect(texts(found.findError('*', Match.stringLikeRegexp('.')))).toEqual(matching(errors));
    expect(texts(found.findWarning('*', Match.stringLikeRegexp('.')))).toEqual(matching(warnings));
  },
);

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
  // As Python spells it, and so in a policy that is written once for both.
  [
    { max_retries: 5 } as RetryPolicy,
    3,
    /^unknown option max_retries; the options are maxRetries, baseDelay, /,
  ],
  [{ backoff: 2 } as RetryPolicy, 3, /^unknown option backoff; the options are /],
])('refuses %j in %d s', (policy, timeout, message) => {
  expect(() => explainPolicy(policy, timeout)).toThrow(message);
});
