import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { emitPythonRetry, type PythonRetryOptions } from '../src';
import { MISTAKES, TYPED_USE } from './typed-use';

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
    write('use.py', [...TYPED_USE, ...MISTAKES].join('\n'));
    const { found } = pyright({
      typeCheckingMode: 'strict',
      pythonVersion: '3.10',
      include: ['use.py'],
      // The stub alone, as when the module is in a layer.
      reportMissingModuleSource: false,
    });
    const [option, state, argument] = MISTAKES.map((_, index) => TYPED_USE.length + index + 1);
    expect(found).toEqual([
      expect.stringContaining(`use.py:${option} reportCallIssue: No parameter named "unknown"`),
      expect.stringContaining(`use.py:${state} reportUnnecessaryComparison: `),
      expect.stringContaining(`use.py:${argument} reportArgumentType: `),
    ]);
  },
);
