import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Makes a directory, and those above it that are missing.
 *
 * `mkdirSync(..., { recursive: true })` of Node.js never returns where the system says ENOENT although
 * the directory above is there, as it does below `/proc`: it makes the two again and again.
 *
 * @throws Error if it cannot be made
 */
export function makeDirectory(directory: string): void {
  if (existsSync(directory)) {
    return;
  }
  const above = dirname(directory);
  if (above !== directory) {
    makeDirectory(above);
  }
  try {
    mkdirSync(directory);
  } catch (cause) {
    // Another process may have made it meanwhile.
    if (!existsSync(directory)) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`cannot make the directory ${directory}: ${reason}; give another`, { cause });
    }
  }
}
