import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { emitPythonRetry, getPythonRetryUtils, PYTHON_RETRY_FEATURES } from '../src';
import { runCommandLine } from '../src/command-line';

test('writes the compatible core by default', () => {
  expect(runCommandLine([])).toEqual({ stdout: getPythonRetryUtils(), stderr: '', exitCode: 0 });
});

describe('options', () => {
  test.each([
    [['--features', 'all'], { features: 'all' }],
    [['--features=none'], { features: [] }],
    [['--features', 'calls,deadline'], { features: ['calls', 'deadline'] }],
    [['--min-python', '3.12'], { minPython: '3.12' }],
    [['--no-docstrings'], { docstrings: false }],
    [['--no-types'], { types: false }],
    [['--compact'], { compact: true }],
    [['--fragment'], { standalone: false }],
  ] as const)('%j', (args, options) => {
    expect(runCommandLine(args).stdout).toBe(emitPythonRetry(options).source);
  });

  test('--stub and --info write what belongs to the module', () => {
    const { source, stub, ...info } = emitPythonRetry({ features: 'all' });
    expect(source).not.toBe(stub);
    expect(runCommandLine(['--features', 'all', '--stub']).stdout).toBe(stub);
    expect(JSON.parse(runCommandLine(['--features', 'all', '--info']).stdout)).toEqual(info);
  });

  test('--version is that of the package', () => {
    const manifest = readFileSync(join(__dirname, '..', 'package.json'), 'utf8');
    expect(runCommandLine(['--version']).stdout).toBe(`${JSON.parse(manifest).version}\n`);
  });

  test('--help names every option and every feature', () => {
    const { stdout, exitCode } = runCommandLine(['--help']);
    expect(exitCode).toBe(0);
    for (const word of ['--features', '--min-python', '--fragment', ...PYTHON_RETRY_FEATURES]) {
      expect(stdout).toContain(word);
    }
  });
});

test.each([
  [['--features', 'nope'], /unknown feature nope/],
  [['--min-python', '2.7'], /minPython must be one of/],
  [['--fast'], /--fast/],
  [['python_retry.py'], /python_retry\.py/],
  [['--features'], /--features/],
] as const)('refuses %j with exit code 2 and a message', (args, message) => {
  const { stdout, stderr, exitCode } = runCommandLine(args);
  expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 2 });
  expect(stderr).toMatch(/^python-retry: .*\nTry "python-retry --help"\.\n$/s);
  expect(stderr).toMatch(message);
});
