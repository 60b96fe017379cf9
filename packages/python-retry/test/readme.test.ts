import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import ts from 'typescript';
import { DEFAULT_FEATURES, PYTHON_RETRY_FEATURES } from '../src';

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
