import { expect } from '@jest/globals';
import { at, play, player } from './cast';
import { type CrashCluster, SNAPSHOT_BUCKET } from './crash-cluster';
import { expectKept, putKept } from './kept-keys';
import { ask, OPERATOR } from './orders';
import type { Scenario } from './scenario';

const [LOST, ENDED] = ['the lost instance', 'the ended instance'];
const [SURVIVOR, FOUNDER] = ['the survivor', 'the founder'];
const BUMP = 1_000_000;

/**
 * Two of three are lost for good, with all that was written after the last snapshot; a person orders
 * that the cluster is made anew of that, and has the old instances replaced when it lives.
 */
export const recover: Scenario = {
  name: 'recover',
  baseAddress: '127.0.72.2',
  from: 3,
  to: 3,
  madeAnew: true,
  async prepare(cluster) {
    const [survivor, lost, ended] = [at(cluster, 0), at(cluster, 1), at(cluster, 2)];
    play(cluster, { [SURVIVOR]: survivor, [LOST]: lost, [ENDED]: ended });
    cluster.newcomer = 'a newcomer';
    await putKept(cluster, survivor);
    cluster.environment = {
      QUORATE_SNAPSHOT_BUCKET: SNAPSHOT_BUCKET,
      QUORATE_SNAPSHOT_INTERVAL: '86400',
    };
    await cluster.passUntil('a snapshot is stored', async () => {
      return (await cluster.snapshots()).recorded !== undefined;
    });
    await cluster.ask(survivor, (gateway) => gateway.put('/lost', 'after the snapshot'));
    // From now on nothing is acknowledged that the new cluster does not have.
    for (const { instanceId } of [lost, ended]) {
      cluster.autoScaling.killInstanceProcesses(instanceId);
    }
    await cluster.waitUntil('the survivor knows that it has no leader', async () => {
      const status = await cluster.status(survivor);
      return status !== undefined && status.leader === undefined;
    });
  },
  async run(cluster) {
    cluster.autoScaling.loseInstance(player(cluster, LOST).instanceId);
    cluster.names.set(at(cluster, 3).instanceId, FOUNDER);
    await cluster.pass();
    while (!(await order(cluster))) {
      // The command has failed, and the schedule goes on until a person looks again.
      await cluster.pass();
      await cluster.membersStarted();
    }
    await cluster.passUntil('the new cluster serves', () => {
      return player(cluster, FOUNDER).lifecycleState === 'InService';
    });
  },
  async afterwards(cluster) {
    for (const part of [ENDED, SURVIVOR]) {
      cluster.autoScaling.terminateInstance(player(cluster, part).instanceId);
      await cluster.settle(3);
    }
  },
  async expectEnd(cluster) {
    const { seed } = await cluster.records();
    expect(seed.instanceId).toBe(player(cluster, FOUNDER).instanceId);
    const { quorate, order, cluster_id, known_cluster_ids } = await inspect(cluster);
    expect({ quorate, order, cluster_id }).toEqual({
      quorate: true,
      order: null,
      cluster_id: seed.clusterId,
    });
    expect(known_cluster_ids).toHaveLength(2);
    expect(await cluster.journal()).toContainEqual(expect.stringMatching(/^RestoreOrder\(/));
    await expectKept(cluster);
    const { revision } = await cluster.snapshots();
    for (const instance of cluster.instances()) {
      await cluster.ask(instance, async (gateway) => {
        expect((await gateway.status()).revision).toBeGreaterThan(revision + BUMP);
        expect(await gateway.get('/lost')).toBeUndefined();
      });
    }
  },
};

/** How things stand, as a person is told before an order. */
interface Standing {
  readonly quorate: boolean;
  readonly cluster_id: string | null;
  readonly known_cluster_ids: readonly string[];
  readonly generation: number;
  readonly order: object | null;
}

async function inspect(cluster: CrashCluster): Promise<Standing> {
  const standing = await ask<Standing>(cluster, { recover: { do: 'inspect' } });
  if (!standing) {
    throw new Error('the function was killed, although it only looks');
  }
  return standing;
}

/** Orders the recovery, unless the new cluster lives. Returns whether there was an answer. */
async function order(cluster: CrashCluster): Promise<boolean> {
  const { quorate, generation } = await inspect(cluster);
  if (quorate) {
    return true;
  }
  const { recorded, revision } = await cluster.snapshots();
  const answer = await ask(cluster, {
    recover: {
      do: 'order',
      snapshot: `s3://${SNAPSHOT_BUCKET}/${recorded}`,
      snapshot_revision: revision,
      bump_revision: BUMP,
      generation,
      operator: OPERATOR,
      unreachable_are_lost: false,
    },
  });
  return answer !== undefined;
}
