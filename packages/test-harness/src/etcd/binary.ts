import { existsSync } from 'node:fs';
import { dirname, join, resolve, sep } from 'node:path';
import { debianEtcd } from './debian-package';
import { findOnPath, isExecutable, versionOf } from './executable';
import type { CacheContext } from './executable-cache';
import { goBuiltEtcd, pinnedVersion } from './go-build';

/** An etcd executable. */
export interface EtcdBinary {
  /** The absolute path of the executable. */
  readonly path: string;
  /** Its version, without a leading "v". */
  readonly version: string;
  /** Where it comes from: the environment variable `ETCD`, the search path, our own build, or Debian. */
  readonly origin: 'ETCD' | 'PATH' | 'built' | 'Debian';
}

/**
 * The releases of etcd that can be had beside each other: the newest patch of each line that is
 * maintained, and two old ones that people still run, as Debian packaged them.
 *
 * The old ones are below what {@link isSupportedEtcdVersion} asks for: they are for tests of what
 * happens with them.
 */
export const ETCD_RELEASES = ['3.4-debian', '3.5-debian', '3.5', '3.6', '3.7'] as const;

/** One of {@link ETCD_RELEASES}. */
export type EtcdRelease = (typeof ETCD_RELEASES)[number];

/** The release that is built when nothing else is found. */
const DEFAULT_RELEASE = '3.6';

/** What {@link resolveEtcd} looks at. */
export interface ResolveEtcdOptions {
  /**
   * A certain release, whatever `ETCD` and `PATH` offer.
   *
   * @default - any that is new enough
   */
  readonly release?: EtcdRelease;
  /**
   * The environment: `ETCD`, `PATH`, `QUORATE_CACHE_DIR`, `QUORATE_DEBIAN_MIRROR`, and what Go
   * and apt read.
   *
   * @default process.env
   */
  readonly env?: NodeJS.ProcessEnv;
  /**
   * The directory from which the cache directory is looked for.
   *
   * @default process.cwd()
   */
  readonly cwd?: string;
  /**
   * Is told, a line at a time, what takes long and what was passed over.
   *
   * @default - standard error
   */
  readonly log?: (line: string) => void;
}

/** Why executables older than these are refused: for the errors. */
const REQUIREMENT = 'etcd >= 3.5.31 of the 3.5 line, or >= 3.6.12';

/**
 * Tells whether a version of etcd can be trusted with membership changes through learners.
 *
 * The floors are the releases that ended a row of faults in just that, as etcd's change logs tell:
 *
 * - 3.5.7: a learner that never started could be promoted.
 * - 3.5.20, 3.5.24: a promotion was not persisted in the v3 store: the voter could come back as a
 *   learner after an upgrade to 3.6. 3.6.4: a member did not start on replaying such a promotion.
 * - 3.5.26: removed members lived on in the v3 store.
 * - 3.5.28, 3.6.6: a promotion sent to a follower failed while authentication was on.
 * - 3.5.30, 3.6.11: no member could be added while another was down, although there was a quorum.
 * - 3.5.31, 3.6.12: changing a learner's peer URL promoted it.
 *
 * @param version - A version as etcd prints it: `3.6.16`, `3.7.0-rc.0`. A pre-release of a floor is
 *   older than the floor.
 */
export function isSupportedEtcdVersion(version: string): boolean {
  const match = /^v?(\d+)\.(\d+)\.(\d+)(-.+)?/.exec(version);
  if (!match) {
    return false;
  }
  const [major = 0, minor = 0, patch = 0] = match.slice(1, 4).map(Number);
  if (major !== 3 || minor < 5) {
    return major > 3;
  }
  const floor = minor === 5 ? 31 : minor === 6 ? 12 : 0;
  return patch > floor || (patch === floor && match[4] === undefined);
}

/** The version of etcd that is built when none is found: the one that the build recipe pins. */
export function pinnedEtcdVersion(): string {
  return pinnedVersion(DEFAULT_RELEASE);
}

/**
 * The directory in which executables that were built or downloaded are kept: `QUORATE_CACHE_DIR`, else `.cache/quorate` in
 * the nearest ancestor of the working directory that holds a `.git` or a `package-lock.json`, else
 * in the working directory.
 */
export function cacheDirectory(options: Pick<ResolveEtcdOptions, 'env' | 'cwd'> = {}): string {
  const env = options.env ?? process.env;
  const cwd = options.cwd ?? process.cwd();
  if (env.QUORATE_CACHE_DIR) {
    return resolve(cwd, env.QUORATE_CACHE_DIR);
  }
  let root = resolve(cwd);
  while (!['.git', 'package-lock.json'].some((name) => existsSync(join(root, name)))) {
    if (root === dirname(root)) {
      root = resolve(cwd);
      break;
    }
    root = dirname(root);
  }
  return join(root, '.cache', 'quorate');
}

/**
 * Finds an etcd executable that is new enough, or builds one.
 *
 * In this order: the executable that the environment variable `ETCD` names; `etcd` on the search
 * path; the pinned version, built once from its Go modules into a cache (see
 * {@link cacheDirectory}), which takes about a minute the first time. Several processes that ask
 * at once share one build.
 *
 * With `release` it is that one, from the cache, where it was built from its Go modules or, for the
 * old ones, taken out of a Debian package. apt fetches that from the mirror that this machine's own
 * sources name; elsewhere the environment variable `QUORATE_DEBIAN_MIRROR` names one.
 *
 * @throws Error if `ETCD` names something that does not run or is too old; if nothing is found and
 *   Go is missing or fails; if a Debian package is wanted and there is no apt, or no mirror of Debian.
 *   The message tells the ways to get an etcd.
 */
export async function resolveEtcd(options: ResolveEtcdOptions = {}): Promise<EtcdBinary> {
  const env = options.env ?? process.env;
  const cwd = options.cwd ?? process.cwd();
  const log = options.log ?? ((line: string) => process.stderr.write(`${line}\n`));
  const context = { env, cache: cacheDirectory({ env, cwd }), log };

  if (options.release !== undefined) {
    return inRelease(options.release, context);
  }
  if (env.ETCD) {
    return namedByEnvironment(env.ETCD, env, cwd);
  }

  let passedOver = '';
  const onPath = findOnPath('etcd', env);
  if (onPath) {
    const version = await versionOf(onPath, env).catch((error: unknown) => error as Error);
    if (version instanceof Error) {
      passedOver = `${onPath} was passed over: ${version.message}`;
    } else if (isSupportedEtcdVersion(version)) {
      return { path: onPath, version, origin: 'PATH' };
    } else {
      passedOver = `${onPath} was passed over: it is etcd ${version}, needed is ${REQUIREMENT}`;
    }
    log(passedOver);
  }
  const built = await goBuiltEtcd(DEFAULT_RELEASE, context, {
    absent: passedOver || 'none is on PATH',
    others: [
      `set ETCD to the path of an executable, ${REQUIREMENT}`,
      'put such an executable on PATH',
    ],
  });
  return { ...built, origin: 'built' };
}

async function inRelease(release: EtcdRelease, context: CacheContext): Promise<EtcdBinary> {
  switch (release) {
    case '3.4-debian':
    case '3.5-debian':
      return { ...(await debianEtcd(release, context)), origin: 'Debian' };
    case '3.5':
    case '3.6':
    case '3.7':
      return { ...(await goBuiltEtcd(release, context)), origin: 'built' };
    default:
      throw new Error(`'${release}' is no release of etcd; there are ${ETCD_RELEASES.join(', ')}`);
  }
}

async function namedByEnvironment(
  name: string,
  env: NodeJS.ProcessEnv,
  cwd: string,
): Promise<EtcdBinary> {
  const path = name.includes(sep) ? resolve(cwd, name) : findOnPath(name, env);
  if (!path || !isExecutable(path)) {
    throw new Error(
      `ETCD=${name} is not an executable file: let ETCD name ${REQUIREMENT}, or unset it to have one found or built`,
    );
  }
  let version: string;
  try {
    version = await versionOf(path, env);
  } catch (error) {
    throw new Error(
      `ETCD=${name} cannot be used: ${(error as Error).message}. Let ETCD name ${REQUIREMENT}, or unset it to have one found or built`,
      { cause: error },
    );
  }
  if (!isSupportedEtcdVersion(version)) {
    throw new Error(
      `ETCD=${name} is etcd ${version}, which is too old: it may lose the promotion of a learner, or refuse a new member while another is down. Needed is ${REQUIREMENT}; unset ETCD to have one found or built`,
    );
  }
  return { path, version, origin: 'ETCD' };
}
