import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** How to run a command. */
export interface CommandOptions {
  readonly cwd: string;
  readonly environment: NodeJS.ProcessEnv;
  /** Whether its output is shown while it runs. It is quoted in the error when it fails. */
  readonly verbose: boolean;
}

/**
 * Runs a command to its end.
 *
 * @returns what it wrote
 * @throws Error with its output if it fails
 */
export async function runCommand(
  command: string,
  args: readonly string[],
  { cwd, environment, verbose }: CommandOptions,
): Promise<string> {
  const child = spawn(command, args, { cwd, env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
  const chunks: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      chunks.push(chunk);
      if (verbose) {
        process.stderr.write(chunk);
      }
    });
  }
  const [code, signal] = await once(child, 'close');
  if (code !== 0) {
    const how = signal ? `was ended by ${signal}` : `ended with exit code ${code}`;
    throw new Error(`"${command} ${args.join(' ')}" in ${cwd} ${how}:\n${chunks.join('')}`);
  }
  return chunks.join('');
}
