import { spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { getPythonRetryUtils } from '../src';

const PACKAGE = join(__dirname, '..');
let copy: string;

/** Runs the script in a package of its own. */
function embed() {
  return spawnSync(process.execPath, [join(copy, 'scripts', 'embed.mjs')], { encoding: 'utf8' });
}

beforeEach(() => {
  copy = mkdtempSync(join(tmpdir(), 'embed-'));
  cpSync(join(PACKAGE, 'scripts'), join(copy, 'scripts'), { recursive: true });
  mkdirSync(join(copy, 'python', 'stubs'), { recursive: true });
  writeFileSync(join(copy, 'python', 'stubs', 'python_retry.pyi'), 'x: int\n');
  mkdirSync(join(copy, 'src'));
});

afterEach(() => {
  rmSync(copy, { recursive: true });
});

test('what is emitted with all features is the Python file, less its marks', () => {
  const source = readFileSync(join(PACKAGE, 'python', 'python_retry.py'), 'utf8');
  const unmarked = source.replace(/^ *# <.*>\n/gm, '').replace(/ {2}# noqa: .*$/gm, '');
  const emitted = getPythonRetryUtils({ features: 'all' });
  const lines = (text: string) => text.split('\n').filter((line) => line !== '');
  expect(lines(emitted)).toEqual(lines(unmarked));
});

test('embeds any text so that it comes out unchanged, with \\n line ends', () => {
  const text = '"""Quotes \' " ` $\u007bx} \\n \\ and Unicode é \u2028 🙂."""\n\nx = 1\n';
  writeFileSync(join(copy, 'python', 'python_retry.py'), text.replaceAll('\n', '\r\n'));
  expect(embed()).toMatchObject({ status: 0, stdout: '', stderr: '' });
  const generated = readFileSync(join(copy, 'src', 'python-source.generated.ts'), 'utf8');
  const [, expression = ''] = /string = (\[.*?\]\.join\('\\n'\));/s.exec(generated) ?? [];
  expect(new Function(`return ${expression}`)()).toBe(text);
});

test('leaves an up-to-date file untouched', () => {
  writeFileSync(join(copy, 'python', 'python_retry.py'), 'x = 1\n');
  const target = join(copy, 'src', 'python-source.generated.ts');
  embed();
  utimesSync(target, 1, 1);
  embed();
  expect(statSync(target).mtimeMs).toBe(1000);
  writeFileSync(join(copy, 'python', 'python_retry.py'), 'x = 2\n');
  embed();
  expect(statSync(target).mtimeMs).toBeGreaterThan(1000);
});

test('fails, and names the file, when the source is missing or empty', () => {
  expect(embed()).toMatchObject({
    status: 1,
    stderr: expect.stringMatching(/python_retry\.py is missing/),
  });
  writeFileSync(join(copy, 'python', 'python_retry.py'), '\n');
  expect(embed()).toMatchObject({
    status: 1,
    stderr: expect.stringMatching(/python_retry\.py is empty/),
  });
});
