import type { Duration } from 'aws-cdk-lib';
import type { IBucket } from 'aws-cdk-lib/aws-s3';

/** What follows when the snapshot before a removal fails. */
export enum EtcdSnapshotFailure {
  /** The member stays, and its instance is held, until a snapshot is stored. */
  STOP = 'stop',
  /** The member is removed all the same. A metric and the log tell of it. */
  WARN = 'warn',
}

/** Snapshots of the cluster's data, which the function stores in a bucket. */
export interface EtcdSnapshots {
  /**
   * The bucket, in the function's Region. It should be encrypted and refuse public access, and have
   * a life-cycle rule that aborts incomplete multipart uploads: a function that dies in the midst of
   * one leaves its parts.
   */
  readonly bucket: IBucket;

  /**
   * The first part of the keys, which are `<prefix>/<cluster>/<time>-<revision>.db`.
   * @default - none: the keys begin with the name of the cluster
   */
  readonly prefix?: string;

  /**
   * Whether a snapshot is taken before a voter is removed, and before the last one is let go. One
   * that was stored in the last five minutes counts.
   * @default true
   */
  readonly beforeRemoval?: boolean;

  /**
   * How old the last snapshot may become before another is taken; at least a minute. It is taken
   * when there is nothing else to do.
   * @default - none is taken for its age alone
   */
  readonly interval?: Duration;

  /**
   * How many snapshots are kept. Older ones of this cluster are deleted, and nothing else is.
   * @default - all
   */
  readonly keep?: number;

  /**
   * What follows when the snapshot before a removal fails.
   * @default EtcdSnapshotFailure.STOP
   */
  readonly onFailure?: EtcdSnapshotFailure;
}
