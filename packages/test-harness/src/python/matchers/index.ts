import type { PythonSyntaxOptions } from '../syntax';
import { toBeValidPython } from './to-be-valid-python';
import { type PythonClassExpectation, toContainPythonClass } from './to-contain-python-class';
import {
  type PythonFunctionExpectation,
  toContainPythonFunction,
} from './to-contain-python-function';
import { toContainPythonImport } from './to-contain-python-import';

export type { DocstringExpectation, MatcherResult } from './support';
export type { PythonClassExpectation } from './to-contain-python-class';
export type { PythonDefault, PythonFunctionExpectation } from './to-contain-python-function';

/**
 * The matchers for texts of Python.
 *
 * They parse: a name in a string, docstring or comment does not count; definitions at any depth do.
 * All but `toBeValidPython` fail on a text that is not Python, also with `.not`.
 */
export interface PythonMatchers<R> {
  /**
   * The text compiles, on Python 3.14 unless another version is named.
   *
   * ```ts
   * expect(source).toBeValidPython({ pythonVersion: '3.10' });
   * ```
   */
  toBeValidPython(options?: PythonSyntaxOptions): R;
  /**
   * The text defines a class. The name may be qualified by what is around it: `Outer.Inner`.
   *
   * ```ts
   * expect(source).toContainPythonClass('Breaker', { bases: ['Base'], methods: ['call'], docstring: true });
   * ```
   */
  toContainPythonClass(name: string, expected?: PythonClassExpectation): R;
  /**
   * The text defines a function or method. The name may be qualified: `Breaker.call`.
   *
   * ```ts
   * expect(source).toContainPythonFunction('retry', {
   *   parameters: ['operation', '*', 'max_delay'],
   *   defaults: { max_delay: 60 },
   *   async: false,
   *   decorators: [],
   *   docstring: /^Retries/,
   * });
   * ```
   */
  toContainPythonFunction(name: string, expected?: PythonFunctionExpectation): R;
  /**
   * The text imports a module in either form, with its dots if relative; or, with names, has all of
   * them in `from module import ...`. `a` stands for `a as b` too, `*` for itself only.
   *
   * ```ts
   * expect(source).toContainPythonImport('typing', ['Any', 'Callable as Function']);
   * ```
   */
  toContainPythonImport(module: string, names?: readonly string[]): R;
}

/** The implementations, for `expect.extend()`. */
export const pythonMatchers = {
  toBeValidPython,
  toContainPythonClass,
  toContainPythonFunction,
  toContainPythonImport,
};
