import { describe, expect, test } from '@jest/globals';
import '../../../src/jest-globals';
import { failureOf } from './failure';

const SOURCE = `\
"""import in_docstring"""
from __future__ import annotations
import os, sys as system  # import in_comment
import a.b.c
from typing import Any, Callable as Function
from typing import TYPE_CHECKING
from . import sibling
from ..up.over import one as two
from star import *
TEXT = "import in_text"
if TYPE_CHECKING:
    import guarded
def f():
    from late import thing
`;

function rows(cases: readonly (readonly [module: string, names?: readonly string[]])[]) {
  return cases.map(([module, names]) => ({ module, names }));
}

describe('toContainPythonImport', () => {
  test.each(
    rows([
      ['os'],
      ['sys'],
      ['a.b.c'],
      ['typing'],
      ['.'],
      ['..up.over'],
      ['star'],
      ['guarded'],
      ['late'],
      ['typing', ['Any']],
      ['typing', ['TYPE_CHECKING', 'Any', 'Callable']],
      ['typing', ['Callable as Function']],
      ['.', ['sibling']],
      ['..up.over', ['one']],
      ['star', ['*']],
    ]),
  )('finds $names of $module', ({ module, names }) => {
    expect(SOURCE).toContainPythonImport(module, names);
    expect(failureOf(() => expect(SOURCE).not.toContainPythonImport(module, names))).toMatch(
      /Expected: no import of .*\nFound:\n {2}line \d+: (from|import) /,
    );
  });

  test.each(
    rows([
      ['in_docstring'],
      ['in_comment'],
      ['in_text'],
      ['system'],
      ['a'],
      ['a.b'],
      ['up.over'],
      ['sibling'],
      ['..'],
      ['typing', ['Function']],
      ['typing', ['Any', 'Missing']],
      ['typing', ['Callable as Other']],
      ['typing', ['Any as Any']],
      ['os', ['path']],
      ['star', ['anything']],
      ['typing', ['*']],
    ]),
  )('does not find $names of $module', ({ module, names }) => {
    expect(SOURCE).not.toContainPythonImport(module, names);
    expect(failureOf(() => expect(SOURCE).toContainPythonImport(module, names))).toMatch(
      /Expected: import of .*\nFound.*:\n {2}line \d+: (from|import) /,
    );
  });

  test('says what is imported instead, the closest first', () => {
    expect(failureOf(() => expect(SOURCE).toContainPythonImport('typings'))).toMatch(
      /^expect\(python\)\.toContainPythonImport\(expected\)\n\nExpected: import of module typings\nFound: no import of that module; the closest of 11 imports:\n {2}line 5: from typing import Any, Callable as Function\n/,
    );
    expect(failureOf(() => expect(SOURCE).toContainPythonImport('typing', ['Any', 'No']))).toBe(
      'expect(python).toContainPythonImport(expected)\n\n' +
        'Expected: import of Any, No from module typing\n' +
        'Found, but without No:\n' +
        '  line 5: from typing import Any, Callable as Function\n' +
        '  line 6: from typing import TYPE_CHECKING',
    );
    expect(failureOf(() => expect('x = 1').toContainPythonImport('os'))).toContain(
      'Found: no import at all',
    );
  });

  test('negated, tells the imports', () => {
    expect(failureOf(() => expect(SOURCE).not.toContainPythonImport('sys'))).toBe(
      'expect(python).not.toContainPythonImport(expected)\n\n' +
        'Expected: no import of module sys\nFound:\n  line 3: import sys as system',
    );
  });

  test('what is no text, or no Python, fails in both directions', () => {
    for (const [received, reason] of [
      [undefined, /received value must be a string of Python source/],
      ['import', /The received text is not valid Python/],
    ] as const) {
      expect(failureOf(() => expect(received).toContainPythonImport('os'))).toMatch(reason);
      expect(failureOf(() => expect(received).not.toContainPythonImport('os'))).toMatch(reason);
    }
  });

  test.each(rows([[''], ['import os'], ['a..b'], ['os', []], ['os', ['a, b']], ['os', ['a.b']]]))(
    'refuses $names of $module',
    ({ module, names }) => {
      expect(failureOf(() => expect(SOURCE).not.toContainPythonImport(module, names))).toMatch(
        /expected a (module|name) such as|names must be a list of at least one/,
      );
    },
  );

  test('a single name is refused by the types, and at run time', () => {
    // @ts-expect-error names is a list
    const assertion = () => expect(SOURCE).not.toContainPythonImport('typing', 'Any');
    expect(failureOf(assertion)).toContain('names must be a list');
  });
});
