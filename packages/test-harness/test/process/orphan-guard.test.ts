import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { EtcdGateway } from '../../src/etcd';
import { runningInGroup, until } from './running-processes';

// A machine that runs these for the first time builds etcd first.
jest.setTimeout(240_000);

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'orphan-guard-'));
});

afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

/** Runs a fixture, and gives it to a test with the JSON that it has written. */
async function withFixture<T>(
  name: string,
  argument: string,
  use: (
    node: ChildProcessByStdio<Writable, Readable, null>,
    told: T,
    ended: Promise<number | string>,
  ) => Promise<void>,
): Promise<void> {
  const node = spawn(
    process.execPath,
    ['--import', 'tsx', join(__dirname, 'fixtures', name), argument],
    { cwd: join(__dirname, '..', '..'), stdio: ['pipe', 'pipe', 'inherit'] },
  );
  const ended = new Promise<number | string>((settle) =>
    node.once('exit', (code, signal) => settle(signal ?? code ?? '')),
  );
  try {
    const line = await new Promise<string>((settle, fail) => {
      createInterface({ input: node.stdout }).once('line', settle);
      node.once('exit', (code) => fail(new Error(`it ended too early, with exit code ${code}`)));
    });
    await use(node, JSON.parse(line), ended);
  } finally {
    node.kill('SIGKILL');
  }
}

test.each(['SIGKILL', 'SIGTERM', 'exit'] as const)(
  'groups and directories go when Node ends by %s',
  async (end) => {
    const bystander = join(directory, 'bystander');
    mkdirSync(bystander);
    await withFixture<{ groups: number[]; directory: string }>(
      'groups-until-ended.ts',
      directory,
      async (node, told, ended) => {
        expect(told.groups.map((group) => runningInGroup(group).length)).toEqual([3, 3]);
        expect(existsSync(told.directory)).toBe(true);

        if (end === 'exit') {
          node.stdin.write('end\n');
        } else {
          node.kill(end);
        }
        expect(await ended).toBe(end === 'exit' ? 0 : end);
        await until(
          `groups ${told.groups} and ${told.directory} to be gone`,
          () =>
            told.groups.every((group) => runningInGroup(group).length === 0) &&
            !existsSync(told.directory),
        );
        expect(readdirSync(directory).sort()).toEqual(['bystander', 'log']);
      },
    );
  },
);

test.each([
  ['SIGKILL', '127.0.13.2'],
  ['SIGINT', '127.0.13.3'],
  ['SIGTERM', '127.0.13.4'],
] as const)(
  '%s to the Node process ends its etcd and removes its data',
  async (signal, address) => {
    await withFixture<{ pid: number; directory: string; endpoint: string }>(
      'etcd-until-killed.ts',
      address,
      async (node, told, ended) => {
        const gateway = new EtcdGateway(told.endpoint);
        await gateway.put('a', 'b');
        gateway.close();
        expect(existsSync(told.directory)).toBe(true);

        node.kill(signal);
        expect(await ended).toBe(signal);
        await until(
          `process ${told.pid} and ${told.directory} to be gone`,
          () => runningInGroup(told.pid).length === 0 && !existsSync(told.directory),
        );
      },
    );
  },
);
