import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Etcdutl } from '../../src/etcd';

let directory: string;
let etcdutl: Etcdutl;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'quorate-etcdutl-'));
  etcdutl = await Etcdutl.resolve();
}, 180_000);

afterAll(() => rm(directory, { recursive: true, force: true }));

test('it is the tool of etcd, and found again', async () => {
  const { stdout } = await promisify(execFile)(etcdutl.path, ['version']);
  expect(stdout).toMatch(/^etcdutl version: 3\.6\.\d+/);
  expect((await Etcdutl.resolve()).path).toBe(etcdutl.path);
});

test('what is no snapshot is refused', async () => {
  const file = join(directory, 'nonsense.db');
  await writeFile(file, Buffer.alloc(65_536, 'nonsense'));
  await expect(etcdutl.snapshotStatus(file)).rejects.toThrow(/invalid database/);
  await expect(etcdutl.restore(file, join(directory, 'data'))).rejects.toThrow(/etcdutl/);
});
