import { type ParseArgsConfig, parseArgs } from 'node:util';

/** The exit code of a program that was interrupted. */
const INTERRUPTED = 130;

/** Wrong options: what is wrong, and what would be right. */
export class UsageError extends Error {}

/** A program of this repository that a person starts from a terminal. */
export interface Program<Options> {
  /** Stands before its error messages. */
  readonly name: string;
  /** What `--help` shows, and wrong options too. */
  readonly usage: string;
  /** Reads the arguments; throws {@link UsageError} when they are wrong. */
  readonly read: (args: string[]) => Options;
  /** Does the work; returns whether all went well. */
  readonly run: (options: Options, interrupted: AbortSignal) => Promise<boolean>;
}

/**
 * The arguments by the names of their options.
 *
 * @throws UsageError when there is an argument that no option takes.
 */
export function readArguments<T extends NonNullable<ParseArgsConfig['options']>>(
  args: string[],
  options: T,
) {
  try {
    return parseArgs({ args, options }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/**
 * Runs a program and sets this process's exit code: 0 when all went well, 1 when not, 2 when the
 * options are wrong, 130 when it was interrupted.
 */
export async function runProgram<Options>(program: Program<Options>): Promise<void> {
  process.exitCode = await exitCodeOf(program, programArguments());
}

/** What follows the script. npm wants a "--" before the arguments of a script; projen keeps it. */
export function programArguments(): string[] {
  const args = process.argv.slice(2);
  return args[0] === '--' ? args.slice(1) : args;
}

async function exitCodeOf<Options>(program: Program<Options>, args: string[]): Promise<number> {
  const { name, usage } = program;
  if (args.includes('--help')) {
    console.log(usage);
    return 0;
  }
  const interrupted = interruptible();
  try {
    return (await program.run(program.read(args), interrupted)) ? 0 : 1;
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`${name}: ${error.message}\n\n${usage}`);
      return 2;
    }
    if (interrupted.aborted) {
      console.error(`\n${name}: interrupted; everything was stopped`);
      return INTERRUPTED;
    }
    console.error(`\n${name}:`, error);
    return 1;
  }
}

/**
 * Ctrl-C ends a program in order; again, seconds later, it ends it at once. Within a second it is the
 * same Ctrl-C, which the runner of a script passes on as well.
 *
 * @returns Aborts at the first one.
 */
function interruptible(): AbortSignal {
  const interruption = new AbortController();
  let first: number | undefined;
  const interrupt = () => {
    first ??= Date.now();
    interruption.abort(new Error('interrupted'));
    if (Date.now() - first > 1000) {
      process.exit(INTERRUPTED);
    }
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  return interruption.signal;
}
