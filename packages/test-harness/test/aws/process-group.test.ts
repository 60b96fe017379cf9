import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { transformFileSync } from '@swc/core';
import { ProcessGroup } from '../../src/aws/process-group';
import { runningInGroup } from './running-in-group';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'process-group-'));
});

afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

const environment = { PATH: process.env.PATH ?? '' };

async function waitUntil(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > deadline) {
      throw new Error('Waited 10 s in vain');
    }
    await sleep(20);
  }
}

function bash(script: string): Promise<ProcessGroup> {
  return ProcessGroup.start({
    command: 'bash',
    args: ['-c', script],
    environment,
    logFile: join(directory, 'log'),
  });
}

describe('stop', () => {
  test('ends what the process left behind in the background', async () => {
    const group = await bash('sleep 600 & echo started');
    await waitUntil(() => group.exitStatus !== undefined);

    expect(group.exitStatus).toBe(0);
    expect(group.alive).toBe(true);
    expect(group.lastOutput()).toBe('started');
    await group.stop();
    expect(group.alive).toBe(false);
    expect(runningInGroup(group.pid)).toEqual([]);
  });

  test('lets processes end by themselves within the grace', async () => {
    const group = await bash('trap "echo bye; exit 3" TERM; echo ready; sleep 600 & wait');
    await waitUntil(() => group.lastOutput() === 'ready');

    await group.stop(10);
    expect(group.exitStatus).toBe(3);
    expect(group.lastOutput()).toBe('ready\nbye');
  });

  test('kills what ignores SIGTERM', async () => {
    const group = await bash('trap "" TERM; echo ready; while :; do sleep 0.1; done');
    await waitUntil(() => group.lastOutput() === 'ready');

    await group.stop(0.2);
    expect(group.exitStatus).toBe('SIGKILL');
  });

  test('of a group that has ended does nothing', async () => {
    const group = await bash('exit 7');
    await waitUntil(() => !group.alive);

    await group.stop();
    expect(group.exitStatus).toBe(7);
    expect(group.signal('SIGTERM')).toBe(false);
  });
});

test('a program that does not exist is reported', async () => {
  await expect(
    ProcessGroup.start({
      command: 'no-such-program',
      environment,
      logFile: join(directory, 'log'),
    }),
  ).rejects.toThrow('Cannot start no-such-program');
});

test.each(['SIGKILL', 'SIGTERM', 'exit'] as const)(
  'the group and its directory go when Node ends by %s',
  async (end) => {
    const compiled = join(directory, 'process-group.js');
    const removed = join(directory, 'removed');
    mkdirSync(removed);
    writeFileSync(
      compiled,
      transformFileSync(join(__dirname, '..', '..', 'src', 'aws', 'process-group.ts'), {
        jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
        module: { type: 'commonjs' },
      }).code,
    );
    const node = spawn(
      process.execPath,
      [
        '-e',
        `const { ProcessGroup } = require(${JSON.stringify(compiled)});
         ProcessGroup.start({
           command: 'bash', args: ['-c', 'sleep 600 & sleep 600'],
           environment: { PATH: process.env.PATH },
           logFile: ${JSON.stringify(join(directory, 'log'))},
           removeOnNodeDeath: ${JSON.stringify(removed)},
         }).then((group) => {
           console.log(group.pid);
           process.stdin.once('data', () => process.exit(0));
         });`,
      ],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    const pid = await new Promise<number>((resolve) => {
      node.stdout.once('data', (text: Buffer) => resolve(Number(text.toString())));
    });
    expect(runningInGroup(pid)).toHaveLength(3);
    if (end === 'exit') {
      node.stdin.write('end\n');
    } else {
      node.kill(end);
    }
    await waitUntil(() => runningInGroup(pid).length === 0 && !existsSync(removed));
  },
);
