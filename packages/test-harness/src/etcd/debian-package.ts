import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findOnPath, versionOf } from './executable';
import { type CacheContext, type CachedEtcd, cachedEtcd } from './executable-cache';

const run = promisify(execFile);

/** The old releases of etcd that are taken out of packages of Debian. */
export type DebianRelease = '3.4-debian' | '3.5-debian';

/** The suites of Debian whose `etcd-server` they are; a suite keeps its version but for mends. */
const PACKAGES: Record<DebianRelease, { readonly suite: string; readonly version: string }> = {
  '3.4-debian': { suite: 'bookworm', version: '3.4.23' },
  '3.5-debian': { suite: 'trixie', version: '3.5.16' },
};

const PACKAGE = 'etcd-server';

/** Where Debian's own package of its keys puts them. */
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

const TIMEOUT_MS = 120_000;

/**
 * The etcd of a package of Debian, downloaded once. Nothing is installed, and the lists of the
 * machine's own apt are left alone.
 *
 * @throws Error if there is no apt, no mirror is known, or apt fails.
 */
export function debianEtcd(release: DebianRelease, context: CacheContext): Promise<CachedEtcd> {
  const { suite, version } = PACKAGES[release];
  return cachedEtcd(
    {
      version,
      suffix: '-debian',
      verb: 'downloads',
      check: (path) => {
        for (const tool of ['apt-get', 'dpkg-deb']) {
          if (!findOnPath(tool, context.env)) {
            throw new Error(
              `etcd v${version} is taken out of a package of Debian, for which ${tool} is needed, and it is not on PATH. Run this on a Debian machine (or one with apt and dpkg), or put an etcd v${version} at ${path}`,
            );
          }
        }
      },
      make: async (target) => {
        context.log(`downloading etcd v${version} of Debian ${suite}, once ...`);
        const directory = await mkdtemp(join(tmpdir(), 'quorate-apt-'));
        try {
          await download(suite, directory, target, context);
        } finally {
          await rm(directory, { recursive: true, force: true });
        }
        const got = await versionOf(target, context.env);
        if (got !== version) {
          throw new Error(
            `Debian ${suite} has etcd ${got}, and no longer ${version}: change the version that is expected of it in debian-package`,
          );
        }
      },
    },
    context,
  );
}

/** Lets apt work in a directory of its own, with one source. What the machine tells apt holds. */
async function download(
  suite: string,
  directory: string,
  target: string,
  context: CacheContext,
): Promise<void> {
  const mirror = await mirrorOf(context.env);
  const sources = join(directory, 'sources.list');
  const options = existsSync(KEYRING) ? ` signed-by=${KEYRING}` : '';
  await writeFile(sources, `deb [target=Packages${options}] ${mirror} ${suite} main\n`);
  for (const folder of ['lists/partial', 'archives/partial', 'etcd']) {
    await mkdir(join(directory, folder), { recursive: true });
  }
  const settings = [
    `Dir::State=${directory}`,
    `Dir::State::lists=${join(directory, 'lists')}`,
    'Dir::State::status=/dev/null',
    `Dir::Cache=${directory}`,
    `Dir::Cache::archives=${join(directory, 'archives')}`,
    `Dir::Etc::sourcelist=${sources}`,
    'Dir::Etc::sourceparts=/dev/null',
    'Acquire::Languages=none',
    // The directory is this user's own; apt's would not be let in.
    'APT::Sandbox::User=',
  ].flatMap((setting) => ['--option', setting]);
  const apt = async (...args: string[]) => {
    await run('apt-get', ['--quiet', ...settings, ...args], {
      cwd: directory,
      env: context.env,
      timeout: TIMEOUT_MS,
    }).catch((error: Error) => {
      throw new Error(
        `'apt-get ${args.join(' ')}' failed, for Debian ${suite} from the mirror ${mirror} (QUORATE_DEBIAN_MIRROR names another): ${error.message.trim()}`,
        { cause: error },
      );
    });
  };
  await apt('update', '--error-on=any');
  await apt('download', PACKAGE);
  const [deb] = (await readdir(directory)).filter((name) => name.endsWith('.deb'));
  await run('dpkg-deb', ['--extract', join(directory, deb ?? ''), join(directory, 'etcd')], {
    env: context.env,
  });
  await copyFile(join(directory, 'etcd', 'usr', 'bin', 'etcd'), target);
}

/** The mirror of Debian that the machine's own sources name, if not the environment. */
async function mirrorOf(env: NodeJS.ProcessEnv): Promise<string> {
  if (env.QUORATE_DEBIAN_MIRROR) {
    return env.QUORATE_DEBIAN_MIRROR;
  }
  const { stdout } = await run(
    'apt-get',
    ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages'],
    { env },
  );
  // The lists, which tell whose a repository is, may not be there; a mirror's path always is.
  const mirror = stdout.split('\n').find((uri) => /\/debian\/?$/.test(uri));
  if (!mirror) {
    throw new Error(
      "no source of this machine's apt is a mirror of Debian: name one in QUORATE_DEBIAN_MIRROR, its URI up to and with /debian",
    );
  }
  return mirror;
}
