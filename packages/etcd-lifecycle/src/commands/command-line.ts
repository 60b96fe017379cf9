import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, ExitCode, RefusedError, UsageError } from './command';
import { DEFRAGMENT } from './defragment';
import { HISTORY } from './history';
import { OVERRIDE } from './override';
import { PLAN } from './plan';
import { RECOVER } from './recover';
import type { Terminal } from './terminal';

const PROGRAM = 'etcd-lifecycle';

const COMMANDS: readonly Command[] = [PLAN, HISTORY, RECOVER, OVERRIDE, DEFRAGMENT];

const HELP = `Usage: ${PROGRAM} <command> [options]

Shows and mends what the construct EtcdLifecycle looks after.

Commands:
${COMMANDS.map(({ name, summary }) => `  ${name.padEnd(11)} ${summary}`).join('\n')}

"${PROGRAM} <command> --help" shows the options of a command, "--version" the version. Credentials and Region are found as the
AWS SDK finds them: environment variables such as AWS_PROFILE and AWS_REGION, or its files.

Exit codes: 0 done, 1 failed, 2 not understood, 3 refused as it is not safe or not confirmed (then
nothing was changed).
`;

/**
 * Runs the command line.
 *
 * @param args the arguments, without those that started Node
 * @param terminal where it writes to, and whom it asks
 * @returns the exit code; errors are written, not thrown
 */
export async function runCommandLine(
  args: readonly string[],
  terminal: Terminal,
): Promise<ExitCode> {
  const [name, ...rest] = args;
  if (name === undefined) {
    terminal.err(HELP);
    return ExitCode.USAGE;
  }
  if (name === '--help' || name === 'help') {
    terminal.out(HELP);
    return ExitCode.DONE;
  }
  if (name === '--version') {
    terminal.out(`${readVersion()}\n`);
    return ExitCode.DONE;
  }
  const command = COMMANDS.find((one) => one.name === name);
  if (!command) {
    terminal.err(`${PROGRAM}: there is no command "${name}"\nTry "${PROGRAM} --help".\n`);
    return ExitCode.USAGE;
  }
  if (rest.includes('--help')) {
    terminal.out(command.help);
    return ExitCode.DONE;
  }
  try {
    await command.run(rest, terminal);
    return ExitCode.DONE;
  } catch (error) {
    terminal.err(`${PROGRAM} ${name}: ${explain(error)}\n`);
    if (error instanceof UsageError) {
      terminal.err(`Try "${PROGRAM} ${name} --help".\n`);
      return ExitCode.USAGE;
    }
    return error instanceof RefusedError ? ExitCode.REFUSED : ExitCode.FAILED;
  }
}

function readVersion(): string {
  return JSON.parse(readFileSync(join(__dirname, '..', '..', 'package.json'), 'utf8')).version;
}

/** What went wrong; where the AWS SDK leaves out what mends it, that too. */
function explain(error: unknown): string {
  if (!(error instanceof Error)) {
    return String(error);
  }
  // A refused connection to several addresses has its texts in its parts only.
  const message =
    error.message ||
    (error instanceof AggregateError ? error.errors.map(String).join('; ') : error.name);
  if (/region is missing/i.test(message)) {
    return `${message}: give --region, or set AWS_REGION`;
  }
  if (error.name === 'CredentialsProviderError') {
    return `there are no AWS credentials (${message}): set AWS_PROFILE, or sign in`;
  }
  const code = error.name === 'Error' || message.includes(error.name) ? '' : ` (${error.name})`;
  return isOwn(error) ? message : `${message}${code}`;
}

function isOwn(error: Error): boolean {
  return error instanceof UsageError || error instanceof RefusedError;
}
