// The other test files use the `expect` of @jest/globals; this one uses the global one, as jest sets it.
import '../../../src/jest';
import type { PythonMatchers } from '../../../src/python';
import { failureOf } from './failure';

type Expectation = jest.Matchers<void, string> & { readonly not: jest.Matchers<void, string> };
const { expect: globalExpect, test: globalTest } = globalThis as unknown as {
  readonly expect: (received: string) => Expectation;
  readonly test: (title: string, body: () => void) => void;
};

globalTest('the matchers are registered on the global expect, in both directions', () => {
  const source = 'import os\nclass A: pass\ndef f(): pass';
  const matchers: PythonMatchers<void> = globalExpect(source);
  matchers.toBeValidPython();
  globalExpect(source).toContainPythonClass('A', { bases: [] });
  globalExpect(source).not.toContainPythonClass('B');
  globalExpect(source).toContainPythonFunction('f', { async: false });
  globalExpect(source).toContainPythonImport('os');
  const failure = failureOf(() => globalExpect(source).toContainPythonImport('sys'));
  if (!failure.includes('line 1: import os')) {
    throw new Error(`unexpected message: ${failure}`);
  }
});

globalTest('a wrong option is refused by the types, and at run time', () => {
  // @ts-expect-error there is no such option
  failureOf(() => globalExpect('class A: pass').toContainPythonClass('A', { base: [] }));
});
