import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { PythonRunner } from '@quorate/test-harness';
import ts from 'typescript';
import { DEFAULT_FEATURES, emitPythonRetry, PYTHON_RETRY_FEATURES } from '../src';

const PACKAGE = join(__dirname, '..');
const README = readFileSync(join(PACKAGE, 'README.md'), 'utf8');
let directory: string;

beforeEach(() => {
  // Inside the package, so that the CDK is found.
  directory = mkdtempSync(join(PACKAGE, 'test', '.readme-'));
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

test('the smallest use compiles', () => {
  const [, code = ''] = /```ts\n(.*?)```/s.exec(README) ?? [];
  expect(code).toContain('getPythonRetryUtils');
  const file = join(directory, 'use.ts');
  writeFileSync(file, code);
  const program = ts.createProgram([file], {
    target: ts.ScriptTarget.ES2022,
    lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
    module: ts.ModuleKind.Node16,
    moduleResolution: ts.ModuleResolutionKind.Node16,
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    types: ['node'],
    typeRoots: [join(PACKAGE, '..', '..', 'node_modules', '@types')],
    paths: { '@quorate/python-retry': [join(PACKAGE, 'src', 'index.ts')] },
  });
  const problems = ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
  expect(problems).toEqual([]);
}, 60_000);

test('the table of features names each of them', () => {
  const table = README.slice(README.indexOf('| feature |'), README.indexOf('`explainPolicy('));
  const named = [...table.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name);
  expect(named).toEqual(PYTHON_RETRY_FEATURES);
  expect(README).toContain(`\`['${DEFAULT_FEATURES.join("', '")}']\``);
});

test('the tables of options name each option of a retry and of a breaker, and no other', async () => {
  const script = [
    'import ast',
    'def fields(stub):',
    '    tree = {n.name: n for n in ast.parse(stub).body if isinstance(n, ast.ClassDef)}',
    '    init = next(n for n in tree["CircuitBreaker"].body if getattr(n, "name", "") == "__init__")',
    '    typed = [n.target.id for c in ("_Options", "_CallOptions") for n in tree[c].body]',
    '    arguments = init.args.args[1:] + init.args.kwonlyargs',
    '    return [sorted(typed), sorted(a.arg for a in arguments)]',
  ].join('\n');
  await using runner = await PythonRunner.start({ source: script });
  const { stub } = emitPythonRetry({ features: 'all' });
  const [retry, breaker] = await runner.call<[string[], string[]]>('fields', [stub]);
  const table = (heading: string) => {
    const start = README.indexOf(`## ${heading}`);
    const section = README.slice(start, README.indexOf('\n## ', start));
    const cells = [...section.matchAll(/^\| (`[^|]*`) \|/gm)].map(([, cell = '']) => cell);
    return cells.flatMap((cell) => cell.match(/\w+/g) ?? []).sort();
  };
  // The operation's breaker is an argument of its own in one form, and an option in the other.
  expect(table('Options of a retry')).toEqual(
    [...retry.filter((name) => name !== 'circuit_breaker'), 'raise_on_failure'].sort(),
  );
  expect(table('Options of a breaker')).toEqual(breaker);
});
