import { spawn } from 'node:child_process';
import { dirname } from 'node:path';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { EtcdGateway, Etcdutl, type LocalInstance, resolveEtcd } from '@quorate/test-harness';
import { LocalDeployment } from '../../demo/local-deployment';
import { runCommand } from '../commands/recording-terminal';

jest.setTimeout(180_000);

const BUCKET = 'backups';
const KEPT = 300;
const LOST = 40;
const BUMP = 1_000_000_000;

let deployment: LocalDeployment;
let s3: S3Client;

beforeAll(async () => {
  deployment = await LocalDeployment.start({
    baseAddress: '127.0.61.2',
    snapshots: { bucketName: BUCKET, prefix: 'etcd' },
    environment: { QUORATE_SNAPSHOT_INTERVAL: '86400', QUORATE_SNAPSHOT_RETRY: '1' },
    programs: [dirname((await Etcdutl.resolve()).path)],
  });
  s3 = new S3Client({ ...deployment.clientConfig(), forcePathStyle: true });
  deployment.startTicks(1);
  await deployment.waitUntilInService(3, 90);
});

afterAll(async () => {
  s3?.destroy();
  await deployment?.stop();
});

const recover = (args: readonly string[], ...answers: string[]) =>
  runCommand(
    ['recover', '--function', deployment.functionName, '--cluster', 'demo', ...args],
    deployment.environment(),
    answers,
  );

async function withGateway<T>(
  instance: LocalInstance | undefined,
  use: (gateway: EtcdGateway) => Promise<T>,
): Promise<T> {
  const gateway = new EtcdGateway(instance ? deployment.clientUrl(instance) : '');
  try {
    return await use(gateway);
  } finally {
    gateway.close();
  }
}

/** Writes keys to the first, or to the newest instance; returns the last revision. */
const put = (prefix: string, count: number, to: 'old' | 'new' = 'old') =>
  withGateway(deployment.instances().at(to === 'old' ? 0 : -1), async (gateway) => {
    for (let number = 0; number < count; number++) {
      await gateway.put(`/${prefix}/${number}`, `${prefix} ${number}`);
    }
    return (await gateway.status()).revision;
  });

function recorded(kind: string) {
  return deployment.journal.records.filter((record) => record.kind === kind);
}

describe('a cluster that has a quorum', () => {
  test('is not recovered, whatever is said', async () => {
    await put('kept', KEPT);
    await s3.send(new CreateBucketCommand({ Bucket: BUCKET }));
    await deployment.autoScaling.waitUntil(
      'a snapshot is stored',
      () => recorded('TakeSnapshot').some(({ outcome }) => outcome.startsWith('done')),
      30,
    );
    const { exitCode, stderr } = await recover(['--snapshot', 'latest', '--yes']);
    expect(exitCode).toBe(3);
    expect(stderr).toMatch(/a quorum answers: the cluster lives/);
    expect(recorded('RestoreOrder')).toEqual([]);
  });

  test('has no order that could be taken back', async () => {
    const { exitCode, stderr } = await recover(['--cancel']);
    expect(exitCode).toBe(3);
    expect(stderr).toMatch(/no order stands/);
  });

  test('is not taken for another one', async () => {
    const { exitCode, stderr } = await runCommand(
      [
        ...['recover', '--function', deployment.functionName],
        ...['--cluster', 'other', '--snapshot', 'latest'],
      ],
      deployment.environment(),
    );
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/looks after the cluster "demo", not "other"/);
  });
});

describe('a cluster that has lost two of three', () => {
  let lastRevision: number;
  let ended: LocalInstance;
  let survivor: LocalInstance;
  let oldClusterId: string;

  beforeAll(async () => {
    lastRevision = await put('lost', LOST);
    const [vanishing, killed, staying] = deployment.instances();
    [ended, survivor] = [killed, staying] as [LocalInstance, LocalInstance];
    oldClusterId = (await withGateway(survivor, (gateway) => gateway.status())).clusterId;
    deployment.autoScaling.loseInstance(vanishing?.instanceId ?? '');
    deployment.autoScaling.killInstanceProcesses(killed?.instanceId ?? '');
    await deployment.autoScaling.waitUntil(
      'a replacement waits at its launch',
      (instances) => instances.some(({ lifecycleState }) => lifecycleState === 'Pending:Wait'),
      60,
    );
    await deployment.autoScaling.waitUntil(
      'the function says that it changes nothing',
      () => deployment.log.lines.some(({ message }) => /no quorum answers/.test(message)),
      60,
    );
  });

  test.each([
    ['one that is not there', 'gone.db', undefined, /s3:\/\/backups\/gone\.db does not exist/, 2],
    ['a file that tells nothing of itself', 'plain.db', {}, /does not tell what it is/, 2],
    [
      'one of another cluster',
      'other.db',
      { cluster: 'other', 'cluster-id': '1', revision: '5', taken: '2026-01-01T00:00:00+00:00' },
      /is a snapshot of the cluster "other", not of "demo"/,
      3,
    ],
    [
      'one of a cluster of the same name',
      'older.db',
      { cluster: 'demo', 'cluster-id': '1', revision: '5', taken: '2026-01-01T00:00:00+00:00' },
      /is of an etcd cluster 1, which this cluster never was/,
      3,
    ],
  ])('is not made of %s', async (_, key, metadata, message, exitCode) => {
    if (metadata) {
      await s3.send(
        new PutObjectCommand({ Bucket: BUCKET, Key: key, Body: 'x', Metadata: metadata }),
      );
    }
    const result = await recover(['--snapshot', `s3://${BUCKET}/${key}`, '--yes']);
    expect(result.stderr).toMatch(message);
    expect(result.exitCode).toBe(exitCode);
  });

  test('is shown what would be lost, and is left as it is unless its name is typed', async () => {
    for (const answers of [[], [''], ['yes']]) {
      const { exitCode, stdout, stderr } = await recover(['--snapshot', 'latest'], ...answers);
      expect(exitCode).toBe(3);
      expect(stderr).toMatch(/Type the name of the cluster \(demo\).*it was not confirmed/s);
      expect(stdout).toContain(
        `at least ${LOST} revisions, ${lastRevision - LOST + 1} to ${lastRevision}`,
      );
      expect(stdout).toContain(`${survivor.privateIpAddress} has no quorum, at revision`);
      expect(stdout).toContain(`${ended.privateIpAddress} has ended: nothing listens there`);
    }
    expect(recorded('RestoreOrder')).toEqual([]);
  });

  test('is not made anew with a revision that goes back', async () => {
    const { exitCode, stderr } = await recover([
      '--snapshot',
      'latest',
      '--bump-revision',
      String(LOST),
      '--yes',
    ]);
    expect(exitCode).toBe(3);
    expect(stderr).toMatch(/the revision would go back/);
  });

  test('an order is taken back for as long as nothing came of it', async () => {
    // The snapshot has vanished by the time that it is to be restored: the new member cannot start.
    const latest = { cluster: 'demo', 'cluster-id': oldClusterId, revision: '2', taken: 'then' };
    await s3.send(
      new PutObjectCommand({ Bucket: BUCKET, Key: 'broken.db', Body: 'x', Metadata: latest }),
    );
    const ordered = await recover(['--snapshot', `s3://${BUCKET}/broken.db`, '--yes']);
    expect(ordered).toMatchObject({ exitCode: 0 });
    await deployment.autoScaling.waitUntil(
      'an instance tries to restore it',
      (instances) =>
        instances.some(
          ({ lifecycleState, bootExitStatus }) =>
            lifecycleState === 'Pending:Wait' && bootExitStatus === 1,
        ),
      60,
    );
    expect(await recover(['--cancel'])).toMatchObject({ exitCode: 0 });
    const { stdout } = await runCommand(
      ['plan', '--function', deployment.functionName],
      deployment.environment(),
    );
    expect(stdout).toMatch(/^Reason: +no quorum answers/m);
  });

  // By an instance that was not told otherwise before: the one that was is replaced.
  test('is made anew once that is confirmed, with every key of the snapshot', async () => {
    const { exitCode, stdout } = await recover(['--snapshot', 'latest', '--wait'], 'demo');
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/The recovery is ordered\..*The new cluster lives/s);
    for (const { instanceId } of [ended, survivor]) {
      expect(stdout).toContain(`--instance-id ${instanceId}`);
    }

    const first = deployment
      .instances()
      .find(({ instanceId }) => ![ended, survivor].some((old) => old.instanceId === instanceId));
    await withGateway(first, async (gateway) => {
      const status = await gateway.status();
      expect(status.clusterId).not.toBe(oldClusterId);
      expect(status.revision).toBeGreaterThan(BUMP);
      expect(await gateway.memberList()).toHaveLength(1);
      const kept = await gateway.range({ prefix: '/kept/' });
      expect(new Map(kept.map(({ key, value }) => [key, value]))).toEqual(
        new Map(Array.from({ length: KEPT }, (_, n) => [`/kept/${n}`, `kept ${n}`])),
      );
      expect(await gateway.range({ prefix: '/lost/' })).toEqual([]);
      // Whoever watched from an earlier revision is told to list again.
      await expect(
        gateway.call('/v3/kv/range', { key: 'AA==', revision: String(lastRevision) }),
      ).rejects.toThrow(/required revision has been compacted/);
    });
    expect(recorded('RestoreOrder').at(-1)).toMatchObject({
      outcome: 'ordered',
      reason: expect.stringContaining('ordered to make the cluster anew'),
    });
  });

  test('does not take the old members back, and says what to do with them', async () => {
    const { stdout } = await runCommand(
      ['plan', '--function', deployment.functionName],
      deployment.environment(),
    );
    expect(stdout).toMatch(
      new RegExp(`${survivor.privateIpAddress}: it belongs to the cluster [0-9a-f]+, which a rec`),
    );
    const { leader } = await withGateway(survivor, (gateway) => gateway.status());
    expect(leader).toBeUndefined();
  });

  test('stops while a quorum of the old members is back, and keeps serving', async () => {
    const root = ended.rootDirectory ?? '';
    const revived = spawn('bash', ['-c', 'set -a; . ./etcd.env; set +a; exec "$etcd_binary"'], {
      cwd: root,
      env: { ...process.env, etcd_binary: (await resolveEtcd()).path, QUORATE_INSTANCE_ROOT: root },
      stdio: 'ignore',
    });
    const gone = new Promise((resolve) => revived.once('close', resolve));
    try {
      await deployment.autoScaling.waitUntil(
        'the function stops',
        () => deployment.log.lines.at(-1)?.message.includes('this is not our cluster') ?? false,
        60,
      );
      const { stdout } = await runCommand(
        ['plan', '--function', deployment.functionName],
        deployment.environment(),
      );
      expect(stdout).toMatch(/^Next: +Stop/m);
      expect(stdout).toMatch(/whose quorum is back: terminate its instances/);
      await put('after', 3, 'new');
    } finally {
      revived.kill('SIGKILL');
      await gone;
    }
  });

  test('grows to its size again, once the old instances are terminated', async () => {
    for (const { instanceId } of [ended, survivor]) {
      deployment.autoScaling.terminateInstance(instanceId);
    }
    await deployment.waitUntilInService(3, 120);
    const members = await withGateway(deployment.instances()[0], (gateway) => gateway.memberList());
    expect(members.map(({ name, isLearner }) => ({ name, isLearner }))).toEqual(
      expect.arrayContaining(
        deployment.instances().map(({ instanceId }) => ({ name: instanceId, isLearner: false })),
      ),
    );
    for (const instance of deployment.instances()) {
      const kept = await withGateway(instance, (gateway) => gateway.range({ prefix: '/kept/' }));
      expect(kept).toHaveLength(KEPT);
    }
    expect((await recover(['--snapshot', 'latest', '--yes'])).exitCode).toBe(3);
  });
});
