import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import { resolveEtcdctl } from '../../src/etcd';

test('etcdctl is built once, and is of the line that can be built by default', async () => {
  const path = await resolveEtcdctl();
  const { stdout } = await promisify(execFile)(path, ['version']);
  expect(stdout).toMatch(/^etcdctl version: 3\.6\.\d+/);
  expect(await resolveEtcdctl()).toBe(path);
}, 180_000);
