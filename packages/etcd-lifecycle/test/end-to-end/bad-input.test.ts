import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { DynamoDBClient, ScanCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { EtcdGateway, type LocalInstance } from '@quorate/test-harness';
import { LocalDeployment } from '../../demo/local-deployment';
import { MeddlingProxy } from '../lambda/edges/meddling-proxy';
import { QUICK_PROGRAMS } from '../quick-boot';
import { ClosedPort } from './closed-port';
import { DeployedFunction, type Variables } from './deployed-function';

jest.setTimeout(120_000);

/** A secret that is good for neither purpose: its keys have other names. */
const SECRET = { user: 'root', pass: 'hunter2' };
/** How long something may take that is only waited for. */
const PATIENCE_SECONDS = 40;

let deployment: LocalDeployment;
let lambda: DeployedFunction;
let dynamodb: DynamoDBClient;
let member: LocalInstance;

/** A cluster of one whose member is to be replaced as soon as the function can do something. */
beforeAll(async () => {
  deployment = await LocalDeployment.start({
    size: 1,
    programs: [QUICK_PROGRAMS],
    baseAddress: '127.0.58.2',
    auth: SECRET,
    environment: { QUORATE_AUTH_SECRET: '' },
  });
  lambda = await DeployedFunction.of(deployment);
  dynamodb = new DynamoDBClient(deployment.clientConfig());
  deployment.startTicks(1);
  await deployment.waitUntilInService(1, PATIENCE_SECONDS);
  deployment.stopTicks();
  await queueEmpty();
  await deployment.setVisibilityTimeout(1);
  member = deployment.instances()[0] as LocalInstance;
});

afterAll(async () => {
  dynamodb?.destroy();
  await deployment?.stop();
});

/** Waits until something is so; if it does not become so, the error tells what is. */
async function until(
  what: string,
  done: () => boolean | Promise<boolean>,
  is: () => string,
): Promise<void> {
  for (const deadline = performance.now() + PATIENCE_SECONDS * 1000; !(await done()); ) {
    if (performance.now() > deadline) {
      throw new Error(`waited ${PATIENCE_SECONDS} s in vain until ${what}. ${is()}`);
    }
    await sleep(100);
  }
}

async function queueEmpty(): Promise<void> {
  let left = 0;
  await until(
    'the queue is empty',
    async () => {
      left = await deployment.queuedMessages();
      return left === 0;
    },
    () => `It holds ${left} messages.`,
  );
}

/** Waits until the function, after so many lines, has said this of a run or of a silent member. */
async function said(after: number, cause: RegExp): Promise<void> {
  const texts = () =>
    deployment.log.lines
      .slice(after)
      .flatMap(({ message, silent }) => [message, ...Object.values(silent ?? {})]);
  await until(
    `the function says ${cause}`,
    () => texts().some((text) => cause.test(text)),
    () => `It said:\n${[...new Set(texts())].join('\n')}`,
  );
}

/** Waits until a message that fits is in the dead-letter queue, and empties that. */
async function buried(fits: (body: string) => boolean): Promise<void> {
  const dead: string[] = [];
  await until(
    'the message is in the dead-letter queue',
    async () => {
      dead.push(...(await deployment.deadLetters()));
      return dead.some(fits);
    },
    () => `In it were ${JSON.stringify(dead)}.`,
  );
}

/** Everything that a change would change. */
async function world(): Promise<unknown> {
  const gateway = new EtcdGateway(deployment.clientUrl(member));
  const table = deployment.physicalId('AWS::DynamoDB::GlobalTable', 'EtcdLifecycleTable');
  const { Items = [] } = await dynamodb.send(new ScanCommand({ TableName: table }));
  try {
    return {
      members: await gateway.memberList(),
      instances: deployment.instances().map(({ instanceId, lifecycleState, processesAlive }) => ({
        instanceId,
        lifecycleState,
        processesAlive,
      })),
      calls: deployment.autoScaling.calls
        .map(({ action }) => action)
        .filter((action) => !/^Describe|Heartbeat$/.test(action)),
      // Neither who runs just now, nor since when an instance waits, changes the cluster.
      records: Items.filter(({ sk }) => !/^state#(lease$|seen#)/.test(sk?.S ?? '')),
    };
  } finally {
    gateway.close();
  }
}

const heartbeats = (): number =>
  deployment.autoScaling.calls.filter(
    ({ action, errorCode }) => action === 'RecordLifecycleActionHeartbeat' && !errorCode,
  ).length;

test('without a variable it names it, and the event of Auto Scaling is kept', async () => {
  await lambda.configure({ QUORATE_TABLE: undefined, QUORATE_PARAMETER_PREFIX: '' });
  const lines = deployment.log.lines.length;
  deployment.autoScaling.terminateInstance(member.instanceId, { decrement: false });
  await said(
    lines,
    /^this run failed: the function's environment lacks QUORATE_TABLE, QUORATE_PARAMETER_PREFIX: the construct EtcdLifecycle sets them all/,
  );
  await buried(
    (body) => body.includes('Instance-terminate Lifecycle') && body.includes(member.instanceId),
  );
  await queueEmpty();
});

describe('a run that cannot look fails with the cause, keeps its message and changes nothing:', () => {
  let cleanUp: AsyncDisposable | undefined;

  // That a message comes again was just waited for; here it need not.
  beforeAll(() => deployment.setMaxReceiveCount(1));

  afterEach(async () => {
    await cleanUp?.[Symbol.asyncDispose]();
    cleanUp = undefined;
  });

  /** The table without a permission: answers to an action as DynamoDB does to a role without it. */
  async function without(action: string): Promise<Variables> {
    const proxy = await MeddlingProxy.start(deployment.clientConfig().endpoint, {
      host: '127.0.0.1',
      port: 0,
    });
    cleanUp = proxy;
    proxy.meddling = {
      answer: (call) =>
        call.headers['x-amz-target'] === `DynamoDB_20120810.${action}`
          ? {
              status: 400,
              body: JSON.stringify({
                __type: 'com.amazon.coral.service#AccessDeniedException',
                Message: `User: function is not authorized to perform: dynamodb:${action}`,
              }),
            }
          : undefined,
    };
    return { AWS_ENDPOINT_URL_DYNAMODB: `http://127.0.0.1:${proxy.port}` };
  }

  const secretArn = () => deployment.physicalId('AWS::SecretsManager::Secret', 'User');

  test.each<[string, boolean, () => Variables | Promise<Variables>, RegExp]>([
    [
      'a certificate whose secret has other keys',
      true,
      () => ({ QUORATE_TLS_SECRET: secretArn() }),
      /^this run failed: the secret \S*User\S+, which QUORATE_TLS_SECRET names: it must be a JSON object with the keys ca, certificate and key/,
    ],
    [
      'a user whose secret has other keys',
      true,
      () => ({ QUORATE_AUTH_SECRET: secretArn() }),
      /^this run failed: the secret \S*User\S+, which QUORATE_AUTH_SECRET names: it must be a JSON object with the keys username and password/,
    ],
    [
      'a secret that does not exist',
      true,
      () => ({ QUORATE_TLS_SECRET: 'lost' }),
      /^this run failed: the secret lost, which QUORATE_TLS_SECRET names, cannot be read: .*ResourceNotFound/,
    ],
    [
      'a group that does not exist',
      false,
      () => ({ QUORATE_GROUP: 'lost' }),
      /^this run failed: there is no Auto Scaling group 'lost' in the Region us-east-1: was it deleted, or renamed\?/,
    ],
    [
      'a table that does not exist',
      true,
      () => ({ QUORATE_TABLE: 'lost' }),
      /^this run failed: .*QUORATE_TABLE names 'lost': was it deleted, or is it in another Region\?/,
    ],
    [
      'a table that it may not write to',
      true,
      () => without('UpdateItem'),
      /^this run failed: .*AccessDenied.*; the function's role must allow UpdateItem/,
    ],
    [
      'a table that it may not read',
      true,
      () => without('Query'),
      /^this run failed: .*AccessDenied.*; the function's role must allow Query/,
    ],
  ])('%s', async (_, holds, variables, cause) => {
    await lambda.configure(await variables());
    const before = await world();
    const beaten = heartbeats();
    const lines = deployment.log.lines.length;

    const tick = await deployment.tick();
    await said(lines, cause);
    await buried((body) => body === tick);
    await queueEmpty();

    expect(await world()).toEqual(before);
    expect(heartbeats() > beaten).toBe(holds);
    const logged = JSON.stringify(deployment.log.lines.slice(lines));
    expect(logged).not.toContain(SECRET.pass);
  });
});

describe('a member that gives no answer of etcd is told of, and nothing is changed:', () => {
  let server: Server | undefined;

  afterEach(() => {
    server?.closeAllConnections();
    server?.close();
    server = undefined;
  });

  /** Lets something stand at the member's address where the function looks for etcd. */
  async function inPlaceOfEtcd(listener: RequestListener): Promise<Variables> {
    server = createServer(listener);
    await new Promise<void>((resolve, reject) => {
      server?.once('error', reject).listen(0, member.privateIpAddress, resolve);
    });
    return { QUORATE_CLIENT_PORT: String((server.address() as AddressInfo).port) };
  }

  test.each<[string, RequestListener, RegExp]>([
    [
      'HTML',
      (_, answer) => answer.writeHead(502).end('<html><h1>Bad Gateway</h1></html>'),
      /HTTP 502 with a body that is no JSON: '<html>.*something other than etcd listens here, or a proxy/,
    ],
    [
      'JSON of something else',
      (_, answer) => answer.end('{"status": "ok"}'),
      /JSON that etcd does not answer: {"status": "ok"}; something other than etcd listens here/,
    ],
    [
      'a connection that is closed at once',
      (call) => call.destroy(),
      /Remote end closed connection without response; if the server speaks TLS, give TLS material/,
    ],
    ['nothing', () => undefined, /no answer in time/],
  ])('%s', async (_, listener, cause) => {
    await lambda.configure(await inPlaceOfEtcd(listener));
    const before = await world();
    const beaten = heartbeats();
    const lines = deployment.log.lines.length;

    await deployment.tick();
    await said(lines, cause);
    // Such a run has done what it can do: the next tick brings the next one.
    await queueEmpty();

    expect(await deployment.deadLetters()).toEqual([]);
    expect(await world()).toEqual(before);
    expect(heartbeats()).toBeGreaterThan(beaten);
  });
});

describe('a message that is no event', () => {
  beforeAll(() => lambda.configure({}));

  test.each([
    ['text', 'this is no event', /no JSON/],
    ['JSON of no object', '["event"]', /no JSON object, but a list/],
    ['an object that is no event', '{"detail": {}}', /neither source nor detail-type/],
    [
      'an event of Auto Scaling that names no group',
      '{"source": "aws.autoscaling", "detail-type": "EC2 Instance-terminate", "detail": null}',
      /an event of Auto Scaling without the name of a group/,
    ],
    ['JSON that is nested without end', '['.repeat(100_000), /no JSON/],
  ])('goes to the dead-letter queue at once, and nothing is done: %s', async (_, body, cause) => {
    const before = await world();
    const lines = deployment.log.lines.length;
    await deployment.send(body);
    await said(lines, new RegExp(`^to the dead-letter queue: ${cause.source}`));
    await buried((one) => one === body);
    await queueEmpty();
    expect(deployment.log.lines.slice(lines)).toHaveLength(1);
    expect(await world()).toEqual(before);
  });

  test.each([
    [
      'the test notification of a new hook',
      { Service: 'AWS Auto Scaling', Event: 'autoscaling:TEST_NOTIFICATION' },
      /a test notification/,
    ],
    [
      'an event of another group',
      {
        source: 'aws.autoscaling',
        'detail-type': 'EC2 Instance-terminate Lifecycle Action',
        detail: { AutoScalingGroupName: 'another', EC2InstanceId: 'i-0' },
      },
      /an event of the group another/,
    ],
    [
      'an event of another service',
      { source: 'aws.ec2', 'detail-type': 'EC2 Instance State-change Notification', detail: {} },
      /an event of aws.ec2/,
    ],
  ])('for this cluster is ignored, and nothing is done: %s', async (_, event, cause) => {
    const before = await world();
    const lines = deployment.log.lines.length;
    await deployment.send(JSON.stringify(event));
    await said(lines, new RegExp(`^ignored: ${cause.source}`));
    await queueEmpty();
    expect(await deployment.deadLetters()).toEqual([]);
    expect(deployment.log.lines.slice(lines)).toHaveLength(1);
    expect(await world()).toEqual(before);
  });

  test('is kept even if the dead-letter queue is not where it should be', async () => {
    const url = lambda.deployed.QUORATE_DEAD_LETTER_QUEUE_URL ?? '';
    await lambda.configure({ QUORATE_DEAD_LETTER_QUEUE_URL: url.replace(/[^/]+$/, 'lost.fifo') });
    const before = await world();
    const lines = deployment.log.lines.length;
    await deployment.send('nonsense');
    await said(
      lines,
      /^this run failed: .*QUORATE_DEAD_LETTER_QUEUE_URL names '.*lost\.fifo': was it deleted/,
    );
    await buried((body) => body === 'nonsense');
    await queueEmpty();
    expect(await world()).toEqual(before);
  });
});

test('a network without a way to AWS is told, and what then comes again is handled', async () => {
  await using closed = await ClosedPort.open();
  const nowhere = `http://127.0.0.1:${closed.port}`;
  await lambda.configure({
    AWS_ENDPOINT_URL: nowhere,
    AWS_ENDPOINT_URL_AUTO_SCALING: nowhere,
    AWS_ENDPOINT_URL_EC2: nowhere,
  });
  const before = await world();
  const lines = deployment.log.lines.length;
  await deployment.tick();
  await said(
    lines,
    /^this run ends early: Auto Scaling is not called for now, as it failed: Connect timeout on endpoint URL: .*; the function's subnets need a way there: a NAT gateway or a VPC endpoint/,
  );
  expect(await world()).toEqual(before);

  await lambda.configure({});
  deployment.startTicks(1);
  await deployment.waitUntilInService(1, PATIENCE_SECONDS);
  expect(deployment.instances().map(({ instanceId }) => instanceId)).not.toContain(
    member.instanceId,
  );
});
