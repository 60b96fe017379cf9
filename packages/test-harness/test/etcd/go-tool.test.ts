import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, expect, test } from '@jest/globals';
import { cacheDirectory, resolveEtcdctl } from '../../src/etcd';
import { prepareCache } from '../../src/etcd/executable-cache';

const { PATH, QUORATE_CACHE_DIR } = process.env;
afterEach(() => {
  process.env.PATH = PATH;
  if (QUORATE_CACHE_DIR === undefined) {
    delete process.env.QUORATE_CACHE_DIR;
  } else {
    process.env.QUORATE_CACHE_DIR = QUORATE_CACHE_DIR;
  }
});

test('git leaves the cache alone, which lies in the project of whoever uses it', async () => {
  const project = mkdtempSync(join(tmpdir(), 'project-'));
  try {
    await promisify(execFile)('git', ['init', '--quiet', project]);
    await prepareCache(cacheDirectory({ env: {}, cwd: project }));
    const { stdout } = await promisify(execFile)('git', ['status', '--short'], { cwd: project });
    expect(stdout).toBe('');
  } finally {
    rmSync(project, { recursive: true });
  }
});

test('without Go, what helps is said', async () => {
  const empty = mkdtempSync(join(tmpdir(), 'no-go-'));
  try {
    process.env.PATH = empty;
    process.env.QUORATE_CACHE_DIR = join(empty, 'cache');
    await expect(resolveEtcdctl()).rejects.toThrow(
      /^there is no etcdctl at .*, and Go, to build one, is not on PATH\. Install Go/,
    );
  } finally {
    rmSync(empty, { recursive: true });
  }
});

test('etcdctl is built once, and is of the line that can be built by default', async () => {
  const path = await resolveEtcdctl();
  const { stdout } = await promisify(execFile)(path, ['version']);
  expect(stdout).toMatch(/^etcdctl version: 3\.6\.\d+/);
  expect(await resolveEtcdctl()).toBe(path);
}, 180_000);
