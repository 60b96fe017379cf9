import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Ministack, type PythonRunner } from '@quorate/test-harness';
import { createFunctionTable } from '../../../demo/function-table';
import { startDriver } from './python-path';

const TABLE = 'quorate';
const LARGEST_ID = '18446744073709551615';
const FIRST = 'i-00000000000000001';
const SECOND = 'i-00000000000000002';
/** What is read of a cluster of which nothing is recorded. */
const NOTHING = {
  seed: null,
  recorded: {},
  first_seen: {},
  notices: {},
  preparations: {},
  override: null,
  removing: [],
};

let ministack: Ministack;
let python: PythonRunner;
let clusters = 0;
/** A cluster that no other test uses. */
const newCluster = () => `cluster-${++clusters}`;

beforeAll(async () => {
  ministack = await Ministack.start();
  const dynamodb = new DynamoDBClient(ministack.clientConfig());
  await createFunctionTable(dynamodb, TABLE);
  dynamodb.destroy();
  python = await startDriver('aws_driver', { python: ministack.python, env: ministack.env() });
}, 90_000);

afterAll(async () => {
  await python?.close();
  await ministack?.stop();
});

const load = (cluster: string) => python.call('load', [TABLE, cluster]);

describe('the seed', () => {
  const createSeed = (cluster: string, instance: string, replaces?: object | null) =>
    python.call<boolean>('create_seed', [TABLE, cluster, instance, replaces ?? null]);
  const markCreated = (cluster: string, instance: string, clusterId: string) =>
    python.call<boolean>('mark_created', [TABLE, cluster, instance, clusterId]);

  test('nothing is known of a cluster that was never seeded', async () => {
    expect(await load(newCluster())).toEqual(NOTHING);
  });

  test('of two instances one is recorded', async () => {
    const cluster = newCluster();
    expect(await createSeed(cluster, FIRST)).toBe(true);
    expect(await createSeed(cluster, SECOND)).toBe(false);
    expect(await load(cluster)).toMatchObject({ seed: { instance_id: FIRST, cluster_id: null } });
  });

  test('the same one can be recorded twice, as when an answer was lost', async () => {
    const cluster = newCluster();
    expect(await createSeed(cluster, FIRST)).toBe(true);
    expect(await createSeed(cluster, FIRST)).toBe(true);
  });

  test('one that was seen is replaced, and one that was not seen is not', async () => {
    const cluster = newCluster();
    const seen = { instance_id: FIRST, cluster_id: null };
    await createSeed(cluster, FIRST);
    expect(await createSeed(cluster, SECOND, seen)).toBe(true);
    expect(await createSeed(cluster, SECOND, seen)).toBe(true);
    expect(await createSeed(cluster, 'i-00000000000000003', seen)).toBe(false);
    expect(await load(cluster)).toMatchObject({ seed: { instance_id: SECOND } });
  });

  test('a cluster that has existed is never seeded again', async () => {
    const cluster = newCluster();
    const seen = { instance_id: FIRST, cluster_id: null };
    await createSeed(cluster, FIRST);
    expect(await markCreated(cluster, FIRST, LARGEST_ID)).toBe(true);

    expect(await load(cluster)).toMatchObject({
      seed: { instance_id: FIRST, cluster_id: LARGEST_ID },
    });
    expect(await createSeed(cluster, FIRST)).toBe(false);
    expect(await createSeed(cluster, SECOND)).toBe(false);
    expect(await createSeed(cluster, SECOND, seen)).toBe(false);
    await expect(createSeed(cluster, SECOND, { ...seen, cluster_id: LARGEST_ID })).rejects.toThrow(
      /AlreadyCreatedError.*must not be seeded again/,
    );
  });

  test('the cluster is marked created once, by its seed, with one id', async () => {
    const cluster = newCluster();
    expect(await markCreated(cluster, FIRST, '7')).toBe(false);
    await createSeed(cluster, FIRST);
    expect(await markCreated(cluster, SECOND, '7')).toBe(false);
    expect(await markCreated(cluster, FIRST, '7')).toBe(true);
    expect(await markCreated(cluster, FIRST, '7')).toBe(true);
    expect(await markCreated(cluster, FIRST, '8')).toBe(false);
  });
});

describe('an order to recover', () => {
  const SNAPSHOT = 's3://backups/main/1.db';
  const seedOf = async (cluster: string) =>
    ((await load(cluster)) as { seed: Record<string, unknown> }).seed;

  /** A cluster that has existed, with the largest id. */
  async function created(): Promise<string> {
    const cluster = newCluster();
    await python.call('create_seed', [TABLE, cluster, FIRST, null]);
    await python.call('mark_created', [TABLE, cluster, FIRST, LARGEST_ID]);
    return cluster;
  }

  const order = (cluster: string, snapshot = SNAPSHOT) =>
    python.call<boolean>('order_recovery', [TABLE, cluster, snapshot, 1000, LARGEST_ID]);

  test('makes it a cluster that does not exist yet, and retires its id', async () => {
    const cluster = await created();
    expect(await order(cluster)).toBe(true);
    expect(await seedOf(cluster)).toEqual({
      instance_id: '',
      cluster_id: null,
      generation: 1,
      restore: { snapshot: SNAPSHOT, bump_revision: 1000, lost_cluster_id: LARGEST_ID },
      retired: [LARGEST_ID],
    });
  });

  test('is done with when the new cluster lives, which is never seeded again either', async () => {
    const cluster = await created();
    await order(cluster);
    expect(await python.call('create_next_seed', [TABLE, cluster, SECOND])).toBe(true);
    expect(await python.call('mark_created', [TABLE, cluster, SECOND, '7'])).toBe(true);
    expect(await seedOf(cluster)).toEqual({
      instance_id: SECOND,
      cluster_id: '7',
      generation: 1,
      restore: null,
      retired: [LARGEST_ID],
    });
    await expect(python.call('create_next_seed', [TABLE, cluster, FIRST])).rejects.toThrow(
      /AlreadyCreatedError.*by the command recover/,
    );
  });

  test('of two people who saw the same is that of one', async () => {
    const cluster = await created();
    const orders = python.call('order_as_seen_before', [TABLE, cluster, SNAPSHOT, LARGEST_ID]);
    expect(await orders).toEqual([true, false]);
  });

  test('replaces another one, so that nobody goes on with that', async () => {
    const cluster = await created();
    await order(cluster);
    await python.call('create_next_seed', [TABLE, cluster, SECOND]);
    expect(await order(cluster, 's3://backups/main/2.db')).toBe(true);
    expect(await seedOf(cluster)).toMatchObject({
      instance_id: '',
      generation: 2,
      restore: { snapshot: 's3://backups/main/2.db' },
      retired: [LARGEST_ID],
    });
    expect(await python.call('mark_created', [TABLE, cluster, SECOND, '7'])).toBe(false);
  });

  test('is taken back, and the cluster is the one before', async () => {
    const cluster = await created();
    await order(cluster);
    await order(cluster);
    expect(await python.call('cancel_recovery', [TABLE, cluster])).toBe(true);
    expect(await seedOf(cluster)).toEqual({
      instance_id: FIRST,
      cluster_id: LARGEST_ID,
      generation: 3,
      restore: null,
      retired: [],
    });
  });
});

describe('recorded members', () => {
  test('are kept by instance, exactly, until they are forgotten', async () => {
    const cluster = newCluster();
    await python.call('record_member', [TABLE, cluster, FIRST, LARGEST_ID]);
    await python.call('record_member', [TABLE, cluster, SECOND, '5']);
    await python.call('record_member', [TABLE, cluster, SECOND, '6']);
    expect(await load(cluster)).toMatchObject({ recorded: { [FIRST]: LARGEST_ID, [SECOND]: '6' } });
    await python.call('forget_member', [TABLE, cluster, FIRST]);
    await python.call('forget_member', [TABLE, cluster, FIRST]);
    expect(await load(cluster)).toMatchObject({ recorded: { [SECOND]: '6' } });
  });

  test('are those of the cluster', async () => {
    const cluster = newCluster();
    await python.call('record_member', [TABLE, `${cluster}0`, FIRST, '5']);
    expect(await load(cluster)).toMatchObject({ recorded: {} });
  });

  test('are all read, where they fill more than one page', async () => {
    const cluster = newCluster();
    const instances = ['i-1', 'i-2', 'i-3', 'i-4', 'i-5'];
    for (const instance of instances) {
      await python.call('record_member', [TABLE, cluster, instance, '5']);
    }
    expect(await python.call('read_by_pages', [TABLE, cluster, 2])).toEqual(instances);
  });
});

describe('what is told from outside', () => {
  test('by EC2 is kept by instance, the latest of each', async () => {
    const cluster = newCluster();
    await python.call('record_notice', [TABLE, cluster, FIRST, 'REBALANCE', 10]);
    await python.call('record_notice', [TABLE, cluster, FIRST, 'INTERRUPTION', 20.5]);
    await python.call('record_notice', [TABLE, cluster, SECOND, 'REBALANCE', 30]);
    expect(await load(cluster)).toMatchObject({
      notices: { [FIRST]: ['INTERRUPTION', 20.5], [SECOND]: ['REBALANCE', 30] },
    });
  });

  test('by an operator is kept until it is done', async () => {
    const cluster = newCluster();
    const override = { member: FIRST, operator: 'somebody', reason: 'broken', expires: 100.5 };
    await python.call('record_override', [TABLE, cluster, override]);
    expect(await load(cluster)).toMatchObject({ override });
    await python.call('forget_override', [TABLE, cluster]);
    await python.call('forget_override', [TABLE, cluster]);
    expect(await load(cluster)).toMatchObject({ override: null });
  });
});

test('what was begun before a removal is kept by instance, until the instance may go', async () => {
  const cluster = newCluster();
  const record = (instance: string, ...rest: (string | number)[]) =>
    python.call('record_preparation', [TABLE, cluster, instance, ...rest]);
  await record(FIRST, 10.5, 'running', '', '');
  await record(FIRST, 10.5, 'running', '', 'c-1');
  await record(SECOND, 20, 'failed', 'no such node', '');
  const second = { [SECOND]: [20, 'failed', 'no such node', ''] };
  expect(await load(cluster)).toMatchObject({
    preparations: { [FIRST]: [10.5, 'running', '', 'c-1'], ...second },
  });
  await python.call('forget_preparation', [TABLE, cluster, FIRST]);
  await python.call('forget_preparation', [TABLE, cluster, FIRST]);
  expect((await load(cluster)) as object).toHaveProperty('preparations', second);
});

describe('since when something waits', () => {
  const firstSeen = (cluster: string, keys: string[], now: number, known?: object) =>
    python.call('first_seen', [TABLE, cluster, keys, now, known ?? null]);

  test('is remembered from the first time on', async () => {
    const cluster = newCluster();
    expect(await firstSeen(cluster, [FIRST], 100.25)).toEqual({ [FIRST]: 100.25 });
    expect(await firstSeen(cluster, [FIRST, LARGEST_ID], 200)).toEqual({
      [FIRST]: 100.25,
      [LARGEST_ID]: 200,
    });
    expect(await load(cluster)).toMatchObject({
      first_seen: { [FIRST]: 100.25, [LARGEST_ID]: 200 },
    });
  });

  test('starts anew for what waits again', async () => {
    const cluster = newCluster();
    await firstSeen(cluster, [FIRST, SECOND], 100);
    expect(await firstSeen(cluster, [SECOND], 200)).toEqual({ [SECOND]: 100 });
    expect(await load(cluster)).toMatchObject({ first_seen: { [SECOND]: 100 } });
    expect(await firstSeen(cluster, [FIRST, SECOND], 300)).toEqual({
      [FIRST]: 300,
      [SECOND]: 100,
    });
  });

  test('starts anew for a learner that comes nearer, which is forgotten as a whole', async () => {
    const cluster = 'nearer';
    const lags = () => python.call('lags', [TABLE, cluster]);
    await firstSeen(cluster, [LARGEST_ID], 100);
    expect(await lags()).toEqual({});
    for (const [now, lag] of [
      [150, 4_000],
      [200.5, 30],
    ]) {
      await python.call('record_progress', [TABLE, cluster, LARGEST_ID, now, lag]);
    }
    expect(await lags()).toEqual({ [LARGEST_ID]: 30 });
    expect(await firstSeen(cluster, [LARGEST_ID], 300)).toEqual({ [LARGEST_ID]: 200.5 });
    await firstSeen(cluster, [], 400);
    expect(await firstSeen(cluster, [LARGEST_ID], 500)).toEqual({ [LARGEST_ID]: 500 });
    expect(await lags()).toEqual({});
  });

  test('is not moved by one who did not know it yet', async () => {
    const cluster = newCluster();
    await firstSeen(cluster, [FIRST], 100);
    expect(await firstSeen(cluster, [FIRST], 200, {})).toEqual({ [FIRST]: 100 });
  });
});

describe('the lease', () => {
  const lease = (cluster: string, owner: string, method: string, now: number, options = {}) =>
    python.call<[boolean, number]>('lease', [TABLE, cluster, owner, method, now, options]);

  test('is held by one owner, until it ends', async () => {
    const cluster = newCluster();
    expect(await lease(cluster, 'a', 'acquire', 1000)).toEqual([true, 1]);
    expect(await lease(cluster, 'b', 'acquire', 1029.9)).toEqual([false, 0]);
    expect(await lease(cluster, 'b', 'acquire', 1030)).toEqual([true, 2]);
  });

  test('is renewed for as long as it was not lost', async () => {
    const cluster = newCluster();
    await lease(cluster, 'a', 'acquire', 1000);
    expect(await lease(cluster, 'a', 'renew', 1020)).toEqual([true, 1]);
    expect(await lease(cluster, 'b', 'acquire', 1049)).toEqual([false, 0]);
    // Late, but nobody has taken it.
    expect(await lease(cluster, 'a', 'renew', 1060)).toEqual([true, 1]);
    expect(await lease(cluster, 'b', 'acquire', 1090)).toEqual([true, 2]);
    expect(await lease(cluster, 'a', 'renew', 1091)).toEqual([false, 1]);
    expect(await lease(cluster, 'a', 'release', 1091)).toEqual([false, 1]);
    expect(await lease(cluster, 'b', 'renew', 1092)).toEqual([true, 2]);
  });

  test('that was released is free, and the fence goes on', async () => {
    const cluster = newCluster();
    await lease(cluster, 'a', 'acquire', 1000);
    expect(await lease(cluster, 'a', 'release', 1001)).toEqual([true, 1]);
    expect(await lease(cluster, 'b', 'acquire', 1002)).toEqual([true, 2]);
  });

  test('is acquired again by its owner, as when an answer was lost', async () => {
    const cluster = newCluster();
    await lease(cluster, 'a', 'acquire', 1000);
    expect(await lease(cluster, 'a', 'acquire', 1001)).toEqual([true, 2]);
  });

  test('remembers removals that are under way, whoever holds it, until they are settled', async () => {
    const cluster = newCluster();
    const removing = () => load(cluster).then((read) => (read as typeof NOTHING).removing);
    await lease(cluster, 'a', 'acquire', 1000);
    await lease(cluster, 'a', 'renew', 1001, { removing: [7, 8] });
    await lease(cluster, 'b', 'acquire', 1040);
    await lease(cluster, 'b', 'renew', 1041);
    expect(await removing()).toEqual(['7', '8']);
    await lease(cluster, 'b', 'settle', 1042, { member_id: 8 });
    await lease(cluster, 'b', 'release', 1042);
    expect(await removing()).toEqual(['7']);
    await lease(cluster, 'c', 'acquire', 1043);
    await lease(cluster, 'c', 'renew', 1044, { removing: [9] });
    expect(await removing()).toEqual(['9']);
    // Who has lost it forgets nothing.
    await lease(cluster, 'a', 'settle', 1045, { member_id: 9 });
    expect(await lease(cluster, 'a', 'renew', 1045)).toEqual([false, 1]);
    expect(await removing()).toEqual(['9']);
  });

  test('says nothing to a decision, and has no time to live', async () => {
    const cluster = newCluster();
    await lease(cluster, 'a', 'acquire', 1000);
    expect(await load(cluster)).toEqual(NOTHING);
    const items = await python.call<{ pk: { S: string }; sk: { S: string } }[]>('items', [TABLE]);
    const item = items.find(
      ({ pk, sk }) => pk.S === `cluster#${cluster}` && sk.S === 'state#lease',
    );
    expect(item).toBeDefined();
    expect(item).not.toHaveProperty('expires');
  });
});

describe('the journal', () => {
  const entry = (time: number, action: string) => ({
    time,
    action,
    reason: 'a dead member goes first',
    arithmetic: 'voters 3, healthy 2, leaving 0, quorum 2',
    outcome: 'done',
    view: 'a1b2c3d4e5f60718',
  });

  test('is read from the newest entry on', async () => {
    const cluster = newCluster();
    const entries = [
      entry(1_732_428_000.125, 'first'),
      entry(1_732_428_000.125, 'second, within the same millisecond'),
      entry(1_732_428_001, 'third'),
      entry(1_732_428_010.5, 'fourth'),
    ];
    await python.call('record', [TABLE, cluster, entries]);

    expect(await python.call('read_journal', [TABLE, cluster, 10])).toEqual([...entries].reverse());
    expect(await python.call('read_journal', [TABLE, cluster, 1])).toEqual([entries[3]]);
    expect(await load(cluster)).toEqual(NOTHING);
  });

  test('is deleted by DynamoDB after 90 days', async () => {
    const cluster = newCluster();
    await python.call('record', [TABLE, cluster, [entry(1_732_428_000.9, 'first')]]);
    const items = await python.call<{ pk: { S: string }; sk: { S: string } }[]>('items', [TABLE]);
    const item = items.find(({ pk }) => pk.S === `cluster#${cluster}`);
    expect(item).toMatchObject({
      sk: { S: expect.stringMatching(/^journal#2024-11-24T06:00:00\.900\+00:00#000000-/) },
      expires: { N: String(1_732_428_000 + 90 * 86_400) },
    });
  });
});

describe('the join configuration', () => {
  const join = (name: string) => ({
    name,
    initial_cluster: `${FIRST}=http://10.0.0.1:2380,${name}=http://10.0.0.2:2380`,
    initial_cluster_state: 'existing',
    initial_cluster_token: 'main',
    snapshot: '',
    bump_revision: 0,
  });
  const read = (cluster: string, instances: string[]) =>
    python.call('read_joins', [cluster, instances]);

  test('is handed over, replaced and withdrawn', async () => {
    const cluster = newCluster();
    expect(await read(cluster, [FIRST])).toEqual({});
    await python.call('hand_over', [cluster, FIRST, join('other')]);
    await python.call('hand_over', [cluster, FIRST, join(FIRST)]);
    expect(await read(cluster, [FIRST, SECOND])).toEqual({ [FIRST]: join(FIRST) });
    await python.call('withdraw', [cluster, FIRST]);
    await python.call('withdraw', [cluster, FIRST]);
    expect(await read(cluster, [FIRST])).toEqual({});
  });

  test('is read for more instances than one call takes, or for none', async () => {
    const cluster = newCluster();
    const instances = Array.from({ length: 23 }, (_, index) => `i-${index}`);
    for (const instance of instances) {
      await python.call('hand_over', [cluster, instance, join(instance)]);
    }
    expect(await read(cluster, instances)).toEqual(
      Object.fromEntries(instances.map((instance) => [instance, join(instance)])),
    );
    expect(await read(cluster, [])).toEqual({});
  });

  test('that somebody edited is left out', async () => {
    const cluster = newCluster();
    await python.call('hand_over', [cluster, SECOND, join(SECOND)]);
    await python.call('write_parameter', [`/quorate/${cluster}/${FIRST}`, 'ETCD_NAME=x\n']);
    expect(await read(cluster, [FIRST, SECOND])).toEqual({ [SECOND]: join(SECOND) });
  });
});
