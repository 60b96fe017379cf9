import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheDirectory } from './binary';
import { withDirectoryLock } from './directory-lock';
import { findOnPath } from './executable';
import { prepareCache } from './executable-cache';
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
    const go = findOnPath('go', process.env);
    if (!go) {
      throw new Error(
        `there is no ${name} at ${path}, and Go, to build one, is not on PATH. Install Go ` +
          `(https://go.dev/doc/install): ${name} is then built from its Go modules, once; or put an ` +
          `${name} of etcd 3.6 there.`,
      );
    }
    await prepareCache(cache);
    await withDirectoryLock(`${directory}.lock`, async () => {
      if (!existsSync(path)) {
        await mkdir(directory, { recursive: true });
        const target = `${path}.building`;
        await run(
          go,
          [
            ...['build', '-mod=readonly', '-trimpath', '-buildvcs=false', '-o', target],
            `go.etcd.io/etcd/${name}/v3`,
          ],
          { cwd: join(RECIPES, name), env: goEnvironment(process.env, cache) },
        ).catch((error: Error) => {
          throw new Error(
            `building ${name} failed, for which Go needs its module proxy (see GOPROXY): ` +
              error.message.trim(),
            { cause: error },
          );
        });
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
