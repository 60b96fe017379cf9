import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { LocalDeployment } from '../../demo/local-deployment';

jest.setTimeout(120_000);

let deployment: LocalDeployment;

beforeAll(async () => {
  deployment = await LocalDeployment.start({ size: 1, baseAddress: '127.0.42.2' });
});

afterAll(async () => {
  await deployment?.stop();
});

/** Waits until the function has logged a message that matches. */
async function logged(pattern: RegExp): Promise<void> {
  await deployment.autoScaling.waitUntil(
    `the function logs ${pattern}; it logged: ${deployment.log.lines.map((line) => line.message)}`,
    () => deployment.log.lines.some((line) => pattern.test(line.message)),
    20,
  );
}

/** Waits until the function has recorded an action of this kind. */
async function recorded(kind: string): Promise<void> {
  await deployment.autoScaling.waitUntil(
    `the function records ${kind}`,
    () => deployment.journal.records.some((record) => record.kind === kind),
    20,
  );
}

describe('the stack that CloudFormation deployed', () => {
  test('brings a launch event from the bus through rule, queue and mapping to the handler', async () => {
    await logged(/hint: EC2 Instance-launch Lifecycle Action/);
    await logged(/is told to start the first member/);
    expect(deployment.autoScaling.events.map((event) => event.detailType)).toContain(
      'EC2 Instance-launch Lifecycle Action',
    );
  });

  test('completes the launch at a tick, once the member answers', async () => {
    deployment.startTicks(1);
    await deployment.waitUntilInService(1, 30);
    await recorded('CompleteHook');
    expect(deployment.journal.records.map(({ kind }) => kind)).toEqual([
      ...['SeedCluster', 'HandOverJoin', 'RecordCluster', 'CompleteHook'],
    ]);
  });

  test('keeps heartbeating the last voter rather than letting it go', async () => {
    const [instance] = deployment.instances();
    deployment.autoScaling.terminateInstance(instance?.instanceId ?? '', { decrement: false });
    // Its replacement is promoted first: at no moment is there no voter.
    await deployment.waitUntilInService(1, 60);
    await recorded('RemoveMember');
    const kinds = deployment.journal.records.map(({ kind }) => kind);
    expect(kinds.lastIndexOf('RemoveMember')).toBeGreaterThan(kinds.lastIndexOf('Promote'));
    expect(
      deployment.autoScaling.calls.filter(
        ({ action, errorCode }) => action === 'RecordLifecycleActionHeartbeat' && !errorCode,
      ).length,
    ).toBeGreaterThan(0);
  });
});
