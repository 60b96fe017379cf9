import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, jest, test } from '@jest/globals';
import { EtcdCluster, EtcdMember, resolveEtcd } from '../../src/etcd';

// A machine that runs these for the first time builds etcd first.
jest.setTimeout(240_000);

describe('a member', () => {
  test('a member that ends early says why, with its exit code and log', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'quorate-early-'));
    const member = new EtcdMember({
      binary: (await resolveEtcd()).path,
      name: 'stranger',
      address: '127.0.12.2',
      dataDirectory: join(directory, 'data'),
      // Its own name is missing.
      initialCluster: 'other=http://127.0.12.2:2380',
      initialClusterState: 'new',
    });
    try {
      const error = await member.start().catch((caught: unknown) => caught as Error);
      expect(error).toBeInstanceOf(Error);
      expect((error as Error).message).toMatch(
        /stranger ended with exit code 1 before it answered[\s\S]*couldn't find local name/,
      );
    } finally {
      await member.kill();
      await rm(directory, { recursive: true, force: true });
    }
  });

  test('an executable that cannot be started is told as such', async () => {
    await expect(
      EtcdCluster.start({ size: 1, baseAddress: '127.0.12.30', binary: '/no/such/etcd' }),
    ).rejects.toThrow(/Cannot start \/no\/such\/etcd/);
  });

  test('ETCD_ variables of the environment do not reach etcd', async () => {
    process.env.ETCD_NAME = 'from-the-environment';
    process.env.ETCD_ENABLE_PPROF = 'true';
    let cluster: EtcdCluster | undefined;
    try {
      cluster = await EtcdCluster.start({ size: 1, baseAddress: '127.0.12.40' });
      const pid = cluster.members[0]?.pid;
      const environment = await readFile(`/proc/${pid}/environ`, 'utf8');
      expect(environment).not.toContain('ETCD_');
    } finally {
      delete process.env.ETCD_NAME;
      delete process.env.ETCD_ENABLE_PPROF;
      await cluster?.stop();
    }
  });

  test('stops by SIGTERM, starts again with its data, and can be told to stop while paused', async () => {
    const cluster = await EtcdCluster.start({ size: 1, baseAddress: '127.0.12.50' });
    try {
      const [member] = cluster.members;
      if (!member) {
        throw new Error('there is no member');
      }
      await cluster.put('kept', 'x');
      expect(await member.stop()).toEqual({ code: null, signal: 'SIGTERM' });
      await member.start();
      expect(await cluster.get('kept')).toMatchObject({ value: 'x' });
      await expect(member.start()).rejects.toThrow(/runs already, as process \d+/);
      await member.pause();
      expect(member.paused).toBe(true);
      await expect(member.waitForExit(50)).rejects.toThrow(/did not end within 50 ms/);
      expect(await member.stop()).toEqual({ code: null, signal: 'SIGTERM' });
      expect(member.running).toBe(false);
    } finally {
      await cluster.stop();
    }
  });
});
