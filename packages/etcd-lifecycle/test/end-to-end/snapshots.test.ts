import { CreateBucketCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { JournalRecord } from '../../demo/journal-follower';
import { LocalDeployment } from '../../demo/local-deployment';
import { EtcdSnapshotFailure } from '../../src';
import { QUICK_CHANGES, QUICK_PROGRAMS } from '../quick-boot';
import { DeployedFunction } from './deployed-function';

jest.setTimeout(120_000);

const BUCKET = 'backups';

let deployment: LocalDeployment;
let lambda: DeployedFunction;
let s3: S3Client;

/** A cluster of one, whose bucket is not there yet. */
beforeAll(async () => {
  deployment = await LocalDeployment.start({
    size: 1,
    programs: [QUICK_PROGRAMS],
    instanceEnvironment: QUICK_CHANGES,
    baseAddress: '127.0.52.2',
    snapshots: { bucketName: BUCKET, prefix: 'etcd', onFailure: EtcdSnapshotFailure.WARN },
  });
  lambda = await DeployedFunction.of(deployment);
  s3 = new S3Client({ ...deployment.clientConfig(), forcePathStyle: true });
  deployment.startTicks(1);
  await deployment.waitUntilInService(1, 40);
});

afterAll(async () => {
  s3?.destroy();
  await deployment?.stop();
});

/** What is recorded of a kind, or of all, but for what was there before. */
const recordsOf = (kind?: string, before = 0) =>
  deployment.journal.records.slice(before).filter((one) => (kind ?? one.kind) === one.kind);

function terminateTheOnlyMember(): void {
  const [instance] = deployment.instances();
  deployment.autoScaling.terminateInstance(instance?.instanceId ?? '', { decrement: false });
}

async function untilRecorded(records: () => JournalRecord[], outcome: RegExp): Promise<void> {
  await deployment.autoScaling.waitUntil(
    `the function records ${outcome}`,
    () => records().some((one) => outcome.test(one.outcome)),
    40,
  );
}

async function keys(): Promise<string[]> {
  const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: BUCKET }));
  return Contents.map(({ Key }) => Key ?? '');
}

describe('a snapshot that fails', () => {
  test('only warns, where that is the policy', async () => {
    terminateTheOnlyMember();
    await deployment.waitUntilInService(1, 60);
    await untilRecorded(() => recordsOf('RemoveMember'), /^done/);
    expect(recordsOf('TakeSnapshot').map(({ outcome }) => outcome)).toEqual([
      expect.stringMatching(/^failed: .*NoSuchBucket/),
    ]);
    expect(recordsOf('RemoveMember')[0]?.reason).toMatch(
      /there is no snapshot of the data: .*NoSuchBucket/,
    );
  });

  test('stops the removal until one is stored', async () => {
    await lambda.configureBetweenRuns({
      QUORATE_SNAPSHOT_ON_FAILURE: EtcdSnapshotFailure.STOP,
      QUORATE_SNAPSHOT_RETRY: '2',
    });
    const before = deployment.journal.records.length;
    const recorded = (kind?: string) => recordsOf(kind, before);
    terminateTheOnlyMember();
    await untilRecorded(() => recorded('TakeSnapshot'), /^failed: .*NoSuchBucket/);
    await deployment.autoScaling.waitUntil(
      'the function says for what the removal waits',
      () => deployment.log.lines.some(({ message }) => /but not without a snapshot/.test(message)),
      20,
    );
    expect(recorded('RemoveMember')).toEqual([]);
    expect(recorded('TransferLeadership')).toEqual([]);

    await s3.send(new CreateBucketCommand({ Bucket: BUCKET }));
    await deployment.waitUntilInService(1, 60);
    await untilRecorded(() => recorded('TakeSnapshot'), /^done/);
    await untilRecorded(() => recorded('RemoveMember'), /^done/);
    // One for the removal, and none for the passes after it.
    expect(await keys()).toEqual([expect.stringMatching(/^etcd\/demo\/\d{8}T\d{6}Z-\d+\.db$/)]);
    const kinds = recorded().map(({ kind }) => kind);
    expect(kinds.lastIndexOf('TakeSnapshot')).toBeLessThan(kinds.indexOf('RemoveMember'));
  });
});
