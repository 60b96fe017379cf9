import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import {
  cacheDirectory,
  type EtcdRelease,
  isSupportedEtcdVersion,
  pinnedEtcdVersion,
  resolveEtcd,
} from '../../src/etcd';
import { goEnvironment, pinnedVersion } from '../../src/etcd/go-build';

// A machine that runs these for the first time builds etcd first.
jest.setTimeout(240_000);

let directory: string;
let log: string[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'quorate-binary-'));
  log = [];
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

/** An executable that answers as the given version of etcd does. */
async function executable(path: string, lines: readonly string[]): Promise<string> {
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, ['#!/bin/sh', ...lines, ''].join('\n'));
  await chmod(path, 0o755);
  return path;
}

function etcdOf(version: string): string[] {
  return [`echo 'etcd Version: ${version}'`, "echo 'Git SHA: abc'"];
}

/**
 * A `go` that "builds" a script after a while, and notes each build in a file. It stands for Go, whose
 * work is not what these tests are about; the last test has the real one build the real etcd.
 */
async function slowGo(bin: string, version = pinnedEtcdVersion()): Promise<string> {
  const builds = join(directory, 'builds');
  await executable(join(bin, 'go'), [
    `echo "$PWD $*" >> '${builds}'`,
    'sleep 0.5',
    'while [ "$1" != -o ]; do shift; done',
    `printf '#!/bin/sh\\necho "etcd Version: ${version}"\\n' > "$2"`,
  ]);
  return builds;
}

function folderOf(version: string): string {
  return `etcd-${version}-${process.platform}-${process.arch}`;
}

function resolveWith(env: NodeJS.ProcessEnv, release?: EtcdRelease) {
  return resolveEtcd({
    release,
    env: { QUORATE_CACHE_DIR: join(directory, 'cache'), ...env },
    cwd: directory,
    log: (line) => log.push(line),
  });
}

describe('which versions will do', () => {
  test.each([
    ['3.4.43', false],
    ['3.5.30', false],
    ['3.5.31', true],
    ['3.5.31-rc.0', false],
    ['3.5.40', true],
    ['3.6.0', false],
    ['3.6.11', false],
    ['3.6.12', true],
    ['3.6.16', true],
    ['3.7.0-rc.1', false],
    ['3.7.0', true],
    ['v3.7.1', true],
    ['4.0.0', true],
    ['nonsense', false],
  ])('%s: %s', (version, supported) => {
    expect(isSupportedEtcdVersion(version)).toBe(supported);
  });

  test.each(['3.5', '3.6', '3.7'] as const)('the pinned one of %s does', (release) => {
    expect(pinnedVersion(release)).toMatch(new RegExp(`^${release}\\.\\d+$`));
    expect(isSupportedEtcdVersion(pinnedVersion(release))).toBe(true);
  });
});

describe('an executable that ETCD names', () => {
  test('is used, wherever it is', async () => {
    const path = await executable(join(directory, 'somewhere', 'etcd-new'), etcdOf('3.6.12'));
    const expected = { path, version: '3.6.12', origin: 'ETCD' };
    expect(await resolveWith({ ETCD: path })).toEqual(expected);
    expect(await resolveWith({ ETCD: './somewhere/etcd-new' })).toEqual(expected);
    expect(await resolveWith({ ETCD: 'etcd-new', PATH: join(directory, 'somewhere') })).toEqual(
      expected,
    );
  });

  test('is an error if it is too old, even with a newer one on PATH', async () => {
    const path = await executable(join(directory, 'old', 'etcd'), etcdOf('3.5.16'));
    await executable(join(directory, 'bin', 'etcd'), etcdOf('3.6.16'));
    await expect(resolveWith({ ETCD: path, PATH: join(directory, 'bin') })).rejects.toThrow(
      `ETCD=${path} is etcd 3.5.16, which is too old: it may lose the promotion of a learner`,
    );
  });

  test.each([
    [
      'fails',
      ['echo broken >&2', 'exit 3'],
      /cannot be used: '.*etcd --version' failed: .*broken/s,
    ],
    ['is something else', ['echo hello'], /does not answer as etcd does, but: "hello\\n"/],
  ])('is an error if it %s', async (_, lines, message) => {
    const path = await executable(join(directory, 'etcd'), lines);
    await expect(resolveWith({ ETCD: path })).rejects.toThrow(message);
  });

  test('is an error if it is missing or no executable', async () => {
    await writeFile(join(directory, 'text'), 'x');
    for (const name of ['./missing', './text', 'not-on-path', directory]) {
      await expect(resolveWith({ ETCD: name, PATH: directory })).rejects.toThrow(
        `ETCD=${name} is not an executable file`,
      );
    }
  });
});

describe('an executable on PATH', () => {
  test('is used if it is new enough', async () => {
    const path = await executable(join(directory, 'bin', 'etcd'), etcdOf('3.5.31'));
    expect(await resolveWith({ PATH: `relative:${join(directory, 'bin')}` })).toEqual({
      path,
      version: '3.5.31',
      origin: 'PATH',
    });
  });

  test('is passed over, and said so, if it is too old', async () => {
    const bin = join(directory, 'bin');
    const old = await executable(join(bin, 'etcd'), etcdOf('3.5.16'));
    await slowGo(bin);
    const found = await resolveWith({ PATH: `${bin}:/usr/bin:/bin` });
    expect(found).toMatchObject({ origin: 'built', version: pinnedEtcdVersion() });
    expect(log[0]).toBe(
      `${old} was passed over: it is etcd 3.5.16, needed is etcd >= 3.5.31 of the 3.5 line, or >= 3.6.12`,
    );
  });

  test('without Go, the error tells every way to an etcd, and what was passed over', async () => {
    const bin = join(directory, 'bin');
    await expect(resolveWith({ PATH: bin })).rejects.toThrow(
      /none is on PATH, and Go, .* is not on PATH.*\n- set ETCD .*\n- put such an .*\n- or install Go/,
    );
    const old = await executable(join(bin, 'etcd'), etcdOf('3.6.1'));
    await expect(resolveWith({ PATH: bin })).rejects.toThrow(`${old} was passed over`);
  });
});

describe('building', () => {
  const withGo = () => ({ PATH: `${join(directory, 'bin')}:/usr/bin:/bin` });
  const folder = () => join(directory, 'cache', folderOf(`v${pinnedEtcdVersion()}`));

  test('happens once for several that ask at the same time, and not again', async () => {
    const builds = await slowGo(join(directory, 'bin'));
    const found = await Promise.all([1, 2, 3].map(() => resolveWith(withGo())));
    expect(new Set(found.map(({ path }) => path))).toEqual(new Set([join(folder(), 'etcd')]));
    await resolveWith(withGo());
    expect((await readFile(builds, 'utf8')).trim().split('\n')).toHaveLength(1);
    expect(log.filter((line) => line.startsWith('building etcd v'))).toHaveLength(1);
    expect(
      log.filter((line) => line.startsWith(`waiting for process ${process.pid}`)),
    ).toHaveLength(2);
    expect(await readdir(folder())).toEqual(['etcd']);
    expect(new Set(await readdir(join(directory, 'cache')))).toEqual(
      new Set(['.gitignore', basename(folder())]),
    );
  });

  test('takes over from a build that was killed, and from a damaged executable', async () => {
    await slowGo(join(directory, 'bin'));
    await executable(join(folder(), 'etcd'), ['exit 1']);
    await writeFile(join(folder(), 'etcd.building-999999999'), 'half');
    await mkdir(`${folder()}.lock`);
    // No process has this id: the kernel's largest is 4194304.
    await writeFile(join(`${folder()}.lock`, 'holder'), `999999999 ${hostname()}\n`);
    expect(await resolveWith(withGo())).toMatchObject({ origin: 'built' });
    expect(await readdir(folder())).toEqual(['etcd']);
  });

  test('that fails shows what Go said, leaves no lock, and can be tried again', async () => {
    const go = join(directory, 'bin', 'go');
    await executable(go, ['echo "go: module lookup failed" >&2', 'exit 1']);
    await expect(resolveWith(withGo())).rejects.toThrow(
      /'.*go build' ended with exit code 1:\ngo: module lookup failed\n/,
    );
    await slowGo(join(directory, 'bin'));
    expect(await resolveWith(withGo())).toMatchObject({ origin: 'built' });
  });

  test("leaves Go's caches where the user has them, and else puts them into ours", () => {
    expect(goEnvironment({ HOME: '/home/u' }, '/c')).toEqual({
      HOME: '/home/u',
      CGO_ENABLED: '0',
      GOWORK: 'off',
    });
    expect(goEnvironment({ GOFLAGS: '-v' }, '/c')).toMatchObject({
      GOCACHE: '/c/go/build',
      GOPATH: '/c/go/path',
      GOFLAGS: '-v -modcacherw',
    });
    expect(goEnvironment({ GOMODCACHE: '/m', GOCACHE: '/b' }, '/c')).toEqual({
      GOMODCACHE: '/m',
      GOCACHE: '/b',
      CGO_ENABLED: '0',
      GOWORK: 'off',
    });
  });

  test('with the real Go gives the real, pinned etcd', async () => {
    const { ETCD: _, QUORATE_CACHE_DIR: __, ...env } = process.env;
    const path = (env.PATH ?? '').split(':');
    const found = await resolveEtcd({
      env: { ...env, PATH: (await withoutEtcd(path)).join(':') },
      log: (line) => log.push(line),
    });
    expect(found).toMatchObject({ origin: 'built', version: pinnedEtcdVersion() });
    expect(found.path.startsWith(cacheDirectory({ env: {} }))).toBe(true);
  });

  async function withoutEtcd(path: readonly string[]): Promise<string[]> {
    const listings = await Promise.all(path.map((name) => readdir(name).catch((): string[] => [])));
    return path.filter((_, index) => !listings[index]?.includes('etcd'));
  }
});

describe('a certain release', () => {
  test.each(['3.5', '3.7'] as const)('%s is built, whatever else there is', async (release) => {
    const bin = join(directory, 'bin');
    const builds = await slowGo(bin, pinnedVersion(release));
    const other = await executable(join(bin, 'etcd'), etcdOf('3.6.16'));
    const found = await resolveWith({ ETCD: other, PATH: `${bin}:/usr/bin:/bin` }, release);
    expect(found).toMatchObject({ origin: 'built', version: pinnedVersion(release) });
    expect(await readFile(builds, 'utf8')).toContain(`/etcd/${release} build `);
  });

  test('without Go is an error that tells what helps', async () => {
    await expect(resolveWith({ PATH: directory }, '3.7')).rejects.toThrow(
      /it is not in the cache, and Go, .* is not on PATH\. What helps:\n- install Go/,
    );
  });

  test('that there is not, is an error that tells which there are', async () => {
    await expect(resolveWith({}, '3.3' as EtcdRelease)).rejects.toThrow(
      "'3.3' is no release of etcd; there are 3.4-debian, 3.5-debian, 3.5, 3.6, 3.7",
    );
  });

  describe('of Debian', () => {
    const bin = () => join(directory, 'bin');

    /** An `apt-get` that lists the sources of some machine, and fails at everything else. */
    async function aptOf(source: string): Promise<void> {
      await executable(join(bin(), 'dpkg-deb'), ['exit 1']);
      await executable(join(bin(), 'apt-get'), [
        `if [ "$1" = indextargets ]; then echo '${source}'; exit; fi`,
        'echo "E: nothing there" >&2; exit 100',
      ]);
    }

    test('needs apt, and says so where there is none', async () => {
      await expect(resolveWith({ PATH: bin() }, '3.4-debian')).rejects.toThrow(
        /etcd v3\.4\.23 is taken out of a package of Debian, for which apt-get is needed, .* put an etcd v3\.4\.23 at .*-debian-/,
      );
    });

    test('needs a mirror of Debian, which may be named', async () => {
      await aptOf('http://mirror.invalid/ubuntu/');
      const env = { PATH: `${bin()}:/usr/bin:/bin` };
      await expect(resolveWith(env, '3.5-debian')).rejects.toThrow(
        "no source of this machine's apt is a mirror of Debian: name one in QUORATE_DEBIAN_MIRROR",
      );
      const named = { ...env, QUORATE_DEBIAN_MIRROR: 'http://other.invalid/debian' };
      await expect(resolveWith(named, '3.5-debian')).rejects.toThrow(
        /'apt-get update .*' failed, for Debian trixie from the mirror http:\/\/other\.invalid\/debian .*E: nothing there/s,
      );
    });

    test('takes the mirror from what apt is told on the machine', async () => {
      await aptOf('http://mirror.invalid/debian/');
      await expect(resolveWith({ PATH: `${bin()}:/usr/bin:/bin` }, '3.4-debian')).rejects.toThrow(
        /for Debian bookworm from the mirror http:\/\/mirror\.invalid\/debian\//,
      );
      expect(await readdir(join(directory, 'cache', folderOf('v3.4.23-debian')))).toEqual([]);
    });
  });
});

describe('the cache directory', () => {
  test('is under the nearest ancestor that is a checkout or an npm project', async () => {
    const inner = join(directory, 'project', 'packages', 'one');
    await mkdir(inner, { recursive: true });
    await writeFile(join(directory, 'project', 'package-lock.json'), '{}');
    await mkdir(join(directory, '.git'));
    expect(cacheDirectory({ env: {}, cwd: inner })).toBe(
      join(directory, 'project', '.cache', 'quorate'),
    );
    expect(cacheDirectory({ env: {}, cwd: directory })).toBe(join(directory, '.cache', 'quorate'));
  });

  test('is where QUORATE_CACHE_DIR says', () => {
    expect(cacheDirectory({ env: { QUORATE_CACHE_DIR: '/var/q' }, cwd: directory })).toBe('/var/q');
    expect(cacheDirectory({ env: { QUORATE_CACHE_DIR: 'q' }, cwd: directory })).toBe(
      join(directory, 'q'),
    );
  });
});
