import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';

type Interpreters = typeof import('../../src/python/interpreters');

const environment = { ...process.env };
const workingDirectory = process.cwd();
let directory: string;
let interpreters: Interpreters;

beforeEach(() => {
  directory = realpathSync(mkdtempSync(join(tmpdir(), 'interpreters-test-')));
  // Anew, for what was found is remembered.
  jest.isolateModules(() => {
    interpreters = require('../../src/python/interpreters');
  });
});

afterEach(() => {
  process.env = { ...environment };
  process.chdir(workingDirectory);
  rmSync(directory, { recursive: true });
});

function real(): string {
  const found = interpreters.findPythons().at(-1)?.executable;
  if (!found) {
    throw new Error('these tests need Python 3.10 or newer');
  }
  return found;
}

/** An interpreter's name in a directory of its own, as a link or as a script that starts it. */
function put(path: string, how: 'link' | 'script', target: string): string {
  const file = join(directory, path);
  mkdirSync(dirname(file), { recursive: true });
  if (how === 'link') {
    symlinkSync(target, file);
  } else {
    writeFileSync(file, `#!/bin/sh\nexec "${target}" "$@"\n`, { mode: 0o755 });
  }
  return file;
}

describe('findPythons', () => {
  test('returns interpreters that start, oldest first, each once', () => {
    const found = interpreters.findPythons();
    const numbers = found.map(({ version }) => Number(version.split('.')[1]));
    expect(found.length).toBeGreaterThan(0);
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
    expect(Math.min(...numbers)).toBeGreaterThanOrEqual(10);
    expect(new Set(found.map(({ executable }) => executable)).size).toBe(found.length);
  });

  test('takes two names of one interpreter for one, and passes over what does not start', () => {
    const target = real();
    put('bin/python3', 'script', target);
    put('bin/python3.13', 'script', target);
    put('bin/python3.12', 'script', '/nonexistent');
    process.env.PATH = join(directory, 'bin');
    process.env.PYENV_ROOT = join(directory, 'none');
    expect(interpreters.findPythons().map(({ executable }) => executable)).toEqual([target]);
  });

  test('looks at the versions of pyenv, and never starts its shims', () => {
    const target = real();
    put('pyenv/versions/3.99.0/bin/python3', 'script', target);
    put('pyenv/shims/python3', 'script', `/bin/sh -c 'echo > ${directory}/started'`);
    process.env.PATH = join(directory, 'pyenv', 'shims');
    process.env.PYENV_ROOT = join(directory, 'pyenv');
    expect(interpreters.findPythons().map(({ executable }) => executable)).toEqual([target]);
  });

  test('keeps to the lowest version that is named', () => {
    const [, minor, patch] = (interpreters.findPythons().at(-1)?.version ?? '')
      .split('.')
      .map(Number);
    expect(interpreters.findPythons({ minimumVersion: `3.${minor}.${patch}` })).not.toEqual([]);
    expect(interpreters.findPythons({ minimumVersion: `3.${minor}.${Number(patch) + 1}` })).toEqual(
      [],
    );
    expect(() => interpreters.findPythons({ minimumVersion: 'three' })).toThrow("got 'three'");
  });

  test('keeps the newest of each minor version if asked to', () => {
    const found = interpreters.findPythons({ onePerMinorVersion: true });
    const minors = found.map(({ minorVersion }) => minorVersion);
    expect(new Set(minors).size).toBe(minors.length);
    expect(new Set(interpreters.findPythons().map((one) => one.minorVersion))).toEqual(
      new Set(minors),
    );
  });
});

describe('defaultPython', () => {
  test('prefers QUORATE_PYTHON, and does not pass over one that is broken', () => {
    process.env.QUORATE_PYTHON = real();
    expect(interpreters.defaultPython().executable).toBe(process.env.QUORATE_PYTHON);
    process.env.QUORATE_PYTHON = join(directory, 'missing');
    expect(() => interpreters.defaultPython()).toThrow(/missing' cannot be started: .*ENOENT/);
  });

  test('then takes the nearest .venv of the working directory and above', () => {
    delete process.env.QUORATE_PYTHON;
    const target = real();
    put('.venv/bin/python', 'script', target);
    mkdirSync(join(directory, 'a', 'b'), { recursive: true });
    process.chdir(join(directory, 'a', 'b'));
    expect(interpreters.defaultPython().executable).toBe(target);
    put('a/.venv/bin/python', 'script', '/nonexistent');
    expect(() => interpreters.defaultPython()).toThrow(/a\/\.venv\/bin\/python' cannot be started/);
  });

  test('then takes python3 of PATH', () => {
    delete process.env.QUORATE_PYTHON;
    const target = real();
    put('bin/python3', 'script', target);
    process.env.PATH = join(directory, 'bin');
    process.chdir(directory);
    expect(interpreters.defaultPython()).toEqual(interpreters.resolvePython(target));
  });
});
