import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { PythonRunner } from '@quorate/test-harness';
import type { Stack } from 'aws-cdk-lib';
import { Annotations, Match, Template } from 'aws-cdk-lib/assertions';
import { compiledCode, compilerOptions, typeErrors } from '../../../testing/readme-code';
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

/** The CDK app of the README: its blocks of TypeScript, one after the other. */
const APP = compiledCode(README);

test('every block of TypeScript is compiled', () => {
  expect(README.match(/^```ts$/gm)).toHaveLength(2);
  expect(APP).toContain('getPythonRetryUtils');
  expect(APP).toContain('explainPolicy');
  const options = compilerOptions(PACKAGE, {
    paths: { '@quorate/python-retry': [join(PACKAGE, 'src', 'index.ts')] },
  });
  const programs = new Map([[join(PACKAGE, 'test', 'README.md.ts'), APP]]);
  expect(typeErrors(programs, options, PACKAGE)).toEqual([]);
}, 120_000);

test('the function of the smallest use does what it says, and its policy fits', async () => {
  const file = join(directory, 'use.ts');
  writeFileSync(file, `${APP}\nexport { stack };\n`);
  const { stack } = (await import(file)) as { stack: Stack };
  expect(Annotations.fromStack(stack).findError('*', Match.stringLikeRegexp('.'))).toEqual([]);
  expect(Annotations.fromStack(stack).findWarning('*', Match.stringLikeRegexp('.'))).toEqual([]);
  const functions = Template.fromStack(stack).findResources('AWS::Lambda::Function');
  const [code = ''] = Object.values(functions).map((one) => one.Properties.Code.ZipFile as string);
  const outside = [
    'import io',
    'answers, slept = [], []',
    'time.sleep = slept.append',
    'def answer(url, timeout):',
    '    one = answers.pop(0)',
    '    if one is None: raise OSError("down")',
    '    return io.BytesIO(one.encode())',
    'urllib.request.urlopen = answer',
    'def invoke(*given):',
    '    answers[:], slept[:] = given, []',
    '    return [handler({}, None), len(slept)]',
  ].join('\n');
  await using runner = await PythonRunner.start({ source: `${code}\n${outside}\n` });
  expect(await runner.call('invoke', ['12 apples'])).toEqual(['12 apples', 0]);
  expect(await runner.call('invoke', [null, '12 apples'])).toEqual(['12 apples', 1]);
  expect(await runner.call('invoke', [null, null, null])).toEqual([null, 2]);
}, 120_000);

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
