import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { Duration, type Stack } from 'aws-cdk-lib';
import { Code, Function as LambdaFunction, Runtime } from 'aws-cdk-lib/aws-lambda';
import type { JournalRecord } from '../../demo/journal-follower';
import { LocalDeployment, type LocalDeploymentProps } from '../../demo/local-deployment';
import { EtcdBeforeRemoval, EtcdBeforeRemovalFailure } from '../../src';
import { QUICK_CHANGES, QUICK_PROGRAMS } from '../quick-boot';
import { DeployedFunction } from './deployed-function';

jest.setTimeout(180_000);

interface Member {
  readonly id: string;
  readonly instanceId: string;
  readonly privateIp: string;
  readonly rootDirectory: string;
}

/** A cluster of one, whose only member is replaced again and again. */
class ClusterOfOne {
  static async start(
    props: Pick<LocalDeploymentProps, 'baseAddress' | 'beforeRemoval'>,
  ): Promise<ClusterOfOne> {
    const deployment = await LocalDeployment.start({
      size: 1,
      runsCommands: true,
      programs: [QUICK_PROGRAMS],
      instanceEnvironment: QUICK_CHANGES,
      ...props,
    });
    try {
      deployment.startTicks(1);
      await deployment.waitUntilInService(1, 40);
      return new ClusterOfOne(deployment, await DeployedFunction.of(deployment));
    } catch (error) {
      await deployment.stop();
      throw error;
    }
  }

  private recordsBefore = 0;
  private linesBefore = 0;

  private constructor(
    readonly deployment: LocalDeployment,
    readonly lambda: DeployedFunction,
  ) {}

  /** Tells the member to go. What is recorded and said counts from here. */
  async terminateMember(): Promise<Member> {
    const { deployment } = this;
    const [instance] = deployment.instances();
    const { instanceId = '', privateIpAddress = '', rootDirectory = '' } = instance ?? {};
    const response = await fetch(`http://${privateIpAddress}:2379/v3/maintenance/status`, {
      method: 'POST',
      body: '{}',
    });
    const { header } = (await response.json()) as { header: { member_id: string } };
    this.recordsBefore = deployment.journal.records.length;
    this.linesBefore = deployment.log.lines.length;
    deployment.autoScaling.terminateInstance(instanceId, { decrement: false });
    const id = BigInt(header.member_id).toString(16);
    return { id, instanceId, privateIp: privateIpAddress, rootDirectory };
  }

  records(kind?: string): JournalRecord[] {
    const all = this.deployment.journal.records.slice(this.recordsBefore);
    return all.filter((record) => (kind ?? record.kind) === record.kind);
  }

  async untilRecorded(kind: string, outcome: RegExp): Promise<void> {
    await this.deployment.autoScaling.waitUntil(
      `the function records ${kind}: ${outcome}`,
      () => this.records(kind).some((one) => outcome.test(one.outcome)),
      40,
    );
  }

  async untilSaid(message: RegExp): Promise<void> {
    await this.deployment.autoScaling.waitUntil(
      `the function says ${message}`,
      () =>
        this.deployment.log.lines
          .slice(this.linesBefore)
          .some((line) => message.test(line.message)),
      20,
    );
  }

  /** Waits until the member is replaced, and its removal recorded. */
  async untilReplaced(): Promise<void> {
    await this.deployment.waitUntilInService(1, 90);
    await this.untilRecorded('RemoveMember', /^done/);
  }
}

describe('a function of Lambda', () => {
  let cluster: ClusterOfOne;

  /**
   * It can be called once for an instance: a second call fails, as the parameter is there. It needs a
   * parameter that tells how long it takes.
   */
  const HAND_OVER = `
import json, time, boto3
def handler(event, context):
    ssm = boto3.client("ssm")
    time.sleep(int(ssm.get_parameter(Name="/seconds")["Parameter"]["Value"]))
    ssm.put_parameter(Name="/handed-over/" + event["instanceId"], Value=json.dumps(event), Type="String")
`;

  async function ssm(operation: string, input: object): Promise<{ Parameter?: { Value: string } }> {
    const response = await fetch(cluster.deployment.clientConfig().endpoint, {
      method: 'POST',
      headers: {
        'x-amz-target': `AmazonSSM.${operation}`,
        'content-type': 'application/x-amz-json-1.1',
      },
      body: JSON.stringify(input),
    });
    return (await response.json()) as { Parameter?: { Value: string } };
  }

  const takes = (seconds: number) =>
    ssm('PutParameter', {
      ...{ Name: '/seconds', Value: String(seconds) },
      ...{ Type: 'String', Overwrite: true },
    });

  beforeAll(async () => {
    cluster = await ClusterOfOne.start({
      baseAddress: '127.0.80.2',
      beforeRemoval: (stack: Stack) =>
        EtcdBeforeRemoval.lambda(
          new LambdaFunction(stack, 'HandOver', {
            code: Code.fromInline(HAND_OVER),
            handler: 'index.handler',
            runtime: Runtime.PYTHON_3_13,
            timeout: Duration.seconds(30),
          }),
        ),
    });
  });

  afterAll(async () => {
    await cluster?.deployment.stop();
  });

  test('is called once, before the leadership is moved and the member removed', async () => {
    await takes(0);
    const goes = await cluster.terminateMember();
    await cluster.untilReplaced();

    const [record, ...others] = cluster.records('PrepareRemoval');
    expect(record?.outcome).toMatch(/^done: arn:.* returned$/);
    expect(others).toEqual([]);
    const { Parameter } = await ssm('GetParameter', { Name: `/handed-over/${goes.instanceId}` });
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
    const kinds = cluster.records().map(({ kind }) => kind);
    expect(kinds.indexOf('PrepareRemoval')).toBeLessThan(kinds.indexOf('TransferLeadership'));
    expect(kinds.indexOf('TransferLeadership')).toBeLessThan(kinds.indexOf('RemoveMember'));
    expect(cluster.records('RemoveMember')[0]?.reason).toMatch(/has handed over$/);
  });

  test('that fails holds the removal, until it succeeds', async () => {
    await ssm('DeleteParameter', { Name: '/seconds' });
    await cluster.lambda.configureBetweenRuns({
      QUORATE_BEFORE_REMOVAL_TIMEOUT: '8',
      QUORATE_BEFORE_REMOVAL_RETRY: '0',
    });
    const goes = await cluster.terminateMember();
    await cluster.untilRecorded('PrepareRemoval', /^failed: .* failed: .*ParameterNotFound/);
    await cluster.untilSaid(
      /but i-\w+ has not handed over: .*ParameterNotFound.* it is asked again in/,
    );
    expect(cluster.records('RemoveMember')).toEqual([]);
    expect(cluster.records('TransferLeadership')).toEqual([]);

    await takes(0);
    await cluster.untilReplaced();
    expect(cluster.records('PrepareRemoval').at(-1)?.outcome).toMatch(/^done/);
    expect(cluster.deployment.instances().map(({ instanceId }) => instanceId)).not.toContain(
      goes.instanceId,
    );
  });

  test('that takes too long does not keep the member, where that is the policy', async () => {
    await takes(20);
    await cluster.lambda.configureBetweenRuns({
      QUORATE_BEFORE_REMOVAL_TIMEOUT: '2',
      QUORATE_BEFORE_REMOVAL_ON_FAILURE: EtcdBeforeRemovalFailure.PROCEED,
    });
    await cluster.terminateMember();
    await cluster.untilReplaced();
    const late = /did not return within 2 s/;
    expect(cluster.records('PrepareRemoval').map(({ outcome }) => outcome)).toEqual([
      expect.stringMatching(late),
    ]);
    expect(cluster.records('RemoveMember')[0]?.reason).toMatch(late);
  });
});

describe('a command', () => {
  let cluster: ClusterOfOne;

  beforeAll(async () => {
    cluster = await ClusterOfOne.start({
      baseAddress: '127.0.83.2',
      beforeRemoval: () =>
        EtcdBeforeRemoval.runCommand([
          'set -eu',
          'echo "$QUORATE_INSTANCE_ID $QUORATE_PRIVATE_IP $QUORATE_MEMBER_ID" >> asked',
          'until [ -e drained ]; do sleep 0.1; done',
          'if [ -s drained ]; then cat drained >&2; exit 3; fi',
        ]),
    });
  });

  afterAll(async () => {
    await cluster?.deployment.stop();
  });

  test('is run on the instance, and its end is waited for from run to run', async () => {
    const goes = await cluster.terminateMember();
    await cluster.untilRecorded('PrepareRemoval', /^done: command [-0-9a-f]{36} is sent$/);
    await cluster.untilSaid(/but i-\w+ has been handing over for \d+ s/);
    expect(cluster.records('RemoveMember')).toEqual([]);

    const asked = join(goes.rootDirectory, 'asked');
    expect(existsSync(asked)).toBe(true);
    const text = readFileSync(asked, 'utf8');
    writeFileSync(join(goes.rootDirectory, 'drained'), '');
    await cluster.untilReplaced();
    expect(text).toBe(`${goes.instanceId} ${goes.privateIp} ${goes.id}\n`);
    expect(cluster.deployment.runCommand.sent).toHaveLength(1);
    expect(cluster.records('PrepareRemoval')).toHaveLength(1);
  });

  test('that fails is told with its exit code and its last words', async () => {
    await cluster.lambda.configureBetweenRuns({
      QUORATE_BEFORE_REMOVAL_ON_FAILURE: EtcdBeforeRemovalFailure.PROCEED,
    });
    const goes = await cluster.terminateMember();
    writeFileSync(join(goes.rootDirectory, 'drained'), 'no such node\n');
    await cluster.untilReplaced();
    expect(cluster.records('RemoveMember')[0]?.reason).toMatch(
      /has not handed over: command [-0-9a-f]{36}: Failed, exit code 3: no such node$/,
    );
  });
});
