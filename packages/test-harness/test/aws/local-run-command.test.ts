import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { LocalAutoScaling, LocalRunCommand } from '../../src/aws';
import { runPython } from './run-python';

/** Sends a command by boto3, which judges each answer by its model, and waits for its end. */
const DRIVER = `
import json, sys, time
import boto3
from botocore.exceptions import ClientError
ssm = boto3.client("ssm", region_name="us-east-1")
request = json.load(sys.stdin)
try:
    sent = ssm.send_command(DocumentName="AWS-RunShellScript", **request)["Command"]
except ClientError as error:
    print(json.dumps({"error": error.response["Error"]["Code"]}))
    sys.exit()
told = {}
for instance in request["InstanceIds"]:
    while True:
        one = ssm.get_command_invocation(CommandId=sent["CommandId"], InstanceId=instance)
        if one["Status"] not in ("Pending", "InProgress"):
            break
        time.sleep(0.05)
    told[instance] = [one["StatusDetails"], one["ResponseCode"], one["StandardOutputContent"],
                      one["StandardErrorContent"]]
print(json.dumps(told))
`;

let autoScaling: LocalAutoScaling;
let runCommand: LocalRunCommand;

beforeEach(async () => {
  autoScaling = await LocalAutoScaling.start();
  runCommand = await LocalRunCommand.start({ autoScaling });
  autoScaling.createGroup({
    name: 'group',
    minSize: 1,
    maxSize: 2,
    desiredCapacity: 2,
    baseAddress: '127.0.32.2',
    boot: { script: 'exec sleep 300', environment: { PART: 'member' } },
  });
  await autoScaling.waitUntil('they run', (all) => all.every((one) => one.processesAlive), 20);
  await autoScaling.settled();
});

afterEach(async () => {
  await autoScaling.stop();
  await runCommand.stop();
});

const ids = () => autoScaling.instances().map(({ instanceId }) => instanceId);

async function run(
  commands: string[],
  options: { InstanceIds?: string[]; executionTimeout?: string } = {},
): Promise<Record<string, unknown>> {
  const { InstanceIds = ids().slice(0, 1), executionTimeout = '20' } = options;
  const { stdout, stderr } = await runPython(['-c', DRIVER], {
    env: { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b', ...runCommand.env() },
    input: JSON.stringify({
      InstanceIds,
      TimeoutSeconds: 30,
      Parameters: { commands, executionTimeout: [executionTimeout] },
    }),
  });
  if (stderr) {
    throw new Error(stderr);
  }
  return JSON.parse(stdout) as Record<string, unknown>;
}

describe('a command', () => {
  test('is run on each instance, with its files and environment', async () => {
    const [one = '', other = ''] = ids();
    const told = await run(['echo "$PART" > note', 'pwd', 'echo loss >&2'], {
      InstanceIds: [one, other],
    });
    const roots = autoScaling.instances().map(({ rootDirectory }) => rootDirectory);
    expect(told).toEqual({
      [one]: ['Success', 0, `${roots[0]}\n`, 'loss\n'],
      [other]: ['Success', 0, `${roots[1]}\n`, 'loss\n'],
    });
    expect(await run(['cat note'])).toEqual({ [one]: ['Success', 0, 'member\n', ''] });
    expect(runCommand.sent).toEqual([
      expect.objectContaining({ instanceIds: [one, other] }),
      expect.objectContaining({ instanceIds: [one], commands: ['cat note'] }),
    ]);
  });

  test('fails by its exit code', async () => {
    expect(Object.values(await run(['exit 3']))).toEqual([['Failed', 3, '', '']]);
  });

  test('is ended when its time is over', async () => {
    const told = await run(['echo begun', 'sleep 60'], { executionTimeout: '1' });
    expect(Object.values(told)).toEqual([['ExecutionTimedOut', -1, 'begun\n', '']]);
  });

  test('ends with its instance', async () => {
    const [one = ''] = ids();
    const told = run(['sleep 60'], { InstanceIds: [one] });
    await autoScaling.waitUntil('it was sent', () => runCommand.sent.length > 0, 20);
    autoScaling.terminateInstance(one);
    expect(Object.values(await told)).toEqual([['Failed', 128, '', '']]);
  });

  test('is refused for an instance that is not there', async () => {
    expect(await run(['true'], { InstanceIds: ['i-0123456789abcdef0'] })).toEqual({
      error: 'InvalidInstanceId',
    });
  });
});

test('an instance that hangs takes a command when it goes on', async () => {
  const [one = ''] = ids();
  await autoScaling.pauseInstance(one);
  const told = run(['echo well'], { InstanceIds: [one] });
  await autoScaling.waitUntil('it was sent', () => runCommand.sent.length > 0, 20);
  autoScaling.resumeInstance(one);
  expect(await told).toEqual({ [one]: ['Success', 0, 'well\n', ''] });
});

test('what it does not know is refused, or forwarded to an emulator', async () => {
  const ask = (endpoint: string) =>
    fetch(endpoint, {
      method: 'POST',
      headers: { 'x-amz-target': 'AmazonSSM.GetParameters' },
      body: '{}',
    });
  const refused = await ask(runCommand.endpoint);
  expect([refused.status, await refused.json()]).toEqual([
    400,
    expect.objectContaining({ __type: 'ValidationException' }),
  ]);
  await using emulator = await LocalRunCommand.start({ autoScaling });
  runCommand.setUpstream(emulator.endpoint);
  const forwarded = await ask(runCommand.endpoint);
  expect(await forwarded.json()).toEqual(
    expect.objectContaining({ message: expect.stringContaining('GetParameters') }),
  );
});
