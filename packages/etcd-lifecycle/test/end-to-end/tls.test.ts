import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { WriteLoad } from '@quorate/test-harness';
import { ClusterObserver } from '../../demo/cluster-observer';
import { LocalDeployment } from '../../demo/local-deployment';

jest.setTimeout(120_000);

let deployment: LocalDeployment;
let observer: ClusterObserver;

beforeAll(async () => {
  deployment = await LocalDeployment.start({ baseAddress: '127.0.54.2', tls: true });
  observer = new ClusterObserver(() => deployment.instances(), { tls: deployment.clientTls });
  deployment.startTicks(1);
  await deployment.waitUntilInService(3, 90);
});

afterAll(async () => {
  await observer?.stop();
  await deployment?.stop();
});

test('with mutual TLS the leader hands over and is replaced, and no write is lost', async () => {
  const load = WriteLoad.start({
    endpoints: () => deployment.clientUrls(),
    tls: deployment.clientTls,
  });
  try {
    const leader = observer.leader ?? '';
    deployment.autoScaling.terminateInstance(leader);
    await deployment.waitUntilInService(3, 60);
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
});
