import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { loopbackAddresses, WriteLoad } from '@quorate/test-harness';
import { ClusterObserver } from '../../demo/cluster-observer';
import { LocalDeployment } from '../../demo/local-deployment';

jest.setTimeout(120_000);

const BASE_ADDRESS = '127.0.57.2';

let shared: string;
let deployment: LocalDeployment;
let observer: ClusterObserver;

beforeAll(async () => {
  shared = mkdtempSync(join(tmpdir(), 'quorate-own-join-'));
  deployment = await LocalDeployment.start({
    baseAddress: BASE_ADDRESS,
    ownJoin: ['exec python3 "$join_cluster" "$etcd_binary" "$shared" $node_addresses'],
    instanceEnvironment: {
      join_cluster: join(__dirname, 'own-join', 'join_cluster.py'),
      shared,
      node_addresses: loopbackAddresses(BASE_ADDRESS, 8).join(' '),
    },
  });
  observer = new ClusterObserver(() => deployment.instances());
  deployment.startTicks(1);
  await deployment.waitUntilInService(3, 90);
});

afterAll(async () => {
  await observer?.stop();
  await deployment?.stop();
  await rm(shared, { recursive: true, force: true });
});

function kinds(): string[] {
  return deployment.journal.records.map(({ kind }) => kind);
}

/** The instance that leads; its member has the name of its node. */
function leader(): string {
  const found = deployment
    .instances()
    .find(
      ({ privateIpAddress }) => observer.leader === `node-${privateIpAddress.replaceAll('.', '-')}`,
    );
  expect(found).toBeDefined();
  return found?.instanceId ?? '';
}

test('three instances join by themselves, and their launches are completed as they vote', () => {
  expect(kinds()).toEqual(['RecordCluster', 'CompleteHook', 'CompleteHook', 'CompleteHook']);
});

test('the leader waits for a replacement that joins by itself, hands over and is removed', async () => {
  const before = kinds().length;
  const load = WriteLoad.start({ endpoints: () => deployment.clientUrls() });
  const victim = leader();
  try {
    deployment.autoScaling.terminateInstance(victim, { decrement: false });
    await deployment.waitUntilInService(3, 60);
    await deployment.autoScaling.waitUntil(
      'the instance that led is gone',
      (instances) => instances.every(({ instanceId }) => instanceId !== victim),
      30,
    );
  } finally {
    await load.stop();
  }
  expect(kinds().slice(before)).toEqual([
    'CompleteHook',
    'TransferLeadership',
    'RemoveMember',
    'CompleteHook',
  ]);
  await expect(load.verify()).resolves.toMatchObject({ lost: [] });
});

test('a node that dies is removed first, so that another can join', async () => {
  const before = kinds().length;
  const victim = deployment.instances().find(({ instanceId }) => instanceId !== leader());
  deployment.autoScaling.killInstanceProcesses(victim?.instanceId ?? '');
  deployment.autoScaling.terminateInstance(victim?.instanceId ?? '', { decrement: false });
  await deployment.waitUntilInService(3, 60);
  expect(kinds().slice(before)).toEqual(['RemoveMember', 'CompleteHook', 'CompleteHook']);
});
