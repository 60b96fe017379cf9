import { setTimeout as sleep } from 'node:timers/promises';
import { EtcdCluster, type EtcdMember, WriteLoad } from '../../packages/test-harness/src';

/** Writes a second in every scenario. */
export const RATE = 200;

/** For a member that gets a large database on a busy machine, in milliseconds. */
const TIMEOUT_MS = 300_000;

/** What writers saw of a scenario. */
export interface Writers {
  readonly longestGapMs: number;
  readonly acknowledged: number;
  readonly failed: number;
  readonly lost: number;
}

/** Before something happens to the cluster, in milliseconds: connections are made, and the load is even. */
const LEAD_MS = 1_000;
/** After it, in milliseconds: an election takes up to 2 s. */
const TAIL_MS = 3_000;

/** Writes while something happens, and reads every acknowledged write back. */
export async function underLoad(
  endpoints: () => readonly string[],
  happen: () => Promise<unknown>,
): Promise<Writers> {
  const load = WriteLoad.start({ endpoints, ratePerSecond: RATE });
  try {
    await sleep(LEAD_MS);
    await happen();
    await sleep(TAIL_MS);
  } finally {
    await load.stop();
  }
  const report = await load.stop();
  const { lost } = await load.verify();
  return {
    longestGapMs: report.longestGapMs,
    acknowledged: report.acknowledged.length,
    failed: report.failed.length,
    lost: lost.length,
  };
}

/** What can be done with a leader, by whoever has a cluster and `etcdctl`. */
export const LEADER_ENDS = {
  'killed (SIGKILL)': (_cluster: EtcdCluster, leader: EtcdMember) => leader.kill(),
  'removed without transfer': async (cluster: EtcdCluster, leader: EtcdMember) => {
    const other = cluster.members.find((member) => member !== leader) as EtcdMember;
    await cluster.gateway(other).memberRemove(await cluster.idOf(leader));
  },
} satisfies Record<string, (cluster: EtcdCluster, leader: EtcdMember) => Promise<unknown>>;

/** Ends the leader of a fresh cluster of three in one of these ways, under load. */
export async function endLeaderByHand(
  way: keyof typeof LEADER_ENDS,
  baseAddress: string,
): Promise<Writers> {
  await using cluster = await EtcdCluster.start({ baseAddress });
  const leader = await cluster.waitForLeader();
  // The clients of a member that goes are told before, as they are in the other scenarios.
  const staying = () => cluster.endpoints.filter((url) => url !== leader.clientUrl);
  await sleep(SETTLE_MS);
  return await underLoad(staying, () => LEADER_ENDS[way](cluster, leader));
}

/** etcd refuses changes until its members have been connected for 5 s. */
export const SETTLE_MS = 5_500;

/**
 * Replaces all members, one after the other, as fast as a loop over the API can: a learner is added,
 * started and promoted, then the old member hands over, if it leads, and is removed.
 *
 * @returns Seconds.
 */
export async function replaceAllByHand(cluster: EtcdCluster): Promise<number> {
  const started = performance.now();
  for (const old of [...cluster.members]) {
    const replacement = await cluster.addLearner({ timeoutMs: TIMEOUT_MS });
    await cluster.promote(replacement, { timeoutMs: TIMEOUT_MS });
    await cluster.remove(old, { timeoutMs: TIMEOUT_MS });
  }
  return (performance.now() - started) / 1000;
}
