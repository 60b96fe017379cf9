import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { EtcdCluster, type EtcdMember, WriteLoad, type WriteLoadProps } from '../../src/etcd';
import { waitUntil } from '../../src/wait-until';

// A machine that runs these for the first time builds etcd first.
jest.setTimeout(240_000);

const loads: WriteLoad[] = [];

function startLoad(props: WriteLoadProps): WriteLoad {
  const load = WriteLoad.start(props);
  loads.push(load);
  return load;
}

// Also after a failure: a load that goes on would disturb the next test.
afterEach(async () => {
  await Promise.all(loads.splice(0).map((load) => load.stop()));
});

/** Writes a second; few enough for a machine with other work to do. */
const RATE = 100;

/** Waits until a load has so many more acknowledgements. */
async function moreAcknowledged(load: WriteLoad, count: number): Promise<void> {
  const target = load.progress().acknowledged + count;
  await waitUntil(
    `${target} acknowledged writes`,
    async () => load.progress().acknowledged >= target || undefined,
    { timeoutMs: 30_000 },
  );
}

describe('a write load on a cluster', () => {
  let cluster: EtcdCluster;

  beforeAll(async () => {
    cluster = await EtcdCluster.start({ baseAddress: '127.0.14.2', tls: true });
  });

  afterAll(async () => {
    await cluster.stop();
  });

  function start(endpoints: () => readonly string[], ratePerSecond = RATE): WriteLoad {
    return startLoad({ endpoints, ratePerSecond, tls: cluster.clientTls });
  }

  async function anotherThan(leader: EtcdMember): Promise<EtcdMember> {
    const follower = cluster.members.find((member) => member !== leader && member.running);
    if (!follower) {
      throw new Error('there is no follower');
    }
    return follower;
  }

  test('sends each write that is due, none earlier, and every acknowledged write is there', async () => {
    const load = startLoad({
      endpoints: () => cluster.endpoints,
      ratePerSecond: RATE,
      tls: cluster.clientTls,
      attemptTimeoutMs: 10_000,
      giveUpAfterMs: 60_000,
    });
    const begun = performance.now();
    // On a machine that is busy nothing is sent for a while: that must not lower the rate.
    for (const until = begun + 500; performance.now() < until; );
    const due = Math.floor(((performance.now() - begun) * RATE) / 1000);
    await waitUntil(
      `the ${due} writes that are due by now to be sent`,
      async () => load.progress().acknowledged + load.progress().inFlight >= due || undefined,
      { timeoutMs: 10_000 },
    );
    const report = await load.stop();
    expect(await load.stop()).toBe(report);
    expect(report.failed).toEqual([]);
    // Counted and not timed: each has a moment of its own, and no moment is without one.
    expect(report.acknowledged.length).toBeGreaterThanOrEqual(due);
    expect(report.acknowledged.map(({ dueAt }) => dueAt).sort((a, b) => a - b)).toEqual(
      report.acknowledged.map((_, n) => report.startedAt + (n * 1000) / RATE),
    );
    expect(report.acknowledged.every(({ dueAt }) => dueAt <= report.endedAt)).toBe(true);
    expect(new Set(report.acknowledged.map(({ key }) => key)).size).toBe(
      report.acknowledged.length,
    );
    expect(cluster.endpoints).toContain(load.progress().endpoint);
    expect(await load.verify()).toEqual({ checked: report.acknowledged.length, lost: [] });
  });

  test('loses nothing while the leadership moves and a leader is killed', async () => {
    const load = start(() => cluster.endpoints);
    await moreAcknowledged(load, 50);
    await cluster.transferLeadership(await anotherThan(await cluster.waitForLeader()));
    await moreAcknowledged(load, 50);

    const leader = await cluster.waitForLeader();
    await leader.kill();
    await cluster.waitForLeader();
    await moreAcknowledged(load, 50);
    await leader.start();
    await moreAcknowledged(load, 50);

    const report = await load.stop();
    expect(report.failed).toEqual([]);
    // Nobody can write while there is no leader: the shortest election time-out is a second.
    expect(report.longestGapMs).toBeGreaterThan(200);
    expect(report.gaps.map(({ durationMs }) => durationMs)).toContain(report.longestGapMs);
    expect(await load.verify()).toEqual({ checked: report.acknowledged.length, lost: [] });
  });

  test('moves on from an endpoint that hangs, and follows a list that changes', async () => {
    const [first, second, third] = cluster.members;
    if (!first || !second || !third) {
      throw new Error('the cluster has lost members');
    }
    await cluster.transferLeadership(third);
    let endpoints: readonly string[] = [first.clientUrl, second.clientUrl];
    const load = start(() => endpoints);
    try {
      await moreAcknowledged(load, 20);
      expect(load.progress().endpoint).toBe(first.clientUrl);
      await first.pause();
      await waitUntil(
        'the load to move on',
        async () => load.progress().endpoint === second.clientUrl || undefined,
        { timeoutMs: 10_000 },
      );
      await moreAcknowledged(load, 20);
      endpoints = [third.clientUrl];
      await moreAcknowledged(load, 20);
      expect(load.progress().endpoint).toBe(third.clientUrl);
    } finally {
      first.resume();
    }
    const report = await load.stop();
    expect(report.failed).toEqual([]);
    expect(report.retried).toBeGreaterThan(0);
    expect(report.acknowledged.some(({ attempts }) => attempts > 1)).toBe(true);
    expect(await load.verify([first.clientUrl])).toMatchObject({ lost: [] });
  });

  test('finds an acknowledged write that is gone, or has changed', async () => {
    const load = start(() => cluster.endpoints, 300);
    // More than a page of the reading back.
    await moreAcknowledged(load, 600);
    const { acknowledged } = await load.stop();
    const [gone, changed] = [acknowledged[7], acknowledged[580]];
    if (!gone || !changed) {
      throw new Error('there are too few writes');
    }
    const gateway = cluster.gateway(await cluster.waitForLeader());
    await gateway.call('/v3/kv/deleterange', { key: Buffer.from(gone.key).toString('base64') });
    await gateway.put(changed.key, 'something else');
    const { checked, lost } = await load.verify();
    expect(checked).toBe(acknowledged.length);
    expect(lost).toHaveLength(2);
    expect(lost).toContainEqual({ write: gone, reason: 'absent' });
    expect(lost).toContainEqual({ write: changed, reason: 'different' });
  });
});

describe('a write load on nothing', () => {
  test('gives its writes up as not written, and counts the whole time as a gap', async () => {
    const load = startLoad({
      endpoints: () => ['http://127.0.14.200:2379'],
      ratePerSecond: 50,
      giveUpAfterMs: 200,
    });
    await sleep(400);
    expect(load.progress().lastError).toMatch(/gave no answer \(refused\)/);
    const report = await load.stop();
    expect(report.acknowledged).toEqual([]);
    expect(report.failed.length).toBeGreaterThan(0);
    expect(new Set(report.failed.map(({ outcome }) => outcome))).toEqual(new Set(['not written']));
    expect(report.longestGapMs).toBe(report.endedAt - report.startedAt);
    await expect(load.verify()).rejects.toThrow(/no endpoint answers:\n.*refused/);
  });

  test('waits for an endpoint if there is none', async () => {
    const load = startLoad({ endpoints: () => [], giveUpAfterMs: 100 });
    await sleep(150);
    const report = await load.stop();
    expect(report.failed[0]).toMatchObject({
      error: 'there is no endpoint to write to',
      outcome: 'not written',
    });
    await expect(load.verify()).rejects.toThrow(/there is no endpoint/);
  });

  test('refuses a rate that cannot be', () => {
    for (const ratePerSecond of [0, -1, Number.NaN, 1e9]) {
      expect(() => WriteLoad.start({ endpoints: () => [], ratePerSecond })).toThrow(/a rate of/);
    }
  });
});
