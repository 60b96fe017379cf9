import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { EtcdError, EtcdGateway, GrpcCode } from '@quorate/test-harness';
import { LocalDeployment } from '../../demo/local-deployment';
import { runCommand } from '../commands/recording-terminal';
import { QUICK_CHANGES, QUICK_PROGRAMS } from '../quick-boot';

jest.setTimeout(120_000);

const QUOTA = 4 << 20;
const VALUE = 'x'.repeat(64 << 10);

let deployment: LocalDeployment;

beforeAll(async () => {
  deployment = await LocalDeployment.start({
    baseAddress: '127.0.62.2',
    programs: [QUICK_PROGRAMS],
    instanceEnvironment: { ...QUICK_CHANGES, ETCD_QUOTA_BACKEND_BYTES: String(QUOTA) },
  });
  deployment.startTicks(1);
  await deployment.waitUntilInService(3, 90);
});

afterAll(async () => {
  await deployment?.stop();
});

const defragment = (...args: string[]) =>
  runCommand(
    ['defragment', '--function', deployment.functionName, '--operator', 'alice', ...args],
    deployment.environment(),
  );

async function withGateway<T>(use: (gateway: EtcdGateway) => Promise<T>, index = 0): Promise<T> {
  const instance = deployment.instances()[index];
  const gateway = new EtcdGateway(instance ? deployment.clientUrl(instance) : '');
  try {
    return await use(gateway);
  } finally {
    gateway.close();
  }
}

/** The sizes of the three databases. */
const sizes = () =>
  Promise.all(
    [0, 1, 2].map((index) =>
      withGateway(async (gateway) => (await gateway.status()).dbSize, index),
    ),
  );

const standingAlarms = () =>
  withGateway(async (gateway) => {
    const { alarms = [] } = await gateway.call('/v3/maintenance/alarm', { action: 'GET' });
    return (alarms as { alarm: string }[]).map(({ alarm }) => alarm);
  });

const journaled = () => deployment.journal.records.map(({ action }) => action);

describe('a database that has reached its quota', () => {
  beforeAll(async () => {
    await withGateway(async (gateway) => {
      await gateway.put('/kept', 'still there');
      // One key, again and again: what fills the database are its old revisions.
      await expect(
        (async () => {
          for (let count = 0; count < 200; count++) {
            await gateway.put('/large', VALUE);
          }
        })(),
      ).rejects.toMatchObject({ code: GrpcCode.RESOURCE_EXHAUSTED });
    });
  });

  test('is told by metric and plan, and no instance is let go meanwhile', async () => {
    expect(await standingAlarms()).toContain('NOSPACE');
    await deployment.autoScaling.waitUntil(
      'the function says that a member is not well',
      () => deployment.log.lines.some(({ message }) => /are not well/.test(message)),
      20,
    );
  });

  test('gets no space of a defragmentation alone, and the alarm stands', async () => {
    const before = Math.min(...(await sizes()));
    const { exitCode, stdout, stderr } = await defragment();
    expect({ exitCode, stderr }).toEqual({
      exitCode: 0,
      stderr: 'An alarm NOSPACE stands, so that no writes are taken: use --disarm.\n',
    });
    expect(stdout).toMatch(/3 members are defragmented\.\n$/);
    expect(before).toBeGreaterThan(QUOTA * 0.9);
    expect(await standingAlarms()).toContain('NOSPACE');
    await expect(withGateway((gateway) => gateway.put('/more', 'x'))).rejects.toThrow(EtcdError);
  });

  test('is mended by compaction, defragmentation, and disarming the alarm', async () => {
    const { leader } = await withGateway((gateway) => gateway.status());
    const members = await withGateway((gateway) => gateway.memberList());
    const { exitCode, stdout, stderr } = await defragment('--compact', '--disarm');
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toMatch(
      /^Compacted: only revision \d+ is left\.\n(i-\w+: \d\.\d MB before, \d\.\d MB after, in [\d.]+ s\n){3}3 members are defragmented\.\nAlarms NOSPACE that were disarmed: [1-3]\.\n$/,
    );

    expect(Math.max(...(await sizes()))).toBeLessThan(QUOTA / 4);
    expect(await standingAlarms()).toEqual([]);
    await withGateway(async (gateway) => {
      await gateway.put('/more', 'x');
      expect((await gateway.get('/kept'))?.value).toBe('still there');
      expect((await gateway.get('/large'))?.value).toBe(VALUE);
    });

    await deployment.autoScaling.waitUntil('the journal has the last step', () =>
      journaled().some((action) => action.startsWith('Disarm')),
    );
    // What came before is of the other defragmentation, whose end may be seen late.
    const all = journaled();
    const actions = all.slice(all.findIndex((action) => /^Compact\(revision=\d+\)$/.test(action)));
    expect(actions[0]).toMatch(/^Compact/);
    // Each once, and the one that led before last.
    const done = actions.flatMap(
      (action) => /^Defragment\(member_id=(\d+)\)$/.exec(action)?.[1] ?? [],
    );
    expect([...done].sort()).toEqual(members.map(({ id }) => id).sort());
    expect(done.at(-1)).toBe(leader);
    expect((await withGateway((gateway) => gateway.status())).leader).not.toBe(leader);
  });

  test('an order to disarm that finds it done is in the journal too', async () => {
    // As it is given again by whoever has got no answer, since the function died on the way.
    const { exitCode, stdout } = await defragment('--disarm');
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/Alarms NOSPACE that were disarmed: 0\.\n$/);
    await deployment.autoScaling.waitUntil('the journal has it', () =>
      deployment.journal.records.some(
        ({ action, outcome }) => action.startsWith('Disarm') && outcome.startsWith('already done'),
      ),
    );
  });
});

describe('nothing is defragmented', () => {
  test('while an instance comes or goes', async () => {
    deployment.autoScaling.setEventSink(async () => undefined);
    await deployment.stopTicks();
    const before = journaled();
    deployment.autoScaling.terminateInstance(deployment.instances()[0]?.instanceId ?? '');
    await deployment.autoScaling.waitUntil('it is held', (instances) =>
      instances.some(({ lifecycleState }) => lifecycleState === 'Terminating:Wait'),
    );
    const { exitCode, stderr } = await defragment();
    expect(exitCode).toBe(3);
    expect(stderr).toMatch(/come or go: wait until all instances are in service/);
    expect(journaled()).toEqual(before);
  });
});
