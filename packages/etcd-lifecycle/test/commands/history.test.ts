import { DynamoDBClient, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Ministack } from '@quorate/test-harness';
import { createFunctionTable } from '../../demo/function-table';
import { startDriver } from '../lambda/edges/python-path';
import { runCommand } from './recording-terminal';

const TABLE = 'quorate';
const FIRST = 1_732_428_000.125;

let ministack: Ministack;
let dynamodb: DynamoDBClient;

const entry = (time: number, action: string, outcome = 'done') => ({
  time,
  action,
  reason: 'a dead member goes first',
  arithmetic: 'voters 3, healthy 2, leaving 0, quorum 2',
  outcome,
});

beforeAll(async () => {
  ministack = await Ministack.start();
  dynamodb = new DynamoDBClient(ministack.clientConfig());
  await createFunctionTable(dynamodb, TABLE);
  // Written by the code that the function has.
  const python = await startDriver('aws_driver', {
    python: ministack.python,
    env: ministack.env(),
  });
  await python.call('record', [
    TABLE,
    'main',
    [
      entry(FIRST, 'RemoveMember(member_id=7)', 'unknown: sent, but not answered'),
      entry(FIRST + 1, 'Promote(member_id=8)'),
      entry(FIRST + 3600, 'TransferLeadership(leader_id=8, target_id=9)'),
    ],
  ]);
  await python.call('record', [TABLE, 'main2', [entry(FIRST, 'of another cluster')]]);
  await python.call('record', [
    TABLE,
    'busy',
    Array.from({ length: 1100 }, (_, n) => entry(FIRST + n, `Promote(member_id=${n})`)),
  ]);
  await python.close();
}, 120_000);

afterAll(async () => {
  dynamodb?.destroy();
  await ministack?.stop();
});

const history = (...args: string[]) => runCommand(['history', ...args], ministack.env());
const ofTable = (cluster: string, ...args: string[]) =>
  history('--cluster', cluster, '--table', TABLE, ...args);

test('shows each decision with its reason and outcome, oldest first', async () => {
  expect(await ofTable('main')).toEqual({
    exitCode: 0,
    stderr: '',
    stdout: [
      'TIME                  ACTION                                      OUTCOME                          REASON',
      '2024-11-24 06:00:00Z  RemoveMember member_id=7                    unknown: sent, but not answered  a dead member goes first',
      '2024-11-24 06:00:01Z  Promote member_id=8                         done                             a dead member goes first',
      '2024-11-24 07:00:00Z  TransferLeadership leader_id=8 target_id=9  done                             a dead member goes first',
      '',
    ].join('\n'),
  });
});

test('gives all that is recorded as JSON', async () => {
  const { stdout } = await ofTable('main', '--json', '--limit', '1');
  expect(JSON.parse(stdout)).toEqual([
    {
      time: '2024-11-24T07:00:00.125Z',
      action: 'TransferLeadership(leader_id=8, target_id=9)',
      reason: 'a dead member goes first',
      arithmetic: 'voters 3, healthy 2, leaving 0, quorum 2',
      outcome: 'done',
    },
  ]);
});

describe('how much is shown', () => {
  const actions = async (...args: string[]) =>
    JSON.parse((await ofTable(args[0] ?? '', '--json', ...args.slice(1))).stdout).map(
      ({ action }: { action: string }) => action,
    );

  test('is the newest entries, over several pages', async () => {
    expect(await actions('busy')).toHaveLength(50);
    const all = await actions('busy', '--limit', '1050');
    expect(all).toHaveLength(1050);
    expect([all[0], all.at(-1)]).toEqual(['Promote(member_id=50)', 'Promote(member_id=1099)']);
    expect(await actions('busy', '--limit', '5000')).toHaveLength(1100);
  });

  test('begins at a time, to the millisecond', async () => {
    expect(await actions('main', '--since', '2024-11-24T06:00:01.125Z')).toHaveLength(2);
    expect(await actions('main', '--since', '2024-11-24T06:00:01.126Z')).toHaveLength(1);
    expect(await actions('main', '--since', '2024-11-25')).toEqual([]);
  });
});

test('of a cluster without entries says so, as a message', async () => {
  expect(await ofTable('main3')).toEqual({
    exitCode: 0,
    stdout: '',
    stderr: 'The journal of the cluster main3 in quorate has no entry.\n',
  });
});

test('takes the table as the function has it, if the entry has a digest it is given', async () => {
  await dynamodb.send(
    new PutItemCommand({
      TableName: TABLE,
      Item: {
        pk: { S: 'cluster#digested' },
        sk: { S: 'journal#2024-11-24T06:00:00.125+00:00#0' },
        time: { N: String(FIRST) },
        view: { S: 'abc123' },
      },
    }),
  );
  const { stdout } = await ofTable('digested', '--json');
  expect(JSON.parse(stdout)).toMatchObject([{ time: '2024-11-24T06:00:00.125Z', view: 'abc123' }]);
});

test('fails with what mends it when the table is not there', async () => {
  const result = await history('--cluster', 'main', '--table', 'gone');
  expect(result).toMatchObject({ exitCode: 1, stdout: '' });
  expect(result.stderr).toBe(
    'etcd-lifecycle history: there is no table "gone" in this account and Region ' +
      '(ResourceNotFoundException): check the name, --region and the credentials\n',
  );
});
