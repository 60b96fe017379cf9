/**
 * Registers the Python matchers on the global `expect` of jest: `import '@quorate/test-harness/jest'`.
 *
 * @module
 */
import { type PythonMatchers, pythonMatchers } from './python/matchers';

declare global {
  namespace jest {
    // biome-ignore lint: an augmentation repeats the type parameters of @types/jest
    interface Matchers<R, T = {}> extends PythonMatchers<R> {}
  }
}

const { expect } = globalThis as { expect?: { extend(matchers: typeof pythonMatchers): void } };
if (!expect) {
  throw new Error(
    "there is no global `expect`: import '@quorate/test-harness/jest' from a file that jest runs " +
      "(a test or setupFilesAfterEnv); with injectGlobals off, import '@quorate/test-harness/jest-globals'",
  );
}
expect.extend(pythonMatchers);
