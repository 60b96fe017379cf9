import { dirname } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { Etcdutl, type LocalInstance } from '@quorate/test-harness';
import { Duration, type Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { AccountRootPrincipal, Role } from 'aws-cdk-lib/aws-iam';
import { Code, Function as LambdaFunction, Runtime } from 'aws-cdk-lib/aws-lambda';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { type DeployedTemplate, LocalDeployment } from '../../demo/local-deployment';
import { EtcdBeforeRemoval, type EtcdLifecycle, EtcdRemovalAtDeadline } from '../../src';
import { ClusterStack } from '../cluster-stack';
import { runCommand } from '../commands/recording-terminal';
import { DeployedFunction } from '../end-to-end/deployed-function';
import { MeddlingProxy } from '../lambda/edges/meddling-proxy';
import { USED_BY_OTHERS } from './not-called';
import { type AwsCall, RecordedCalls } from './recorded-calls';
import { recordingEndpoint } from './recording-endpoint';
import { requiredPermissions } from './required-permissions';
import { type PermissionRequest, RolePolicy } from './role-policy';
import { withWarmPool } from './warm-pool';

jest.setTimeout(240_000);

const REGION = 'us-east-1';
const ACCOUNT = '000000000000';
const BUCKET = 'backups';
/** How long something may take that is only waited for. */
const PATIENCE_SECONDS = 60;

const FUNCTION = 'EtcdLifecycleRole';
const MEMBER = 'Member';

/** A cluster whose calls of AWS are recorded: those of the function, and of its instances. */
class RecordedDeployment {
  static async start(
    props: NonNullable<Parameters<typeof LocalDeployment.start>[0]>,
  ): Promise<RecordedDeployment> {
    const calls = { [FUNCTION]: new RecordedCalls(), [MEMBER]: new RecordedCalls() };
    const deployment = await LocalDeployment.start({
      ...props,
      environment: { ...props.environment, ...calls[FUNCTION].environment },
      instanceEnvironment: calls[MEMBER].environment,
    });
    return new RecordedDeployment(deployment, calls);
  }

  private readonly commandCalls = new Map<string, AwsCall[]>();

  private constructor(
    readonly deployment: LocalDeployment,
    private readonly calls: Readonly<Record<typeof FUNCTION | typeof MEMBER, RecordedCalls>>,
  ) {}

  async stop(): Promise<void> {
    await this.deployment.stop();
    this.calls[FUNCTION].remove();
    this.calls[MEMBER].remove();
  }

  policy(role: typeof FUNCTION | typeof MEMBER): RolePolicy {
    const { template } = this.deployment;
    const physicalIds = this.deployment.physicalIds();
    return RolePolicy.of({ template, physicalIds, region: REGION, account: ACCOUNT }, role);
  }

  /** What was asked of AWS so far. */
  requests(role: typeof FUNCTION | typeof MEMBER): PermissionRequest[] {
    const requests = this.required(this.calls[role].read());
    return role === FUNCTION ? requests.map((one) => this.fromFunction(one)) : requests;
  }

  /** What some commands have asked of AWS. */
  requestsOf(...commands: string[]): PermissionRequest[] {
    return this.required(commands.flatMap((command) => this.commandCalls.get(command) ?? []));
  }

  private required(calls: readonly AwsCall[]): PermissionRequest[] {
    const where = { region: REGION, account: ACCOUNT, groupName: this.deployment.groupName };
    return calls.flatMap((call) => requiredPermissions(call, where));
  }

  /** A request as it comes from the function's own code. */
  fromFunction(request: PermissionRequest): PermissionRequest {
    const name = this.deployment.functionName;
    const arn = `arn:aws:lambda:${REGION}:${ACCOUNT}:function:${name}`;
    return { ...request, context: { ...request.context, 'lambda:SourceFunctionArn': arn } };
  }

  /** Waits until something is so; an error shows what the function said last. */
  async waitUntil(
    description: string,
    done: (instances: readonly LocalInstance[]) => boolean,
  ): Promise<void> {
    try {
      await this.deployment.autoScaling.waitUntil(description, done, PATIENCE_SECONDS);
    } catch (cause) {
      const said = this.deployment.log.lines.slice(-5).map(({ message }) => message);
      throw new Error(`${(cause as Error).message}\n${said.join('\n')}`, { cause });
    }
  }

  /** Waits until all instances are in service. */
  async inService(size: number): Promise<void> {
    await this.waitUntil(
      `${size} instances are in service and no other is left`,
      (instances) =>
        instances.length === size &&
        instances.every(({ lifecycleState }) => lifecycleState === 'InService'),
    );
  }

  /** Waits until the function has made such a call. */
  async called(operation: string): Promise<void> {
    await this.waitUntil(`the function calls ${operation}`, () =>
      this.calls[FUNCTION].has(operation),
    );
  }

  /** Lets the only member be replaced, whose instance the group terminates. */
  async replace(): Promise<void> {
    const before = this.deployment.instances().map(({ instanceId }) => instanceId);
    this.deployment.autoScaling.terminateInstance(before[0] ?? '', { decrement: false });
    await this.waitUntil(
      'another instance is in service, alone',
      (instances) =>
        instances.length === 1 &&
        instances.every(
          ({ instanceId, lifecycleState }) =>
            lifecycleState === 'InService' && !before.includes(instanceId),
        ),
    );
  }

  /** Runs a command of the command line, and records its calls. */
  async command(...args: string[]) {
    const [name = '', ...others] = args;
    const { functionName } = this.deployment;
    const environment = this.deployment.environment();
    const calls = this.commandCalls.get(name) ?? [];
    this.commandCalls.set(name, calls);
    await using endpoint = await recordingEndpoint(environment.AWS_ENDPOINT_URL ?? '', calls);
    return await runCommand([name, '--function', functionName, ...others], {
      ...environment,
      AWS_ENDPOINT_URL: endpoint.endpoint,
    });
  }
}

const unique = (requests: readonly PermissionRequest[]) => [
  ...new Set(requests.map((one) => JSON.stringify(one))),
];

function forbidden(recorded: RecordedDeployment, role: typeof FUNCTION | typeof MEMBER): string[] {
  const policy = recorded.policy(role);
  return unique(recorded.requests(role).filter((request) => !policy.allows(request)));
}

describe('with every option', () => {
  let recorded: RecordedDeployment;
  let s3: S3Client;
  /** The last voter is never retained. */
  const SIZE = 2;

  /** Makes use of everything that the function does. */
  beforeAll(async () => {
    recorded = await RecordedDeployment.start({
      size: SIZE,
      baseAddress: '127.0.70.2',
      tls: true,
      auth: { username: 'root', password: 'not asked for' },
      snapshots: { bucketName: BUCKET, prefix: 'etcd', interval: Duration.minutes(1), keep: 1 },
      removal: { deadline: Duration.seconds(0), atDeadline: EtcdRemovalAtDeadline.RETAIN },
      environment: { QUORATE_SNAPSHOT_INTERVAL: '2', QUORATE_SNAPSHOT_RETRY: '1' },
      programs: [dirname((await Etcdutl.resolve()).path)],
    });
    const { deployment } = recorded;
    s3 = new S3Client({ ...deployment.clientConfig(), forcePathStyle: true });
    await s3.send(new CreateBucketCommand({ Bucket: BUCKET }));
    // A new configuration ends a run, whose message comes back after this rather than after 70 s.
    await deployment.setVisibilityTimeout(5);
    deployment.startTicks(1);
    await recorded.inService(SIZE);
    await recorded.called('DeleteObjects');
    await deployment.send('nonsense');
    await recorded.called('SendMessage');
    const lambda = await DeployedFunction.of(deployment);
    await retain(deployment, lambda);
    for (const args of [
      ['plan'],
      ['defragment', '--operator', 'alice'],
      ['history'],
      ['override', '--remove', 'i-0', '--reason', 'is refused', '--yes'],
    ]) {
      await recorded.command(...args);
    }
    const { endpoint } = deployment.clientConfig();
    await using bucket = await MeddlingProxy.start(endpoint, { host: '127.0.0.1', port: 0 });
    await using pool = await withWarmPool(deployment.autoScaling.endpoint);
    bucket.meddling = {
      answer: ({ method }) => (method === 'PUT' ? { status: 403, body: '' } : undefined),
    };
    await lambda.configure({
      AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${bucket.port}`,
      AWS_ENDPOINT_URL_AUTO_SCALING: pool.endpoint,
    });
    await recorded.called('AbortMultipartUpload');
    await recorded.called('DescribeWarmPool');
    await lambda.configure({});
    await recover(deployment);
  });

  afterAll(async () => {
    s3?.destroy();
    await recorded?.stop();
  });

  /** Replaces a member whose instance is retained, as its first replacement never starts. */
  async function retain(deployment: LocalDeployment, lambda: DeployedFunction): Promise<void> {
    const before = deployment.instances().map(({ instanceId }) => instanceId);
    await lambda.configure({ QUORATE_LAUNCH_DEADLINE: '1' });
    // Ticks are enough from here on. Nobody looks before the replacement is dead.
    deployment.autoScaling.setEventSink(async () => undefined);
    await deployment.stopTicks();
    deployment.autoScaling.terminateInstance(before[0] ?? '', { decrement: false });
    const booted = (instances: readonly LocalInstance[]) =>
      instances.find((one) => !before.includes(one.instanceId) && one.processesAlive);
    await recorded.waitUntil(
      'the replacement boots',
      (instances) => booted(instances) !== undefined,
    );
    const replacement = booted(deployment.instances());
    deployment.autoScaling.killInstanceProcesses(replacement?.instanceId ?? '');
    deployment.startTicks(1);
    await recorded.waitUntil(
      'the instance is retained, and its dead replacement given up',
      (instances) =>
        instances.some(({ lifecycleState }) => lifecycleState === 'Terminating:Retained') &&
        instances.every(({ instanceId }) => instanceId !== replacement?.instanceId),
    );
    await lambda.configure({});
    await recorded.inService(SIZE);
    await recorded.called('TerminateInstanceInAutoScalingGroup');
  }

  /** Loses all members, and makes the cluster anew. */
  async function recover(deployment: LocalDeployment): Promise<void> {
    for (const { instanceId } of deployment.instances()) {
      deployment.autoScaling.loseInstance(instanceId);
    }
    await recorded.waitUntil(
      'the replacements wait at their launch',
      (instances) =>
        instances.filter(({ lifecycleState }) => lifecycleState === 'Pending:Wait').length === SIZE,
    );
    const { exitCode, stderr } = await recorded.command(
      ...['recover', '--cluster', 'demo', '--snapshot', 'latest'],
      ...['--unreachable-are-lost', '--yes'],
    );
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
    await recorded.inService(SIZE);
  }

  test.each([FUNCTION, MEMBER] as const)('%s may do all that is done with it', (role) => {
    expect(unique(recorded.requests(role)).length).toBeGreaterThan(1);
    expect(forbidden(recorded, role)).toEqual([]);
  });

  test('the function does all that it may do, but for what others do with its role', () => {
    const unused = recorded.policy(FUNCTION).unused(recorded.requests(FUNCTION));
    expect([...new Set(unused.map(({ action }) => action))].sort()).toEqual(
      Object.keys(USED_BY_OTHERS).sort(),
    );
  });

  test("Lambda may put the function into the network, and the function's own code may not", () => {
    const policy = recorded.policy(FUNCTION);
    const request = { action: 'ec2:CreateNetworkInterface', resource: '*' };
    expect(policy.allows(request)).toBe(true);
    expect(policy.allows(recorded.fromFunction(request))).toBe(false);
  });

  /** The policy of a role that got grants of a construct like the deployed one. */
  function granted(grant: (lifecycle: EtcdLifecycle, role: Role) => void): RolePolicy {
    const stack = new ClusterStack();
    const role = new Role(stack, 'Operator', { assumedBy: new AccountRootPrincipal() });
    const bucket = Bucket.fromBucketName(stack, 'Backups', BUCKET);
    grant(stack.addLifecycle({ clusterName: 'demo', snapshots: { bucket, prefix: 'etcd' } }), role);
    const template = Template.fromStack(stack).toJSON() as DeployedTemplate;
    const { functionName, tableName } = recorded.deployment;
    const names: Record<string, string> = {
      'AWS::Lambda::Function': functionName,
      'AWS::DynamoDB::GlobalTable': tableName,
    };
    const physicalIds = new Map(
      Object.entries(template.Resources).map(([id, { Type }]) => [id, names[Type] ?? id]),
    );
    return RolePolicy.of({ template, physicalIds, region: REGION, account: ACCOUNT }, 'Operator');
  }

  test.each<[string, (lifecycle: EtcdLifecycle, role: Role) => void, string[]]>([
    [
      'grantReadJournal() gives',
      (lifecycle, role) => lifecycle.grantReadJournal(role),
      ['history'],
    ],
    [
      'grantOperate() gives',
      (lifecycle, role) => lifecycle.grantOperate(role),
      ['plan', 'history', 'override', 'defragment'],
    ],
    [
      'grantOperate() and grantReadSnapshots() give',
      (lifecycle, role) => {
        lifecycle.grantOperate(role);
        lifecycle.grantReadSnapshots(role);
      },
      ['plan', 'history', 'override', 'defragment', 'recover'],
    ],
  ])('%s what these commands call, and no more', (_, grant, commands) => {
    const policy = granted(grant);
    const requests = recorded.requestsOf(...commands);
    expect(requests.length).toBeGreaterThan(1);
    expect(requests.filter((one) => !policy.allows(one))).toEqual([]);
    expect(policy.unused(requests)).toEqual([]);
  });

  test('a member does all that it may do', () => {
    expect(recorded.policy(MEMBER).unused(recorded.requests(MEMBER))).toEqual([]);
  });
});

describe('with something before a removal', () => {
  const HAND_OVER = {
    'ssm:SendCommand': () => EtcdBeforeRemoval.runCommand(['true']),
    'lambda:InvokeFunction': (stack: Stack) =>
      EtcdBeforeRemoval.lambda(
        new LambdaFunction(stack, 'HandOver', {
          code: Code.fromInline('def handler(event, context): pass'),
          handler: 'index.handler',
          runtime: Runtime.PYTHON_3_13,
        }),
      ),
  };

  test.each(Object.entries(HAND_OVER))('the function may %s', async (action, beforeRemoval) => {
    const recorded = await RecordedDeployment.start({
      size: 1,
      baseAddress: action.startsWith('ssm') ? '127.0.86.2' : '127.0.87.2',
      runsCommands: true,
      beforeRemoval,
    });
    try {
      const { deployment } = recorded;
      deployment.startTicks(1);
      await deployment.waitUntilInService(1, PATIENCE_SECONDS);
      await recorded.replace();
      const asked = recorded.requests(FUNCTION).map((request) => request.action);
      expect(asked).toContain(action);
      expect(forbidden(recorded, FUNCTION)).toEqual([]);
    } finally {
      await recorded.stop();
    }
  });
});

describe('with no option', () => {
  let recorded: RecordedDeployment;

  beforeAll(async () => {
    recorded = await RecordedDeployment.start({ size: 1, baseAddress: '127.0.71.2' });
    const { deployment } = recorded;
    deployment.startTicks(1);
    await recorded.inService(1);
    await deployment.send('nonsense');
    await recorded.replace();
  });

  afterAll(async () => {
    await recorded?.stop();
  });

  test.each([FUNCTION, MEMBER] as const)('%s may do all that is done with it', (role) => {
    expect(unique(recorded.requests(role)).length).toBeGreaterThan(0);
    expect(forbidden(recorded, role)).toEqual([]);
  });

  test('the function may do nothing that only an option needs', () => {
    const actions = recorded.policy(FUNCTION).permissions.map(({ action }) => action);
    expect(
      actions.filter((one) => /^(s3|secretsmanager|kms|lambda):|:Terminate|Command/.test(one)),
    ).toEqual([]);
  });
});
