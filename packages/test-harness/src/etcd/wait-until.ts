import { setTimeout as delay } from 'node:timers/promises';

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
  attempt: () => Promise<T | undefined>,
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
      const detail = lastError === undefined ? '' : `: ${(lastError as Error).message}`;
      throw new Error(`waited ${options.timeoutMs} ms in vain for ${what}${detail}`, {
        cause: lastError,
      });
    }
    await delay(options.intervalMs ?? 50);
  }
}
