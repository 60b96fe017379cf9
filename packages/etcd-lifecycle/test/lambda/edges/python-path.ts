import { join } from 'node:path';
import { PythonRunner, type PythonRunnerOptions } from '@quorate/test-harness';

const PACKAGES = join(__dirname, '..', '..', '..', '..');

/** Where the drivers of these tests are. */
const DRIVERS = join(__dirname, 'python');

/** What the drivers import, apart from packages of the interpreter: the Lambda's own code. */
export const LAMBDA_PATH = [
  join(PACKAGES, 'etcd-lifecycle', 'lambda'),
  join(PACKAGES, 'python-retry', 'python'),
];

/** Starts a driver of these tests: a module of the folder `python`, which calls the Lambda's own code. */
export function startDriver(
  module: string,
  options: Omit<PythonRunnerOptions, 'source' | 'directory' | 'module'> = {},
): Promise<PythonRunner> {
  return PythonRunner.start({
    pythonPath: LAMBDA_PATH,
    timeoutMs: 20_000,
    ...options,
    directory: DRIVERS,
    module,
  });
}
