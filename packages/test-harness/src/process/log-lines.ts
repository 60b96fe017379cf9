import { readFileSync } from 'node:fs';
import { hasCode } from '../error-code';

/**
 * The lines of a log that are not blank; none if there is no such file.
 *
 * @param file - Its path.
 * @param offset - Where to begin, in bytes.
 */
export function logLines(file: string, offset = 0): string[] {
  let content: Buffer;
  try {
    content = readFileSync(file);
  } catch (error) {
    // Not written yet, or already removed.
    if (hasCode(error, 'ENOENT')) {
      return [];
    }
    throw error;
  }
  return content
    .subarray(offset)
    .toString('utf8')
    .split('\n')
    .filter((line) => line.trim() !== '');
}
