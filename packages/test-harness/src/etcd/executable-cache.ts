import { chmod, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withDirectoryLock } from './directory-lock';
import { isExecutable, versionOf } from './executable';

/** What it takes to put an executable into the cache. */
export interface CacheContext {
  readonly env: NodeJS.ProcessEnv;
  /** The directory of the cache. */
  readonly cache: string;
  /** Is told what takes long. */
  readonly log: (line: string) => void;
}

/** An etcd in the cache. */
export interface CachedEtcd {
  /** The absolute path of the executable. */
  readonly path: string;
  /** Its version, without a leading "v". */
  readonly version: string;
}

/** An etcd that is to be in the cache. */
export interface WantedEtcd {
  /** The version that the executable must print. */
  readonly version: string;
  /** Tells it from others of the same version; part of the folder's name, such as `-debian`. */
  readonly suffix?: string;
  /** What is done if it is not there, for the log: "builds". */
  readonly verb: string;
  /** Asked first, with the path it will have; throws if it cannot be made on this machine. */
  readonly check: (path: string) => void;
  /** Writes the executable to a path; may use the folder of that path for more. */
  readonly make: (target: string) => Promise<void>;
}

const UNFINISHED = 'etcd.building-';

/**
 * Returns an etcd from the cache, made first if it is not there, or does not run. Several processes
 * that ask at once share the work.
 */
export async function cachedEtcd(wanted: WantedEtcd, context: CacheContext): Promise<CachedEtcd> {
  const { version } = wanted;
  const directory = join(
    context.cache,
    `etcd-v${version}${wanted.suffix ?? ''}-${process.platform}-${process.arch}`,
  );
  const path = join(directory, 'etcd');
  const found = async (): Promise<boolean> =>
    isExecutable(path) && (await versionOf(path, context.env).catch(() => '')) === version;

  if (!(await found())) {
    wanted.check(path);
    await prepareCache(context.cache);
    await withDirectoryLock(
      `${directory}.lock`,
      async () => {
        // Another process may have made it while this one waited for the lock.
        if (!(await found())) {
          await makeIn(directory, wanted);
        }
      },
      {
        onWait: (holder) =>
          context.log(
            `waiting for process ${holder ?? '(unknown)'}, which ${wanted.verb} etcd v${version} ...`,
          ),
      },
    );
  }
  return { path, version };
}

/** Makes the directory of the cache, which lies in somebody's project: git is to leave it alone. */
export async function prepareCache(cache: string): Promise<void> {
  await mkdir(cache, { recursive: true });
  await writeFile(join(cache, '.gitignore'), '*\n');
}

async function makeIn(directory: string, wanted: WantedEtcd): Promise<void> {
  await mkdir(directory, { recursive: true });
  // What one that was killed has left; this process holds the lock, so that nobody uses it.
  for (const name of await readdir(directory)) {
    if (name.startsWith(UNFINISHED)) {
      await rm(join(directory, name), { recursive: true, force: true });
    }
  }
  const target = join(directory, `${UNFINISHED}${process.pid}`);
  await wanted.make(target);
  await chmod(target, 0o755);
  await rename(target, join(directory, 'etcd'));
}
