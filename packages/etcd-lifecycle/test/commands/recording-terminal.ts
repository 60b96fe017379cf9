import { runCommandLine } from '../../src/commands/command-line';
import type { Terminal } from '../../src/commands/terminal';

/** What a run of the command line ended with. */
export interface CommandResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

/**
 * Runs the command line in this process.
 *
 * @param environment environment variables that it sees, besides this process's own
 * @param answers what is typed when it asks
 */
export async function runCommand(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  answers: readonly string[] = [],
): Promise<CommandResult> {
  const written = { stdout: '', stderr: '' };
  const left = [...answers];
  const terminal: Terminal = {
    out: (text) => {
      written.stdout += text;
    },
    err: (text) => {
      written.stderr += text;
    },
    ask: async (question) => {
      written.stderr += question;
      return left.shift();
    },
  };
  const before = { ...process.env };
  Object.assign(process.env, environment);
  try {
    return { exitCode: await runCommandLine(args, terminal), ...written };
  } finally {
    for (const name of Object.keys(environment)) {
      delete process.env[name];
    }
    Object.assign(process.env, before);
  }
}
