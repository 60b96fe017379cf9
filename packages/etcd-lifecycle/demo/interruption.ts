/** The exit code of a program that was interrupted. */
export const INTERRUPTED = 130;

/**
 * Ctrl-C ends a program in order; again, seconds later, it ends it at once. Within a second it is the
 * same Ctrl-C, which the runner of a script passes on as well.
 *
 * @returns Aborts at the first one.
 */
export function interruptible(): AbortSignal {
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
