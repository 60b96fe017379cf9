// Writes the module into a directory: `write-into.ts DIRECTORY`. On an error its message is written to
// the standard error, and the exit code is 1.
import { writePythonRetry } from '../src';

const [directory = ''] = process.argv.slice(2);
try {
  writePythonRetry(directory);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
