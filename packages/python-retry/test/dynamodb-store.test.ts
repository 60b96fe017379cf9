import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Ministack, PythonRunner } from '@quorate/test-harness';
import { getPythonRetryUtils } from '../src';

const VENV_PYTHON = join(__dirname, '..', '..', '..', '.venv', 'bin', 'python');

let directory: string;
let ministack: Ministack;
let runner: PythonRunner;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'python-retry-dynamodb-'));
  writeFileSync(join(directory, 'python_retry.py'), getPythonRetryUtils({ features: 'all' }));
  ministack = await Ministack.start();
  runner = await PythonRunner.start({
    python: VENV_PYTHON,
    directory: join(__dirname, 'python'),
    pythonPath: [directory],
    module: 'dynamodb',
    timeoutMs: 60_000,
    env: { ...ministack.env() },
  });
  await runner.call('create_table');
}, 90_000);

afterAll(async () => {
  await runner?.close();
  await ministack?.stop();
  rmSync(directory, { recursive: true });
});

test('writes only what the version permits, and learns what is there instead', async () => {
  const open = { phase: 'OPEN', waits: [[2 ** 52, 1.5, 60]] };
  expect(await runner.call('compare_and_swap')).toEqual([
    null,
    [0, {}],
    null,
    [1, open],
    null,
    [2, { phase: 'HALF_OPEN' }],
    [2, { phase: 'HALF_OPEN' }],
  ]);
});

test('trips, probes once, drops a zombie and closes, with writes at transitions only', async () => {
  expect(await runner.call('life_of_a_circuit')).toEqual({
    healthy: [['read'], ['read']],
    refused: [false, false],
    probes: [true, false],
    'after the zombie': 'HALF_OPEN',
    'after the successor': 'CLOSED',
    admitted: [true, true],
    // Trip, second probe and close; first probe, and the zombie's verdict, which was refused.
    writes: [3, 2],
  });
});

test('one of many environments that ask at once gets the probe', async () => {
  expect(await runner.call('probes_of_a_fleet', [8])).toBe(1);
});

test('a store that is down neither stops calls nor forgets a trip', async () => {
  expect(await runner.call('store_down')).toEqual([[true, false], 'OPEN']);
});

test('a probe that is killed loses its place when its lease lapses', async () => {
  expect(await runner.call('kill_in_the_middle_of_a_probe')).toEqual({
    line: 'probing',
    'refused while leased': true,
    'healed by the lease': true,
    state: 'CLOSED',
  });
});

test.each(['throttled', 'failing', 'silent', 'hangs up'])(
  'a store in trouble (%s) leaves the last known view in force',
  async (trouble) => {
    expect(await runner.call('life_without_a_store', [trouble])).toEqual({
      known: false,
      'the view holds': [false, false],
      requests: 2, // one of each environment: the store's client does not retry
      'requests of 40 more calls': 0,
      'its own trip holds': [true, false],
      warnings: 3,
      'after the pause': false,
      stored: [1, 'OPEN'],
      'one probe': [true, false, false],
      'closed for all': [true, true, true],
    });
  },
);

test('a lease whose answer was lost is found again, and its verdict counts', async () => {
  expect(await runner.call('lose_the_answer_to_a_write')).toEqual([
    true,
    false,
    'CLOSED',
    'CLOSED',
  ]);
});

test('a trip whose answer was lost does not open the circuit again when others have closed it', async () => {
  expect(await runner.call('lose_the_answer_to_a_trip')).toEqual([
    'OPEN',
    true,
    'CLOSED',
    true,
    'CLOSED',
    true,
  ]);
});

test('does not retry what botocore gave up on, in either way', async () => {
  const throttled = { error: 'ProvisionedThroughputExceededException', outcome: 'throttle' };
  expect(await runner.call('layers_of_retries')).toEqual([
    // botocore was told to try once: ours is the only layer.
    { ...throttled, 'gave up': ['MaxAttemptsReached'], 'attempts of ours': 3, requests: 3 },
    { ...throttled, 'gave up': ['MaxAttemptsReached'], 'attempts of ours': 1, requests: 3 },
    { ...throttled, 'gave up': ['RetryQuotaReached'], 'attempts of ours': 1, requests: 1 },
  ]);
});

test('classifies the errors that boto3 really raises', async () => {
  expect(await runner.call('outcomes_of_real_errors')).toEqual([
    ['ConditionalCheckFailedException', 'success', true],
    ['ResourceNotFoundException', 'success', true],
    ['ParamValidationError', 'ignore', true],
    ['EndpointConnectionError', 'failure', true],
  ]);
});

test('agrees with botocore on what is throttled and what is transient', async () => {
  expect(await runner.call('codes_of_botocore')).toEqual({
    throttled: ['throttle'],
    transient: ['failure', 'throttle'], // botocore has PriorRequestNotComplete in both lists
  });
});

test('gives up on an endpoint that does not answer, without a second request', async () => {
  expect(await runner.call('ask_a_silent_endpoint')).toEqual(['ReadTimeoutError', 1]);
});

test('loads boto3 when a store is made, not before', () => {
  const script = [
    'import sys',
    `sys.path.insert(0, ${JSON.stringify(directory)})`,
    'from python_retry import CircuitBreaker, DynamoDBStore, retry_call',
    'assert retry_call(lambda: 1, circuit_breaker=CircuitBreaker(name="c")) == 1',
    'before = {"boto3", "botocore"} & set(sys.modules)',
    'DynamoDBStore("table")',
    'print(sorted(before), "boto3" in sys.modules)',
  ].join('\n');
  const ran = spawnSync(VENV_PYTHON, ['-I', '-c', script], {
    encoding: 'utf8',
    env: { ...process.env, ...ministack.env() },
  });
  expect(ran).toMatchObject({ status: 0, stdout: '[] True\n' });
});
