import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DynamoDBClient, ScanCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { EtcdGateway, resolvePython } from '@quorate/test-harness';
import { LocalDeployment } from '../../demo/local-deployment';
import { QUICK_CHANGES, QUICK_PROGRAMS } from '../quick-boot';
import { runCommand } from './recording-terminal';

jest.setTimeout(120_000);

const directory = mkdtempSync(join(tmpdir(), 'plan-'));
const PYTHON = resolvePython().executable;

let deployment: LocalDeployment;
let dynamodb: DynamoDBClient;

beforeAll(async () => {
  deployment = await LocalDeployment.start({
    baseAddress: '127.0.60.2',
    programs: [QUICK_PROGRAMS],
    instanceEnvironment: QUICK_CHANGES,
  });
  dynamodb = new DynamoDBClient(deployment.clientConfig());
  deployment.startTicks(1);
  await deployment.waitUntilInService(3, 90);
  await deployment.stopTicks();
  // From now on nobody tells the function of anything, until it is ticked.
  deployment.autoScaling.setEventSink(async () => undefined);
});

afterAll(async () => {
  dynamodb?.destroy();
  await deployment?.stop();
  rmSync(directory, { recursive: true });
});

const plan = (...args: string[]) =>
  runCommand(['plan', '--function', deployment.functionName, ...args], deployment.environment());

/** All that a pass could have changed. */
async function state() {
  const { Items = [] } = await dynamodb.send(
    new ScanCommand({ TableName: deployment.tableName, ConsistentRead: true }),
  );
  const [first] = deployment.instances();
  const gateway = new EtcdGateway(first ? deployment.clientUrl(first) : '');
  try {
    const { revision, leader, raftTerm } = await gateway.status();
    return {
      items: Items,
      members: await gateway.memberList(),
      etcd: { revision, leader, raftTerm },
      instances: deployment.instances().map(({ instanceId, lifecycleState }) => ({
        instanceId,
        lifecycleState,
      })),
    };
  } finally {
    gateway.close();
  }
}

test('of a settled cluster says that nothing is to be done', async () => {
  const { stdout, stderr, exitCode } = await plan();
  expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 });
  expect(stdout).toBe(
    [
      'Cluster:    demo: 3 voters, 0 learners; 3 instances, 3 wanted',
      'Next:       Wait',
      'Reason:     settled: every member is well and nothing is asked for',
      'Arithmetic: voters 3, healthy 3, leaving 0, quorum 2, desired 3',
      'Nothing was changed.',
      '',
    ].join('\n'),
  );
});

describe('of a cluster with an instance that must go', () => {
  let recorded: string;

  beforeAll(async () => {
    const [leaving] = deployment.instances();
    deployment.autoScaling.terminateInstance(leaving?.instanceId ?? '');
    await deployment.autoScaling.waitUntil('its replacement is held at its launch', (instances) =>
      instances.some(({ lifecycleState }) => lifecycleState === 'Pending:Wait'),
    );
  });

  test('says what comes next, as often as it is asked, and changes nothing', async () => {
    const before = await state();
    deployment.autoScaling.calls.length = 0;
    for (let time = 0; time < 3; time++) {
      const { stdout } = await plan();
      expect(stdout).toMatch(/^Next: +AddLearner instance_id=i-\w+ address=127\.0\.60\.5$/m);
      expect(stdout).toMatch(/^Reason: +i-\w+ joins as a learner$/m);
    }
    // No record, no lease, no heartbeat, and nothing in etcd.
    expect(await state()).toEqual(before);
    expect(new Set(deployment.autoScaling.calls.map(({ action }) => action))).toEqual(
      new Set(['DescribeAutoScalingGroups', 'DescribeInstances']),
    );
  });

  test('gives what it saw as JSON, on which the same is decided without AWS', async () => {
    const { stdout } = await plan('--json');
    const { view, decision } = JSON.parse(stdout);
    expect(view).toMatchObject({ cluster: 'demo', quorate: true, desired: 3 });
    expect(decision).toMatchObject({ action: { kind: 'AddLearner', address: '127.0.60.5' } });

    recorded = join(directory, 'recorded.json');
    writeFileSync(recorded, stdout);
    const offline = ['plan', '--view', recorded, '--python', PYTHON];
    expect(JSON.parse((await runCommand([...offline, '--json'])).stdout)).toEqual(
      JSON.parse(stdout),
    );
    expect((await runCommand(offline)).stdout).toMatch(/^Next: +AddLearner /m);
  });

  test('is what the next pass does', async () => {
    deployment.startTicks(1);
    await deployment.waitUntilInService(3, 90);
    const { instance_id, address } = JSON.parse(
      (await runCommand(['plan', '--view', recorded, '--json', '--python', PYTHON])).stdout,
    ).decision.action;
    const additions = deployment.journal.records.filter(({ kind }) => kind === 'AddLearner');
    expect(additions.at(-1)?.action).toBe(
      `AddLearner(instance_id='${instance_id}', address='${address}')`,
    );
  });
});

describe('a recording', () => {
  const decide = (content: unknown, python = PYTHON) => {
    const file = join(directory, 'view.json');
    writeFileSync(file, JSON.stringify(content));
    return runCommand(['plan', '--view', file, '--python', python]);
  };

  test.each([
    ['that is none', { format: 1 }, /is no recorded view: view is absent/],
    ['of another form', { format: 99 }, /format is 99, but this version reads only 1/],
  ])('%s is refused with what is wrong', async (_, content, message) => {
    const { exitCode, stderr } = await decide(content);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(message);
  });

  test('needs a Python, and the error says so', async () => {
    const { exitCode, stderr } = await decide({}, 'no-such-python');
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/"no-such-python" cannot be run .*install Python 3\.10 or newer/);
  });
});

describe('the function', () => {
  test('that is not there is named by AWS', async () => {
    const { exitCode, stderr } = await runCommand(
      ['plan', '--function', 'gone'],
      deployment.environment(),
    );
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^etcd-lifecycle plan: .*gone.*ResourceNotFoundException/);
  });

  test('tells the table to the history', async () => {
    const { stdout } = await runCommand(
      ['history', '--function', deployment.functionName, '--json'],
      deployment.environment(),
    );
    expect(JSON.parse(stdout)[0]).toMatchObject({
      action: expect.stringMatching(/^SeedCluster\(/),
      outcome: 'done',
    });
  });
});
