import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { emitPythonRetry, type PythonRetryOptions } from '../src';

const ROOT = join(__dirname, '..', '..', '..');
const PYRIGHT = join(ROOT, 'node_modules', 'pyright', 'index.js');

const FEATURE_SETS: PythonRetryOptions['features'][] = [
  [],
  ['breaker'],
  ['calls', 'async'],
  ['deadline', 'hooks', 'budget', 'aws'],
  ['recovery', 'windows', 'listeners'],
  ['store'],
  'all',
];

interface Diagnostic {
  readonly file: string;
  readonly rule?: string;
  readonly message: string;
  readonly range: { readonly start: { readonly line: number } };
}

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'python-retry-pyright-'));
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

function write(name: string, text: string): void {
  const file = join(directory, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

/** Checks what was written; needs no network, everything comes with the npm package. */
function pyright(config: Record<string, unknown>): { files: number; found: string[] } {
  // The environment has boto3, which the store imports when it is made.
  write('pyrightconfig.json', JSON.stringify({ venvPath: ROOT, venv: '.venv', ...config }));
  const ran = spawnSync(process.execPath, [PYRIGHT, '--outputjson'], {
    cwd: directory,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  if (!ran.stdout.startsWith('{')) {
    throw new Error(`pyright did not report: ${ran.error?.message ?? ran.stdout + ran.stderr}`);
  }
  const report = JSON.parse(ran.stdout) as {
    readonly generalDiagnostics: Diagnostic[];
    readonly summary: { readonly filesAnalyzed: number };
  };
  return {
    files: report.summary.filesAnalyzed,
    found: report.generalDiagnostics.map(
      ({ file, rule, message, range }) =>
        `${basename(file)}:${range.start.line + 1} ${rule ?? ''}: ${message.slice(0, 300)}`,
    ),
  };
}

test('every source is right on the oldest and the newest Python', () => {
  const environments = [
    { pythonVersion: '3.10', sets: FEATURE_SETS },
    { pythonVersion: '3.15', sets: [[], 'all'] },
  ] as const;
  for (const { pythonVersion, sets } of environments) {
    sets.forEach((features, index) => {
      const minPython = pythonVersion;
      write(`${pythonVersion}/full_${index}.py`, emitPythonRetry({ features, minPython }).source);
    });
    const plain = emitPythonRetry({ features: 'all', docstrings: false, minPython: pythonVersion });
    write(`${pythonVersion}/plain.py`, plain.source);
  }
  const checked = pyright({
    typeCheckingMode: 'standard',
    executionEnvironments: environments.map(({ pythonVersion }) => ({
      root: pythonVersion,
      pythonVersion,
    })),
  });
  expect(checked).toEqual({ files: FEATURE_SETS.length + 4, found: [] });
});

test('every stub is right by the strict rules', () => {
  FEATURE_SETS.forEach((features, index) => {
    write(`stub_${index}.pyi`, emitPythonRetry({ features }).stub);
  });
  const checked = pyright({
    typeCheckingMode: 'strict',
    pythonVersion: '3.10',
    // The imports are those of all features.
    reportUnusedImport: false,
  });
  expect(checked).toEqual({ files: FEATURE_SETS.length, found: [] });
});

test.each(['py', 'pyi'])(
  'a strict user is told the types by the .%s, and what is wrong',
  (kind) => {
    const { source, stub } = emitPythonRetry({ features: 'all' });
    write(`python_retry.${kind}`, kind === 'py' ? source : stub);
    write(
      'use.py',
      [
        'from typing_extensions import assert_type',
        'from python_retry import CircuitBreaker, async_retry_call, retriable, retry_call',
        'from python_retry import retry_with_backoff, retry_with_circuit_breaker',
        'def f() -> int: return 1',
        'async def g() -> int: return 1',
        'b = CircuitBreaker(3, name="inventory", window=20, failure_rate=0.5)',
        'assert_type(b.can_execute(), bool)',
        'assert_type(retry_with_backoff(f, "f"), "int | None")',
        'assert_type(retry_with_backoff(f, "f", raise_on_failure=True, timeout=3.0), int)',
        'assert_type(retry_with_circuit_breaker(f, "f", b), "int | None")',
        'assert_type(retry_with_circuit_breaker(f, "f", b, raise_on_failure=True), int)',
        'assert_type(retry_call(f, circuit_breaker=b, jitter="full"), int)',
        'assert_type(b.call(f), int)',
        '@retriable("h", max_retries=2)',
        'def h(key: str) -> int: return len(key)',
        'assert_type(h("a"), int)',
        'async def main() -> None:',
        '    assert_type(await async_retry_call(g), int)',
        'with b.acquire() as permit:',
        '    assert_type(permit.retry_after, float)',
        'retry_call(f, unknown=1)',
        'if b.state == "HALF-OPEN": pass',
        'h(1)',
      ].join('\n'),
    );
    const { found } = pyright({
      typeCheckingMode: 'strict',
      pythonVersion: '3.10',
      include: ['use.py'],
      // The stub alone, as when the module is in a layer.
      reportMissingModuleSource: false,
    });
    expect(found).toEqual([
      expect.stringMatching(/^use\.py:21 reportCallIssue: No parameter named "unknown"/),
      expect.stringMatching(/^use\.py:22 reportUnnecessaryComparison: /),
      expect.stringMatching(/^use\.py:23 reportArgumentType: /),
    ]);
  },
);
