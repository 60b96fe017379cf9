import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { EtcdGateway, resolveEtcd, WriteLoad } from '@quorate/test-harness';
import { ClusterObserver } from '../../demo/cluster-observer';
import { LocalDeployment, type LocalDeploymentProps } from '../../demo/local-deployment';
import { enableAuthentication, ROOT } from '../lambda/edges/authentication';
import { releases } from './releases';

const SIZE = 3;
/** Few, as two such clusters may run at once on a machine that is busy with more. */
const WRITES_PER_SECOND = 25;
/** How much of the function's log is shown when something went wrong. */
const LOG_LINES = 6;
/** How many addresses each release has. */
const ADDRESSES = 40;

/** Who writes: a user that etcd asks for only once authentication is on. */
const USER = { name: ROOT.username, password: ROOT.password };

/**
 * Tests on each release of etcd that a cluster comes up through launch hooks, that its leader and then
 * a follower are replaced, and that no write is lost.
 *
 * @param network - The first three octets of the instances' addresses.
 * @param props - How the cluster is protected. With `auth`, authentication is turned on once it is up.
 */
export function testReplacements(
  network: string,
  props: Pick<LocalDeploymentProps, 'tls' | 'auth'>,
): void {
  jest.setTimeout(180_000);

  describe.each(releases())('etcd $release', ({ release, index }) => {
    let deployment: LocalDeployment;
    let observer: ClusterObserver;
    let load: WriteLoad;
    let completedHooks = 0;

    beforeAll(async () => {
      const etcd = await resolveEtcd({ release });
      const baseAddress = `${network}.${2 + index * ADDRESSES}`;
      deployment = await LocalDeployment.start({ ...props, baseAddress, etcd });
      const client = { tls: deployment.clientTls, user: USER };
      observer = new ClusterObserver(() => deployment.instances(), client);
      deployment.startTicks(1);
      await settle(SIZE);
      if (props.auth) {
        const gateway = new EtcdGateway(deployment.clientUrls()[0] ?? '', client);
        await enableAuthentication(gateway);
        gateway.close();
      }
      load = WriteLoad.start({
        ...client,
        endpoints: () => deployment.clientUrls(),
        ratePerSecond: WRITES_PER_SECOND,
      });
    });

    afterAll(async () => {
      await load?.stop();
      await observer?.stop();
      await deployment?.stop();
    });

    /**
     * Waits until all instances are in service, and until so many more hooks are recorded as completed:
     * the journal is read a little later than it is written.
     */
    async function settle(hooks: number): Promise<void> {
      await deployment.waitUntilInService(SIZE, 90).catch((error: Error) => {
        const said = deployment.log.lines.slice(-LOG_LINES).map((line) => JSON.stringify(line));
        throw new Error(
          [error.message, ...said, JSON.stringify(load?.progress() ?? 'no load')].join('\n'),
          { cause: error },
        );
      });
      completedHooks += hooks;
      const completed = () =>
        deployment.journal.records.filter(({ kind }) => kind === 'CompleteHook').length;
      await deployment.autoScaling.waitUntil(
        `${completedHooks} hooks are recorded as completed; recorded are ${completed()}`,
        () => completed() >= completedHooks,
        20,
      );
    }

    /** Replaces an instance, and returns what was done to the membership, in order. */
    async function replace(instanceId: string): Promise<string[]> {
      const before = deployment.journal.records.length;
      deployment.autoScaling.terminateInstance(instanceId);
      await settle(2);
      expect(deployment.instances().map((one) => one.instanceId)).not.toContain(instanceId);
      return changes(before);
    }

    /** What was done to the membership, in order, after so many records. */
    function changes(after = 0): string[] {
      return deployment.journal.records
        .slice(after)
        .map(({ kind }) => kind)
        .filter((kind) => !['HandOverJoin', 'CompleteHook'].includes(kind));
    }

    test('came up as a cluster of one that grew by learners', () => {
      expect(changes()).toEqual([
        ...['SeedCluster', 'RecordCluster'],
        ...['AddLearner', 'Promote', 'AddLearner', 'Promote'],
      ]);
    });

    test('has its leader replaced, which hands over first', async () => {
      expect(await replace(observer.leader ?? '')).toEqual([
        ...['AddLearner', 'Promote', 'TransferLeadership', 'RemoveMember'],
      ]);
    });

    test('has a follower replaced', async () => {
      const follower = deployment.instances().find((one) => one.instanceId !== observer.leader);
      const done = await replace(follower?.instanceId ?? '');
      // On a busy machine it may have been elected in between, and hand over.
      expect(done.filter((kind) => kind !== 'TransferLeadership')).toEqual([
        ...['AddLearner', 'Promote', 'RemoveMember'],
      ]);
    });

    test('has lost no acknowledged write', async () => {
      const report = await load.stop();
      expect(report.acknowledged.length).toBeGreaterThan(100);
      await expect(load.verify()).resolves.toMatchObject({ lost: [] });
    });
  });
}
