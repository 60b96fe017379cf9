import { expect } from '@jest/globals';
import { WriteLoad } from '@quorate/test-harness';
import type { ClusterObserver } from '../../demo/cluster-observer';
import type { LocalDeployment } from '../../demo/local-deployment';

/**
 * Terminates the instance that leads while clients write, and expects that it hands over, is removed
 * and replaced, and that no write is lost. The journal is read to its end.
 */
export async function replaceLeader(
  deployment: LocalDeployment,
  observer: ClusterObserver,
  size: number,
): Promise<void> {
  const load = WriteLoad.start({
    endpoints: () => deployment.clientUrls(),
    tls: deployment.clientTls,
  });
  try {
    const leader = observer.leader ?? '';
    deployment.autoScaling.terminateInstance(leader);
    await deployment.waitUntilInService(size, 180);
    await deployment.journal.stop();

    const kinds = deployment.journal.records.map(({ kind }) => kind);
    expect(kinds.slice(kinds.lastIndexOf('AddLearner'))).toEqual(
      expect.arrayContaining(['Promote', 'TransferLeadership', 'RemoveMember']),
    );
    expect(deployment.instances().map(({ instanceId }) => instanceId)).not.toContain(leader);
  } finally {
    await load.stop();
  }
  expect((await load.stop()).acknowledged.length).toBeGreaterThan(100);
  await expect(load.verify()).resolves.toMatchObject({ lost: [] });
}
