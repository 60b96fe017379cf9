import { describe, expect, test } from '@jest/globals';
import '../../../src/jest-globals';
import { failureOf } from './failure';

describe('toBeValidPython', () => {
  test('passes for what compiles', () => {
    expect('def f(a, /, *, b): return f"{a!r}"').toBeValidPython();
    expect('').toBeValidPython();
  });

  test('fails for what does not, with line, column and the line itself', () => {
    expect(failureOf(() => expect('x = 1\ndef f(:\n  pass\n').toBeValidPython())).toBe(
      'expect(python).toBeValidPython(expected)\n\n' +
        'Expected: valid Python\n' +
        'Received: 2 syntax errors\n' +
        'line 2, column 7: Expected a parameter or the end of the parameter list\n' +
        '  2 | def f(:\n' +
        '    |       ^\n' +
        'line 2, column 8: Expected `)`, found newline\n' +
        '  2 | def f(:\n' +
        '    |        ^',
    );
  });

  test('negated, passes for what does not compile and fails for what does', () => {
    expect('return 1').not.toBeValidPython();
    expect(failureOf(() => expect('x = 1\ny = 2').not.toBeValidPython())).toBe(
      'expect(python).not.toBeValidPython(expected)\n\n' +
        'Expected: no valid Python\n' +
        'Received: valid Python, 2 lines',
    );
  });

  test('checks for the version that is named', () => {
    const source = 'type X = int';
    expect(source).toBeValidPython({ pythonVersion: '3.12' });
    expect(source).not.toBeValidPython({ pythonVersion: '3.10' });
    expect(failureOf(() => expect(source).toBeValidPython({ pythonVersion: '3.10' }))).toMatch(
      /Expected: valid Python 3\.10\n.*\nline 1, column 1: .*Python 3\.12/,
    );
  });

  test.each([undefined, null, 1, ['x'], Buffer.from('x')])(
    'refuses %p in both directions',
    (received) => {
      const reason = /received value must be a string of Python source/;
      expect(failureOf(() => expect(received).toBeValidPython())).toMatch(reason);
      expect(failureOf(() => expect(received).not.toBeValidPython())).toMatch(reason);
    },
  );

  test('works on promises', async () => {
    await expect(Promise.resolve('x = 1')).resolves.toBeValidPython();
    await expect(Promise.resolve('x =')).resolves.not.toBeValidPython();
  });

  test('an unknown option is refused', () => {
    const options = { version: '3.10' };
    // @ts-expect-error the option is pythonVersion
    expect(failureOf(() => expect('').toBeValidPython(options))).toContain(
      'unknown option version; there are: pythonVersion',
    );
  });
});
