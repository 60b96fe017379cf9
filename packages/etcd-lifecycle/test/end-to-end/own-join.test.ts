import { dirname } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { resolveEtcdctl, WriteLoad } from '@quorate/test-harness';
import { ClusterObserver } from '../../demo/cluster-observer';
import { LocalDeployment, type LocalDeploymentProps } from '../../demo/local-deployment';
import { EtcdAccess, EtcdBeforeRemoval } from '../../src';
import { Nodes } from './own-join/nodes';

jest.setTimeout(180_000);

let size: number;
let nodes: Nodes;
let deployment: LocalDeployment;
let observer: ClusterObserver;

/** Waits until all instances have joined by themselves, and their launches are completed. */
async function start(
  props: LocalDeploymentProps & { readonly size: number; readonly baseAddress: string },
): Promise<void> {
  size = props.size;
  nodes = new Nodes(props.baseAddress);
  deployment = await LocalDeployment.start({
    ...props,
    ownJoin: nodes.userData,
    instanceEnvironment: nodes.environment(),
  });
  observer = new ClusterObserver(() => deployment.instances());
  deployment.startTicks(1);
  await deployment.waitUntilInService(size, 90);
}

async function stop(): Promise<void> {
  await observer?.stop();
  await deployment?.stop();
  nodes.remove();
}

/** Waits until the last kinds of actions that were recorded are these. */
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

/** Terminates an instance, and waits until it is gone and as many as before are in service. */
async function replace(victim: string): Promise<void> {
  deployment.autoScaling.terminateInstance(victim, { decrement: false });
  await deployment.autoScaling.waitUntil(
    `${victim} is gone`,
    (instances) => instances.every(({ instanceId }) => instanceId !== victim),
    60,
  );
  await deployment.waitUntilInService(size, 60);
}

/** Replaces the leader while clients write, of whose writes none may be lost. */
async function replaceLeader(): Promise<void> {
  const load = WriteLoad.start({ endpoints: () => deployment.clientUrls() });
  try {
    await replace(instanceThat(true));
  } finally {
    await load.stop();
  }
  await expect(load.verify()).resolves.toMatchObject({ lost: [] });
}

describe('with a function that asks members by the network', () => {
  beforeAll(() => start({ size: 3, baseAddress: '127.0.57.2' }));
  afterAll(stop);

  test('three instances join by themselves, and their launches are completed as they vote', async () => {
    await recorded(['RecordCluster', 'CompleteHook', 'CompleteHook', 'CompleteHook']);
  });

  test('the leader waits for a replacement that joins by itself, hands over and is removed', async () => {
    await replaceLeader();
    await recorded(['CompleteHook', 'TransferLeadership', 'RemoveMember', 'CompleteHook']);
  });

  test('a node that dies is removed first, so that another can join', async () => {
    const victim = instanceThat(false);
    deployment.autoScaling.killInstanceProcesses(victim);
    await replace(victim);
    await recorded(['RemoveMember', 'CompleteHook', 'CompleteHook']);
  });
});

describe('with a function that asks members by commands, and has instances hand over first', () => {
  beforeAll(async () => {
    await start({
      size: 2,
      baseAddress: '127.0.57.102',
      runsCommands: true,
      access: EtcdAccess.ssmRunCommand({ environmentFile: './etcd.env' }),
      programs: [dirname(await resolveEtcdctl())],
      beforeRemoval: () => EtcdBeforeRemoval.runCommand(['echo "$QUORATE_MEMBER_ID" > drained']),
    });
  });
  afterAll(stop);

  test('the leader hands over what else it does, then the leadership, and is removed', async () => {
    await replaceLeader();
    await recorded([
      ...['CompleteHook', 'PrepareRemoval', 'TransferLeadership', 'RemoveMember', 'CompleteHook'],
    ]);
    const reasons = deployment.journal.records.map(({ reason }) => reason);
    expect(reasons).toContainEqual(expect.stringMatching(/has handed over$/));
    const { sent } = deployment.runCommand;
    expect(sent.filter(({ commands }) => commands.join().includes('drained'))).toHaveLength(1);
  });
});
