import { type IRole, PolicyStatement, type Role } from 'aws-cdk-lib/aws-iam';
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
  const { bucket, keep } = snapshots;
  const folder = folderOf(clusterName, snapshots);
  const object = objectsOf(clusterName, snapshots);
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

/**
 * What it takes to read the snapshots. It is for the instances, which have the data anyhow: one of them
 * restores it when the cluster is made anew.
 */
export function grantRestores(
  role: IRole | undefined,
  clusterName: string,
  snapshots: EtcdSnapshots | undefined,
): void {
  if (!snapshots || !role) {
    return;
  }
  const objects = objectsOf(clusterName, snapshots);
  acknowledgeWildcard(role, 'Resource', objects, 'The snapshots of one cluster only.');
  role.addToPrincipalPolicy(
    new PolicyStatement({ actions: ['s3:GetObject'], resources: [objects] }),
  );
  snapshots.bucket.encryptionKey?.grant(role, 'kms:Decrypt');
}

function folderOf(clusterName: string, { prefix }: EtcdSnapshots): string {
  return [...(prefix === undefined ? [] : [prefix]), clusterName].join('/');
}

/** The ARN of all snapshots of a cluster. */
export function objectsOf(clusterName: string, snapshots: EtcdSnapshots): string {
  return snapshots.bucket.arnForObjects(`${folderOf(clusterName, snapshots)}/*`);
}
