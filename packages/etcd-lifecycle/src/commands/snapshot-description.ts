import { UsageError } from './command';

/** What a stored snapshot tells of itself. */
export interface SnapshotDescription {
  /** `s3://bucket/key`. */
  readonly url: string;
  /** The name of the cluster. */
  readonly cluster: string;
  /** The etcd cluster id, in decimal. */
  readonly clusterId: string;
  /** Everything up to this revision is in it. */
  readonly revision: number;
  /** When it was begun, in ISO 8601. */
  readonly taken: string;
}

/**
 * Reads the metadata of a snapshot.
 *
 * @param url `s3://bucket/key`
 * @throws UsageError if it is no such address, or the object has not the metadata of a snapshot
 */
export async function describeSnapshot(
  url: string,
  { region }: { readonly region: string | undefined },
): Promise<SnapshotDescription> {
  const [, bucket, key] = /^s3:\/\/([^/]+)\/(.+)$/.exec(url) ?? [];
  if (!bucket || !key) {
    throw new UsageError(`--snapshot is "${url}"; it is s3://bucket/key, or "latest"`);
  }
  const { HeadObjectCommand, S3Client } = await import('@aws-sdk/client-s3');
  const custom = process.env.AWS_ENDPOINT_URL_S3 ?? process.env.AWS_ENDPOINT_URL;
  // Stores of another kind rarely have a host name for each bucket.
  const client = new S3Client({ region, forcePathStyle: custom !== undefined });
  try {
    const { Metadata = {} } = await client.send(
      new HeadObjectCommand({ Bucket: bucket, Key: key }),
    );
    const { cluster, 'cluster-id': clusterId, revision, taken } = Metadata;
    if (!cluster || !clusterId || !revision || !taken) {
      throw new UsageError(
        `${url} does not tell what it is a snapshot of. To use one that this package did not take, ` +
          'copy it with the metadata cluster, cluster-id (decimal), revision and taken: ' +
          'aws s3 cp SNAPSHOT s3://BUCKET/KEY --metadata cluster=...,cluster-id=...,...',
      );
    }
    return { url, cluster, clusterId, revision: Number(revision), taken };
  } catch (error) {
    // The answer to HEAD has no body, and so no words of S3's own.
    if (error instanceof Error && error.name === 'NotFound') {
      throw new UsageError(`${url} does not exist`, { cause: error });
    }
    throw error;
  } finally {
    client.destroy();
  }
}
