import { describe, expect, test } from '@jest/globals';
import { checkPythonSyntax, findPythons, formatSyntaxProblems } from '../../src/python';
import { startReference } from './reference';

const INVALID = [
  'x = (\n',
  'def f(:\n pass',
  'if x:\n  a\n b',
  'print "x"',
  'x = 1 +',
  '"abc',
  'return 1',
  'return 1  # noqa',
  '# ruff: noqa\nbreak',
  '# ruff: disable[F706]\nreturn 1',
  'def f(a, a): pass',
  'def f(a=1, b): pass',
  'def f(*): pass',
  'def f(a, /, b, /): pass',
  'await x',
  'def f(): await x',
  'continue',
  'yield 1',
  'nonlocal x',
  'def f():\n nonlocal q',
  'def f(x):\n global x',
  'def f():\n print(x)\n global x',
  'a, *b, *c = d',
  'from __future__ import nope',
  'x = 1\nfrom __future__ import annotations',
  'try:\n pass\nexcept:\n pass\nexcept E:\n pass',
  'f(a=1, a=2)',
  'f() = 1',
  'None = 1',
  'async def f(): yield from x',
  'def f():\n from x import *',
  '{**a for a in b}',
  'match x:\n case y: pass\n case z: pass',
  'match x:\n case a, a: pass',
  'x = 08',
  'b"é"',
  'f"{}"',
  'f"{a b}"',
  'class A[T, T]: pass',
  '\tif x:\n        y',
  'if x:\n\ty\n        z',
  'a\x00b',
  '[i := 0 for i in x]',
  'x = "a\nb"',
  'from x import a,',
  'if True:\n',
  'x = 1 if 2',
];

const VALID = [
  '',
  '# noqa: a comment only',
  'x = "# ruff: noqa"',
  'def f(a, /, b=(lambda x=1: x), *c, d: int = 3, **e) -> None: ...',
  'match x:\n  case {"k": [1, *rest]} if (n := 2): pass\n  case A(b=1) | None: pass',
  'with (open("a") as b, c): pass',
  'f"{x!r:>{w}} {d["k"]} {"\\n".join(l)}"',
  'class A[T: int, *Ts, **P](B[T], metaclass=M): pass\ntype X[T] = list[T]',
  'async def f():\n  return [await x async for x in y]',
  'try: pass\nexcept* (A, B): pass',
  'é = "😀"\r\ny = 1\r\n',
  'def f():\n\tif x:\n\t\ty',
];

describe('checkPythonSyntax', () => {
  test.each(INVALID)('refuses %j', (source) => {
    expect(checkPythonSyntax(source)).not.toEqual([]);
  });

  test.each(VALID)('accepts %j', (source) => {
    expect(checkPythonSyntax(source)).toEqual([]);
  });

  test.each(findPythons({ onePerMinorVersion: true }))(
    'agrees with the compiler of Python $version',
    async ({ executable, minorVersion: pythonVersion }) => {
      await using reference = await startReference(executable);
      const sources = [...INVALID, ...VALID];
      const errors = await reference.call<(string | null)[]>('compiles', [sources]);
      const disagreed = sources.filter(
        (source, index) =>
          (errors[index] === null) !== (checkPythonSyntax(source, { pythonVersion }).length === 0),
      );
      expect(disagreed).toEqual([]);
    },
  );

  test('checks for the version that is named', () => {
    const source = 'type X = int\ntry: pass\nexcept* E: pass';
    expect(checkPythonSyntax(source, { pythonVersion: '3.12' })).toEqual([]);
    expect(checkPythonSyntax(source, { pythonVersion: '3.10' })).toMatchObject([
      { line: 1, column: 1, message: expect.stringContaining('3.12') },
      { line: 3, column: 7, message: expect.stringContaining('3.11') },
    ]);
  });

  test.each(['2.7', '3', '3.16', 'py310', '3.10.1'])('refuses the version %s', (pythonVersion) => {
    expect(() => checkPythonSyntax('', { pythonVersion })).toThrow(RangeError);
  });
});

test('problems are shown with line, column, source line and a mark at any tab width', () => {
  const source = 'def f():\n\treturn (1 +\n';
  const problems = [{ message: 'Expected an expression', line: 2, column: 13 }];
  expect(formatSyntaxProblems(source, problems)).toBe(
    'line 2, column 13: Expected an expression\n  2 | \treturn (1 +\n    | \t           ^',
  );
});

test('many problems are cut short', () => {
  const problems = Array.from({ length: 7 }, (_, index) => ({
    message: 'wrong',
    line: index + 1,
    column: 1,
  }));
  expect(formatSyntaxProblems('', problems)).toMatch(/line 5, column 1: wrong[\s\S]*and 2 more$/);
});
