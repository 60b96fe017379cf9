import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { defaultPython } from '@quorate/test-harness';
import { emitPythonRetry, getPythonRetryUtils } from '../src';

const PACKAGE = join(__dirname, '..');
const TSC = join(PACKAGE, '..', '..', 'node_modules', 'typescript', 'bin', 'tsc');

let directory: string;
let project: string;

/** The environment of a user: none of what npm and projen have set for this process. */
const ENVIRONMENT = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name) && name !== 'NODE_OPTIONS'),
);

function run(command: string, args: readonly string[]) {
  return spawnSync(command, args, {
    cwd: project,
    encoding: 'utf8',
    env: ENVIRONMENT,
    maxBuffer: 1 << 24,
  });
}

function npx(...args: string[]) {
  return run('npx', ['--offline', '--loglevel=error', '@quorate/python-retry', ...args]);
}

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'python-retry-packed-'));
  project = join(directory, 'project');
  mkdirSync(project);
  execFileSync(process.execPath, [TSC, '--build', join(PACKAGE, 'tsconfig.json')]);
  execFileSync('npm', ['pack', '--silent', '--pack-destination', directory], {
    cwd: PACKAGE,
    env: ENVIRONMENT,
  });
  const tarball = readdirSync(directory).find((name) => name.endsWith('.tgz')) ?? '';
  writeFileSync(join(project, 'package.json'), '{"private":true}');
  const installed = run('npm', [
    ...['install', '--offline', '--no-audit', '--no-fund', '--loglevel=error'],
    join(directory, tarball),
  ]);
  expect(installed).toMatchObject({ status: 0, stderr: '' });
}, 120_000);

afterAll(() => {
  rmSync(directory, { recursive: true });
});

test('is all that is installed: it depends on nothing', () => {
  expect(readdirSync(join(project, 'node_modules', '@quorate'))).toEqual(['python-retry']);
  const others = readdirSync(join(project, 'node_modules')).filter((name) => !/^\./.test(name));
  expect(others).toEqual(['@quorate']);
});

describe('npx @quorate/python-retry', () => {
  test('--help names the options and ends well', () => {
    const { status, stdout, stderr } = npx('--help');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(/^Usage: python-retry \[options\] > python_retry\.py\n/);
    expect(stdout).toContain('--features LIST');
  });

  test('writes a module that runs', () => {
    const options = ['--features', 'calls,deadline,budget', '--no-docstrings'];
    const { status, stdout, stderr } = npx(...options);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toBe(
      emitPythonRetry({ features: ['calls', 'deadline', 'budget'], docstrings: false }).source,
    );
    writeFileSync(join(project, 'retry.py'), stdout);
    const use = [
      'import sys; sys.path.insert(0, "")',
      'from retry import RetryBudget, retry_call',
      'left = [OSError("first"), "second"]',
      'def operation():',
      '    one = left.pop(0)',
      '    if isinstance(one, OSError): raise one',
      '    return one',
      'slept = []',
      'print(retry_call(operation, timeout=60, budget=RetryBudget(), sleep=slept.append), len(slept))',
    ].join('\n');
    const ran = run(defaultPython().executable, ['-I', '-c', use]);
    expect(ran).toMatchObject({ status: 0, stdout: 'second 1\n' });
  });

  test.each([
    ['--features', 'nope', /unknown feature nope; the features are breaker, /],
    ['--min-python', '2.7', /minPython must be one of 3\.10, /],
    ['--speed', 'high', /--speed/],
  ])('refuses %s %s: nothing on standard output, exit code 2', (option, value, message) => {
    const { status, stdout, stderr } = npx(option, value);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(message);
  });
});

test.each([
  ['CommonJS', 'use.cjs', "const { getPythonRetryUtils } = require('@quorate/python-retry');"],
  ['ESM', 'use.mjs', "import { getPythonRetryUtils } from '@quorate/python-retry';"],
])('emits the same text from %s', (_, file, load) => {
  writeFileSync(join(project, file), `${load}\nprocess.stdout.write(getPythonRetryUtils());\n`);
  const ran = run(process.execPath, [file]);
  expect(ran).toMatchObject({ status: 0, stderr: '', stdout: getPythonRetryUtils() });
});
