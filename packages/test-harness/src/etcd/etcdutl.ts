import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { environmentForEtcd } from './executable';
import { resolveGoTool } from './go-tool';

const run = promisify(execFile);

/** What etcdutl tells of a snapshot. */
export interface EtcdSnapshotStatus {
  /** The revision up to which the snapshot has everything. */
  readonly revision: number;
  /** How many keys it has, old revisions and deletions included. */
  readonly totalKey: number;
  /** How many bytes the database has. */
  readonly totalSize: number;
}

/** etcd's own tool for its files. */
export class Etcdutl {
  /**
   * Takes etcdutl from the cache of {@link cacheDirectory}, or builds it there from its Go modules,
   * once, which takes some seconds.
   *
   * @throws Error if Go is missing or fails.
   */
  static async resolve(): Promise<Etcdutl> {
    return new Etcdutl(await resolveGoTool('etcdutl'));
  }

  private constructor(
    /** The absolute path of the executable. */
    readonly path: string,
  ) {}

  /**
   * Tells what is in a snapshot.
   *
   * @throws Error if the file is no database, or is damaged.
   */
  async snapshotStatus(file: string): Promise<EtcdSnapshotStatus> {
    const status = JSON.parse(await this.run('snapshot', 'status', file, '--write-out=json'));
    return {
      revision: status.revision,
      totalKey: status.totalKey,
      totalSize: status.totalSize,
    };
  }

  /**
   * Makes the data directory of a member, alone in a new cluster, of a snapshot. Its hash is checked.
   *
   * @param file - The snapshot.
   * @param directory - The data directory to be, which must not exist.
   * @param flags - Further flags of `etcdutl snapshot restore`.
   * @throws Error if the snapshot is cut short or damaged.
   */
  async restore(file: string, directory: string, flags: readonly string[] = []): Promise<void> {
    await this.run('snapshot', 'restore', file, `--data-dir=${directory}`, ...flags);
  }

  private async run(...args: string[]): Promise<string> {
    const { stdout } = await run(this.path, args, { env: environmentForEtcd(process.env) });
    return stdout;
  }
}
