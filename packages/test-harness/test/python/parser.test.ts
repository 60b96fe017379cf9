import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  findPythons,
  normalizePythonExpression,
  type PythonRunner,
  PythonSyntaxError,
  parsePython,
} from '../../src/python';
import { inReferenceForm, startReference, textsOf } from './reference';

const PLANTED = `\
"""Module: class InModuleDocstring: pass"""
from __future__ import annotations
import os, sys as system, a.b.c as d
from . import sibling as s, other
from ..up.over import *
# class InComment: pass
text = '''
class InText:
    def in_text(self): import in_text_import
'''
@decorate(1, key="v")
@a.b
class Outer[T: int](Base, Generic[T], metaclass=Meta, **options):
    """Outer's text.

        Indented.
    Not.
    """
    attribute = lambda self, x=1: x
    async def method(self, a, /, b: "int" = 1.0, *args: *Ts, c, d={'k': [1, (2,)]}, **kw) -> None:
        r'''raw \\d'''
        def helper(): b"bytes, no docstring"
        class Local: "one" " two"
        return f"class {a!r:>{b}} InFString: pass"
    if os.name == "posix":
        def conditional(self, *, e=..., f="...", g=-1, h=not x): ...
    else:
        @property
        def conditional(self): f"no docstring"
    class Inner(Outer.Base if x else object): pass
match text:
    case [1, {"k": v}] if (n := v):
        def in_match(x: int = (y := 3)): import in_match_import
try:
    import fast
except* ImportError as e:
    def in_except(): pass
else:
    def in_else(): pass
finally:
    class InFinally: pass
for i in x:
    async def in_for(q=lambda *a, k=1, **b: (a, k)): yield i
while (y := x): 
    def in_while(q=[z for z in x if z], r=x[1:2, ::3], s={**a, "b": 1}): pass
with (open("a") as b, c):
    def in_with(q=f'{a!r}', r='it\\'s', s=b'\\x41', t=1_000, u=0x10, v=1e3, w=2j): "doc"
def generic[T, *Ts, **P](x: Callable[P, T] | None = None, /): ...
`;

// The standard library's parser knows the syntax of its own version only.
const PLANTED_OLDER = PLANTED.replace('[T: int]', '')
  .replace('[T, *Ts, **P]', '')
  .replace(': *Ts', '')
  .replace('except*', 'except');

const newest = Number(findPythons().at(-1)?.minorVersion.split('.')[1]);

const STANDARD_LIBRARY = [
  'argparse.py',
  'asyncio/base_events.py',
  'asyncio/tasks.py',
  'ast.py',
  'collections/__init__.py',
  'contextlib.py',
  'dataclasses.py',
  'enum.py',
  'functools.py',
  'inspect.py',
  'logging/__init__.py',
  'tempfile.py',
  'subprocess.py',
  'typing.py',
  'unittest/mock.py',
];

describe('against the standard library’s own parser', () => {
  let reference: PythonRunner;
  beforeAll(async () => {
    reference = await startReference();
  });
  afterAll(async () => {
    await reference.close();
  });

  async function expectSame(source: string): Promise<void> {
    const parsed = parsePython(source);
    const dumped = await reference.call<Record<string, string>>('dump_texts', [textsOf(parsed)]);
    expect(inReferenceForm(parsed, { dumped })).toEqual(
      await reference.call('structure', [source]),
    );
  }

  test('planted traps give the same structure', async () => {
    const { classes, functions, imports } = parsePython(PLANTED);
    expect(classes.map(({ qualifiedName }) => qualifiedName)).toEqual([
      'Outer',
      'Outer.method.Local',
      'Outer.Inner',
      'InFinally',
    ]);
    expect(functions).toHaveLength(11);
    expect(imports).toHaveLength(8);
    await expectSame(newest >= 12 ? PLANTED : PLANTED_OLDER);
  });

  test.each(STANDARD_LIBRARY)(
    '%s of the standard library gives the same structure',
    async (name) => {
      const texts = await reference.call<[string, string][]>('standard_library', [[name]]);
      expect(texts).toHaveLength(1);
      for (const [, source] of texts) {
        await expectSame(source);
      }
    },
  );
});

describe('the model', () => {
  test('docstrings lose their indentation', () => {
    expect(parsePython(PLANTED).classes[0]?.docstring).toBe("Outer's text.\n\n    Indented.\nNot.");
    expect(parsePython(PLANTED).docstring).toBe('Module: class InModuleDocstring: pass');
  });

  test('methods are the functions of the class itself, in branches too', () => {
    const [outer] = parsePython(PLANTED).classes;
    expect(outer?.methods.map(({ name, line }) => [name, line])).toEqual([
      ['method', 20],
      ['conditional', 26],
      ['conditional', 29],
    ]);
  });

  test('parameters have their kinds and defaults', () => {
    const method = parsePython(PLANTED).functions[0];
    expect(method?.parameters).toEqual([
      { name: 'self', kind: 'positional-only' },
      { name: 'a', kind: 'positional-only' },
      { name: 'b', kind: 'positional-or-keyword', default: '1', annotation: "'int'" },
      { name: 'args', kind: 'var-positional', annotation: '*Ts' },
      { name: 'c', kind: 'keyword-only' },
      { name: 'd', kind: 'keyword-only', default: "{'k': [1, (2,)]}" },
      { name: 'kw', kind: 'var-keyword' },
    ]);
  });

  test('what is not Python is refused with its lines', () => {
    expect(() => parsePython('x = 1\nclass A(:\n  pass')).toThrow(PythonSyntaxError);
    expect(() => parsePython('x = 1\nclass A(:\n  pass')).toThrow(/line 2, column \d+: /);
  });

  test('what is Python but beyond the parser is refused, never passed over', () => {
    expect(() => parsePython('try: pass\nexcept A, B: pass')).toThrow(
      /valid Python, but its structure cannot be read/,
    );
  });

  test('a text that is read again is the same, among many others too', () => {
    const sources = Array.from({ length: 20 }, (_, index) => `class A${index}: pass`);
    for (const source of [...sources, ...sources]) {
      expect(source).toContain(`class ${parsePython(source).classes[0]?.name}:`);
    }
  });
});

describe('normalizePythonExpression', () => {
  test.each([
    ['"a"', "'a'"],
    ["r'\\d'", "'\\\\d'"],
    ['"..."', "'...'"],
    ['...', '...'],
    ['[ 1.0,2 ]', '[1, 2]'],
    ['a . b ( c=1 )', 'a.b(c=1)'],
    ['lambda x : x+1', 'lambda x: x + 1'],
  ])('%s is %s', (source, normal) => {
    expect(normalizePythonExpression(source)).toBe(normal);
  });

  test.each(['', 'x = 1', 'a; b', 'pass'])('%p is no expression', (source) => {
    expect(() => normalizePythonExpression(source)).toThrow('expected one Python expression');
  });

  test('what is not Python is refused', () => {
    expect(() => normalizePythonExpression('1 +')).toThrow(PythonSyntaxError);
  });
});
