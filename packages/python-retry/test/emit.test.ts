import { spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { findPythons } from '@quorate/test-harness';
import {
  DEFAULT_FEATURES,
  describeFeature,
  emitPythonRetry,
  getPythonRetryUtils,
  PYTHON_RETRY_FEATURES,
  type PythonRetryFeature,
  type PythonRetryOptions,
  type WritePythonRetryOptions,
  writePythonRetry,
} from '../src';
import { MISTAKES, TYPED_USE } from './typed-use';

const ROOT = join(__dirname, '..', '..', '..');
const VENV_PYTHON = join(ROOT, '.venv', 'bin', 'python');
const python311 = findPythons({ minimumVersion: '3.11' })[0]?.executable ?? VENV_PYTHON;

/** The features alone, all together, none, and all but one. */
const FEATURE_SETS: (readonly PythonRetryFeature[])[] = [
  [],
  PYTHON_RETRY_FEATURES,
  ...PYTHON_RETRY_FEATURES.map((one) => [one]),
  ...PYTHON_RETRY_FEATURES.map((one) => PYTHON_RETRY_FEATURES.filter((other) => other !== one)),
];

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'python-retry-emit-'));
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

function python(args: string[], options: { python?: string; input?: string; path?: string } = {}) {
  return spawnSync(options.python ?? python311, args, {
    encoding: 'utf8',
    cwd: directory,
    input: options.input,
    env: { ...process.env, PYTHONPATH: options.path ?? directory, PYTHONDONTWRITEBYTECODE: '1' },
  });
}

/** Imports each module and reports the names that it exports, those that are not defined apart. */
function importAll(modules: string[]): Record<string, string[]> {
  const script = [
    'import importlib, json',
    'def names(m):',
    '    m = importlib.import_module(m)',
    '    return sorted(n for n in m.__all__ if hasattr(m, n) or 1 / 0)',
    `print(json.dumps({m: names(m) for m in ${JSON.stringify(modules)}}))`,
  ].join('\n');
  const ran = python(['-W', 'error', '-c', script]);
  expect(ran).toMatchObject({ status: 0, stderr: '' });
  return JSON.parse(ran.stdout);
}

describe('features', () => {
  const STYLES: PythonRetryOptions[] = [
    {},
    { docstrings: false },
    { types: false },
    { docstrings: false, types: false },
    { compact: true },
    { minPython: '3.11' },
  ];

  test.each(STYLES)('every set of features can be imported: %j', (style) => {
    const emissions = FEATURE_SETS.map((features) => emitPythonRetry({ ...style, features }));
    const modules = emissions.map(({ source }, index) => {
      writeFileSync(join(directory, `module_${index}.py`), source);
      return `module_${index}`;
    });
    expect(importAll(modules)).toEqual(
      Object.fromEntries(modules.map((name, index) => [name, emissions[index]?.exports])),
    );
  });

  test('the default is the compatible core', () => {
    expect(emitPythonRetry().features).toEqual(DEFAULT_FEATURES);
    expect(emitPythonRetry({ features: ['breaker'] }).source).toBe(getPythonRetryUtils());
    expect(emitPythonRetry().exports).toEqual([
      'CircuitBreaker',
      'CircuitOpenError',
      'retry_with_backoff',
      'retry_with_circuit_breaker',
    ]);
    expect(emitPythonRetry({ features: [] }).exports).toEqual(['retry_with_backoff']);
  });

  test.each(PYTHON_RETRY_FEATURES)('%s leaves no code behind when it is off', (feature) => {
    const all = emitPythonRetry({ features: 'all', docstrings: false });
    const without = emitPythonRetry({
      features: PYTHON_RETRY_FEATURES.filter((one) => one !== feature),
      docstrings: false,
    });
    const on = without.features.includes(feature); // because another feature needs it
    expect(without.bytes < all.bytes).toBe(!on);
    expect(describeFeature(feature)).not.toBe('');
    const names = (text: string) => new Set(text.match(/[A-Za-z_]\w+/g));
    const gone = [...names(all.source)].filter((name) => !names(without.source).has(name));
    expect(gone.length > 0).toBe(!on);
  });

  test('each feature adds to the size', () => {
    let features: PythonRetryFeature[] = [];
    let before = emitPythonRetry({ features });
    for (const feature of PYTHON_RETRY_FEATURES) {
      features = [...features, feature];
      const after = emitPythonRetry({ features });
      expect(after.bytes).toBeGreaterThan(before.bytes);
      before = after;
    }
  });

  test('what a feature needs comes with it, and the order of the names does not matter', () => {
    expect(emitPythonRetry({ features: ['store', 'aws'] }).features).toEqual([
      'breaker',
      'hooks',
      'aws',
      'store',
    ]);
    const one = emitPythonRetry({ features: ['jitter', 'breaker', 'jitter'] });
    expect(one.sha256).toBe(emitPythonRetry({ features: ['breaker', 'jitter'] }).sha256);
  });
});

test('the same options give the same bytes, and their hash and size', () => {
  const options = { features: 'all', docstrings: false } as const;
  const [first, second] = [emitPythonRetry(options), emitPythonRetry(options)];
  expect(first).toEqual(second);
  const hash = python(
    [
      '-c',
      'import sys, hashlib; d = sys.stdin.buffer.read(); print(len(d), hashlib.sha256(d).hexdigest())',
    ],
    { input: first.source },
  );
  expect(hash.stdout.trim()).toBe(`${first.bytes} ${first.sha256}`);
  expect(first.source.endsWith('\n')).toBe(true);
  expect(first.source).not.toMatch(/\r|[ \t]\n/);
});

test('a fragment needs nothing but the imports and the logger before it', () => {
  for (const style of [{}, { docstrings: false }, { compact: true }]) {
    const { source } = emitPythonRetry({ features: 'all', standalone: false, ...style });
    const head = 'import logging, random, threading, time\nlogger = logging.getLogger("mine")\n';
    const use = [
      'records = []',
      'handler = logging.Handler()',
      'handler.emit = records.append',
      'logger.addHandler(handler)',
      'logger.propagate = False',
      'assert retry_with_backoff(lambda: 1 / 0, "divide", 1) is None',
      'assert len(records) == 1, records',
      'assert "__all__" not in globals()',
    ].join('\n');
    writeFileSync(join(directory, 'fragment.py'), `${head}${source}\n${use}\n`);
    expect(python(['-W', 'error', 'fragment.py'])).toMatchObject({ status: 0, stderr: '' });
  }
});

test('without docstrings and types none are left', () => {
  const script = [
    'import ast, sys',
    'tree = ast.parse(sys.stdin.read())',
    'kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module)',
    'print(sum(isinstance(n, kinds) and bool(ast.get_docstring(n)) for n in ast.walk(tree)))',
    'print(sum(bool(getattr(n, "annotation", 0) or getattr(n, "returns", 0)) for n in ast.walk(tree)))',
  ].join('\n');
  const count = (options: PythonRetryOptions) => {
    const { source } = emitPythonRetry({ features: 'all', ...options });
    return python(['-c', script], { input: source }).stdout.trim().split('\n').map(Number);
  };
  const [docstrings = 0, annotations = 0] = count({});
  expect(docstrings).toBeGreaterThan(50);
  expect(annotations).toBeGreaterThan(100);
  expect(count({ docstrings: false })).toEqual([0, annotations]);
  expect(count({ types: false })[1]).toBe(0);
  expect(count({ docstrings: false, types: false })).toEqual([0, 0]);
  expect(count({ compact: true })).toEqual([0, 0]);
});

test('stripping docstrings and types leaves the same program', () => {
  const script = [
    'import ast, sys',
    'tree = ast.parse(sys.stdin.read())',
    'class Strip(ast.NodeTransformer):',
    '    def generic_visit(self, n):',
    '        super().generic_visit(n)',
    '        if hasattr(n, "body") and isinstance(n.body, list) and isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module)):',
    '            n.body = [s for s in n.body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))] or [ast.Pass()]',
    '        if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef)): n.returns = None',
    '        if isinstance(n, ast.arg): n.annotation = None',
    '        return n',
    '    def visit_AnnAssign(self, n):',
    '        self.generic_visit(n)',
    '        return ast.Assign([n.target], n.value, lineno=0) if n.value else None',
    '    def visit_If(self, n):',
    '        return None if isinstance(n.test, ast.Name) and n.test.id == "TYPE_CHECKING" else self.generic_visit(n)',
    '    def visit_Assign(self, n):',
    '        t = n.targets[0]',
    '        return None if isinstance(t, ast.Name) and t.id == "TYPE_CHECKING" else self.generic_visit(n)',
    '    def visit_ImportFrom(self, n):',
    '        return None if n.module == "__future__" else n',
    'print(ast.unparse(ast.fix_missing_locations(Strip().visit(tree))))',
  ].join('\n');
  const canonical = (options: PythonRetryOptions) =>
    python(['-c', script], { input: getPythonRetryUtils({ features: 'all', ...options }) });
  const full = canonical({});
  expect(full).toMatchObject({ status: 0, stderr: '' });
  expect(canonical({ docstrings: false }).stdout).toBe(full.stdout);
  expect(canonical({ types: false }).stdout).toBe(full.stdout);
  expect(canonical({ docstrings: false, types: false }).stdout).toBe(full.stdout);
});

test('compact texts are the same programs, but for names that nobody outside can name', () => {
  const sets = [...FEATURE_SETS.map((features) => ({ features })), { standalone: false }];
  const pairs = sets.map((options) => [
    getPythonRetryUtils({ ...options, docstrings: false, types: false }),
    getPythonRetryUtils({ ...options, compact: true }),
  ]);
  const compared = python([join(__dirname, 'python', 'alpha_equivalence.py')], {
    input: JSON.stringify(pairs),
  });
  expect(compared).toMatchObject({ status: 0, stderr: '' });
  expect(JSON.parse(compared.stdout)).toEqual(pairs.map(() => []));
}, 60_000);

test.each([
  ['another variable', 'def f(a, b): return a', 'def f(a, b): return b'],
  ['two variables made one', 'def _f(one, two): return one - two', 'def _f(a, b): return a - a'],
  ['a public parameter', 'def f(value): return value', 'def f(a): return a'],
  ['a builtin that is hidden', 'def _f(one): return len(one)', 'def _f(len): return len(len)'],
  ['a public attribute', 'x.name = 1', 'x.a = 1'],
  ['a public keyword', 'f(name=1)', 'f(a=1)'],
  ['a field that is not the attribute', '_C(one=1).one', '_C(_a=1)._b'],
  ['another value that is returned', 'def f(): return 0', 'def f(): return'],
])('the comparison of programs sees %s', (_, one, other) => {
  const compared = python([join(__dirname, 'python', 'alpha_equivalence.py')], {
    input: JSON.stringify([[one, other]]),
  });
  expect(compared).toMatchObject({ status: 0, stderr: '' });
  expect(JSON.parse(compared.stdout)[0].length).toBeGreaterThan(0);
});

test.each<[PythonRetryFeature[] | 'all', number]>([
  [[], 4000],
  [['breaker'], 8192],
  ['all', 23_800],
])('the compact text of %j does not grow beyond what it has come down to', (features, most) => {
  expect(emitPythonRetry({ features, compact: true }).bytes).toBeLessThanOrEqual(most);
});

describe('types', () => {
  const check = (modules: string[]) =>
    python(
      ['-m', 'mypy', '--strict', '--python-version', '3.10', '--cache-dir', directory, ...modules],
      { python: VENV_PYTHON, path: '' },
    );

  test('source and stub are typed strictly, whatever the features', () => {
    const modules = FEATURE_SETS.flatMap((features, index) => {
      const { source, stub } = emitPythonRetry({ features });
      const plain = emitPythonRetry({ features, docstrings: false, minPython: '3.11' });
      writeFileSync(join(directory, `full_${index}.py`), source);
      writeFileSync(join(directory, `plain_${index}.py`), plain.source);
      writeFileSync(join(directory, `stub_${index}.pyi`), stub);
      return [`full_${index}.py`, `plain_${index}.py`, `stub_${index}.pyi`];
    });
    const checked = check(modules);
    expect(checked.stdout).toBe(`Success: no issues found in ${modules.length} source files\n`);
  }, 180_000);

  test('the stub tells what the module holds', () => {
    writePythonRetry(directory, { features: 'all' });
    // What there is for annotations only.
    const names = ['Mode', 'Outcome', 'Listener', 'LambdaContext', 'MetricsLogger', 'RandomSource'];
    const typing = [...names, 'BreakerScope', 'CircuitState', 'CircuitStore'];
    writeFileSync(
      join(directory, 'allowlist'),
      typing.map((name) => `python_retry.${name}\n`).join(''),
    );
    const compared = python(['-m', 'mypy.stubtest', 'python_retry', '--allowlist', 'allowlist'], {
      python: VENV_PYTHON,
    });
    expect(compared.stdout).toMatch(/Success/);
  }, 120_000);

  test('a strict user is told the types, and what is wrong', () => {
    writePythonRetry(directory, { features: 'all' });
    writeFileSync(join(directory, 'use.py'), [...TYPED_USE, ...MISTAKES].join('\n'));
    const checked = check(['use.py']);
    const [option, state, argument] = MISTAKES.map((_, index) => TYPED_USE.length + index + 1);
    expect(checked.stdout.split('\n').filter((line) => / error: /.test(line))).toEqual([
      expect.stringContaining(`use.py:${option}: error: Unexpected keyword argument "unknown"`),
      expect.stringContaining(`use.py:${state}: error: Non-overlapping equality check`),
      expect.stringContaining(`use.py:${argument}: error: Argument 1 to "h" has incompatible type`),
    ]);
  }, 120_000);
});

test('writePythonRetry writes module and stub, and returns what it wrote', () => {
  const target = join(directory, 'layer', 'python');
  const emission = writePythonRetry(target, { features: ['jitter'], moduleName: 'resilience' });
  expect(readFileSync(join(target, 'resilience.py'), 'utf8')).toBe(emission.source);
  expect(readFileSync(join(target, 'resilience.pyi'), 'utf8')).toBe(emission.stub);
  expect(existsSync(join(target, 'python_retry.py'))).toBe(false);
  expect(() => writePythonRetry(target, { moduleName: '../x' })).toThrow(/Python identifier/);
});

test('writePythonRetry refuses an option that nobody knows, before it writes anything', () => {
  const target = join(directory, 'misspelt');
  const options = { modulName: 'resilience' } as WritePythonRetryOptions;
  expect(() => writePythonRetry(target, options)).toThrow(
    /^unknown option modulName; the options are .*compact, moduleName$/,
  );
  expect(existsSync(target)).toBe(false);
});

describe('writePythonRetry into a place that takes no directory', () => {
  /**
   * The message of the error, from a process of its own, since one that hangs cannot be told to stop.
   *
   * @param inherited - What the process has open as its file 3.
   */
  function errorOf(target: string, inherited: number | 'ignore' = 'ignore'): string {
    const ran = spawnSync(
      process.execPath,
      ['--import', 'tsx', join(__dirname, 'write-into.ts'), target],
      {
        cwd: ROOT,
        stdio: ['ignore', 'pipe', 'pipe', inherited],
        encoding: 'utf8',
        timeout: 60_000,
        killSignal: 'SIGKILL',
      },
    );
    expect(ran).toMatchObject({ signal: null, status: 1, stdout: '' });
    return ran.stderr;
  }

  test('a link to nowhere', () => {
    const link = join(directory, 'link');
    symlinkSync(join(directory, 'nowhere'), link);
    expect(errorOf(join(link, 'layer', 'python'))).toContain(
      `cannot make the directory ${link}: EEXIST`,
    );
  });

  test('a file', () => {
    const file = join(directory, 'file');
    writeFileSync(file, '');
    expect(errorOf(join(file, 'python'))).toContain(
      `cannot make the directory ${join(file, 'python')}: ENOTDIR`,
    );
  });

  // Here the system says ENOENT of a directory whose parent is there, as it does to root below /proc.
  test('a directory that was removed while it was open', () => {
    const removed = join(directory, 'removed');
    mkdirSync(removed);
    const open = openSync(removed, 'r');
    try {
      rmdirSync(removed);
      expect(errorOf('/proc/self/fd/3/layer/python', open)).toContain(
        'cannot make the directory /proc/self/fd/3/layer: ENOENT',
      );
    } finally {
      closeSync(open);
    }
  }, 90_000);
});

test('writePythonRetry makes the directories above that are missing, and goes on in one that is there', () => {
  const target = join(directory, 'one', 'two', 'three');
  writePythonRetry(target);
  writePythonRetry(target, { features: 'all' });
  expect(readFileSync(join(target, 'python_retry.py'), 'utf8')).toBe(
    getPythonRetryUtils({ features: 'all' }),
  );
});

test('survives bundling: the bundle needs neither files nor packages', () => {
  const esbuild = join(ROOT, 'node_modules', '.bin', 'esbuild');
  writeFileSync(
    join(directory, 'app.ts'),
    [
      `import { getPythonRetryUtils } from ${JSON.stringify(join(__dirname, '..', 'src', 'index.ts'))};`,
      "process.stdout.write(getPythonRetryUtils({ features: 'all' }));",
    ].join('\n'),
  );
  const bundled = spawnSync(
    esbuild,
    [
      'app.ts',
      '--bundle',
      '--minify',
      '--platform=node',
      '--outfile=out/app.js',
      '--log-level=error',
    ],
    { cwd: directory, encoding: 'utf8' },
  );
  expect(bundled).toMatchObject({ status: 0, stderr: '' });
  const ran = spawnSync(process.execPath, [join(directory, 'out', 'app.js')], {
    cwd: tmpdir(),
    encoding: 'utf8',
    env: { PATH: ['/usr/bin', '/bin'].join(delimiter) },
    maxBuffer: 1 << 24,
  });
  expect(ran.stdout).toBe(getPythonRetryUtils({ features: 'all' }));
});

test.each<[options: Record<string, unknown>, message: RegExp]>([
  [{ features: ['retries'] }, /unknown feature retries; the features are breaker, /],
  [{ features: ['asnyc', 7] }, /unknown feature asnyc, 7; the features are /],
  [{ features: 'everything' }, /features must be 'all' or a list of names/],
  [{ minPython: '3.9' }, /minPython must be one of 3\.10, .*, not 3\.9/],
  [{ docstrings: 'no' }, /docstrings must be a boolean/],
  [{ compact: true, docstrings: true }, /compact leaves out docstrings and types/],
  [{ compact: true, types: true }, /compact leaves out docstrings and types/],
  [{ standalone: false, types: true }, /a fragment has no annotations/],
  [
    { minPyhton: '3.12', quick: undefined },
    /^unknown option minPyhton, quick; the options are features, minPython, docstrings, types, standalone, compact$/,
  ],
  [{ constructor: true }, /^unknown option constructor; /],
  [{ moduleName: 'resilience' }, /^unknown option moduleName; /],
])('refuses %j', (options, message) => {
  expect(() => emitPythonRetry(options as PythonRetryOptions)).toThrow(message);
});
