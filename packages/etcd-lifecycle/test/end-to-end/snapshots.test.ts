import { CreateBucketCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { LocalDeployment, type LocalDeploymentProps } from '../../demo/local-deployment';
import { EtcdSnapshotFailure } from '../../src';

jest.setTimeout(120_000);

const BUCKET = 'backups';

let deployment: LocalDeployment | undefined;
let s3: S3Client | undefined;

afterEach(async () => {
  s3?.destroy();
  await deployment?.stop();
  deployment = undefined;
});

/** A cluster of one, whose only member is then told to go. Its bucket is not there yet. */
async function replaceTheOnlyMember(
  baseAddress: string,
  props: Pick<LocalDeploymentProps, 'snapshots' | 'environment'>,
): Promise<LocalDeployment> {
  const started = await LocalDeployment.start({ size: 1, baseAddress, ...props });
  deployment = started;
  s3 = new S3Client({ ...started.clientConfig(), forcePathStyle: true });
  started.startTicks(1);
  await started.waitUntilInService(1, 40);
  started.autoScaling.terminateInstance(started.instances()[0]?.instanceId ?? '', {
    decrement: false,
  });
  return started;
}

const outcomesOf = (from: LocalDeployment, kind: string) =>
  from.journal.records.filter((record) => record.kind === kind).map(({ outcome }) => outcome);

async function recorded(from: LocalDeployment, kind: string, outcome: RegExp): Promise<void> {
  await from.autoScaling.waitUntil(
    `the function records ${kind}: ${outcome}`,
    () => outcomesOf(from, kind).some((one) => outcome.test(one)),
    40,
  );
}

async function keys(): Promise<string[]> {
  const { Contents = [] } = (await s3?.send(new ListObjectsV2Command({ Bucket: BUCKET }))) ?? {};
  return Contents.map(({ Key }) => Key ?? '');
}

describe('a snapshot that fails', () => {
  test('stops the removal until one is stored', async () => {
    const cluster = await replaceTheOnlyMember('127.0.52.2', {
      snapshots: { bucketName: BUCKET, prefix: 'etcd' },
      environment: { QUORATE_SNAPSHOT_RETRY: '2' },
    });
    await recorded(cluster, 'TakeSnapshot', /^failed: .*NoSuchBucket/);
    await cluster.autoScaling.waitUntil(
      'the function says for what the removal waits',
      () => cluster.log.lines.some(({ message }) => /but not without a snapshot/.test(message)),
      20,
    );
    expect(outcomesOf(cluster, 'RemoveMember')).toEqual([]);
    expect(outcomesOf(cluster, 'TransferLeadership')).toEqual([]);

    await s3?.send(new CreateBucketCommand({ Bucket: BUCKET }));
    await cluster.waitUntilInService(1, 60);
    await recorded(cluster, 'TakeSnapshot', /^done/);
    await recorded(cluster, 'RemoveMember', /^done/);
    // One for the removal, and none for the passes after it.
    expect(await keys()).toEqual([expect.stringMatching(/^etcd\/demo\/\d{8}T\d{6}Z-\d+\.db$/)]);
    const kinds = cluster.journal.records.map(({ kind }) => kind);
    expect(kinds.lastIndexOf('TakeSnapshot')).toBeLessThan(kinds.indexOf('RemoveMember'));
  });

  test('only warns, where that is the policy', async () => {
    const cluster = await replaceTheOnlyMember('127.0.53.2', {
      snapshots: { bucketName: BUCKET, onFailure: EtcdSnapshotFailure.WARN },
    });
    await cluster.waitUntilInService(1, 60);
    await recorded(cluster, 'RemoveMember', /^done/);
    expect(outcomesOf(cluster, 'TakeSnapshot')).toEqual([
      expect.stringMatching(/^failed: .*NoSuchBucket/),
    ]);
    const removal = cluster.journal.records.find(({ kind }) => kind === 'RemoveMember');
    expect(removal?.reason).toMatch(/there is no snapshot of the data: .*NoSuchBucket/);
  });
});
