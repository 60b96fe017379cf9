import { cpSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { getPythonRetryUtils } from '@quorate/python-retry';
import { FileSystem } from 'aws-cdk-lib';
import { Code } from 'aws-cdk-lib/aws-lambda';

/** The Python that is deployed; the same folder in the sources and in the published package. */
const LAMBDA_DIRECTORY = join(__dirname, '..', 'lambda');

/** The handler of the function that runs the code of `createEtcdLifecycleLambdaCode`. */
export const ETCD_LIFECYCLE_HANDLER = 'etcd_lifecycle.handler.handle';

/**
 * The code of the lifecycle function, for those who wire the function themselves.
 *
 * It is the Python package `etcd_lifecycle` with the retry utilities of `@quorate/python-retry`
 * beside it. It needs Python 3.10 or newer and boto3, which the Lambda runtimes bring along. The
 * environment variables that the handler reads are listed in the package's README; the construct
 * `EtcdLifecycle` sets them all.
 *
 * @returns an asset; the same sources give the same hash
 */
export function createEtcdLifecycleLambdaCode(): Code {
  const directory = FileSystem.mkdtemp('quorate-lambda-');
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  cpSync(LAMBDA_DIRECTORY, directory, {
    recursive: true,
    filter: (source) => !source.endsWith('__pycache__'),
  });
  writeFileSync(join(directory, 'python_retry.py'), getPythonRetryUtils());
  return Code.fromAsset(directory);
}
