import { describe, expect, test } from '@jest/globals';
import '../../../src/jest-globals';
import { failureOf } from './failure';

const SOURCE = `\
"""class InDocstring: pass"""
# class InComment: pass
TEXT = "class InText: pass"
@dataclass(frozen=True)
class Breaker(Base, Generic[T], metaclass = Meta):
    """Guards calls.

    State is kept.
    """
    def call(self): pass
    if True:
        async def call_async(self): pass
    class Open(Exception): 'Is open.'
def factory():
    class Local: pass
    return Local
match x:
    case 1:
        class Open[T]: pass
`;

describe('toContainPythonClass', () => {
  test.each(['Breaker', 'Open', 'Breaker.Open', 'Local', 'factory.Local'])('finds %s', (name) => {
    expect(SOURCE).toContainPythonClass(name);
    expect(failureOf(() => expect(SOURCE).not.toContainPythonClass(name))).toContain(
      `Expected: no class ${name}\nFound:\n  line `,
    );
  });

  test.each([
    'InDocstring',
    'InComment',
    'InText',
    'factory',
    'call',
    'Break',
    'reaker',
    'Other.Open',
  ])('does not take %s for a class', (name) => {
    expect(SOURCE).not.toContainPythonClass(name);
    expect(failureOf(() => expect(SOURCE).toContainPythonClass(name))).toContain(
      `Expected: class ${name}\nFound: no class of that name; the closest of 4 classes:`,
    );
  });

  test('says what is there instead, the closest name first, and where the word stands', () => {
    expect(failureOf(() => expect(SOURCE).toContainPythonClass('InText'))).toBe(
      'expect(python).toContainPythonClass(expected)\n\n' +
        'Expected: class InText\n' +
        'Found: no class of that name; the closest of 4 classes:\n' +
        '  line 19: class Open\n' +
        '  line 5: class Breaker(Base, Generic[T], metaclass=Meta)\n' +
        '  line 13: class Breaker.Open(Exception)\n' +
        '  line 15: class factory.Local\n' +
        "'InText' is on line 3, but not as the name of a class",
    );
    expect(failureOf(() => expect(SOURCE).toContainPythonClass('Braeker'))).toMatch(
      /the closest of 4 classes:\n {2}line 5: class Breaker\(/,
    );
    expect(failureOf(() => expect('x = 1').toContainPythonClass('A'))).toContain(
      'Found: no class at all',
    );
  });

  test('bases are compared in order and in full, spelling aside', () => {
    expect(SOURCE).toContainPythonClass('Breaker', { bases: ['Base', 'Generic[ T ]'] });
    expect(SOURCE).toContainPythonClass('Local', { bases: [] });
    expect(SOURCE).not.toContainPythonClass('Breaker', { bases: ['Generic[T]', 'Base'] });
    expect(SOURCE).not.toContainPythonClass('Breaker', { bases: ['Base'] });
    expect(SOURCE).not.toContainPythonClass('Breaker', { bases: [] });
    expect(
      failureOf(() => expect(SOURCE).toContainPythonClass('Breaker', { bases: ['Base'] })),
    ).toBe(
      'expect(python).toContainPythonClass(expected)\n\n' +
        'Expected: class Breaker with bases (Base)\n' +
        'Found, but different:\n' +
        '  line 5: class Breaker(Base, Generic[T], metaclass=Meta)\n' +
        '    bases: expected (Base), found (Base, Generic[T])',
    );
  });

  test('methods are those of the class itself, among others', () => {
    expect(SOURCE).toContainPythonClass('Breaker', { methods: ['call_async', 'call'] });
    expect(SOURCE).not.toContainPythonClass('Breaker', { methods: ['call', 'Open'] });
    expect(
      failureOf(() =>
        expect(SOURCE).toContainPythonClass('Breaker', { methods: ['call', 'reset'] }),
      ),
    ).toContain('    methods: missing reset; it has call, call_async');
    expect(
      failureOf(() => expect(SOURCE).toContainPythonClass('Local', { methods: ['a'] })),
    ).toContain('methods: missing a; it has none');
  });

  test.each([
    true,
    'Guards calls.\n\nState is kept.',
    '  Guards calls.\n\nState is kept.\n',
    /^Guards/,
    /kept\.$/g,
  ])('the docstring is %p', (docstring) => {
    expect(SOURCE).toContainPythonClass('Breaker', { docstring });
    expect(SOURCE).not.toContainPythonClass('Local', { docstring });
  });

  test.each([
    [false, 'docstring: expected none, found "Guards calls.\\n\\nState is kept."'],
    [
      'Guards calls.',
      'docstring: expected "Guards calls.", found "Guards calls.\\n\\nState is kept."',
    ],
    [
      /^State/,
      'docstring: expected a match of /^State/, found "Guards calls.\\n\\nState is kept."',
    ],
  ])('the docstring is not %p', (docstring, message) => {
    expect(SOURCE).not.toContainPythonClass('Breaker', { docstring });
    expect(
      failureOf(() => expect(SOURCE).toContainPythonClass('Breaker', { docstring })),
    ).toContain(message);
  });

  test('one of several of the name is enough; all are told if none fits', () => {
    expect(SOURCE).toContainPythonClass('Open', { bases: [] });
    expect(SOURCE).toContainPythonClass('Open', { bases: ['Exception'] });
    const message = failureOf(() => expect(SOURCE).toContainPythonClass('Open', { bases: ['X'] }));
    expect(message).toMatch(
      /line 13: class Breaker\.Open\(Exception\)\n.*\n {2}line 19: class Open\n/,
    );
  });

  test('negated, tells the one that fits only', () => {
    expect(
      failureOf(() => expect(SOURCE).not.toContainPythonClass('Open', { docstring: true })),
    ).toBe(
      'expect(python).not.toContainPythonClass(expected)\n\n' +
        'Expected: no class Open with a docstring\n' +
        'Found:\n  line 13: class Breaker.Open(Exception)',
    );
  });

  test('a text that is no Python fails in both directions', () => {
    const reason =
      /The received text is not valid Python:\nline 1, column \d+: .*\n {2}1 \| class A\(:/;
    expect(failureOf(() => expect('class A(:').toContainPythonClass('A'))).toMatch(reason);
    expect(failureOf(() => expect('class A(:').not.toContainPythonClass('B'))).toMatch(reason);
  });

  test('what is no text fails in both directions', () => {
    const reason =
      /received value must be a string of Python source\nReceived has type: {2}number\nReceived has value: 1/;
    expect(failureOf(() => expect(1).toContainPythonClass('A'))).toMatch(reason);
    expect(failureOf(() => expect(1).not.toContainPythonClass('A'))).toMatch(reason);
  });

  test.each(['', 'a b', 'class A', '1a', 'a..b', '.a'])('the name %p is refused', (name) => {
    expect(failureOf(() => expect(SOURCE).not.toContainPythonClass(name))).toContain(
      "expected a name such as 'Outer' or 'Outer.inner'",
    );
  });

  test('a wrong option or value is refused by the types, and an unknown option at run time', () => {
    // @ts-expect-error there is no such option
    const unknown = () => expect(SOURCE).not.toContainPythonClass('Breaker', { base: ['Base'] });
    // @ts-expect-error bases is a list
    const wrong = () => expect(SOURCE).toContainPythonClass('Breaker', { bases: 'Base' });
    expect(failureOf(unknown)).toContain(
      'unknown option base; there are: bases, methods, docstring',
    );
    expect(failureOf(wrong)).not.toBe('');
  });
});
