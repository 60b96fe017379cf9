import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { WriteLoad } from '@quorate/test-harness';
import { ClusterObserver } from '../../demo/cluster-observer';
import { LocalDeployment } from '../../demo/local-deployment';
import { QUICK_CHANGES, QUICK_PROGRAMS } from '../quick-boot';

jest.setTimeout(240_000);

const SIZE = 3;
const directory = mkdtempSync(join(tmpdir(), 'quorate-crash-'));
const crashFile = join(directory, 'crash-at');

let deployment: LocalDeployment;
let observer: ClusterObserver;
let load: WriteLoad;

/** Lets the function be killed when it next comes to a side effect. */
function crashAt(moment: 'before' | 'after', effect: string): void {
  writeFileSync(crashFile, `${moment} ${effect}`);
}

function expectCrash(): void {
  expect(existsSync(crashFile)).toBe(false);
}

async function replace(instanceId: string): Promise<void> {
  deployment.autoScaling.terminateInstance(instanceId);
  await deployment.waitUntilInService(SIZE, 60);
  expect(deployment.instances().map((instance) => instance.instanceId)).not.toContain(instanceId);
}

function follower(): string {
  const found = deployment.instances().find(({ instanceId }) => instanceId !== observer.leader);
  if (!found) {
    throw new Error('every instance leads, which cannot be');
  }
  return found.instanceId;
}

function leader(): string {
  if (!observer.leader) {
    throw new Error('nobody leads');
  }
  return observer.leader;
}

beforeAll(async () => {
  crashAt('after', '/v3/cluster/member/add');
  deployment = await LocalDeployment.start({
    baseAddress: '127.0.41.2',
    programs: [QUICK_PROGRAMS],
    instanceEnvironment: QUICK_CHANGES,
    environment: {
      PYTHONPATH: join(__dirname, 'crash'),
      QUORATE_TEST_CRASH_FILE: crashFile,
      QUORATE_LEASE_SECONDS: '3',
    },
  });
  // A message whose function was killed comes back after this rather than after 70 s.
  await deployment.setVisibilityTimeout(5);
  observer = new ClusterObserver(() => deployment.instances());
  deployment.startTicks(1);
  await deployment.waitUntilInService(SIZE, 90);
  load = WriteLoad.start({ endpoints: () => deployment.clientUrls() });
});

afterAll(async () => {
  await load?.stop();
  await observer?.stop();
  await deployment?.stop();
  rmSync(directory, { recursive: true, force: true });
});

describe('a function that is killed leaves a cluster that its next run brings to the same end', () => {
  test('killed when a learner was added, but not yet recorded, during the bootstrap', () => {
    expectCrash();
  });

  test('killed when a learner was promoted, before anybody knew', async () => {
    crashAt('after', '/v3/cluster/member/promote');
    await replace(follower());
    expectCrash();
  });

  test('killed when the leadership was moved, before the old leader was removed', async () => {
    crashAt('after', '/v3/maintenance/transfer-leadership');
    await replace(leader());
    expectCrash();
  });

  test('killed when a member was removed, before its hook was completed', async () => {
    crashAt('after', '/v3/cluster/member/remove');
    await replace(leader());
    expectCrash();
  });

  test('killed just before a hook is completed', async () => {
    crashAt('before', 'CompleteLifecycleAction');
    await replace(follower());
    expectCrash();
  });

  test('no acknowledged write is lost by any of it, and three voters are left', async () => {
    const report = await load.stop();
    expect(report.acknowledged.length).toBeGreaterThan(100);
    await expect(load.verify()).resolves.toMatchObject({ lost: [] });
    await observer.stop();
    const members = new Map(
      observer.observations.map(({ instanceId, membership }) => [instanceId, membership]),
    );
    const voters = [...members].filter(([, membership]) => membership === 'voter');
    expect(voters.map(([instanceId]) => instanceId).sort()).toEqual(
      deployment
        .instances()
        .map(({ instanceId }) => instanceId)
        .sort(),
    );
    expect([...members.values()]).not.toContain('learner');
  });
});
