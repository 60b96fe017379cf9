import { describe, expect, test } from '@jest/globals';
import type { PythonFunctionExpectation } from '../../../src/python';
import '../../../src/jest-globals';
import { failureOf } from './failure';

const SOURCE = `\
"""def in_docstring(): pass"""
# def in_comment(): pass
TEXT = f"{'def in_text(): pass'}"
in_lambda = lambda x: x
def retry(operation, max_retries=3, base_delay=1.0, *, name="x", key=lambda e: e + 1, none=None, on=True):
    """Retries."""
    @functools.wraps(operation)
    def wrapper(*args, **kwargs): pass
    return wrapper
class Breaker:
    @staticmethod
    @cache
    async def call(a, b, /, c: int = -1, *rest, d={"k": [1]}, **others): pass
    def reset(self): pass
def reset[T](x: T, /): pass
`;

describe('toContainPythonFunction', () => {
  test.each(['retry', 'wrapper', 'retry.wrapper', 'call', 'Breaker.call', 'reset'])(
    'finds %s',
    (name) => {
      expect(SOURCE).toContainPythonFunction(name);
      expect(failureOf(() => expect(SOURCE).not.toContainPythonFunction(name))).toContain(
        `Expected: no function ${name}\nFound:\n  line `,
      );
    },
  );

  test.each([
    'in_docstring',
    'in_comment',
    'in_text',
    'in_lambda',
    'Breaker',
    'etry',
    'retry.call',
  ])('does not take %s for a function', (name) => {
    expect(SOURCE).not.toContainPythonFunction(name);
    expect(failureOf(() => expect(SOURCE).toContainPythonFunction(name))).toContain(
      `Expected: function ${name}\nFound: no function of that name; the closest of 5 functions:`,
    );
  });

  test('says what is there instead, with signatures', () => {
    expect(failureOf(() => expect(SOURCE).toContainPythonFunction('Breaker.cal'))).toContain(
      'the closest of 5 functions:\n' +
        "  line 13: @staticmethod @cache async def Breaker.call(a, b, /, c=-1, *rest, d={'k': [1]}, **others)\n",
    );
    expect(failureOf(() => expect('def f(): pass').toContainPythonFunction('g'))).toContain(
      'Found: no function of that name; there is:\n  line 1: def f()',
    );
  });

  test.each<[string, PythonFunctionExpectation]>([
    ['call', { async: true }],
    ['retry', { async: false }],
    [
      'retry',
      { parameters: ['operation', 'max_retries', 'base_delay', 'name', 'key', 'none', 'on'] },
    ],
    [
      'retry',
      { parameters: ['operation', 'max_retries', 'base_delay', '*', 'name', 'key', 'none', 'on'] },
    ],
    ['call', { parameters: ['a', 'b', '/', 'c', '*rest', 'd', '**others'] }],
    ['call', { parameters: ['a', 'b', 'c', '*rest', 'd', '**others'] }],
    ['Breaker.reset', { parameters: ['self'], decorators: [], docstring: false }],
    ['wrapper', { parameters: ['*args', '**kwargs'], decorators: ['functools.wraps'] }],
    ['wrapper', { decorators: ['@functools.wraps( operation )'] }],
    ['call', { decorators: ['staticmethod', 'cache'] }],
    ['retry', { defaults: { max_retries: 3, base_delay: 1, none: null, on: true } }],
    ['retry', { defaults: { base_delay: '1.0', name: "'x'", key: 'lambda e:e+1', none: 'None' } }],
    ['call', { defaults: { c: -1, d: "{'k':[1]}" } }],
    ['retry', { docstring: 'Retries.' }],
    ['retry', { docstring: /retries/i, async: false, decorators: [] }],
    ['reset', { parameters: ['x', '/'] }],
  ])('%s has %j', (name, expected) => {
    expect(SOURCE).toContainPythonFunction(name, expected);
    expect(failureOf(() => expect(SOURCE).not.toContainPythonFunction(name, expected))).toContain(
      '\nFound:\n',
    );
  });

  test.each<[string, PythonFunctionExpectation, string]>([
    ['call', { async: false }, 'kind: expected def, found async def'],
    ['retry', { async: true }, 'kind: expected async def, found def'],
    [
      'wrapper',
      { parameters: ['args', 'kwargs'] },
      'parameters: expected (args, kwargs), found (*args, **kwargs)',
    ],
    ['wrapper', { parameters: [] }, 'parameters: expected (), found (*args, **kwargs)'],
    [
      'Breaker.reset',
      { parameters: ['self', 'x'] },
      'parameters: expected (self, x), found (self)',
    ],
    [
      'call',
      { parameters: ['a', '/', 'b', 'c', '*rest', 'd', '**others'] },
      'found (a, b, /, c, *rest, d, **others)',
    ],
    ['retry', { defaults: { max_retries: 5 } }, 'default of max_retries: expected 5, found 3'],
    ['retry', { defaults: { operation: 5 } }, 'default of operation: expected 5, it has none'],
    [
      'retry',
      { defaults: { other: 5 } },
      'default of other: expected 5, there is no such parameter',
    ],
    ['retry', { defaults: { name: 'x' } }, "default of name: expected x, found 'x'"],
    ['retry', { defaults: { on: 1 } }, 'default of on: expected 1, found True'],
    [
      'call',
      { decorators: ['cache', 'staticmethod'] },
      'expected cache, staticmethod, found staticmethod, cache',
    ],
    ['call', { decorators: ['cache'] }, 'decorators: expected cache, found staticmethod, cache'],
    ['call', { decorators: [] }, 'decorators: expected none, found staticmethod, cache'],
    ['retry', { decorators: ['cache'] }, 'decorators: expected cache, found none'],
    [
      'wrapper',
      { decorators: ['functools'] },
      'expected functools, found functools.wraps(operation)',
    ],
    ['wrapper', { docstring: true }, 'docstring: expected one, there is none'],
  ])('%s has not %j', (name, expected, message) => {
    expect(SOURCE).not.toContainPythonFunction(name, expected);
    const failure = failureOf(() => expect(SOURCE).toContainPythonFunction(name, expected));
    expect(failure).toContain('Found, but different:\n  line ');
    expect(failure).toContain(message);
  });

  test('a message names all that was expected and all that differs', () => {
    const assertion = () =>
      expect(SOURCE).toContainPythonFunction('wrapper', {
        async: true,
        parameters: ['x', '*args'],
        defaults: { x: null },
        decorators: [],
        docstring: /^Wraps/,
      });
    expect(failureOf(assertion)).toBe(
      'expect(python).toContainPythonFunction(expected)\n\n' +
        'Expected: async function wrapper with parameters (x, *args), defaults x=None, decorators (none), a docstring that matches /^Wraps/\n' +
        'Found, but different:\n' +
        '  line 8: @functools.wraps(operation) def retry.wrapper(*args, **kwargs)\n' +
        '    kind: expected async def, found def\n' +
        '    parameters: expected (x, *args), found (*args, **kwargs)\n' +
        '    default of x: expected None, there is no such parameter\n' +
        '    decorators: expected none, found functools.wraps(operation)\n' +
        '    docstring: expected a match of /^Wraps/, there is none',
    );
  });

  test('one of several of the name is enough', () => {
    expect(SOURCE).toContainPythonFunction('reset', { parameters: ['self'] });
    expect(SOURCE).toContainPythonFunction('reset', { parameters: ['x'] });
    expect(SOURCE).not.toContainPythonFunction('Breaker.reset', { parameters: ['x'] });
  });

  test('expectations that no function can meet are refused', () => {
    expect(
      failureOf(() => expect(SOURCE).not.toContainPythonFunction('retry', { parameters: ['a=1'] })),
    ).toContain("got 'a=1'; defaults are compared by the option defaults");
    expect(
      failureOf(() =>
        expect(SOURCE).not.toContainPythonFunction('retry', { defaults: { name: 'x y' } }),
      ),
    ).toContain('not valid Python');
    expect(
      failureOf(() =>
        expect(SOURCE).not.toContainPythonFunction('retry', { defaults: { name: Number.NaN } }),
      ),
    ).toContain('a finite number');
  });

  test('what is no text, or no Python, fails in both directions', () => {
    for (const [received, reason] of [
      [null, /received value must be a string of Python source/],
      ['def f(', /The received text is not valid Python/],
    ] as const) {
      expect(failureOf(() => expect(received).toContainPythonFunction('f'))).toMatch(reason);
      expect(failureOf(() => expect(received).not.toContainPythonFunction('f'))).toMatch(reason);
    }
  });

  test('a wrong option is refused by the types, and at run time', () => {
    // @ts-expect-error the option is parameters
    const assertion = () => expect(SOURCE).not.toContainPythonFunction('retry', { params: ['a'] });
    expect(failureOf(assertion)).toContain(
      'unknown option params; there are: parameters, defaults',
    );
  });
});
