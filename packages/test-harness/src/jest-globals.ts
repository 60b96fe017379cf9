/**
 * Registers the Python matchers on the `expect` of `@jest/globals`:
 * `import '@quorate/test-harness/jest-globals'`.
 *
 * @module
 */
import { expect } from '@jest/globals';
import { type PythonMatchers, pythonMatchers } from './python/matchers';

declare module 'expect' {
  interface Matchers<R extends void | Promise<void>, T = unknown> extends PythonMatchers<R> {}
}

expect.extend(pythonMatchers);
