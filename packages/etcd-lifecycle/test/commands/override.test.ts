import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { EtcdGateway, type LocalInstance } from '@quorate/test-harness';
import { LocalDeployment } from '../../demo/local-deployment';
import { QUICK_CHANGES, QUICK_PROGRAMS } from '../quick-boot';
import { runCommand } from './recording-terminal';

jest.setTimeout(120_000);

let deployment: LocalDeployment;
let dead: LocalInstance;

beforeAll(async () => {
  deployment = await LocalDeployment.start({
    baseAddress: '127.0.63.2',
    programs: [QUICK_PROGRAMS],
    instanceEnvironment: QUICK_CHANGES,
  });
  deployment.startTicks(1);
  await deployment.waitUntilInService(3, 90);
  dead = deployment.instances()[2] as LocalInstance;
  deployment.autoScaling.killInstanceProcesses(dead.instanceId);
  await deployment.autoScaling.waitUntil(
    'the function says that a member is not well, and keeps it',
    () => deployment.log.lines.some(({ message }) => /not well, and their instances/.test(message)),
    60,
  );
});

afterAll(async () => {
  await deployment?.stop();
});

const override = (args: readonly string[], ...answers: string[]) =>
  runCommand(
    ['override', '--function', deployment.functionName, '--operator', 'alice', ...args],
    deployment.environment(),
    answers,
  );

const order = (member: string, ...args: string[]) =>
  override(['--remove', member, '--reason', 'its disk is gone', '--yes', ...args]);

const removals = () => deployment.journal.records.filter(({ kind }) => kind === 'RemoveMember');

test('an order about a member that there is not is refused, and tells which there are', async () => {
  const { exitCode, stderr } = await order('i-0');
  expect(exitCode).toBe(3);
  expect(stderr).toContain(`i-0 names no member; there are `);
  expect(stderr).toContain(`${dead.instanceId} (`);
});

test('an order that is not confirmed, or holds for too long, is none', async () => {
  const asked = await override(['--remove', dead.instanceId, '--reason', 'its disk is gone'], 'no');
  expect(asked).toMatchObject({ exitCode: 3 });
  expect(asked.stderr).toMatch(/Type its name again: .*it was not confirmed/);
  expect(removals()).toEqual([]);
  const tooLong = await order(dead.instanceId, '--minutes', '100000');
  expect(tooLong).toMatchObject({ exitCode: 1 });
  expect(tooLong.stderr).toMatch(/the function failed: override\.seconds is 6000000, but must be/);
});

test('has the function remove the member, and both are in the journal', async () => {
  const { stdout } = await order(dead.instanceId);
  expect(stdout).toMatch(/^Ordered\./);
  await deployment.autoScaling.waitUntil('it is removed', () => removals().length > 0, 30);
  expect(removals()).toMatchObject([
    {
      outcome: 'done',
      reason: `${dead.instanceId} is removed, as alice ordered it: its disk is gone`,
    },
  ]);
  const [first] = deployment.instances();
  const gateway = new EtcdGateway(first ? deployment.clientUrl(first) : '');
  try {
    expect((await gateway.memberList()).map(({ name }) => name)).not.toContain(dead.instanceId);
  } finally {
    gateway.close();
  }
  const history = await runCommand(
    ['history', '--function', deployment.functionName, '--json'],
    deployment.environment(),
  );
  const entries: Record<string, string>[] = JSON.parse(history.stdout);
  expect(entries.at(-2)).toMatchObject({
    action: expect.stringContaining(`Override(member='${dead.instanceId}', operator='alice'`),
  });
  // What the planner decided names the view that it decided on, as the log does.
  expect(entries.at(-1)?.view).toMatch(/^[0-9a-f]{16}$/);
  await deployment.autoScaling.waitUntil(
    'the log, which comes when the invocation has ended, names it too',
    () => deployment.log.lines.some(({ view }) => view === entries.at(-1)?.view),
    60,
  );
});
