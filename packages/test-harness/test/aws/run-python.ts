import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { defaultPython } from '../../src/python';

/** Directory of the package's Python files. */
export const PYTHON_DIRECTORY = join(__dirname, '..', '..', 'python');

/** What a Python program answered. */
export interface PythonResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the interpreter of the project's virtual environment. */
export async function runPython(
  args: readonly string[],
  options: { readonly env?: Readonly<Record<string, string>>; readonly input?: string } = {},
): Promise<PythonResult> {
  const child = spawn(defaultPython().executable, args, {
    env: { PATH: process.env.PATH ?? '', ...options.env },
    stdio: 'pipe',
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  child.stdin.end(options.input ?? '');
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => resolve({ status, stdout, stderr }));
  });
}
