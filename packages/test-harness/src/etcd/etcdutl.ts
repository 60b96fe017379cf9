import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheDirectory } from './binary';
import { withDirectoryLock } from './directory-lock';
import { environmentForEtcd } from './executable';
import { goEnvironment } from './go-build';

const run = promisify(execFile);

/** The Go module whose tool is etcdutl: a `go.mod` and a `go.sum`, no source. */
const RECIPE = join(__dirname, '..', '..', 'etcd', 'etcdutl');

const MODULE = 'go.etcd.io/etcd/etcdutl/v3';

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
    const cache = cacheDirectory();
    const directory = join(cache, `etcdutl-${process.platform}-${process.arch}`);
    const path = join(directory, 'etcdutl');
    if (!existsSync(path)) {
      await mkdir(cache, { recursive: true });
      await withDirectoryLock(`${directory}.lock`, async () => {
        if (!existsSync(path)) {
          await mkdir(directory, { recursive: true });
          const target = `${path}.building`;
          await run(
            'go',
            ['build', '-mod=readonly', '-trimpath', '-buildvcs=false', '-o', target, MODULE],
            { cwd: RECIPE, env: goEnvironment(process.env, cache) },
          );
          await rename(target, path);
        }
      });
    }
    return new Etcdutl(path);
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
