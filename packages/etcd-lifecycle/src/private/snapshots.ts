import { PolicyStatement, type Role } from 'aws-cdk-lib/aws-iam';
import { EtcdSnapshotFailure, type EtcdSnapshots } from '../etcd-snapshots';
import { seconds } from './defaults';
import { acknowledgeWildcard } from './nag';

/** What the function's environment says of snapshots. */
export function snapshotEnvironment(snapshots: EtcdSnapshots | undefined): Record<string, string> {
  if (!snapshots) {
    return {};
  }
  const { bucket, prefix, beforeRemoval, interval, keep, onFailure } = snapshots;
  return {
    QUORATE_SNAPSHOT_BUCKET: bucket.bucketName,
    ...(prefix === undefined ? {} : { QUORATE_SNAPSHOT_PREFIX: prefix }),
    QUORATE_SNAPSHOT_BEFORE_REMOVAL: String(beforeRemoval ?? true),
    QUORATE_SNAPSHOT_ON_FAILURE: onFailure ?? EtcdSnapshotFailure.STOP,
    ...(interval === undefined ? {} : { QUORATE_SNAPSHOT_INTERVAL: seconds(interval) }),
    ...(keep === undefined ? {} : { QUORATE_SNAPSHOT_KEEP: String(keep) }),
  };
}

/** What it takes to write snapshots; to delete old ones only if that is wanted; never to read. */
export function grantSnapshots(
  role: Role,
  clusterName: string,
  snapshots: EtcdSnapshots | undefined,
): void {
  if (!snapshots) {
    return;
  }
  const { bucket, prefix, keep } = snapshots;
  const folder = [...(prefix === undefined ? [] : [prefix]), clusterName].join('/');
  const object = bucket.arnForObjects(`${folder}/*`);
  const objects = [object];
  acknowledgeWildcard(role, 'Resource', object, 'The snapshots of one cluster only.');
  const actions = ['s3:PutObject', 's3:AbortMultipartUpload'];
  role.addToPolicy(new PolicyStatement({ actions, resources: objects }));
  if (keep !== undefined) {
    role.addToPolicy(new PolicyStatement({ actions: ['s3:DeleteObject'], resources: objects }));
    role.addToPolicy(
      new PolicyStatement({
        actions: ['s3:ListBucket'],
        resources: [bucket.bucketArn],
        conditions: { StringEquals: { 's3:prefix': `${folder}/` } },
      }),
    );
  }
  // The parts of a multipart upload are encrypted with a data key, which is read for each.
  bucket.encryptionKey?.grant(role, 'kms:GenerateDataKey', 'kms:Decrypt');
}
