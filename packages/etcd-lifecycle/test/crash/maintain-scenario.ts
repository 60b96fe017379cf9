import { expect } from '@jest/globals';
import type { LocalInstance } from '@quorate/test-harness';
import { play, player } from './cast';
import type { CrashCluster } from './crash-cluster';
import { expectKept, putKept } from './kept-keys';
import { give, OPERATOR } from './orders';
import type { Scenario } from './scenario';

/** What fills the databases: old revisions of one key. */
const LARGE = { value: 'x'.repeat(64 << 10), times: 24 };

const [FIRST, SECOND, LEADER] = ['the follower that is first', 'the other follower', 'the leader'];

/**
 * A member has no space left, as its alarm says; a person compacts, defragments each member, and
 * disarms the alarm.
 */
export const maintain: Scenario = {
  name: 'maintain',
  baseAddress: '127.0.68.2',
  from: 3,
  to: 3,
  still: true,
  // A defragmentation always takes longer than a third of it: the lease is renewed meanwhile.
  environment: { QUORATE_LEASE_SECONDS: '0.003' },
  async prepare(cluster) {
    const leader = await cluster.leader();
    const followers = await byMemberId(cluster, cluster.instances());
    const [first, second] = followers.filter((it) => it.instanceId !== leader.instanceId);
    play(cluster, { [FIRST]: first, [SECOND]: second, [LEADER]: leader });
    await putKept(cluster, leader);
    await cluster.ask(leader, async (gateway) => {
      for (let time = 0; time < LARGE.times; time++) {
        await gateway.put('/large', LARGE.value);
      }
    });
  },
  async run(cluster) {
    const leader = player(cluster, LEADER);
    await cluster.waitUntil('a write is acknowledged', async () => {
      const keys = { prefix: '/quorate/write-load/', limit: 1 };
      return (await cluster.ask(leader, (gateway) => gateway.range(keys))).length > 0;
    });
    const { memberId } = await cluster.ask(leader, (gateway) => gateway.status());
    await cluster.ask(leader, (gateway) =>
      gateway.call('/v3/maintenance/alarm', {
        action: 'ACTIVATE',
        alarm: 'NOSPACE',
        memberID: memberId,
      }),
    );
    const order = <T>(what: string, more: object = {}) =>
      give<T>(cluster, { maintain: { do: what, operator: OPERATOR, ...more } }, async () => {
        // Who has lost the answer while the leadership moves finds it moved.
        await cluster.leader();
      });
    await order('compact');
    const done: string[] = [];
    for (;;) {
      const { member } = await order<{ member: Step | null }>('defragment', { done });
      if (member === null) {
        break;
      }
      done.push(member.id);
    }
    await order('disarm');
    await cluster.settle(3);
  },
  async expectEnd(cluster) {
    const members = await cluster.members();
    const journal = await cluster.journal();
    const defragmented = journal.flatMap(
      (one) => /^Defragment\(member_id=(\d+)/.exec(one)?.[1] ?? [],
    );
    expect([...new Set(defragmented)].sort()).toEqual(members.map(({ id }) => id).sort());
    expect(journal).toContainEqual(expect.stringMatching(/^Compact\(/));
    expect(journal).toContainEqual(expect.stringMatching(/^Disarm\(/));
    for (const instance of cluster.instances()) {
      const { dbSize, errors } = await cluster.ask(instance, (gateway) => gateway.status());
      expect(dbSize).toBeLessThan((LARGE.value.length * LARGE.times) / 2);
      expect(errors).toEqual([]);
    }
    await expectKept(cluster);
  },
};

interface Step {
  readonly id: string;
}

/** Instances, by the ids of their members: in this order they are defragmented. */
async function byMemberId(
  cluster: CrashCluster,
  instances: readonly LocalInstance[],
): Promise<LocalInstance[]> {
  const ids = new Map<LocalInstance, bigint>();
  for (const instance of instances) {
    const { memberId } = await cluster.ask(instance, (gateway) => gateway.status());
    ids.set(instance, BigInt(memberId));
  }
  const id = (one: LocalInstance) => ids.get(one) ?? 0n;
  return [...instances].sort((one, other) => (id(one) < id(other) ? -1 : 1));
}
