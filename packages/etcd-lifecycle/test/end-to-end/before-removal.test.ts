import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { Duration, type Stack } from 'aws-cdk-lib';
import { Code, Function as LambdaFunction, Runtime } from 'aws-cdk-lib/aws-lambda';
import { LocalDeployment, type LocalDeploymentProps } from '../../demo/local-deployment';
import {
  EtcdBeforeRemoval,
  EtcdBeforeRemovalFailure,
  type EtcdBeforeRemovalOptions,
} from '../../src';

jest.setTimeout(120_000);

let deployment: LocalDeployment | undefined;

afterEach(async () => {
  await deployment?.stop();
  deployment = undefined;
});

interface Member {
  readonly id: string;
  readonly instanceId: string;
  readonly privateIp: string;
}

/** A cluster of one, whose only member is then told to go. */
async function replaceTheOnlyMember(
  props: Pick<LocalDeploymentProps, 'baseAddress' | 'beforeRemoval' | 'environment'>,
): Promise<{ cluster: LocalDeployment; goes: Member }> {
  const cluster = await LocalDeployment.start({ size: 1, runsCommands: true, ...props });
  deployment = cluster;
  cluster.startTicks(1);
  await cluster.waitUntilInService(1, 40);
  const [instance] = cluster.instances();
  const { instanceId = '', privateIpAddress = '' } = instance ?? {};
  const response = await fetch(`http://${privateIpAddress}:2379/v3/maintenance/status`, {
    method: 'POST',
    body: '{}',
  });
  const { header } = (await response.json()) as { header: { member_id: string } };
  cluster.autoScaling.terminateInstance(instanceId, { decrement: false });
  const id = BigInt(header.member_id).toString(16);
  return { cluster, goes: { id, instanceId, privateIp: privateIpAddress } };
}

const recordsOf = (from: LocalDeployment, kind: string) =>
  from.journal.records.filter((record) => record.kind === kind);

async function recorded(from: LocalDeployment, kind: string, outcome: RegExp): Promise<void> {
  await from.autoScaling.waitUntil(
    `the function records ${kind}: ${outcome}`,
    () => recordsOf(from, kind).some((one) => outcome.test(one.outcome)),
    40,
  );
}

async function told(from: LocalDeployment, message: RegExp): Promise<void> {
  await from.autoScaling.waitUntil(
    `the function says ${message}`,
    () => from.log.lines.some((line) => message.test(line.message)),
    20,
  );
}

describe('a function of Lambda', () => {
  /** It can be called once for an instance: a second call fails, as the parameter is there. */
  const HAND_OVER = `
import json, os, boto3
def handler(event, context):
    ssm = boto3.client("ssm")
    if "NEEDS" in os.environ:
        ssm.get_parameter(Name=os.environ["NEEDS"])
    ssm.put_parameter(Name="/handed-over/" + event["instanceId"], Value=json.dumps(event), Type="String")
`;

  const SLEEP = `
import time
def handler(event, context):
    time.sleep(20)
`;

  const byFunction =
    (
      code: string,
      options: EtcdBeforeRemovalOptions = {},
      environment: Record<string, string> = {},
    ) =>
    (stack: Stack) =>
      EtcdBeforeRemoval.lambda(
        new LambdaFunction(stack, 'HandOver', {
          code: Code.fromInline(code),
          handler: 'index.handler',
          runtime: Runtime.PYTHON_3_13,
          timeout: Duration.seconds(30),
          environment,
        }),
        options,
      );

  async function ssm(
    from: LocalDeployment,
    operation: string,
    input: object,
  ): Promise<{ Parameter?: { Value: string } }> {
    const response = await fetch(from.clientConfig().endpoint, {
      method: 'POST',
      headers: {
        'x-amz-target': `AmazonSSM.${operation}`,
        'content-type': 'application/x-amz-json-1.1',
      },
      body: JSON.stringify(input),
    });
    return (await response.json()) as { Parameter?: { Value: string } };
  }

  test('is called once, before the leadership is moved and the member removed', async () => {
    const { cluster, goes } = await replaceTheOnlyMember({
      baseAddress: '127.0.80.2',
      beforeRemoval: byFunction(HAND_OVER),
    });
    await cluster.waitUntilInService(1, 60);
    await recorded(cluster, 'RemoveMember', /^done/);

    const [record, ...others] = recordsOf(cluster, 'PrepareRemoval');
    expect(record?.outcome).toMatch(/^done: arn:.* returned$/);
    expect(others).toEqual([]);
    const { Parameter } = await ssm(cluster, 'GetParameter', {
      Name: `/handed-over/${goes.instanceId}`,
    });
    const event = JSON.parse(Parameter?.Value ?? '{}');
    expect(event).toEqual({
      instanceId: goes.instanceId,
      privateIp: goes.privateIp,
      memberId: goes.id,
      clusterName: 'demo',
      deadline: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
    });
    const seconds = Date.parse(event.deadline) / 1000 - (record?.time ?? 0);
    expect(seconds).toBeGreaterThan(0);
    expect(seconds).toBeLessThanOrEqual(30);
    const kinds = cluster.journal.records.map(({ kind }) => kind);
    expect(kinds.indexOf('PrepareRemoval')).toBeLessThan(kinds.indexOf('TransferLeadership'));
    expect(kinds.indexOf('TransferLeadership')).toBeLessThan(kinds.indexOf('RemoveMember'));
    expect(recordsOf(cluster, 'RemoveMember')[0]?.reason).toMatch(/has handed over$/);
  });

  test('that fails holds the removal, until it succeeds', async () => {
    const { cluster, goes } = await replaceTheOnlyMember({
      baseAddress: '127.0.81.2',
      beforeRemoval: byFunction(HAND_OVER, { timeout: Duration.seconds(15) }, { NEEDS: '/mended' }),
      environment: { QUORATE_BEFORE_REMOVAL_RETRY: '0' },
    });
    await recorded(cluster, 'PrepareRemoval', /^failed: .* failed: .*ParameterNotFound/);
    await told(
      cluster,
      /but i-\w+ has not handed over: .*ParameterNotFound.* it is asked again in/,
    );
    expect(recordsOf(cluster, 'RemoveMember')).toEqual([]);
    expect(recordsOf(cluster, 'TransferLeadership')).toEqual([]);

    await ssm(cluster, 'PutParameter', { Name: '/mended', Value: 'yes', Type: 'String' });
    await cluster.waitUntilInService(1, 60);
    await recorded(cluster, 'RemoveMember', /^done/);
    expect(recordsOf(cluster, 'PrepareRemoval').at(-1)?.outcome).toMatch(/^done/);
    expect(cluster.instances().map(({ instanceId }) => instanceId)).not.toContain(goes.instanceId);
  });

  test('that takes too long does not keep the member, where that is the policy', async () => {
    const { cluster } = await replaceTheOnlyMember({
      baseAddress: '127.0.82.2',
      beforeRemoval: byFunction(SLEEP, {
        timeout: Duration.seconds(2),
        onFailure: EtcdBeforeRemovalFailure.PROCEED,
      }),
    });
    await cluster.waitUntilInService(1, 60);
    await recorded(cluster, 'RemoveMember', /^done/);
    const late = /did not return within 2 s/;
    expect(recordsOf(cluster, 'PrepareRemoval').map(({ outcome }) => outcome)).toEqual([
      expect.stringMatching(late),
    ]);
    expect(recordsOf(cluster, 'RemoveMember')[0]?.reason).toMatch(late);
  });
});

describe('a command', () => {
  const inRoot = (cluster: LocalDeployment, { instanceId }: Member, file: string) => {
    const one = cluster.instances().find((instance) => instance.instanceId === instanceId);
    return join(one?.rootDirectory ?? '', file);
  };

  test('is run on the instance, and its end is waited for from run to run', async () => {
    const { cluster, goes } = await replaceTheOnlyMember({
      baseAddress: '127.0.83.2',
      beforeRemoval: () =>
        EtcdBeforeRemoval.runCommand([
          'set -eu',
          'echo "$QUORATE_INSTANCE_ID $QUORATE_PRIVATE_IP $QUORATE_MEMBER_ID" >> asked',
          'until [ -e drained ]; do sleep 0.1; done',
        ]),
    });
    await recorded(cluster, 'PrepareRemoval', /^done: command [-0-9a-f]{36} is sent$/);
    await told(cluster, /but i-\w+ has been handing over for \d+ s/);
    expect(recordsOf(cluster, 'RemoveMember')).toEqual([]);

    const asked = inRoot(cluster, goes, 'asked');
    expect(existsSync(asked)).toBe(true);
    const text = readFileSync(asked, 'utf8');
    writeFileSync(inRoot(cluster, goes, 'drained'), '');
    await cluster.waitUntilInService(1, 60);
    await recorded(cluster, 'RemoveMember', /^done/);
    expect(text).toBe(`${goes.instanceId} ${goes.privateIp} ${goes.id}\n`);
    expect(cluster.runCommand.sent).toHaveLength(1);
    expect(recordsOf(cluster, 'PrepareRemoval')).toHaveLength(1);
  });

  test('that fails is told with its exit code and its last words', async () => {
    const { cluster } = await replaceTheOnlyMember({
      baseAddress: '127.0.84.2',
      beforeRemoval: () =>
        EtcdBeforeRemoval.runCommand(['echo "no such node" >&2', 'exit 3'], {
          onFailure: EtcdBeforeRemovalFailure.PROCEED,
        }),
    });
    await cluster.waitUntilInService(1, 60);
    await recorded(cluster, 'RemoveMember', /^done/);
    expect(recordsOf(cluster, 'RemoveMember')[0]?.reason).toMatch(
      /has not handed over: command [-0-9a-f]{36}: Failed, exit code 3: no such node$/,
    );
  });
});
