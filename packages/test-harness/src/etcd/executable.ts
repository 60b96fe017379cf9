import { execFile } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The version that `etcd --version` prints. */
export async function versionOf(path: string, env: NodeJS.ProcessEnv): Promise<string> {
  const { stdout } = await run(path, ['--version'], {
    env: environmentForEtcd(env),
    timeout: 10_000,
    killSignal: 'SIGKILL',
  }).catch((error: Error) => {
    throw new Error(`'${path} --version' failed: ${error.message.trim()}`, { cause: error });
  });
  const match = /etcd Version: (\S+)/.exec(stdout);
  if (!match?.[1]) {
    throw new Error(
      `'${path} --version' does not answer as etcd does, but: ${JSON.stringify(stdout.slice(0, 200))}`,
    );
  }
  return match[1];
}

/** The environment without `ETCD_...` variables, each of which etcd takes as a flag. */
export function environmentForEtcd(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('ETCD_')));
}

/** The executable of this name in the first directory of `PATH` that has one. */
export function findOnPath(name: string, env: NodeJS.ProcessEnv): string | undefined {
  return (env.PATH ?? '')
    .split(delimiter)
    .filter((directory) => isAbsolute(directory))
    .map((directory) => join(directory, name))
    .find(isExecutable);
}

/** Whether a path is that of a file that this process may execute. */
export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
