import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findOnPath } from './executable';
import { type CacheContext, type CachedEtcd, cachedEtcd } from './executable-cache';

/** The lines of etcd that can be built. One module for each, as they need different dependencies. */
export type GoRelease = '3.5' | '3.6' | '3.7';

/** What an error says of an etcd that is not to be built. */
export interface Alternatives {
  /** Why there is none already. */
  readonly absent: string;
  /** What can be done instead of building one. */
  readonly others: readonly string[];
}

/** A Go module whose tool is etcd for each line: a `go.mod` and a `go.sum`, no source. */
const RECIPES = join(__dirname, '..', '..', 'etcd');

const SERVER_MODULE = 'go.etcd.io/etcd/server/v3';

/** The version that the recipe of a line pins. */
export function pinnedVersion(release: GoRelease): string {
  const recipe = join(RECIPES, release, 'go.mod');
  const match = new RegExp(`${SERVER_MODULE}\\s+v(\\S+)`).exec(readFileSync(recipe, 'utf8'));
  if (!match?.[1]) {
    throw new Error(`${recipe} does not require ${SERVER_MODULE}: the build recipe is damaged`);
  }
  return match[1];
}

/**
 * The etcd that a recipe pins, built once from its Go modules.
 *
 * @throws Error if Go is missing or fails.
 */
export function goBuiltEtcd(
  release: GoRelease,
  context: CacheContext,
  alternatives: Alternatives = { absent: 'it is not in the cache', others: [] },
): Promise<CachedEtcd> {
  const version = pinnedVersion(release);
  const go = findOnPath('go', context.env);
  return cachedEtcd(
    {
      version,
      verb: 'builds',
      check: () => {
        if (!go) {
          throw new Error(withoutGo(version, alternatives));
        }
      },
      make: (target) => build(go ?? 'go', { release, version, target, alternatives }, context),
    },
    context,
  );
}

function withoutGo(version: string, { absent, others }: Alternatives): string {
  return [
    `no etcd to be had: ${absent}, and Go, to build one, is not on PATH. What helps:`,
    ...others.map((way) => `- ${way};`),
    `- ${others.length > 0 ? 'or ' : ''}install Go (https://go.dev/doc/install): etcd v${version} is then built from its Go modules, once.`,
  ].join('\n');
}

interface Build {
  readonly release: GoRelease;
  readonly version: string;
  readonly target: string;
  readonly alternatives: Alternatives;
}

async function build(go: string, what: Build, context: CacheContext): Promise<void> {
  const { version } = what;
  context.log(`building etcd v${version} from its Go modules, once, about a minute ...`);
  const startedAt = performance.now();
  const seconds = () => Math.round((performance.now() - startedAt) / 1000);
  const progress = setInterval(
    () => context.log(`still building etcd v${version} (${seconds()} s) ...`),
    15_000,
  );
  try {
    await goBuild(go, what, context);
  } finally {
    clearInterval(progress);
  }
  context.log(`built etcd v${version} in ${seconds()} s`);
}

function goBuild(go: string, what: Build, context: CacheContext): Promise<void> {
  return new Promise((succeed, fail) => {
    const child = spawn(
      go,
      ['build', '-mod=readonly', '-trimpath', '-buildvcs=false', '-o', what.target, SERVER_MODULE],
      {
        cwd: join(RECIPES, what.release),
        env: goEnvironment(context.env, context.cache),
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
      const { absent, others } = what.alternatives;
      const ways = [
        'mend what Go complains about (it needs its module proxy, see GOPROXY, and Go >= 1.26 or leave to fetch it)',
        ...others,
      ];
      fail(
        new Error(
          [
            `building etcd v${what.version} failed: '${go} build' ended with ${signal ?? `exit code ${code}`}:`,
            output.trim().split('\n').slice(-15).join('\n'),
            `It was built because ${absent}. What helps: ${ways.join(', or ')}.`,
          ].join('\n'),
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
