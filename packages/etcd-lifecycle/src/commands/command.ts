import { parseArgs } from 'node:util';
import type { Terminal } from './terminal';

/** What a command ends with. */
export enum ExitCode {
  /** It did what it was asked to. */
  DONE = 0,
  /** It failed: a service refused or did not answer. */
  FAILED = 1,
  /** It was not understood. */
  USAGE = 2,
  /** It was understood and not done: it is not safe, or nobody confirmed it. Nothing was changed. */
  REFUSED = 3,
}

/** One command of the command line. */
export interface Command {
  readonly name: string;
  /** What it does, in a line. */
  readonly summary: string;
  /** What `--help` shows. */
  readonly help: string;
  /**
   * Runs it.
   *
   * @param args the arguments behind its name, without `--help`
   * @throws UsageError if they are not understood
   * @throws RefusedError if it must not be done
   */
  run(args: readonly string[], terminal: Terminal): Promise<void>;
}

/** The arguments are not understood. */
export class UsageError extends Error {
  public override readonly name = 'UsageError';
}

/** What was asked for is not done, and nothing was changed. */
export class RefusedError extends Error {
  public override readonly name = 'RefusedError';
}

/** The options of a command, as `parseArgs` takes them. */
export type Options = Readonly<
  Record<string, { readonly type: 'string' | 'boolean'; readonly default?: string }>
>;

/** The values of options, by their names. */
export type OptionValues<T extends Options> = ReturnType<
  typeof parseArgs<{ options: T; strict: true }>
>['values'];

/**
 * Reads the options of a command, which takes nothing else.
 *
 * @throws UsageError if there are others
 */
export function readOptions<const T extends Options>(
  args: readonly string[],
  options: T,
): OptionValues<T> {
  try {
    return parseArgs({ args: [...args], options, strict: true }).values;
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

/**
 * Reads an option that is a whole number.
 *
 * @param name the option, as the error names it
 * @throws UsageError if it is something else, or less than `least`
 */
export function readWholeNumber(name: string, text: string, least: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || !Number.isSafeInteger(value)) {
    throw new UsageError(`${name} is "${text}"; it is a whole number from ${least} on`);
  }
  return value;
}
