import { setTimeout as sleep } from 'node:timers/promises';
import { DynamoDBClient, QueryCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { LocalAutoScaling, Ministack, type PythonRunner } from '@quorate/test-harness';
import { createFunctionTable } from '../../../demo/function-table';
import { startDriver } from './python-path';

const TABLE = 'circuits';
const DESCRIBE = 'DescribeAutoScalingGroups';
const HEARTBEAT = 'RecordLifecycleActionHeartbeat';

/** Until an open circuit admits a probe. */
const RESET_SECONDS = 3;

interface Invocation {
  readonly messages: readonly string[];
  readonly openCircuits: readonly number[];
  readonly calls: readonly string[];
}

let ministack: Ministack;
let service: LocalAutoScaling;
let dynamodb: DynamoDBClient;
let first: PythonRunner;
let second: PythonRunner;

/** An execution environment of the function, as Lambda has several of them. */
function startEnvironment(): Promise<PythonRunner> {
  return startDriver('environment_driver', {
    python: ministack.python,
    env: {
      ...ministack.env(),
      ...service.env(),
      QUORATE_CLUSTER: 'main',
      QUORATE_GROUP: 'group',
      QUORATE_LAUNCH_HOOK: 'launch',
      QUORATE_TERMINATE_HOOK: 'terminate',
      QUORATE_TABLE: TABLE,
      QUORATE_PARAMETER_PREFIX: '/quorate',
      QUORATE_DEAD_LETTER_QUEUE_URL: `${ministack.endpoint}/000000000000/dead.fifo`,
      QUORATE_CIRCUIT_FAILURES: '2',
      QUORATE_CIRCUIT_SECONDS: String(RESET_SECONDS),
    },
    timeoutMs: 60_000,
  });
}

beforeAll(async () => {
  ministack = await Ministack.start();
  service = await LocalAutoScaling.start();
  dynamodb = new DynamoDBClient(ministack.clientConfig());
  await createFunctionTable(dynamodb, TABLE);
  service.createGroup({
    name: 'group',
    minSize: 0,
    maxSize: 1,
    desiredCapacity: 1,
    baseAddress: '127.0.33.2',
    lifecycleHooks: [
      { name: 'launch', transition: 'autoscaling:EC2_INSTANCE_LAUNCHING' },
      { name: 'terminate', transition: 'autoscaling:EC2_INSTANCE_TERMINATING' },
    ],
  });
  [first, second] = await Promise.all([startEnvironment(), startEnvironment()]);
}, 120_000);

afterAll(async () => {
  await Promise.all([first?.close(), second?.close()]);
  dynamodb?.destroy();
  await service?.stop();
  await ministack?.stop();
});

const invoke = (environment: PythonRunner) => environment.call<Invocation>('invoke');
const count = (calls: readonly string[], name: string) =>
  calls.filter((call) => call === name).length;
const described = () => service.calls.filter((call) => call.action === DESCRIBE).length;

/** What of the table begins with a prefix. */
async function items(prefix: string) {
  const { Items = [] } = await dynamodb.send(
    new QueryCommand({
      TableName: TABLE,
      KeyConditionExpression: 'pk = :pk AND begins_with(sk, :prefix)',
      ExpressionAttributeValues: { ':pk': { S: 'cluster#main' }, ':prefix': { S: prefix } },
      ConsistentRead: true,
    }),
  );
  return Items;
}

async function phase(): Promise<string | undefined> {
  const [circuit] = await items('circuit#Auto Scaling');
  return circuit && JSON.parse(circuit.state?.S ?? '{}').phase;
}

/** The actions in the journal that are about circuits. */
async function journaled(): Promise<string[]> {
  const entries = await items('journal#');
  return entries
    .map(({ action }) => action?.S ?? '')
    .filter((action) => /^(EndEarly|Resume)/.test(action));
}

// One story, told in the order of its tests.

test('while all is well a run reads the circuits once, and writes none', async () => {
  for (let run = 0; run < 3; run += 1) {
    const { calls, openCircuits } = await invoke(first);
    expect(count(calls, 'Query circuit#')).toBeLessThanOrEqual(1);
    expect(openCircuits).toEqual([0]);
  }
  expect(await items('circuit#')).toEqual([]);
}, 60_000);

test('one environment opens the circuit, and the other one ends its run early', async () => {
  service.failNext(DESCRIBE, {
    times: Number.POSITIVE_INFINITY,
    code: 'InternalFailure',
    httpStatus: 500,
  });
  const opening = await invoke(first);
  expect(count(opening.calls, DESCRIBE)).toBe(2);
  expect(await phase()).toBe('OPEN');

  const before = described();
  const ended = await invoke(second);
  expect(ended.messages).toContainEqual(
    expect.stringMatching(/^this run ends early: Auto Scaling/),
  );
  expect(ended.openCircuits).toEqual([1]);
  expect(described()).toBe(before);
  // Each environment tells of it once.
  await invoke(second);
  expect(await journaled()).toEqual([
    "EndEarly(service='Auto Scaling')",
    "EndEarly(service='Auto Scaling')",
  ]);
});

test('an open circuit stops no heartbeat of either', async () => {
  for (const environment of [first, second]) {
    const { calls } = await invoke(environment);
    expect(count(calls, DESCRIBE)).toBe(0);
    // Which of the two hooks holds the instance is not known now.
    expect(count(calls, HEARTBEAT)).toBe(2);
  }
  const kept = service.calls.filter(
    (call) => call.action === HEARTBEAT && call.errorCode === undefined,
  );
  expect(kept.length).toBeGreaterThanOrEqual(4);
});

test('one of them sends the probe for both', async () => {
  await sleep(RESET_SECONDS * 1000);
  const before = described();
  const runs = await Promise.all([invoke(first), invoke(second)]);
  expect(described()).toBe(before + 1);
  expect(runs.map(({ openCircuits }) => openCircuits)).toEqual([[1], [1]]);
  expect(await phase()).toBe('OPEN');
});

test('once a probe of one is answered, both call again', async () => {
  service.failNext(DESCRIBE, { times: 0 });
  await sleep(RESET_SECONDS * 1000);
  for (const environment of [first, second]) {
    const { messages, openCircuits } = await invoke(environment);
    expect(openCircuits).toEqual([0]);
    expect(messages.filter((one) => one.startsWith('this run ends early'))).toEqual([]);
  }
  expect(await phase()).toBe('CLOSED');
  expect((await journaled()).slice(2)).toEqual(["Resume(service='Auto Scaling')"]);
});
