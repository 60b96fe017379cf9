import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getPythonRetryUtils } from '../../packages/python-retry/src';

const LAMBDA = join(__dirname, '..', '..', 'packages', 'etcd-lifecycle', 'lambda');

/** A folder with the function's code as it is deployed, for as long as it is used. */
export async function withFunctionCode<T>(use: (directory: string) => T | Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'quorate-bench-'));
  try {
    cpSync(LAMBDA, directory, {
      recursive: true,
      filter: (source) => !source.includes('__pycache__'),
    });
    writeFileSync(join(directory, 'python_retry.py'), getPythonRetryUtils());
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
    env: { ...process.env, PYTHONPATH: code, PYTHONDONTWRITEBYTECODE: '1', ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return JSON.parse(output) as T;
}
