import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { getPythonRetryUtils, type PythonRetryFeature } from '@quorate/python-retry';
import { AssetHashType, DockerImage } from 'aws-cdk-lib';
import { Code } from 'aws-cdk-lib/aws-lambda';
import { packageFolder } from './package-folder';

/** What the Python uses of the retry utilities. */
const RETRY_FEATURES: readonly PythonRetryFeature[] = ['breaker', 'store', 'aws'];

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
 * @returns an asset, a new one each time; the same sources give the same hash
 */
export function createEtcdLifecycleLambdaCode(): Code {
  return Code.fromAsset(packageFolder('lambda'), {
    // Of what is deployed, so that a cache beside the sources changes nothing.
    assetHashType: AssetHashType.OUTPUT,
    bundling: {
      // CDK asks for an image, but takes it only when the local bundling declines. This one never does.
      image: DockerImage.fromRegistry('scratch'),
      local: {
        tryBundle(directory: string): boolean {
          writeLambdaCode(directory);
          return true;
        },
      },
    },
  });
}

/**
 * Writes what is deployed into a folder.
 *
 * @internal
 */
export function writeLambdaCode(directory: string): void {
  const sources = packageFolder('lambda');
  const files = readdirSync(sources, { encoding: 'utf8', recursive: true });
  for (const file of files.filter((name) => name.endsWith('.py'))) {
    const target = join(directory, file);
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(join(sources, file), target);
  }
  writeFileSync(
    join(directory, 'python_retry.py'),
    getPythonRetryUtils({ features: RETRY_FEATURES }),
  );
}
