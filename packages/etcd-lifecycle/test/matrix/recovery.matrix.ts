import { dirname } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { EtcdGateway, type EtcdUser, Etcdutl, type LocalInstance } from '@quorate/test-harness';
import { LocalDeployment } from '../../demo/local-deployment';
import { runCommand } from '../commands/recording-terminal';
import { enableAuthentication, LOW, ROOT } from '../lambda/edges/authentication';

jest.setTimeout(300_000);

const BUCKET = 'backups';
const KEYS = new Map(Array.from({ length: 200 }, (_, n) => [`/kept/${n}`, `kept ${n}`]));
const LOST = 20;
const BUMP = 1_000_000_000;
/** How much of the function's log is shown when something went wrong. */
const LOG_LINES = 8;

const user = ({ username, password }: typeof ROOT): EtcdUser => ({ name: username, password });

describe.each([
  { protection: 'mutual TLS', auth: undefined, baseAddress: '127.0.69.2' },
  { protection: 'mutual TLS and authentication', auth: ROOT, baseAddress: '127.0.69.102' },
])('a cluster with $protection that has lost two of three', ({ auth, baseAddress }) => {
  let deployment: LocalDeployment;
  let s3: S3Client;
  let survivor: LocalInstance;
  let oldClusterId: string;

  beforeAll(async () => {
    deployment = await LocalDeployment.start({
      baseAddress,
      tls: true,
      auth,
      snapshots: { bucketName: BUCKET },
      environment: { QUORATE_SNAPSHOT_INTERVAL: '86400', QUORATE_SNAPSHOT_RETRY: '1' },
      programs: [dirname((await Etcdutl.resolve()).path)],
    });
    s3 = new S3Client({ ...deployment.clientConfig(), forcePathStyle: true });
    deployment.startTicks(1);
    await allServe();
    await withGateway(deployment.instances()[0], async (gateway) => {
      if (auth) {
        await enableAuthentication(gateway);
      }
      for (const [key, value] of KEYS) {
        await gateway.put(key, value);
      }
    });
    // Until there is a bucket, no snapshot can be stored: the first one has all keys so far.
    await s3.send(new CreateBucketCommand({ Bucket: BUCKET }));
    await eventually(
      'a snapshot is stored',
      () =>
        deployment.journal.records.some(
          ({ kind, outcome }) => kind === 'TakeSnapshot' && outcome.startsWith('done'),
        ),
      60,
    );
    const [vanishing, killed, staying] = deployment.instances() as [
      LocalInstance,
      LocalInstance,
      LocalInstance,
    ];
    survivor = staying;
    await withGateway(survivor, async (gateway) => {
      for (let number = 0; number < LOST; number++) {
        await gateway.put(`/lost/${number}`, 'lost');
      }
      oldClusterId = (await gateway.status()).clusterId;
    });
    deployment.autoScaling.loseInstance(vanishing.instanceId);
    deployment.autoScaling.killInstanceProcesses(killed.instanceId);
    await eventually(
      'a replacement waits, and the function says that it changes nothing',
      (instances) =>
        instances.some(({ lifecycleState }) => lifecycleState === 'Pending:Wait') &&
        deployment.log.lines.some(({ message }) => /no quorum answers/.test(message)),
      60,
    );
  });

  afterAll(async () => {
    s3?.destroy();
    await deployment?.stop();
  });

  async function withGateway<T>(
    instance: LocalInstance | undefined,
    use: (gateway: EtcdGateway) => Promise<T>,
    props: { user?: EtcdUser } = { user: auth && user(auth) },
  ): Promise<T> {
    const url = instance ? deployment.clientUrl(instance) : '';
    const gateway = new EtcdGateway(url, { ...props, tls: deployment.clientTls });
    try {
      return await use(gateway);
    } finally {
      gateway.close();
    }
  }

  /** Waits, and tells what the function said last if it was in vain. */
  async function eventually(
    description: string,
    done: (instances: readonly LocalInstance[]) => boolean,
    seconds: number,
  ): Promise<void> {
    try {
      await deployment.autoScaling.waitUntil(description, done, seconds);
    } catch (error) {
      const said = deployment.log.lines.slice(-LOG_LINES).map((line) => JSON.stringify(line));
      throw new Error([(error as Error).message, ...said].join('\n'), { cause: error });
    }
  }

  const allServe = () =>
    eventually(
      'three instances are in service and no other is left',
      (instances) =>
        instances.length === 3 &&
        instances.every(({ lifecycleState }) => lifecycleState === 'InService'),
      240,
    );

  const read = async (instance: LocalInstance | undefined, prefix: string) =>
    withGateway(
      instance,
      async (gateway) =>
        new Map((await gateway.range({ prefix })).map(({ key, value }) => [key, value])),
    );

  test('is recovered by the command, with every key of the snapshot', async () => {
    const { exitCode, stdout, stderr } = await runCommand(
      [
        ...['recover', '--function', deployment.functionName, '--cluster', 'demo'],
        ...['--snapshot', 'latest', '--wait'],
      ],
      deployment.environment(),
      ['demo'],
    );
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
    expect(stdout).toContain(`${survivor.privateIpAddress} has no quorum, at revision`);
    expect(stdout).toMatch(/The new cluster lives/);

    const first = deployment.instances().at(-1);
    const status = await withGateway(first, (gateway) => gateway.status());
    expect(status.clusterId).not.toBe(oldClusterId);
    expect(status.revision).toBeGreaterThan(BUMP);
    expect(await read(first, '/kept/')).toEqual(KEYS);
    expect(await read(first, '/lost/')).toEqual(new Map());
  });

  test('grows to its size again, once the old instances are terminated', async () => {
    const [first] = deployment.instances().slice(-1);
    for (const { instanceId } of deployment.instances()) {
      if (instanceId !== first?.instanceId) {
        deployment.autoScaling.terminateInstance(instanceId);
      }
    }
    await allServe();
    for (const instance of deployment.instances()) {
      expect(await read(instance, '/kept/')).toEqual(KEYS);
    }
    const members = await withGateway(first, (gateway) => gateway.memberList());
    expect(members.map(({ name, isLearner }) => [name, isLearner]).sort()).toEqual(
      deployment
        .instances()
        .map(({ instanceId }) => [instanceId, false])
        .sort(),
    );
  });

  test('lets in whom it let in before, and nobody else', async () => {
    for (const instance of deployment.instances()) {
      const url = deployment.clientUrl(instance);
      const stranger = new EtcdGateway(url);
      await expect(stranger.range({ prefix: '/kept/' })).rejects.toThrow();
      stranger.close();
      const put = (who?: EtcdUser) =>
        withGateway(instance, (gateway) => gateway.put('/after', 'x'), { user: who });
      if (!auth) {
        await expect(put()).resolves.toBeGreaterThan(BUMP);
        continue;
      }
      await expect(put(user(ROOT))).resolves.toBeGreaterThan(BUMP);
      await expect(put()).rejects.toThrow(/user name is empty|permission denied/);
      await expect(put(user(LOW))).rejects.toThrow(/permission denied/);
      await expect(put({ ...user(ROOT), password: 'wrong' })).rejects.toThrow(
        /authentication failed/,
      );
    }
  });
});
