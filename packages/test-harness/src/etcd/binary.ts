import { execFile, spawn } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs';
import { chmod, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { delimiter, dirname, isAbsolute, join, resolve, sep } from 'node:path';
import { promisify } from 'node:util';
import { withDirectoryLock } from './directory-lock';

const run = promisify(execFile);

/** The Go module whose tool is etcd: a `go.mod` and a `go.sum`, no source. */
const RECIPE_DIRECTORY = join(__dirname, '..', '..', 'etcd');

const SERVER_MODULE = 'go.etcd.io/etcd/server/v3';

/** An etcd executable that is new enough. */
export interface EtcdBinary {
  /** The absolute path of the executable. */
  readonly path: string;
  /** Its version, without a leading "v". */
  readonly version: string;
  /** Where it comes from: the environment variable `ETCD`, the search path, or our own build. */
  readonly origin: 'ETCD' | 'PATH' | 'built';
}

/** What {@link resolveEtcd} looks at. */
export interface ResolveEtcdOptions {
  /**
   * The environment: `ETCD`, `PATH`, `QUORATE_CACHE_DIR`, and what Go reads.
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
  const recipe = join(RECIPE_DIRECTORY, 'go.mod');
  const match = new RegExp(`${SERVER_MODULE}\\s+v(\\S+)`).exec(readFileSync(recipe, 'utf8'));
  if (!match?.[1]) {
    throw new Error(`${recipe} does not require ${SERVER_MODULE}: the build recipe is damaged`);
  }
  return match[1];
}

/**
 * The directory in which built executables are kept: `QUORATE_CACHE_DIR`, else `.cache/quorate` in
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
 * @throws Error if `ETCD` names something that does not run or is too old, or if nothing is found
 *   and Go is missing or fails. The message tells the ways to get an etcd.
 */
export async function resolveEtcd(options: ResolveEtcdOptions = {}): Promise<EtcdBinary> {
  const env = options.env ?? process.env;
  const cwd = options.cwd ?? process.cwd();
  const log = options.log ?? ((line: string) => process.stderr.write(`${line}\n`));

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
  return built({ env, cwd, log, passedOver });
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

interface BuildContext {
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  readonly log: (line: string) => void;
  /** Why the executable on the search path was not used, or an empty text. */
  readonly passedOver: string;
}

async function built(context: BuildContext): Promise<EtcdBinary> {
  const version = pinnedEtcdVersion();
  const directory = join(
    cacheDirectory(context),
    `etcd-v${version}-${process.platform}-${process.arch}`,
  );
  const path = join(directory, 'etcd');
  const found = async (): Promise<boolean> =>
    isExecutable(path) && (await versionOf(path, context.env).catch(() => '')) === version;

  if (!(await found())) {
    const go = findOnPath('go', context.env);
    if (!go) {
      throw new Error(
        [
          `no etcd to be had: ${context.passedOver || 'none is on PATH'}, and Go, to build one, is not on PATH. Either`,
          `- set ETCD to the path of an executable, ${REQUIREMENT};`,
          '- put such an executable on PATH;',
          `- or install Go (https://go.dev/doc/install): etcd v${version} is then built from its Go modules, once.`,
        ].join('\n'),
      );
    }
    await withDirectoryLock(
      `${directory}.lock`,
      async () => {
        // Another process may have built it while this one waited for the lock.
        if (!(await found())) {
          await build(go, version, directory, context);
        }
      },
      {
        onWait: (holder) =>
          context.log(
            `waiting for process ${holder ?? '(unknown)'}, which builds etcd v${version} ...`,
          ),
      },
    );
  }
  return { path, version, origin: 'built' };
}

async function build(
  go: string,
  version: string,
  directory: string,
  context: BuildContext,
): Promise<void> {
  await mkdir(directory, { recursive: true });
  // What a build that was killed has left; this process holds the lock, so that nobody uses it.
  for (const name of await readdir(directory)) {
    if (name.startsWith('etcd.building-')) {
      await rm(join(directory, name), { force: true });
    }
  }
  context.log(`building etcd v${version} from its Go modules, once, about a minute ...`);
  const startedAt = performance.now();
  const seconds = () => Math.round((performance.now() - startedAt) / 1000);
  const progress = setInterval(
    () => context.log(`still building etcd v${version} (${seconds()} s) ...`),
    15_000,
  );
  const target = join(directory, `etcd.building-${process.pid}`);
  try {
    await goBuild(go, target, version, context);
  } finally {
    clearInterval(progress);
  }
  await chmod(target, 0o755);
  await rename(target, join(directory, 'etcd'));
  context.log(`built etcd v${version} in ${seconds()} s`);
}

function goBuild(
  go: string,
  target: string,
  version: string,
  context: BuildContext,
): Promise<void> {
  return new Promise((succeed, fail) => {
    const child = spawn(
      go,
      ['build', '-mod=readonly', '-trimpath', '-buildvcs=false', '-o', target, SERVER_MODULE],
      {
        cwd: RECIPE_DIRECTORY,
        env: goEnvironment(context.env, cacheDirectory(context)),
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    let output = '';
    const collect = (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-8_000);
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.on('error', (error) => fail(new Error(`${go} does not run: ${error.message}`)));
    child.on('close', (code, signal) => {
      if (code === 0) {
        succeed();
        return;
      }
      const lines = output.trim().split('\n').slice(-15).join('\n');
      fail(
        new Error(
          [
            `building etcd v${version} failed: '${go} build' ended with ${signal ?? `exit code ${code}`}:`,
            lines,
            context.passedOver,
            `Either mend what Go complains about (it needs its module proxy, see GOPROXY, and Go >= 1.26 or leave to fetch it), or set ETCD to the path of an executable, ${REQUIREMENT}.`,
          ]
            .filter((line) => line !== '')
            .join('\n'),
        ),
      );
    });
  });
}

/**
 * The environment for `go build`. Go's caches stay where the user has them; where nothing tells Go a
 * place (no HOME, as in some containers), they go into our cache, with modules writable, so that
 * deleting the cache deletes them too.
 */
export function goEnvironment(env: NodeJS.ProcessEnv, cache: string): NodeJS.ProcessEnv {
  const result: NodeJS.ProcessEnv = { ...env, CGO_ENABLED: '0', GOWORK: 'off' };
  if (!env.HOME && !env.XDG_CACHE_HOME && !env.GOCACHE) {
    result.GOCACHE = join(cache, 'go', 'build');
  }
  if (!env.HOME && !env.GOPATH && !env.GOMODCACHE) {
    result.GOPATH = join(cache, 'go', 'path');
    result.GOFLAGS = [env.GOFLAGS, '-modcacherw'].filter(Boolean).join(' ');
  }
  return result;
}

/** The version that `etcd --version` prints. */
async function versionOf(path: string, env: NodeJS.ProcessEnv): Promise<string> {
  const { stdout } = await run(path, ['--version'], {
    env: environmentForEtcd(env),
    timeout: 10_000,
    killSignal: 'SIGKILL',
  }).catch((error: Error) => {
    throw new Error(`'${path} --version' failed: ${error.message.trim()}`, { cause: error });
  });
  const match = /etcd Version: (\S+)/.exec(stdout);
  if (!match?.[1]) {
    throw new Error(
      `'${path} --version' does not answer as etcd does, but: ${JSON.stringify(stdout.slice(0, 200))}`,
    );
  }
  return match[1];
}

/** The environment without `ETCD_...` variables, each of which etcd takes as a flag. */
export function environmentForEtcd(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('ETCD_')));
}

function findOnPath(name: string, env: NodeJS.ProcessEnv): string | undefined {
  return (env.PATH ?? '')
    .split(delimiter)
    .filter((directory) => isAbsolute(directory))
    .map((directory) => join(directory, name))
    .find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
