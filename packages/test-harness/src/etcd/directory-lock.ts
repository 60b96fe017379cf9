import { mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { hasCode } from '../error-code';

/** How often the holder shows that it is alive, in milliseconds. */
const REFRESH_MS = 2_000;

/** A lock that was not refreshed for this long, in milliseconds, has lost its holder. */
const STALE_MS = 30_000;

/** How {@link withDirectoryLock} waits. */
export interface DirectoryLockOptions {
  /** Called once, with the holder's process id if it is known, when the lock has to be waited for. */
  readonly onWait?: (holder: number | undefined) => void;
  /**
   * The pause between two attempts, in milliseconds.
   *
   * @default 100
   */
  readonly intervalMs?: number;
}

/**
 * Runs an operation while no other process of this machine runs one under the same lock.
 *
 * The lock is a directory, since making one is atomic on every file system. A lock whose holder is
 * dead is taken over. Two waiters that take over the same stale lock at the same moment may both run:
 * the lock saves work, it must not be what correctness rests on.
 *
 * @param lock - The path of the lock directory.
 */
export async function withDirectoryLock<T>(
  lock: string,
  operation: () => Promise<T>,
  options: DirectoryLockOptions = {},
): Promise<T> {
  await mkdir(dirname(lock), { recursive: true });
  let announced = false;
  while (!(await tryAcquire(lock))) {
    const state = await inspect(lock);
    if (state.stale) {
      await discard(lock);
      continue;
    }
    if (!announced) {
      announced = true;
      options.onWait?.(state.holder);
    }
    await sleep(options.intervalMs ?? 100);
  }
  const refresh = setInterval(() => {
    const now = new Date();
    // A lock that was taken away (the cache was deleted, say) is not worth ending this process for.
    utimes(lock, now, now).catch(() => clearInterval(refresh));
  }, REFRESH_MS);
  refresh.unref();
  try {
    return await operation();
  } finally {
    clearInterval(refresh);
    await rm(lock, { recursive: true, force: true });
  }
}

async function tryAcquire(lock: string): Promise<boolean> {
  try {
    await mkdir(lock);
  } catch (error) {
    if (hasCode(error, 'EEXIST')) {
      return false;
    }
    throw error;
  }
  await writeFile(join(lock, 'holder'), `${process.pid} ${hostname()}\n`);
  return true;
}

interface LockState {
  readonly stale: boolean;
  readonly holder?: number;
}

async function inspect(lock: string): Promise<LockState> {
  let age: number;
  try {
    age = Date.now() - (await stat(lock)).mtimeMs;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) {
      return { stale: false };
    }
    throw error;
  }
  let text = '';
  try {
    text = await readFile(join(lock, 'holder'), 'utf8');
  } catch (error) {
    // The holder has made the directory and not yet written the file, or has just removed both.
    if (!hasCode(error, 'ENOENT')) {
      throw error;
    }
  }
  const [pid, host] = text.trim().split(' ');
  const holder = Number(pid);
  if (!Number.isInteger(holder) || holder <= 0) {
    return { stale: age > STALE_MS };
  }
  // A process id says nothing about another machine, or another container, that shares the cache.
  const dead = host === hostname() && !isAlive(holder);
  return { stale: dead || age > STALE_MS, holder };
}

/** Moves a stale lock aside before deleting it, so that a waiter never deletes a half-made new one. */
async function discard(lock: string): Promise<void> {
  const aside = `${lock}.stale-${process.pid}-${Math.random().toString(36).slice(2)}`;
  try {
    await rename(lock, aside);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) {
      return;
    }
    throw error;
  }
  await rm(aside, { recursive: true, force: true });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it is alive and belongs to someone else.
    return hasCode(error, 'EPERM');
  }
}
