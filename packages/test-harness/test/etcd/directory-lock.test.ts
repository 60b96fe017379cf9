import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { withDirectoryLock } from '../../src/etcd/directory-lock';

let directory: string;
let lock: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'quorate-lock-'));
  lock = join(directory, 'deeper', 'lock');
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

/** A lock as another process would have left it. */
async function lockOf(holder: string | undefined, ageMs: number): Promise<void> {
  await mkdir(lock, { recursive: true });
  if (holder !== undefined) {
    await writeFile(join(lock, 'holder'), holder);
  }
  const time = new Date(Date.now() - ageMs);
  await utimes(lock, time, time);
}

test('runs one operation at a time, each of them', async () => {
  let running = 0;
  let most = 0;
  const operation = async (value: number) => {
    running += 1;
    most = Math.max(most, running);
    await sleep(20);
    running -= 1;
    return value;
  };
  const results = await Promise.all(
    [1, 2, 3, 4].map((value) => withDirectoryLock(lock, () => operation(value), { intervalMs: 5 })),
  );
  expect(results).toEqual([1, 2, 3, 4]);
  expect(most).toBe(1);
});

test('is free again after an operation that fails', async () => {
  const failing = withDirectoryLock(lock, async () => {
    throw new Error('it failed');
  });
  await expect(failing).rejects.toThrow('it failed');
  expect(await withDirectoryLock(lock, async () => 'free')).toBe('free');
});

test.each([
  // No process has this id: the kernel's largest is 4194304.
  ['a dead process of this machine', `999999999 ${hostname()}\n`, 0],
  ['a process that did not refresh it for long', `${process.pid} ${hostname()}\n`, 60_000],
  ['a process of another machine, long ago', '1 elsewhere\n', 60_000],
  ['a process that died before it could say who it is', undefined, 60_000],
])('takes a lock over from %s', async (_, holder, ageMs) => {
  await lockOf(holder, ageMs);
  expect(await withDirectoryLock(lock, async () => 'mine')).toBe('mine');
});

test.each([
  ['a living process', `${process.pid} ${hostname()}\n`, process.pid],
  ['a process of another machine', '999999999 elsewhere\n', 999999999],
  ['a process that has not yet said who it is', undefined, undefined],
])('waits for %s, and says so once', async (_, holder, pid) => {
  await lockOf(holder, 0);
  const waits: (number | undefined)[] = [];
  const waiting = withDirectoryLock(lock, async () => 'after', {
    intervalMs: 5,
    onWait: (by) => waits.push(by),
  });
  await sleep(50);
  expect(waits).toEqual([pid]);
  await rm(lock, { recursive: true });
  expect(await waiting).toBe('after');
});
