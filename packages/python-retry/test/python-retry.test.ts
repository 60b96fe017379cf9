import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { findPythons, PythonRunner } from '@quorate/test-harness';
import { emitPythonRetry, getPythonRetryUtils, type PythonRetryOptions } from '../src';
import { CIRCUIT_TRACES, readTrace } from './circuit-traces';

/** What `retry` in scenarios.py reports. */
interface Retried {
  readonly value?: unknown;
  readonly raised?: string;
  readonly text?: string;
  readonly notes?: string[];
  readonly calls: number;
  readonly sleeps: number[];
  readonly logs: [level: string, message: string][];
  readonly metrics: unknown[][];
}

/** What `guarded` in scenarios.py reports. */
interface Guarded {
  readonly calls: (Omit<Retried, 'logs' | 'metrics'> & {
    readonly state: string;
    readonly name?: string;
    readonly retry_after?: number;
  })[];
  readonly logs: [level: string, message: string][];
}

const pythons = findPythons({ minimumVersion: '3.10' });

/** The core must behave the same whatever stands around it. */
const EMISSIONS: [name: string, options: PythonRetryOptions][] = [
  ['the core', {}],
  ['the core without docstrings and types', { docstrings: false, types: false }],
  ['all features', { features: 'all' }],
  ['the core, written compactly', { compact: true }],
];

test(`runs on the interpreters of this machine: ${pythons.map((one) => one.version).join(', ')}`, () => {
  expect(pythons.length).toBeGreaterThan(0);
});

describe.each(
  pythons.flatMap(({ executable, version }, index) =>
    // The style is a matter of the emitter: one interpreter is enough for that.
    EMISSIONS.filter((_, style) => (style !== 1 && style !== 3) || index === 0).map(
      ([name, options]) => ({
        name,
        options,
        executable,
        version,
      }),
    ),
  ),
)('$name on Python $version', ({ options: emission, executable, version }) => {
  const text = getPythonRetryUtils(emission);
  let directory: string;
  let runner: PythonRunner;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'python-retry-'));
    writeFileSync(join(directory, 'python_retry.py'), text);
    runner = await PythonRunner.start({
      python: executable,
      directory: join(__dirname, 'python'),
      pythonPath: [directory],
      module: 'scenarios',
      timeoutMs: 30_000,
    });
  });

  afterAll(async () => {
    await runner?.close();
    rmSync(directory, { recursive: true });
  });

  const retry = (script: string[], kwargs: Record<string, unknown> = {}) =>
    runner.call<Retried>('retry', [script], kwargs);
  const guarded = (calls: (string[] | number)[], kwargs: Record<string, unknown> = {}) =>
    runner.call<Guarded>('guarded', [calls], kwargs);

  test('compiles without a warning', () => {
    const script = 'import sys; compile(sys.stdin.buffer.read(), "python_retry.py", "exec")';
    const compiled = spawnSync(executable, ['-I', '-W', 'error', '-c', script], {
      input: text,
      encoding: 'utf8',
    });
    expect(compiled).toMatchObject({ status: 0, stderr: '' });
  });

  test('imports as a whole without a warning, and only what a cold start has already loaded', () => {
    const ran = spawnSync(executable, ['-I', '-W', 'error', '-'], {
      input: text,
      encoding: 'utf8',
    });
    expect(ran).toMatchObject({ status: 0, stdout: '', stderr: '' });
    // Beyond what Lambda's bootstrap has loaded, in an interpreter that has loaded nothing else.
    const script = [
      'import json, logging, random, sys, threading, time',
      `sys.path.insert(0, ${JSON.stringify(directory)})`,
      'before = set(sys.modules)',
      'import python_retry',
      'print(sorted(set(sys.modules) - before - {"__future__"}))',
    ].join('\n');
    const fresh = spawnSync(executable, ['-I', '-S', '-c', script], { encoding: 'utf8' });
    expect(fresh).toMatchObject({ status: 0, stderr: '' });
    expect(fresh.stdout).toBe("['python_retry']\n");
  });

  test('exports what the emission says', async () => {
    const { exports } = emitPythonRetry(emission);
    expect(await runner.call('public_surface')).toEqual(exports);
    expect(exports).toEqual(
      expect.arrayContaining([
        'CircuitBreaker',
        'CircuitOpenError',
        'retry_with_backoff',
        'retry_with_circuit_breaker',
      ]),
    );
  });

  describe('retry_with_backoff', () => {
    test('returns the value of the first success and says nothing above debug', async () => {
      expect(await retry(['ok'])).toEqual({
        value: 'value 1',
        calls: 1,
        sleeps: [],
        logs: [],
        metrics: [],
      });
    });

    test('takes None for a success', async () => {
      expect(await retry(['none'])).toMatchObject({ value: null, calls: 1, sleeps: [], logs: [] });
    });

    test('goes on after a failure', async () => {
      const result = await retry(['fail', 'fail', 'ok'], { draws: [0] });
      expect(result).toMatchObject({ value: 'value 3', calls: 3, sleeps: [5, 10] });
    });

    test('returns None when all attempts failed, without a sleep after the last', async () => {
      const result = await retry(['fail', 'fail', 'fail'], { draws: [0.5] });
      expect(result).toMatchObject({ value: null, calls: 3, sleeps: [5.75, 11.5] });
      expect(result.logs).toEqual([
        [
          'WARNING',
          "fetch: attempt 1 of 3 failed, the next is in 5.750 s: ConnectionError('call 1')",
        ],
        [
          'WARNING',
          "fetch: attempt 2 of 3 failed, the next is in 11.500 s: ConnectionError('call 2')",
        ],
        [
          'ERROR',
          'fetch: gave up after 3 of 3 attempts in 17.250 s: all attempts failed: ' +
            "ConnectionError('call 3')",
        ],
      ]);
    });

    test('raises the last error on request, with a note where notes exist', async () => {
      const options = { max_retries: 2, raise_on_failure: true };
      const result = await retry(['fail', 'fail'], { options, draws: [0] });
      const hasNotes = Number(version.split('.')[1]) >= 11;
      expect(result).toMatchObject({
        raised: 'ConnectionError',
        text: 'call 2',
        notes: hasNotes
          ? ['fetch: gave up after 2 of 2 attempts in 5.000 s: all attempts failed']
          : [],
      });
    });

    test('stops at an error whose is_retriable is False', async () => {
      expect(await retry(['fail', 'permanent'], { draws: [0] })).toMatchObject({
        value: null,
        calls: 2,
        sleeps: [5],
      });
      const raising = await retry(['permanent'], { options: { raise_on_failure: true } });
      expect(raising).toMatchObject({ raised: 'PermanentError', text: 'call 1', calls: 1 });
    });

    test.each([
      ['fatal', 'KeyError', "'call 2'"],
      ['interrupt', 'KeyboardInterrupt', 'call 2'],
      ['exit', 'SystemExit', 'call 2'],
      ['cancel', 'CancelledError', 'call 2'],
    ])('lets %s pass at once', async (word, raised, text) => {
      const result = await retry(['fail', word], { draws: [0], retriable: ['ConnectionError'] });
      expect(result).toMatchObject({ raised, text, calls: 2, sleeps: [5] });
    });

    test('never retries an interrupt, even if every Exception is retriable', async () => {
      const result = await retry(['interrupt'], { retriable: ['Exception'] });
      expect(result).toMatchObject({ raised: 'KeyboardInterrupt', calls: 1, sleeps: [] });
    });

    test('refuses a coroutine and names the fix', async () => {
      const result = await retry(['coroutine'], { retriable: ['Exception'] });
      expect(result).toMatchObject({ raised: 'TypeError', calls: 1, sleeps: [] });
      expect(result.text).toMatch(
        /'fetch' returned an awaitable or a generator \(coroutine\).*asyncio\.run/,
      );
      expect(runner.stderr).not.toContain('never awaited');
    });

    test('waits from the delay to the delay plus jitter_factor of it', async () => {
      const options = { max_retries: 4, base_delay: 2, jitter_factor: 0.5 };
      const script = ['fail', 'fail', 'fail', 'fail'];
      expect((await retry(script, { options, draws: [0] })).sleeps).toEqual([2, 4, 8]);
      const largest = await retry(script, { options, draws: [0.999999] });
      expect(largest.sleeps).toEqual([
        expect.closeTo(3, 5),
        expect.closeTo(6, 5),
        expect.closeTo(12, 4),
      ]);
    });

    // Asks a function that has another name in compact texts.
    if (!emission.compact) {
      test('cannot overflow', async () => {
        const year = 31_536_000;
        const cases = [
          [1, 5, 0.3, 0],
          [5000, 5, 0.3, 0.9],
          [5000, 0, 0.3, 0.9],
          [1, 1.7e308, 1.7e308, 0],
          [63, 1.7e308, 1.7e308, 0.9],
          [2, 0, 1.7e308, 0.9],
        ];
        expect(await runner.call('delays', [cases])).toEqual([5, year, 0, year, year, 0]);
      });
    }

    test('draws jitter that two copies of one process do not share', async () => {
      const [one, other] = await runner.call<[number, number]>('delays_of_copies');
      expect(one).not.toBe(other);
      for (const delay of [one, other]) {
        expect(delay).toBeGreaterThanOrEqual(5);
        expect(delay).toBeLessThanOrEqual(6.5);
      }
    });

    test('leaves no cycle of frame and traceback behind', async () => {
      expect(await runner.call('traceback_cycles')).toBe(0);
    });

    describe('metrics_logger', () => {
      const emitted = (metric: string) => [
        ['dimension', 'Operation', 'fetch'],
        ['metric', metric, 'Count', 1],
        ['flush'],
      ];

      test('receives nothing from a first success', async () => {
        expect((await retry(['ok'], { metrics: 'ok' })).metrics).toEqual([]);
      });

      test('receives one RetryAttempt for each attempt after the first', async () => {
        const result = await retry(['fail', 'fail', 'ok'], { metrics: 'ok' });
        expect(result.metrics).toEqual([...emitted('RetryAttempt'), ...emitted('RetryAttempt')]);
      });

      test('receives RetryExhausted when all attempts failed', async () => {
        const options = { max_retries: 2 };
        const result = await retry(['fail', 'fail'], { options, metrics: 'ok' });
        expect(result.metrics).toEqual([...emitted('RetryAttempt'), ...emitted('RetryExhausted')]);
      });

      test('receives no RetryExhausted for an error that is not retriable', async () => {
        expect((await retry(['permanent'], { metrics: 'ok' })).metrics).toEqual([]);
      });

      test('may fail without harm to the operation', async () => {
        const result = await retry(['fail', 'ok'], { metrics: 'broken' });
        expect(result).toMatchObject({ value: 'value 2', calls: 2 });
        expect(result.logs).toContainEqual([
          'WARNING',
          'metric RetryAttempt of fetch was not emitted',
        ]);
      });
    });
  });

  describe('CircuitBreaker', () => {
    test.each(CIRCUIT_TRACES)('%s', async (_, options, trace) => {
      const steps = readTrace(trace);
      const defaults = { failure_threshold: 2, reset_timeout: 10, lease: 30 };
      const taken = await runner.call<[answer: boolean | null, state: string][]>('breaker', [
        { ...defaults, ...options },
        steps.map(({ step }) => step),
      ]);
      expect(taken).toEqual(steps.map(({ answer, state }) => [answer, state]));
    });

    // Slows a function down that has another name in compact texts.
    if (!emission.compact) {
      test.each([1, 3])('admits exactly %d of 16 threads that call at once', async (probes) => {
        expect(await runner.call('probes_at_a_barrier', [16, probes])).toEqual({
          calls: probes,
          recovered: probes,
          refused: 16 - probes,
          state: 'CLOSED',
        });
      });

      test('loses no failure of threads that report at once', async () => {
        expect(await runner.call('failures_at_a_barrier', [32])).toBe('OPEN');
      });
    }

    test('holds no lock while operations run', async () => {
      expect(await runner.call('inside_at_once', [16])).toBe(16);
    });
  });

  describe('retry_with_circuit_breaker', () => {
    const closedBy = (failures: number, options: Record<string, unknown> = {}) => ({
      breaker: { failure_threshold: failures, reset_timeout: 60, name: 'inventory' },
      options,
    });

    test('calls through a closed circuit and says nothing above debug', async () => {
      const { calls, logs } = await guarded([['none'], ['ok']], closedBy(1));
      expect(calls).toEqual([
        { value: null, calls: 1, sleeps: [], state: 'CLOSED' },
        { value: 'value 1', calls: 1, sleeps: [], state: 'CLOSED' },
      ]);
      expect(logs).toEqual([]);
    });

    test('counts one outcome a call, and then fails fast without a call or a sleep', async () => {
      const { calls } = await guarded(
        [
          ['fail', 'fail', 'fail'],
          ['fail', 'ok'],
          ['fail', 'fail', 'fail'],
          ['fail', 'fail', 'fail'],
          ['ok'],
        ],
        closedBy(2),
      );
      expect(calls).toEqual([
        { value: null, calls: 3, sleeps: [5, 10], state: 'CLOSED' },
        { value: 'value 2', calls: 2, sleeps: [5], state: 'CLOSED' },
        { value: null, calls: 3, sleeps: [5, 10], state: 'CLOSED' },
        { value: null, calls: 3, sleeps: [5, 10], state: 'OPEN' },
        { value: null, calls: 0, sleeps: [], state: 'OPEN' },
      ]);
    });

    test('with breaker_scope="attempt" counts attempts, and stops when the circuit opens', async () => {
      const { calls, logs } = await guarded(
        [['fail', 'ok'], ['fail', 'fail'], ['ok']],
        closedBy(2, { breaker_scope: 'attempt' }),
      );
      expect(calls).toEqual([
        { value: 'value 2', calls: 2, sleeps: [5], state: 'CLOSED' },
        { value: null, calls: 2, sleeps: [5], state: 'OPEN' },
        { value: null, calls: 0, sleeps: [], state: 'OPEN' },
      ]);
      expect(logs).toContainEqual(['WARNING', 'circuit inventory: CLOSED -> OPEN']);
      expect(logs).toContainEqual([
        'ERROR',
        'fetch: gave up after 2 of 3 attempts in 5.000 s: the circuit is open: ' +
          "ConnectionError('call 2')",
      ]);
    });

    test('with raise_on_failure raises CircuitOpenError for a refused call', async () => {
      const { calls } = await guarded(
        [['fail'], 20, ['ok']],
        closedBy(1, { raise_on_failure: true, max_retries: 1 }),
      );
      expect(calls[0]).toMatchObject({ raised: 'ConnectionError', text: 'call 1' });
      expect(calls[1]).toMatchObject({
        raised: 'CircuitOpenError',
        name: 'inventory',
        retry_after: 40,
        text: "circuit 'inventory' is open; retry after 40.000 s",
        calls: 0,
      });
    });

    test('with raise_on_failure raises the last error when the circuit opens in between', async () => {
      const { calls } = await guarded(
        [['fail', 'fail']],
        closedBy(2, { raise_on_failure: true, breaker_scope: 'attempt' }),
      );
      expect(calls[0]).toMatchObject({ raised: 'ConnectionError', text: 'call 2', state: 'OPEN' });
    });

    test('names the operation when the circuit has no name', async () => {
      const { calls } = await guarded([['fail'], ['ok']], {
        breaker: { failure_threshold: 1 },
        options: { raise_on_failure: true, max_retries: 1 },
      });
      expect(calls[1]).toMatchObject({ raised: 'CircuitOpenError', name: 'fetch' });
    });

    describe.each(['call', 'attempt'])('breaker_scope="%s"', (scope) => {
      const options = { breaker_scope: scope };
      const open = { breaker: { failure_threshold: 1, reset_timeout: 60 }, options };
      const openIt = ['fail', 'fail', 'fail'];

      test('closes after a probe that succeeds, also with None', async () => {
        const { calls } = await guarded([openIt, 60, ['none'], ['ok']], open);
        expect(calls.slice(1)).toEqual([
          { value: null, calls: 1, sleeps: [], state: 'CLOSED' },
          { value: 'value 1', calls: 1, sleeps: [], state: 'CLOSED' },
        ]);
      });

      test('attempts a probe once, and opens again when it fails', async () => {
        const { calls } = await guarded([openIt, 60, ['fail'], 59, ['ok'], 1, ['ok']], open);
        expect(calls.slice(1)).toEqual([
          { value: null, calls: 1, sleeps: [], state: 'OPEN' },
          { value: null, calls: 0, sleeps: [], state: 'OPEN' },
          { value: 'value 1', calls: 1, sleeps: [], state: 'CLOSED' },
        ]);
      });

      test.each(['fatal', 'permanent', 'interrupt', 'exit', 'cancel', 'coroutine'])(
        'ignores %s: it does not count, and a probe gives its permit back',
        async (word) => {
          const { calls } = await guarded([[word], openIt, 60, [word], ['ok']], open);
          expect(calls.map(({ state }) => state)).toEqual([
            'CLOSED',
            'OPEN',
            'HALF_OPEN',
            'CLOSED',
          ]);
          expect(calls.map((one) => one.calls).filter((_, index) => index !== 1)).toEqual([
            1, 1, 1,
          ]);
        },
      );
    });

    test('does not ask the circuit again between attempts of one call', async () => {
      const { calls } = await guarded([['fail', 'ok']], closedBy(1));
      expect(calls).toEqual([{ value: 'value 2', calls: 2, sleeps: [5], state: 'CLOSED' }]);
    });

    test('is not retried by a retry around it', async () => {
      expect(await runner.call('nested_retry')).toEqual([null, [1]]);
    });
  });

  test('CircuitOpenError can be pickled', async () => {
    expect(await runner.call('open_error_survives_pickling')).toEqual([
      'inventory',
      1.5,
      "circuit 'inventory' is open; retry after 1.500 s",
      false,
    ]);
  });

  test('refuses bad arguments with an error that names them', async () => {
    const cases: [
      target: string,
      options: Record<string, unknown>,
      raised: string,
      says: RegExp,
    ][] = [
      ['CircuitBreaker', { failure_threshold: 0 }, 'ValueError', /failure_threshold.*at least 1/],
      ['CircuitBreaker', { failure_threshold: -1 }, 'ValueError', /failure_threshold/],
      ['CircuitBreaker', { failure_threshold: true }, 'TypeError', /failure_threshold.*bool/],
      ['CircuitBreaker', { failure_threshold: 2.5 }, 'TypeError', /failure_threshold.*float/],
      ['CircuitBreaker', { reset_timeout: -1 }, 'ValueError', /reset_timeout.*at least 0/],
      ['CircuitBreaker', { reset_timeout: 'nan' }, 'ValueError', /reset_timeout.*nan/],
      ['CircuitBreaker', { reset_timeout: 'inf' }, 'ValueError', /reset_timeout.*finite/],
      ['CircuitBreaker', { reset_timeout: '60' }, 'TypeError', /reset_timeout.*str/],
      ['CircuitBreaker', { reset_timeout: false }, 'TypeError', /reset_timeout.*bool/],
      ['CircuitBreaker', { half_open_max_calls: 0 }, 'ValueError', /half_open_max_calls/],
      ['CircuitBreaker', { lease: 0 }, 'ValueError', /lease must be .* more than 0/],
      ['CircuitBreaker', { lease: 'nan' }, 'ValueError', /lease/],
      ['CircuitBreaker', { name: 7 }, 'TypeError', /name must be a str/],
      ['CircuitBreaker', { clock: 7 }, 'TypeError', /clock must be callable/],
      ['retry_with_backoff', { operation: 7 }, 'TypeError', /not the result of calling it/],
      ['retry_with_backoff', { operation_name: null }, 'TypeError', /operation_name.*NoneType/],
      ['retry_with_backoff', { max_retries: 0 }, 'ValueError', /max_retries.*at least 1/],
      ['retry_with_backoff', { max_retries: true }, 'TypeError', /max_retries.*bool/],
      ['retry_with_backoff', { max_retries: 1.5 }, 'TypeError', /max_retries.*float/],
      ['retry_with_backoff', { base_delay: 'nan' }, 'ValueError', /base_delay.*nan/],
      ['retry_with_backoff', { base_delay: -1 }, 'ValueError', /base_delay/],
      ['retry_with_backoff', { base_delay: true }, 'TypeError', /base_delay.*bool/],
      ['retry_with_backoff', { jitter_factor: '-inf' }, 'ValueError', /jitter_factor/],
      ['retry_with_backoff', { jitter_factor: null }, 'TypeError', /jitter_factor.*NoneType/],
      [
        'retry_with_backoff',
        { retriable_exceptions: 'BaseException' },
        'TypeError',
        /BaseException.*never retried/,
      ],
      [
        'retry_with_backoff',
        { retriable_exceptions: 'list' },
        'TypeError',
        /retriable_exceptions must be a subclass/,
      ],
      ['retry_with_circuit_breaker', { circuit_breaker: 7 }, 'TypeError', /circuit_breaker.*int/],
      ['retry_with_circuit_breaker', { breaker_scope: 'loop' }, 'ValueError', /breaker_scope/],
      ['retry_with_circuit_breaker', { max_retries: 0 }, 'ValueError', /max_retries/],
    ];
    const report = await runner.call<{ raised?: string; text?: string }[]>('refused_arguments', [
      cases.map(([target, options]) => [target, options]),
    ]);
    expect(report).toEqual(
      cases.map(([, , raised, says]) =>
        expect.objectContaining({ raised, text: expect.stringMatching(says) }),
      ),
    );
  });

  test('accepts one exception class in place of a tuple, and no delay at all', async () => {
    const report = await runner.call<{ value?: string }[]>('refused_arguments', [
      [
        ['retry_with_backoff', { retriable_exceptions: 'KeyError' }],
        ['retry_with_backoff', { base_delay: 0, jitter_factor: 0 }],
        ['CircuitBreaker', { reset_timeout: 0, name: 'inventory' }],
      ],
    ]);
    expect(report.map(({ value }) => value)).toEqual([
      '[]',
      '[]',
      '<CircuitBreaker inventory CLOSED>',
    ]);
  });
});
