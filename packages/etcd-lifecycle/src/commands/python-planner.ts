import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { UsageError } from './command';

/** The Python that is deployed as the function; the same folder in sources and published package. */
const LAMBDA_DIRECTORY = join(__dirname, '..', '..', 'lambda');

/** Looks at its own version first, as an older Python does not even parse what follows. */
const PROGRAM = `
import runpy, sys
if sys.version_info < (3, 10):
    sys.exit("it is Python %d.%d, and 3.10 or newer is needed" % sys.version_info[:2])
runpy.run_module("etcd_lifecycle.dry_run", run_name="__main__")
`;

/**
 * Has the planner of the function decide on a recorded view, on this machine.
 *
 * @param recording what was seen, the policy and the time, as `plan` records them
 * @param python the interpreter
 * @returns the decision
 * @throws UsageError if it is no recording, or the interpreter cannot be used
 */
export async function decideOnRecording<T>(recording: unknown, python: string): Promise<T> {
  const child = spawn(python, ['-c', PROGRAM], {
    env: {
      ...process.env,
      PYTHONPATH: LAMBDA_DIRECTORY,
      // The package may be where nobody but its owner may write.
      PYTHONDONTWRITEBYTECODE: '1',
    },
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  // It may end before it has read everything.
  child.stdin.on('error', () => undefined);
  child.stdin.end(JSON.stringify(recording));
  let exitCode: number | null;
  let stdout: string;
  let stderr: string;
  try {
    [exitCode, stdout, stderr] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
  } catch (cause) {
    throw new UsageError(
      `"${python}" cannot be run (${(cause as Error).message}): install Python 3.10 or newer, or ` +
        'name it by --python',
      { cause },
    );
  }
  if (exitCode !== 0) {
    throw new UsageError(`"${python}" did not decide: ${stderr.trim()}`);
  }
  return JSON.parse(stdout);
}
