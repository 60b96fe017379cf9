import { dirname } from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { resolveEtcdctl } from '@quorate/test-harness';
import { ClusterObserver } from '../../demo/cluster-observer';
import { LocalDeployment } from '../../demo/local-deployment';
import { EtcdAccess } from '../../src';
import { runCommand } from '../commands/recording-terminal';
import { QUICK_PROGRAMS } from '../quick-boot';
import { replaceLeader } from './replaced-leader';

jest.setTimeout(240_000);

let deployment: LocalDeployment;
let observer: ClusterObserver;

beforeAll(async () => {
  deployment = await LocalDeployment.start({
    size: 2,
    baseAddress: '127.0.88.2',
    tls: true,
    runsCommands: true,
    // Commands are run in the folder that stands for the machine's disk.
    access: EtcdAccess.ssmRunCommand({ environmentFile: './etcd.env' }),
    programs: [QUICK_PROGRAMS, dirname(await resolveEtcdctl())],
  });
  observer = new ClusterObserver(() => deployment.instances(), { tls: deployment.clientTls });
  deployment.startTicks(1);
  await deployment.waitUntilInService(2, 180);
});

afterAll(async () => {
  await observer?.stop();
  await deployment?.stop();
});

test('by commands a leader hands over and is replaced, with certificates on the instances only', async () => {
  await replaceLeader(deployment, observer, 2);
  const outcomes = deployment.journal.records.map(({ outcome }) => outcome);
  expect(outcomes.filter((one) => !/^(done|already done)/.test(one))).toEqual([]);
  // All members were asked by one command.
  expect(deployment.runCommand.sent.some(({ instanceIds }) => instanceIds.length > 1)).toBe(true);
});

test('what a person asks for is done by commands too', async () => {
  const { functionName } = deployment;
  const environment = deployment.environment();
  const plan = await runCommand(['plan', '--function', functionName], environment);
  expect(plan).toMatchObject({ exitCode: 0 });
  const defragmented = await runCommand(
    ['defragment', '--function', functionName, '--operator', 'alice'],
    environment,
  );
  expect(defragmented).toMatchObject({ exitCode: 0 });
});
