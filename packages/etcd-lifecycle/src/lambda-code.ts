import { readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { getPythonRetryUtils, type PythonRetryFeature } from '@quorate/python-retry';
import { Token } from 'aws-cdk-lib';
import type { Code } from 'aws-cdk-lib/aws-lambda';
import { packageFolder } from './package-folder';
import { type CodeFiles, FilesCode, writeFiles } from './private/files-code';

/** What the Python uses of the retry utilities. */
const RETRY_FEATURES: readonly PythonRetryFeature[] = ['breaker', 'store', 'aws'];

/** The module for wiring by hand; it reads the cluster's name from a file beside it. */
const ENTRY = 'index.py';

/** The handler of the function that runs the code of `createEtcdLifecycleLambdaCode`. */
export const ETCD_LIFECYCLE_HANDLER = 'etcd_lifecycle.handler.handle';

/** A cluster's name, as the construct takes it too. */
const CLUSTER_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;

/**
 * The code of the lifecycle function, for those who wire the function themselves.
 *
 * It is the Python package `etcd_lifecycle` with the retry utilities of `@quorate/python-retry`
 * beside it. It needs Python 3.10 or newer and boto3, which the Lambda runtimes bring along. The
 * environment variables that the handler reads are listed in the package's README; the construct
 * `EtcdLifecycle` sets them all.
 *
 * With a name, it takes the place of code by that function's namesake in wiring of before: its handler
 * is `index.handler`, and it understands `CLUSTER_NAME` and `CONTROL_PLANE_ASG_NAME`. What else must
 * change is in the project's `docs/migration.md`.
 *
 * @param clusterName - The cluster's name. Default: the one that `QUORATE_CLUSTER` tells; the handler
 * is `ETCD_LIFECYCLE_HANDLER` then.
 * @returns an asset, a new one each time; the same sources and name give the same hash
 * @throws Error if the name is none, or is not known yet.
 */
export function createEtcdLifecycleLambdaCode(clusterName?: string): Code {
  if (clusterName !== undefined && !CLUSTER_NAME.test(clusterName)) {
    throw new Error(
      Token.isUnresolved(clusterName)
        ? 'createEtcdLifecycleLambdaCode(): the name of the cluster is only known when the stack is ' +
            'deployed, and the code is made before: give it as plain text, or leave it out and set ' +
            'QUORATE_CLUSTER'
        : `createEtcdLifecycleLambdaCode(): "${clusterName}" must be 1 to 64 letters, digits, "-", ` +
            '"_" or ".", starting with a letter or digit',
    );
  }
  return new FilesCode(() => lambdaFiles(clusterName));
}

/**
 * Writes what is deployed into a folder.
 *
 * @param clusterName - The cluster's name, for `index.py`; without it there is none.
 * @internal
 */
export function writeLambdaCode(directory: string, clusterName?: string): void {
  writeFiles(directory, lambdaFiles(clusterName));
}

/** What is deployed: sources only, so that a cache or a note beside them changes nothing. */
function lambdaFiles(clusterName: string | undefined): CodeFiles {
  const sources = packageFolder('lambda');
  const names = readdirSync(sources, { encoding: 'utf8', recursive: true });
  const files = new Map<string, string | Uint8Array>(
    names
      .filter((name) => name.endsWith('.py') && (clusterName || name !== ENTRY))
      .map((name) => [name.split(sep).join('/'), readFileSync(join(sources, name))]),
  );
  files.set('python_retry.py', getPythonRetryUtils({ features: RETRY_FEATURES }));
  if (clusterName) {
    files.set('cluster-name.txt', `${clusterName}\n`);
  }
  return files;
}
