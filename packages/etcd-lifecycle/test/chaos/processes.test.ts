import { type ChildProcess, spawn } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { killEtcd, stopEtcd } from '../../chaos/processes';

jest.setTimeout(30_000);

/** Stands for etcd: it says when it begins, and when it ends as it was asked to. */
const ETCD = `#!/bin/sh
trap 'echo ended; exit' TERM
echo began
while true; do sleep 0.05; done
`;

let directory: string;
let machine: ChildProcess;

function said(): string[] {
  return readFileSync(join(directory, 'said'), 'utf8').split('\n').filter(Boolean);
}

async function untilSaid(lines: number): Promise<string[]> {
  while (said().length < lines) {
    await sleep(20);
  }
  return said();
}

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'quorate-processes-'));
  const etcd = join(directory, 'etcd');
  writeFileSync(etcd, ETCD);
  chmodSync(etcd, 0o755);
  const restarted = `trap 'echo machine' TERM; while true; do "${etcd}"; sleep 0.1; done`;
  const output = openSync(join(directory, 'said'), 'a');
  machine = spawn('bash', ['-c', restarted], {
    detached: true,
    stdio: ['ignore', output, 'ignore'],
  });
  closeSync(output);
  await untilSaid(1);
});

afterEach(() => {
  process.kill(-(machine.pid as number), 'SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});

test('etcd that is stopped ends in order, and its machine goes on and starts it again', async () => {
  expect(stopEtcd(machine.pid as number)).toBe(true);

  expect(await untilSaid(3)).toEqual(['began', 'ended', 'began']);
});

test('etcd that is killed does not get to end in order', async () => {
  expect(killEtcd(machine.pid as number)).toBe(true);

  expect(await untilSaid(2)).toEqual(['began', 'began']);
});

test('where there is no etcd, there is none to end', () => {
  expect(stopEtcd(process.pid)).toBe(false);
  expect(killEtcd(process.pid)).toBe(false);
});
