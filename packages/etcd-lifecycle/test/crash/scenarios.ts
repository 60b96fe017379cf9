import { expect } from '@jest/globals';
import type { LocalInstance } from '@quorate/test-harness';
import { at, chooseFollower, find, play, player, VICTIM } from './cast';
import { type CrashCluster, SNAPSHOT_BUCKET } from './crash-cluster';
import { maintain } from './maintain-scenario';
import { recover } from './recover-scenario';
import type { Scenario } from './scenario';

const AUTO_SCALING = 'Auto Scaling';
const STALLED = 'the stalled instance';

const bootstrap: Scenario = {
  name: 'bootstrap',
  baseAddress: '127.0.58.2',
  from: 0,
  to: 1,
  async prepare(cluster) {
    cluster.newcomer = 'the first instance';
  },
  run: (cluster) => cluster.settle(1),
};

const join: Scenario = {
  name: 'join',
  baseAddress: '127.0.59.2',
  from: 1,
  to: 2,
  async prepare(cluster) {
    play(cluster, { 'the old member': at(cluster, 0) });
    cluster.newcomer = 'the newcomer';
  },
  async run(cluster) {
    await cluster.scaleTo(2);
    await cluster.settle(2);
  },
};

const replaceFollower: Scenario = {
  name: 'replace-follower',
  baseAddress: '127.0.60.2',
  from: 3,
  to: 3,
  prepare: chooseFollower,
  async run(cluster) {
    cluster.autoScaling.terminateInstance(player(cluster, VICTIM).instanceId);
    await cluster.settle(3);
  },
};

const replaceLeader: Scenario = {
  name: 'replace-leader',
  baseAddress: '127.0.61.2',
  from: 3,
  to: 3,
  async prepare(cluster) {
    const leader = await cluster.leader();
    const [one, other] = cluster.instances().filter((it) => it.instanceId !== leader.instanceId);
    play(cluster, { [VICTIM]: leader, 'a follower': one, 'the other follower': other });
    cluster.newcomer = 'the replacement';
  },
  async run(cluster) {
    cluster.autoScaling.terminateInstance(player(cluster, VICTIM).instanceId);
    await cluster.settle(3);
  },
};

const deadMember: Scenario = {
  name: 'dead-member',
  baseAddress: '127.0.62.2',
  from: 3,
  to: 3,
  prepare: chooseFollower,
  async run(cluster) {
    const { instanceId } = player(cluster, VICTIM);
    cluster.autoScaling.killInstanceProcesses(instanceId);
    cluster.autoScaling.terminateInstance(instanceId);
    await cluster.settle(3);
  },
};

/** A learner that stalls: it is given up, its launch is rolled back, and the next instance joins. */
function learnerStalls(
  props: Pick<Scenario, 'name' | 'baseAddress'> & {
    stall(cluster: CrashCluster, learner: LocalInstance): void | Promise<void>;
  },
): Scenario {
  return {
    ...props,
    from: 3,
    to: 3,
    prepare: chooseFollower,
    abandoned: [STALLED],
    async run(cluster) {
      const before = new Set(cluster.instances().map((one) => one.instanceId));
      cluster.autoScaling.terminateInstance(player(cluster, VICTIM).instanceId);
      const stalled = cluster.instances().find((one) => !before.has(one.instanceId));
      cluster.names.set(stalled?.instanceId ?? '', STALLED);
      await cluster.passUntil('the learner has started', async () => {
        return (await cluster.status(player(cluster, STALLED)))?.leader !== undefined;
      });
      await props.stall(cluster, player(cluster, STALLED));
      // A deadline that is short for everybody would be over for its replacement too on a busy machine.
      await cluster.haveWaitedForADay(player(cluster, STALLED));
      await cluster.passUntil(
        'the stalled learner is given up',
        () => !find(cluster, STALLED)?.lifecycleState.startsWith('Pending'),
      );
      await cluster.settle(3);
    },
  };
}

const deadLearner = learnerStalls({
  name: 'dead-learner',
  baseAddress: '127.0.63.2',
  stall: (cluster, learner) => cluster.autoScaling.killInstanceProcesses(learner.instanceId),
});

const hungLearner = learnerStalls({
  name: 'hung-learner',
  baseAddress: '127.0.65.2',
  stall: (cluster, learner) => cluster.pause(learner),
});

const scaleIn: Scenario = {
  name: 'scale-in',
  baseAddress: '127.0.64.2',
  from: 3,
  to: 1,
  async prepare(cluster) {
    // The group lets the oldest two go, as each is alone in its zone.
    await cluster.lead(at(cluster, 0));
    play(cluster, {
      'the leaving leader': at(cluster, 0),
      'the leaving follower': at(cluster, 1),
      'the survivor': at(cluster, 2),
    });
  },
  async run(cluster) {
    await cluster.scaleTo(1);
    await cluster.settle(1);
  },
};

const handOver: Scenario = {
  name: 'hand-over',
  baseAddress: '127.0.70.2',
  from: 2,
  to: 1,
  async prepare(cluster) {
    await cluster.handOverByFunction();
    await cluster.lead(at(cluster, 1));
    play(cluster, { [VICTIM]: at(cluster, 0), 'the survivor': at(cluster, 1) });
  },
  async run(cluster) {
    const { instanceId } = player(cluster, VICTIM);
    cluster.autoScaling.terminateInstance(instanceId, { decrement: true });
    await cluster.settle(1);
    if (!(await cluster.hasHandedOver(instanceId))) {
      throw new Error(`${instanceId} went without having handed over`);
    }
  },
};

/** A member that the guard would keep until its replacement votes. */
const override: Scenario = {
  name: 'override',
  baseAddress: '127.0.66.2',
  from: 3,
  to: 3,
  prepare: chooseFollower,
  async run(cluster) {
    const { instanceId } = player(cluster, VICTIM);
    cluster.autoScaling.terminateInstance(instanceId);
    const order = { remove: instanceId, operator: 'an operator', reason: 'its disk is broken' };
    // Whose command has failed gives the order again.
    while ((await cluster.pass({ override: order })).ended === 'killed') {}
    await cluster.settle(3);
  },
  async expectEnd(cluster) {
    // It holds once, wherever the function died.
    expect(await cluster.overrides()).toEqual([]);
  },
};

const snapshotFirst: Scenario = {
  name: 'snapshot-first',
  baseAddress: '127.0.67.2',
  from: 3,
  to: 3,
  // The lease is so short that it is always renewed while the snapshot comes.
  environment: {
    QUORATE_SNAPSHOT_BUCKET: SNAPSHOT_BUCKET,
    QUORATE_SNAPSHOT_KEEP: '1',
    QUORATE_LEASE_SECONDS: '0.003',
  },
  async prepare(cluster) {
    await chooseFollower(cluster);
    await cluster.ageSnapshots();
  },
  async run(cluster) {
    cluster.autoScaling.terminateInstance(player(cluster, VICTIM).instanceId);
    await cluster.settle(3);
  },
  async expectEnd(cluster) {
    // The one that is recorded, without those before it; what was broken off is no object.
    const { recorded, stored } = await cluster.snapshots();
    expect(stored).toEqual([recorded]);
  },
};

/** Auto Scaling fails for a while, and the circuit that all environments share opens and closes. */
const outage: Scenario = {
  name: 'outage',
  baseAddress: '127.0.69.2',
  from: 1,
  to: 2,
  environment: { QUORATE_CIRCUIT_FAILURES: '2', QUORATE_CIRCUIT_SECONDS: '0.5' },
  prepare: join.prepare,
  async run(cluster) {
    await cluster.scaleTo(2);
    await cluster.passUntil('an instance is held, and told to start', async () => {
      return (await cluster.joinParameters()).length > 0;
    });
    const describing = 'DescribeAutoScalingGroups';
    cluster.autoScaling.failNext(describing, { times: Number.POSITIVE_INFINITY });
    await cluster.passUntil('the circuit opens', () => opened(cluster, 0));
    const before = (await cluster.circuit(AUTO_SCALING)).version;
    await cluster.passUntil('a probe fails', () => opened(cluster, before));
    cluster.autoScaling.failNext(describing, { times: 0 });
    await cluster.settle(2);
  },
  async expectEnd(cluster) {
    expect((await cluster.circuit(AUTO_SCALING)).phase).toBe('CLOSED');
  },
};

/** Whether the circuit of Auto Scaling has opened since it had a version. */
async function opened(cluster: CrashCluster, version: number): Promise<boolean> {
  const circuit = await cluster.circuit(AUTO_SCALING);
  return circuit.phase === 'OPEN' && circuit.version > version;
}

/** All scenarios, by their names. */
export const SCENARIOS: ReadonlyMap<string, Scenario> = new Map(
  [
    bootstrap,
    join,
    replaceFollower,
    replaceLeader,
    deadMember,
    deadLearner,
    hungLearner,
    scaleIn,
    handOver,
    override,
    snapshotFirst,
    outage,
    maintain,
    recover,
  ].map((scenario) => [scenario.name, scenario]),
);
