import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { EtcdCluster, EtcdError, EtcdGateway, EtcdNoAnswerError, GrpcCode } from '../../src/etcd';

// A machine that runs these for the first time builds etcd first.
jest.setTimeout(240_000);

/** Whether a process of this id exists. */
function exists(pid: number | undefined): boolean {
  if (pid === undefined) {
    throw new Error('there is no process to look for');
  }
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('a cluster of three', () => {
  let cluster: EtcdCluster;

  beforeAll(async () => {
    cluster = await EtcdCluster.start({ baseAddress: '127.0.10.2' });
  });

  afterAll(async () => {
    await cluster.stop();
  });

  test('answers on consecutive addresses and stores what is put', async () => {
    expect(cluster.endpoints).toEqual([
      'http://127.0.10.2:2379',
      'http://127.0.10.3:2379',
      'http://127.0.10.4:2379',
    ]);
    const revision = await cluster.put('schlüssel', 'wert ✓');
    expect(await cluster.get('schlüssel')).toEqual({
      key: 'schlüssel',
      value: 'wert ✓',
      modRevision: revision,
    });
    expect(await cluster.get('absent')).toBeUndefined();
  });

  test('lists its members, and each tells its status', async () => {
    const members = await cluster.memberList();
    expect(members.map(({ name }) => name).sort()).toEqual(['m1', 'm2', 'm3']);
    expect(members.every(({ isLearner }) => !isLearner)).toBe(true);
    const leader = await cluster.waitForLeader();
    const statuses = await Promise.all(
      cluster.members.map((member) => cluster.gateway(member).status()),
    );
    expect(new Set(statuses.map(({ leader: id }) => id))).toEqual(
      new Set([await cluster.idOf(leader)]),
    );
    expect(new Set(statuses.map(({ clusterId }) => clusterId)).size).toBe(1);
    expect(statuses.map(({ errors }) => errors)).toEqual([[], [], []]);
  });

  test('reads a range by prefix, page by page', async () => {
    await Promise.all(['a', 'b', 'c'].map((name) => cluster.put(`/page/${name}`, name)));
    await cluster.put('/pagf', 'outside');
    const gateway = cluster.gateway(await cluster.waitForLeader());
    const first = await gateway.range({ prefix: '/page/', limit: 2 });
    expect(first.map(({ value }) => value)).toEqual(['a', 'b']);
    const rest = await gateway.range({ prefix: '/page/', from: '/page/b\0' });
    expect(rest.map(({ value }) => value)).toEqual(['c']);
  });

  test("hands on etcd's refusals by code and text", async () => {
    const gateway = cluster.gateway(await cluster.waitForLeader());
    const refusal = await gateway.memberRemove('12345').catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(EtcdError);
    expect(refusal).toMatchObject({
      code: GrpcCode.NOT_FOUND,
      reason: 'etcdserver: member not found',
    });
    const unknownPath = await gateway.call('/v3/no/such', {}).catch((error: unknown) => error);
    expect(unknownPath).toBeInstanceOf(Error);
  });

  test('adds a learner, promotes it, moves the leadership to it, and removes the old leader', async () => {
    const oldLeader = await cluster.waitForLeader();
    await cluster.put('before', 'kept');
    const learner = await cluster.addLearner();
    expect(await cluster.gateway(learner).status()).toMatchObject({ isLearner: true });
    expect(learner.address).toBe('127.0.10.5');

    await cluster.promote(learner);
    expect(await cluster.gateway(learner).status()).toMatchObject({ isLearner: false });

    await cluster.transferLeadership(learner);
    expect(await cluster.leader()).toBe(learner);

    await cluster.remove(oldLeader);
    expect(oldLeader.exit).toEqual({ code: 0, signal: null });
    expect(existsSync(oldLeader.dataDirectory)).toBe(false);
    expect(cluster.members).toHaveLength(3);
    expect((await cluster.memberList()).map(({ name }) => name)).not.toContain(oldLeader.name);
    expect(await cluster.get('before')).toMatchObject({ value: 'kept' });
  });

  test('elects another leader when the leader is killed, and takes it back', async () => {
    const killed = await cluster.waitForLeader();
    expect(await killed.kill()).toEqual({ code: null, signal: 'SIGKILL' });
    expect(killed.running).toBe(false);
    const next = await cluster.waitForLeader();
    expect(next).not.toBe(killed);
    const revision = await cluster.put('while-down', 'x');

    await killed.start();
    const gateway = cluster.gateway(killed);
    expect((await gateway.get('while-down'))?.modRevision).toBe(revision);
  });

  test('does not hear from a paused member until it goes on', async () => {
    const leader = await cluster.waitForLeader();
    const follower = cluster.members.find((member) => member !== leader);
    if (!follower) {
      throw new Error('there is no follower');
    }
    const gateway = follower.gateway({ timeoutMs: 300 });
    try {
      await follower.pause();
      const silence = await gateway.status().catch((error: unknown) => error);
      expect(silence).toBeInstanceOf(EtcdNoAnswerError);
      expect(silence).toMatchObject({ kind: 'timeout' });
      await cluster.put('while-paused', 'x');
      follower.resume();
      expect(await cluster.gateway(follower).get('while-paused')).toMatchObject({ value: 'x' });
    } finally {
      gateway.close();
      follower.resume();
    }
  });

  test('grows to a size that was asked for', async () => {
    const leader = await cluster.waitForLeader();
    const size = await cluster.fill(4 * 1024 * 1024);
    expect(size).toBeGreaterThanOrEqual(4 * 1024 * 1024);
    expect(await leader.dataSize()).toBeGreaterThanOrEqual(4 * 1024 * 1024);
  });

  test('leaves neither process nor data behind when it is stopped', async () => {
    const pids = cluster.members.map(({ pid }) => pid);
    expect(pids.map(exists)).toEqual([true, true, true]);
    // A stopped process does not hear SIGTERM.
    await cluster.members[0]?.pause();
    await cluster.stop();
    expect(pids.map(exists)).toEqual([false, false, false]);
    expect(existsSync(cluster.directory)).toBe(false);
    await expect(
      new EtcdGateway(cluster.endpoints[0] ?? '').status({ timeoutMs: 1_000 }),
    ).rejects.toMatchObject({ kind: 'refused' });
  });
});

describe('a cluster that cannot be', () => {
  test('a cluster that cannot start leaves nothing behind and names the log', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'quorate-fail-'));
    try {
      await expect(
        EtcdCluster.start({
          baseAddress: '127.0.12.10',
          dataDirectory: directory,
          extraFlags: ['--no-such-flag'],
        }),
      ).rejects.toThrow(/no-such-flag/);
      expect(await readdir(directory)).toEqual([]);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });

  test('an address that is taken is told at once', async () => {
    const cluster = await EtcdCluster.start({ size: 1, baseAddress: '127.0.12.20' });
    try {
      await expect(EtcdCluster.start({ size: 1, baseAddress: '127.0.12.20' })).rejects.toThrow(
        '127.0.12.20:2379 is in use by another process',
      );
      expect(cluster.members[0]?.running).toBe(true);
    } finally {
      await cluster.stop();
    }
  });

  test('an address outside of 127.0.0.0/8 is refused', async () => {
    await expect(EtcdCluster.start({ baseAddress: '10.0.0.1' })).rejects.toThrow(
      "'10.0.0.1' is not a loopback address",
    );
  });
});
