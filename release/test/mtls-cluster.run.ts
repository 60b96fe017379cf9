import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { GetObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import {
  CdkDeployment,
  EtcdCertificates,
  EtcdGateway,
  Etcdutl,
  eventBridgeSink,
  LocalAutoScaling,
  type LocalInstance,
  loopbackAddresses,
  Ministack,
  resolveEtcd,
  type TlsFiles,
} from '../../packages/test-harness/src';
import { runCommand } from '../command';
import { installExamples, NOT_EMULATED } from '../example';
import { plainEnvironment } from '../pack';

jest.setTimeout(240_000);

/** The Region of the image that the example names. */
const REGION = 'eu-central-1';
const EXAMPLE = 'mtls-cluster';
const STACK = 'EtcdWithTls';
const BASE_ADDRESS = '127.0.61.2';
/** What an instance that is a process cannot write to, as all of them share it. */
const OWN_FOLDERS = ['/etc/etcd', '/etc/systemd/system', '/var/lib/etcd'];

let directory: string;
let certificates: EtcdCertificates;
let autoScaling: LocalAutoScaling;
let ministack: Ministack;
let deployed: CdkDeployment;
let ticker: NodeJS.Timeout;
let groupName: string;

beforeAll(async () => {
  directory = installExamples([EXAMPLE]);
  const assembly = await synthesize();
  const etcd = await resolveEtcd();
  certificates = await EtcdCertificates.create({ addresses: loopbackAddresses(BASE_ADDRESS, 16) });
  autoScaling = await LocalAutoScaling.start({ region: REGION });
  ministack = await Ministack.start({ region: REGION, environment: autoScaling.env() });
  autoScaling.setEventSink(eventBridgeSink(ministack));
  await createSecret('etcd/lifecycle', certificates.client);
  await createSecret('etcd/member', certificates.server);
  deployed = await CdkDeployment.deploy(ministack, assembly, STACK, {
    omitResourceTypes: [...NOT_EMULATED, 'AWS::EC2::VPCEndpoint'],
  });
  const template = JSON.parse(readFileSync(join(assembly, `${STACK}.template.json`), 'utf8'));
  groupName = physicalId('AWS::AutoScaling::AutoScalingGroup');
  autoScaling.createGroup(
    LocalAutoScaling.fromTemplate(template, undefined, {
      name: groupName,
      baseAddress: BASE_ADDRESS,
      boot: {
        script: withFoldersOfItsOwn(userDataOf(template)),
        environment: ministack.env(),
        path: [programs(etcd.path), dirname(ministack.python)],
      },
    }),
  );
  ticker = startTicks();
});

afterAll(async () => {
  clearInterval(ticker);
  await autoScaling?.stop();
  await ministack?.stop();
  await certificates?.remove();
  rmSync(directory, { recursive: true, force: true });
});

/** Runs the app of the example as the CDK does. */
async function synthesize(): Promise<string> {
  const project = join(directory, EXAMPLE);
  const assembly = join(project, 'cdk.out');
  const { context } = JSON.parse(readFileSync(join(project, 'cdk.json'), 'utf8'));
  await runCommand(process.execPath, ['--import', 'tsx', 'app.ts'], {
    cwd: project,
    verbose: false,
    environment: {
      ...plainEnvironment(),
      CDK_OUTDIR: assembly,
      CDK_CONTEXT_JSON: JSON.stringify(context),
      CDK_VALIDATION: 'false',
    },
  });
  return assembly;
}

/** The programs of the image: etcd and systemd's, the rest is on this machine. */
function programs(etcd: string): string {
  const folder = join(directory, 'programs');
  mkdirSync(folder);
  symlinkSync(etcd, join(folder, 'etcd'));
  copyFileSync(join(__dirname, 'run', 'systemctl'), join(folder, 'systemctl'));
  chmodSync(join(folder, 'systemctl'), 0o755);
  return folder;
}

interface Template {
  readonly Resources: Readonly<
    Record<string, { readonly Type: string; readonly Properties: Record<string, unknown> }>
  >;
}

function userDataOf(template: Template): string {
  const [launchTemplate] = Object.values(template.Resources).filter(
    ({ Type }) => Type === 'AWS::EC2::LaunchTemplate',
  );
  const data = launchTemplate?.Properties.LaunchTemplateData as
    | { UserData: { 'Fn::Base64': string } }
    | undefined;
  return data?.UserData['Fn::Base64'] ?? '';
}

/** The user data as it is, but for where it writes: below the instance's own folder. */
function withFoldersOfItsOwn(userData: string): string {
  const moved = OWN_FOLDERS.reduce((script, folder) => {
    expect(script).toContain(folder);
    return script.replaceAll(folder, `\${QUORATE_INSTANCE_ROOT}${folder}`);
  }, userData);
  return `mkdir -p "\${QUORATE_INSTANCE_ROOT}/etc/systemd/system"\n${moved}`;
}

/** A secret with a certificate, as the example expects it. */
async function createSecret(name: string, files: TlsFiles): Promise<void> {
  const value = {
    ca: readFileSync(files.caFile, 'utf8'),
    certificate: readFileSync(files.certFile, 'utf8'),
    key: readFileSync(files.keyFile, 'utf8'),
  };
  // Whose client for JavaScript is not worth a dependency for one call.
  const answer = await fetch(ministack.endpoint, {
    method: 'POST',
    headers: {
      'X-Amz-Target': 'secretsmanager.CreateSecret',
      'Content-Type': 'application/x-amz-json-1.1',
      Authorization: `AWS4-HMAC-SHA256 Credential=test/20260101/${REGION}/secretsmanager/aws4_request`,
    },
    body: JSON.stringify({
      Name: name,
      SecretString: JSON.stringify(value),
      ClientRequestToken: `${name.replace('/', '-')}-0123456789-0123456789-012`.slice(0, 40),
    }),
  });
  if (!answer.ok) {
    throw new Error(`the secret ${name} was not made: ${await answer.text()}`);
  }
}

/** The one resource of a type whose logical id matches. */
function physicalId(type: string, logicalId = /./): string {
  const found = deployed.resourcesOfType(type).filter((one) => logicalId.test(one.logicalId));
  expect(found).toHaveLength(1);
  return found[0]?.physicalId ?? '';
}

/** Sends a tick each second, as the schedule does each minute. */
function startTicks(): NodeJS.Timeout {
  const sqs = new SQSClient(ministack.clientConfig());
  const QueueUrl = physicalId('AWS::SQS::Queue', /LifecycleQueue/);
  let number = 0;
  return setInterval(() => {
    const event = { source: 'aws.events', 'detail-type': 'Scheduled Event', detail: {} };
    number += 1;
    sqs
      .send(
        new SendMessageCommand({
          QueueUrl,
          MessageBody: JSON.stringify(event),
          MessageGroupId: 'main',
          MessageDeduplicationId: String(number),
        }),
      )
      .catch((error) => console.error('a tick was lost:', error));
  }, 1000);
}

const urls = () =>
  autoScaling
    .instances(groupName)
    .filter(({ processesAlive }) => processesAlive)
    .map(({ privateIpAddress }) => `https://${privateIpAddress}:2379`);

/** Waits for the instances, and tells what function and instances said if they are not so in time. */
async function until(
  what: string,
  condition: (instances: readonly LocalInstance[]) => boolean,
): Promise<void> {
  try {
    await autoScaling.waitUntil(what, condition, 100);
  } catch (error) {
    const consoles = autoScaling
      .instances(groupName)
      .map(({ logFile }) => logFile && readFileSync(logFile, 'utf8').slice(-1500));
    throw new Error(`${error}\n${ministack.lastOutput(40)}\n${consoles.join('\n')}`);
  }
}

/** Waits until three instances are in service, and nobody else is left. */
async function untilThreeServe(): Promise<void> {
  await until(
    'three instances are in service and no other is left',
    (instances) =>
      instances.length === 3 &&
      instances.every(({ lifecycleState }) => lifecycleState === 'InService'),
  );
}

/** Asks the first of the members. */
async function ask<T>(question: (gateway: EtcdGateway) => Promise<T>): Promise<T> {
  const gateway = new EtcdGateway(urls()[0] ?? '', {
    tls: certificates.client,
    timeoutMs: 10_000,
  });
  try {
    return await question(gateway);
  } finally {
    gateway.close();
  }
}

/** The id of the instance that leads. */
async function leader(gateway: EtcdGateway): Promise<string> {
  const { leader: id } = await gateway.status();
  const members = await gateway.memberList();
  return members.find((member) => member.id === id)?.name ?? '';
}

test('its own user data brings three members up, with TLS, and each is in service as a voter', async () => {
  await untilThreeServe();
  expect(autoScaling.instances(groupName).map(({ bootExitStatus }) => bootExitStatus)).toEqual([
    0, 0, 0,
  ]);
});

test('the leader is replaced, after a snapshot that etcdutl takes, and no data is lost', async () => {
  await ask((gateway) => gateway.put('kept', 'as it was'));
  const victim = await ask(leader);
  autoScaling.terminateInstance(victim, { decrement: false });
  await until('the leader is gone', (instances) =>
    instances.every(({ instanceId }) => instanceId !== victim),
  );
  await untilThreeServe();
  expect((await ask((gateway) => gateway.get('kept')))?.value).toBe('as it was');

  const s3 = new S3Client({ ...ministack.clientConfig(), forcePathStyle: true });
  const Bucket = physicalId('AWS::S3::Bucket');
  const { Contents = [] } = await s3.send(
    new ListObjectsV2Command({ Bucket, Prefix: 'etcd/main/' }),
  );
  expect(Contents.length).toBeGreaterThan(0);
  const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key: Contents.at(-1)?.Key ?? '' }));
  const file = join(directory, 'snapshot.db');
  writeFileSync(file, (await Body?.transformToByteArray()) ?? '');
  const { totalKey } = await (await Etcdutl.resolve()).snapshotStatus(file);
  expect(totalKey).toBeGreaterThan(0);
});

test('each alarm is sent to the topic', () => {
  const project = join(directory, EXAMPLE, 'cdk.out');
  const [file = ''] = readdirSync(project).filter((name) => name.endsWith('.template.json'));
  const { Resources } = JSON.parse(readFileSync(join(project, file), 'utf8')) as Template;
  const alarms = Object.values(Resources).filter(({ Type }) => Type === 'AWS::CloudWatch::Alarm');
  const [topic] = deployed.resourcesOfType('AWS::SNS::Topic');
  expect(alarms.length).toBeGreaterThan(10);
  for (const { Properties } of alarms) {
    expect(Properties.AlarmActions).toEqual([{ Ref: topic?.logicalId }]);
  }
});
