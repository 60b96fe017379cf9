import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { writeLambdaCode } from '../../packages/etcd-lifecycle/src/lambda-code';

/** A folder with the function's code as it is deployed, for as long as it is used. */
export async function withFunctionCode<T>(use: (directory: string) => T | Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'quorate-bench-'));
  try {
    writeLambdaCode(directory);
    return await use(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/**
 * Runs a script of this folder in a fresh process and returns what it printed. The code's folder is
 * read-only in Lambda, so nothing compiled is kept here either.
 */
export function runPython<T>(
  script: string,
  args: readonly string[],
  code: string,
  environment: Readonly<Record<string, string>> = {},
): T {
  const output = execFileSync('python', [join(__dirname, script), ...args], {
    encoding: 'utf8',
    env: environmentOf(code, environment),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return JSON.parse(output) as T;
}

/** The same beside this process, which serves it meanwhile. */
export async function runPythonAside<T>(
  script: string,
  args: readonly string[],
  code: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<T> {
  const { stdout } = await promisify(execFile)('python', [join(__dirname, script), ...args], {
    encoding: 'utf8',
    env: environmentOf(code, environment),
  });
  return JSON.parse(stdout) as T;
}

/** The environment variables without which the function does not start. */
export function functionSettings(
  settings: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const names = [
    ...['CLUSTER', 'GROUP', 'LAUNCH_HOOK', 'TERMINATE_HOOK', 'TABLE'],
    ...['PARAMETER_PREFIX', 'DEAD_LETTER_QUEUE_URL'],
  ];
  return { ...Object.fromEntries(names.map((name) => [`QUORATE_${name}`, 'bench'])), ...settings };
}

function environmentOf(code: string, further: Readonly<Record<string, string>>) {
  return { ...process.env, PYTHONPATH: code, PYTHONDONTWRITEBYTECODE: '1', ...further };
}
