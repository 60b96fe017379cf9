import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * The Python interpreter whose packages the harness uses: the argument, else the environment
 * variable `QUORATE_PYTHON`, else `.venv/bin/python` of the nearest ancestor of the working directory.
 *
 * @throws Error if none is found.
 */
export function findPython(python?: string): string {
  const given = python ?? process.env.QUORATE_PYTHON;
  if (given) {
    return given;
  }
  for (let directory = process.cwd(); ; directory = dirname(directory)) {
    const candidate = join(directory, '.venv', 'bin', 'python');
    if (existsSync(candidate)) {
      return candidate;
    }
    if (directory === dirname(directory)) {
      throw new Error(
        `No Python environment: neither the option 'python' nor QUORATE_PYTHON is set, and no ` +
          `directory from ${process.cwd()} upward has .venv/bin/python`,
      );
    }
  }
}
