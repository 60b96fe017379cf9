import { setTimeout as sleep } from 'node:timers/promises';

/** How {@link waitUntil} waits. */
export interface WaitOptions {
  /** How long to wait, in milliseconds. */
  readonly timeoutMs: number;
  /**
   * The pause between two attempts, in milliseconds.
   *
   * @default 50
   */
  readonly intervalMs?: number;
  /**
   * Tells whether an error of an attempt may pass with time. Any other error ends the wait.
   *
   * @default - every error may pass
   */
  readonly retryable?: (error: unknown) => boolean;
  /**
   * What there is instead of what is waited for, for the error at the time-out.
   *
   * @default - nothing but the error of the last attempt
   */
  readonly detail?: () => string | Promise<string>;
}

/**
 * Tries until an attempt gives a value.
 *
 * @param what - What is waited for, for the error: "a leader of the cluster".
 * @param attempt - Gives the value, or `undefined` for "not yet".
 * @returns The value.
 * @throws Error at the time-out, with the error of the last attempt as its cause.
 */
export async function waitUntil<T>(
  what: string,
  attempt: () => T | undefined | Promise<T | undefined>,
  options: WaitOptions,
): Promise<T> {
  const deadline = performance.now() + options.timeoutMs;
  for (;;) {
    let lastError: unknown;
    try {
      const value = await attempt();
      if (value !== undefined) {
        return value;
      }
    } catch (error) {
      if (options.retryable && !options.retryable(error)) {
        throw error;
      }
      lastError = error;
    }
    if (performance.now() >= deadline) {
      const reason = lastError === undefined ? '' : `: ${(lastError as Error).message}`;
      const detail = options.detail ? `\n${await options.detail()}` : '';
      throw new Error(`waited ${options.timeoutMs} ms in vain for ${what}${reason}${detail}`, {
        cause: lastError,
      });
    }
    await sleep(options.intervalMs ?? 50);
  }
}
