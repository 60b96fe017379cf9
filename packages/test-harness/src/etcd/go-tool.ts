import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheDirectory } from './binary';
import { withDirectoryLock } from './directory-lock';
import { goEnvironment } from './go-build';

const run = promisify(execFile);

/** Go modules whose tools are etcd's programs beside the server: a `go.mod` and a `go.sum`, no source. */
const RECIPES = join(__dirname, '..', '..', 'etcd');

/**
 * Takes a program of etcd's from the cache of {@link cacheDirectory}, or builds it there from its Go
 * modules, once, which takes some seconds.
 *
 * @returns The absolute path of the executable.
 * @throws Error if Go is missing or fails.
 */
export async function resolveGoTool(name: 'etcdctl' | 'etcdutl'): Promise<string> {
  const cache = cacheDirectory();
  const directory = join(cache, `${name}-${process.platform}-${process.arch}`);
  const path = join(directory, name);
  if (!existsSync(path)) {
    await mkdir(cache, { recursive: true });
    await withDirectoryLock(`${directory}.lock`, async () => {
      if (!existsSync(path)) {
        await mkdir(directory, { recursive: true });
        const target = `${path}.building`;
        await run(
          'go',
          [
            ...['build', '-mod=readonly', '-trimpath', '-buildvcs=false', '-o', target],
            `go.etcd.io/etcd/${name}/v3`,
          ],
          { cwd: join(RECIPES, name), env: goEnvironment(process.env, cache) },
        );
        await rename(target, path);
      }
    });
  }
  return path;
}

/**
 * Takes etcdctl, etcd's command line client, of etcd 3.6 from the cache of {@link cacheDirectory}, or
 * builds it there from its Go modules, once, which takes some seconds.
 *
 * @returns The absolute path of the executable.
 * @throws Error if Go is missing or fails.
 */
export function resolveEtcdctl(): Promise<string> {
  return resolveGoTool('etcdctl');
}
