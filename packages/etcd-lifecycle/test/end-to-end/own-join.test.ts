import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { WriteLoad } from '@quorate/test-harness';
import { ClusterObserver } from '../../demo/cluster-observer';
import { LocalDeployment } from '../../demo/local-deployment';
import { Nodes } from './own-join/nodes';

jest.setTimeout(120_000);

const BASE_ADDRESS = '127.0.57.2';

const nodes = new Nodes(BASE_ADDRESS);
let deployment: LocalDeployment;
let observer: ClusterObserver;

beforeAll(async () => {
  deployment = await LocalDeployment.start({
    baseAddress: BASE_ADDRESS,
    ownJoin: nodes.userData,
    instanceEnvironment: nodes.environment(),
  });
  observer = new ClusterObserver(() => deployment.instances());
  deployment.startTicks(1);
  await deployment.waitUntilInService(3, 90);
});

afterAll(async () => {
  await observer?.stop();
  await deployment?.stop();
  nodes.remove();
});

/** Waits until the last `count` kinds of actions that were recorded are these. */
async function recorded(kinds: readonly string[]): Promise<void> {
  const last = () => deployment.journal.records.map(({ kind }) => kind).slice(-kinds.length);
  await deployment.autoScaling.waitUntil(
    `the journal ends with ${kinds}, and not ${deployment.journal.records.map(({ kind }) => kind)}`,
    () => last().join() === kinds.join(),
    20,
  );
}

/** The instance that leads, or one that does not. */
function instanceThat(leads: boolean): string {
  const found = deployment
    .instances()
    .find(({ privateIpAddress }) => (observer.leader === Nodes.nameAt(privateIpAddress)) === leads);
  expect(found).toBeDefined();
  return found?.instanceId ?? '';
}

/** Waits until an instance is gone, and three are in service. */
async function replaced(victim: string): Promise<void> {
  await deployment.autoScaling.waitUntil(
    `${victim} is gone`,
    (instances) => instances.every(({ instanceId }) => instanceId !== victim),
    60,
  );
  await deployment.waitUntilInService(3, 60);
}

test('three instances join by themselves, and their launches are completed as they vote', async () => {
  await recorded(['RecordCluster', 'CompleteHook', 'CompleteHook', 'CompleteHook']);
});

test('the leader waits for a replacement that joins by itself, hands over and is removed', async () => {
  const load = WriteLoad.start({ endpoints: () => deployment.clientUrls() });
  try {
    const victim = instanceThat(true);
    deployment.autoScaling.terminateInstance(victim, { decrement: false });
    await replaced(victim);
  } finally {
    await load.stop();
  }
  await recorded(['CompleteHook', 'TransferLeadership', 'RemoveMember', 'CompleteHook']);
  await expect(load.verify()).resolves.toMatchObject({ lost: [] });
});

test('a node that dies is removed first, so that another can join', async () => {
  const victim = instanceThat(false);
  deployment.autoScaling.killInstanceProcesses(victim);
  deployment.autoScaling.terminateInstance(victim, { decrement: false });
  await replaced(victim);
  await recorded(['RemoveMember', 'CompleteHook', 'CompleteHook']);
});
