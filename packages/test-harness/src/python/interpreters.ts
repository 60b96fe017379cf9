import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';

/** A Python interpreter that was started once and answered. */
export interface PythonInterpreter {
  /** Its own `sys.executable`: an absolute path, never a version manager's shim. */
  readonly executable: string;
  /** The full version, as in `3.13.0`. */
  readonly version: string;
  /** The version without the patch level, as in `3.13`. */
  readonly minorVersion: string;
}

/** Which interpreters {@link findPythons} returns. */
export interface FindPythonsOptions {
  /**
   * The lowest version, as in `3.12`.
   * @default '3.10'
   */
  readonly minimumVersion?: string;
  /**
   * Keep only the newest patch level of each minor version.
   * @default false
   */
  readonly onePerMinorVersion?: boolean;
}

const NEWEST_MINOR = 15;
const OLDEST_MINOR = 10;
const START_TIMEOUT_MS = 20_000;
const PROBE = [
  'import json, sys',
  'base = getattr(sys, "_base_executable", None) or sys.executable',
  'print(json.dumps([sys.executable, base, list(sys.version_info[:3])]))',
].join('; ');

interface Probed extends PythonInterpreter {
  /** The real file behind it; equal for a virtual environment and the interpreter it came from. */
  readonly base: string;
  readonly numbers: readonly number[];
}

interface Failed {
  readonly failure: string;
}

const probes = new Map<string, Probed | Failed>();

function probe(command: string): Probed | Failed {
  const known = probes.get(command);
  if (known) {
    return known;
  }
  const found = startOnce(command);
  probes.set(command, found);
  return found;
}

function startOnce(command: string): Probed | Failed {
  const child = spawnSync(command, ['-I', '-c', PROBE], {
    encoding: 'utf8',
    timeout: START_TIMEOUT_MS,
    env: process.env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (child.error) {
    return { failure: child.error.message };
  }
  if (child.status !== 0) {
    const how = child.signal ? `was ended by ${child.signal}` : `ended with code ${child.status}`;
    return { failure: `it ${how}: ${child.stderr.trim() || 'no message'}` };
  }
  const [executable, base, numbers] = JSON.parse(child.stdout) as [string, string, number[]];
  return {
    executable,
    base: realpathSync(base),
    numbers,
    version: numbers.join('.'),
    minorVersion: numbers.slice(0, 2).join('.'),
  };
}

function publicPart({ executable, version, minorVersion }: Probed): PythonInterpreter {
  return { executable, version, minorVersion };
}

/**
 * Starts a Python once and reads what it is.
 *
 * @param command an absolute path, or a name to look up on `PATH`; by default {@link defaultPython}
 * @throws if it cannot be started or is not Python 3
 */
export function resolvePython(command?: string): PythonInterpreter {
  if (!command) {
    return defaultPython();
  }
  const found = probe(command);
  if ('failure' in found) {
    throw new Error(
      `Python interpreter '${command}' cannot be started: ${found.failure}. ` +
        'Install Python 3.10 or newer, or name an interpreter with QUORATE_PYTHON.',
    );
  }
  return publicPart(found);
}

function pyenvRoot(): string {
  return process.env.PYENV_ROOT ?? join(homedir(), '.pyenv');
}

function candidates(): string[] {
  const names = ['python3'];
  for (let minor = NEWEST_MINOR; minor >= OLDEST_MINOR; minor--) {
    names.push(`python3.${minor}`);
  }
  const found: string[] = [];
  const shims = join(pyenvRoot(), 'shims');
  for (const directory of (process.env.PATH ?? '').split(delimiter).filter(Boolean)) {
    // A shim stands for one of the versions below, and takes 0.3 s to say which or to fail.
    if (resolve(directory) !== resolve(shims)) {
      found.push(...names.map((name) => join(directory, name)));
    }
  }
  const versions = join(pyenvRoot(), 'versions');
  if (existsSync(versions)) {
    found.push(
      ...readdirSync(versions).map((version) => join(versions, version, 'bin', 'python3')),
    );
  }
  return found.filter((path) => existsSync(path));
}

/** One start for each file; a virtual environment's link counts as a file of its own. */
function withoutAliases(paths: readonly string[]): string[] {
  const byFile = new Map<string, string>();
  for (const path of paths) {
    const key = `${realpathSync(dirname(path))}\n${realpathSync(path)}`;
    if (!byFile.has(key)) {
      byFile.set(key, path);
    }
  }
  return [...byFile.values()];
}

function compareVersions(one: readonly number[], other: readonly number[]): number {
  for (let index = 0; index < Math.max(one.length, other.length); index++) {
    const difference = (one[index] ?? 0) - (other[index] ?? 0);
    if (difference !== 0) {
      return difference;
    }
  }
  return 0;
}

function parseVersion(version: string): number[] {
  if (!/^\d+(\.\d+){0,2}$/.test(version)) {
    throw new Error(`minimumVersion must look like '3.10' or '3.10.4', got '${version}'`);
  }
  return version.split('.').map(Number);
}

/**
 * The Python interpreters of this machine, oldest first.
 *
 * Looks at `python3` and `python3.10` to `python3.15` on `PATH`, and at the versions that pyenv has
 * installed. Each is truly started once (and remembered), so what is returned runs. Two names of one
 * interpreter count once. Synchronous, so that its answer can feed `describe.each`.
 */
export function findPythons(options: FindPythonsOptions = {}): PythonInterpreter[] {
  const minimum = parseVersion(options.minimumVersion ?? '3.10');
  const byBase = new Map<string, Probed>();
  for (const path of withoutAliases(candidates())) {
    const found = probe(path);
    if ('failure' in found || compareVersions(found.numbers, minimum) < 0) {
      continue;
    }
    if (!byBase.has(found.base)) {
      byBase.set(found.base, found);
    }
  }
  const sorted = [...byBase.values()].sort((a, b) => compareVersions(a.numbers, b.numbers));
  const kept = options.onePerMinorVersion
    ? sorted.filter((one, index) => one.minorVersion !== sorted[index + 1]?.minorVersion)
    : sorted;
  return kept.map(publicPart);
}

/**
 * The interpreter to use when none is named: the one in `QUORATE_PYTHON`; else `.venv/bin/python` of
 * the working directory or of its nearest ancestor that has one; else `python3` of `PATH`.
 *
 * @throws if that interpreter cannot be started; a broken `QUORATE_PYTHON` is never passed over
 */
export function defaultPython(): PythonInterpreter {
  const named = process.env.QUORATE_PYTHON;
  if (named) {
    return resolvePython(named);
  }
  for (let directory = process.cwd(); ; directory = dirname(directory)) {
    const candidate = join(directory, '.venv', 'bin', 'python');
    if (existsSync(candidate)) {
      return resolvePython(candidate);
    }
    if (directory === dirname(directory)) {
      return resolvePython('python3');
    }
  }
}
