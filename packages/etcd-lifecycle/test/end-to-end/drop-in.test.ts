import { mkdtempSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import {
  CdkDeployment,
  EtcdGateway,
  eventBridgeSink,
  LocalAutoScaling,
  Ministack,
  resolveEtcd,
} from '@quorate/test-harness';
import { App, Duration, Stack } from 'aws-cdk-lib';
import {
  AutoScalingGroup,
  DefaultResult,
  LifecycleHook,
  LifecycleTransition,
} from 'aws-cdk-lib/aws-autoscaling';
import { AttributeType, Table } from 'aws-cdk-lib/aws-dynamodb';
import {
  InstanceType,
  LaunchTemplate,
  MachineImage,
  SecurityGroup,
  SubnetType,
  UserData,
  Vpc,
} from 'aws-cdk-lib/aws-ec2';
import { Rule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction as LambdaTarget } from 'aws-cdk-lib/aws-events-targets';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Function as LambdaFunction, Runtime } from 'aws-cdk-lib/aws-lambda';
import { createEtcdLifecycleLambdaCode } from '../../src';
import { Nodes } from './own-join/nodes';

jest.setTimeout(120_000);

const BASE_ADDRESS = '127.0.56.2';
const CLUSTER = 'main';
const GROUP = `${CLUSTER}-control-plane`;

/**
 * A control plane that is wired by hand: a hook at the end of instances only, a rule that invokes the
 * function itself, and variables of other names. Of the new code it has a table of its own.
 */
class WiredByHand extends Stack {
  public constructor(app: App, id: string) {
    super(app, id);
    const vpc = new Vpc(this, 'Vpc', {
      natGateways: 0,
      subnetConfiguration: [{ name: 'nodes', subnetType: SubnetType.PRIVATE_ISOLATED }],
      restrictDefaultSecurityGroup: false,
    });
    const autoScalingGroup = new AutoScalingGroup(this, 'ControlPlane', {
      vpc,
      vpcSubnets: { subnetType: SubnetType.PRIVATE_ISOLATED },
      launchTemplate: new LaunchTemplate(this, 'Template', {
        instanceType: new InstanceType('m7g.medium'),
        machineImage: MachineImage.genericLinux({ 'us-east-1': 'ami-0123456789abcdef0' }),
        securityGroup: new SecurityGroup(this, 'Nodes', { vpc }),
        role: new Role(this, 'Node', { assumedBy: new ServicePrincipal('ec2.amazonaws.com') }),
        userData: UserData.forLinux(),
      }),
      minCapacity: 3,
      maxCapacity: 10,
      autoScalingGroupName: GROUP,
    });
    const table = new Table(this, 'Records', {
      partitionKey: { name: 'pk', type: AttributeType.STRING },
      sortKey: { name: 'sk', type: AttributeType.STRING },
      timeToLiveAttribute: 'expires',
    });
    const lifecycle = new LambdaFunction(this, 'EtcdLifecycleLambda', {
      functionName: `${CLUSTER}-etcd-lifecycle`,
      runtime: Runtime.PYTHON_3_11,
      handler: 'index.handler',
      code: createEtcdLifecycleLambdaCode(CLUSTER),
      timeout: Duration.minutes(10),
      environment: {
        CLUSTER_NAME: CLUSTER,
        CONTROL_PLANE_ASG_NAME: GROUP,
        REGION: this.region,
        QUORATE_TABLE: table.tableName,
      },
    });
    new LifecycleHook(this, 'EtcdLifecycleHook', {
      autoScalingGroup,
      lifecycleTransition: LifecycleTransition.INSTANCE_TERMINATING,
      defaultResult: DefaultResult.CONTINUE,
      heartbeatTimeout: Duration.minutes(10),
      lifecycleHookName: `${CLUSTER}-etcd-cleanup`,
    });
    new Rule(this, 'EtcdLifecycleRule', {
      eventPattern: {
        source: ['aws.autoscaling'],
        detailType: ['EC2 Instance-terminate Lifecycle Action'],
        detail: { AutoScalingGroupName: [GROUP] },
      },
      targets: [new LambdaTarget(lifecycle)],
    });
  }
}

const nodes = new Nodes(BASE_ADDRESS);
const assembly = mkdtempSync(join(tmpdir(), 'quorate-drop-in-'));
let autoScaling: LocalAutoScaling;
let ministack: Ministack;

beforeAll(async () => {
  const app = new App({ outdir: assembly });
  new WiredByHand(app, 'WiredByHand');
  app.synth();
  const etcd = await resolveEtcd();
  autoScaling = await LocalAutoScaling.start();
  ministack = await Ministack.start({ environment: autoScaling.env() });
  autoScaling.setEventSink(eventBridgeSink(ministack));
  await CdkDeployment.deploy(ministack, assembly, 'WiredByHand', {
    omitResourceTypes: ['AWS::AutoScaling::LifecycleHook'],
  });
  const template = JSON.parse(readFileSync(join(assembly, 'WiredByHand.template.json'), 'utf8'));
  autoScaling.createGroup(
    LocalAutoScaling.fromTemplate(template, undefined, {
      name: GROUP,
      baseAddress: BASE_ADDRESS,
      desiredCapacity: 3,
      boot: {
        script: nodes.userData.join('\n'),
        environment: { ...nodes.environment(), etcd_binary: etcd.path },
        path: [dirname(ministack.python)],
      },
    }),
  );
});

afterAll(async () => {
  await autoScaling?.stop();
  await ministack?.stop();
  nodes.remove();
  await rm(assembly, { recursive: true, force: true });
});

/** The names of those who vote, and of all others; nobody while nobody answers. */
async function members(): Promise<{ voters: string[]; others: string[] }> {
  for (const { privateIpAddress } of autoScaling.instances()) {
    const gateway = new EtcdGateway(`http://${privateIpAddress}:2379`, { timeoutMs: 1000 });
    try {
      const all = await gateway.memberList();
      const names = (learner: boolean) =>
        all.filter(({ isLearner }) => isLearner === learner).map(({ name }) => name);
      return { voters: names(false), others: names(true) };
    } catch {
      // It is starting or ending: another may answer.
    } finally {
      gateway.close();
    }
  }
  return { voters: [], others: [] };
}

/** As the schedule does that the wiring of before lacks. */
async function tick(): Promise<void> {
  const url = `${ministack.endpoint}/2015-03-31/functions/${CLUSTER}-etcd-lifecycle/invocations`;
  const event = { source: 'aws.events', 'detail-type': 'Scheduled Event', detail: {} };
  const answer = await fetch(url, { method: 'POST', body: JSON.stringify(event) });
  expect(await answer.json()).toEqual({ batchItemFailures: [] });
}

/** Waits until exactly these vote, and nobody else is a member; the function looks meanwhile. */
async function untilVoters(names: () => string[], what: string): Promise<void> {
  const end = Date.now() + 90_000;
  for (;;) {
    await tick();
    const { voters, others } = await members();
    if (others.length === 0 && voters.sort().join() === names().sort().join()) {
      return;
    }
    if (Date.now() > end) {
      throw new Error(`${what}: ${voters} vote, ${others} do not; ${ministack.lastOutput(40)}`);
    }
  }
}

const namesOf = (states: readonly string[]) =>
  autoScaling
    .instances()
    .filter(({ lifecycleState }) => states.includes(lifecycleState))
    .map(({ privateIpAddress }) => Nodes.nameAt(privateIpAddress));

test('a member whose instance is terminated stays until its replacement votes, then leaves', async () => {
  await untilVoters(() => namesOf(['InService']), 'three come up');
  const [victim] = autoScaling.instances();
  autoScaling.terminateInstance(victim?.instanceId ?? '', { decrement: false });

  await untilVoters(() => namesOf(['InService']), 'one is replaced');
  await autoScaling.waitUntil(
    'the instance is gone, and three are in service',
    (instances) =>
      instances.length === 3 &&
      instances.every(({ instanceId, lifecycleState }) => {
        return instanceId !== victim?.instanceId && lifecycleState === 'InService';
      }),
    30,
  );
  const results = autoScaling.calls
    .filter(({ action }) => action === 'CompleteLifecycleAction')
    .map(({ parameters }) => [parameters.LifecycleHookName, parameters.LifecycleActionResult]);
  expect(results).toEqual([[`${CLUSTER}-etcd-cleanup`, 'CONTINUE']]);
  expect((await members()).voters).toHaveLength(3);
});
