import { join } from 'node:path';

const PACKAGES = join(__dirname, '..', '..', '..', '..');

/** Where the drivers of these tests are. */
export const DRIVERS = join(__dirname, 'python');

/** What the drivers import, apart from packages of the interpreter: the Lambda's own code. */
export const LAMBDA_PATH = [
  join(PACKAGES, 'etcd-lifecycle', 'lambda'),
  join(PACKAGES, 'python-retry', 'python'),
];
