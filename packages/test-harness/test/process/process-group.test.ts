import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ProcessGroup } from '../../src/process/process-group';
import { runningInGroup, until } from './running-processes';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'process-group-'));
});

afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

const environment = { PATH: process.env.PATH ?? '' };

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
    await group.exited;

    expect(group.exitStatus).toBe(0);
    expect(group.alive).toBe(true);
    expect(group.lastOutput()).toBe('started');
    await group.stop();
    expect(group.alive).toBe(false);
    expect(runningInGroup(group.pid)).toEqual([]);
  });

  test('lets processes end by themselves within the grace', async () => {
    const group = await bash('trap "echo bye; exit 3" TERM; echo ready; sleep 600 & wait');
    await until('it is ready', () => group.lastOutput() === 'ready');

    await group.stop(10);
    expect(group.exitStatus).toBe(3);
    expect(group.lastOutput()).toBe('ready\nbye');
  });

  test('kills what ignores SIGTERM', async () => {
    const group = await bash('trap "" TERM; echo ready; while :; do sleep 0.1; done');
    await until('it is ready', () => group.lastOutput() === 'ready');

    await group.stop(0.2);
    expect(group.exitStatus).toBe('SIGKILL');
  });

  test('of a group that has ended does nothing', async () => {
    const group = await bash('exit 7');
    await until('it has ended', () => !group.alive);

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

test('its end is noticed where there is no /proc, too', async () => {
  const platform = Object.getOwnPropertyDescriptor(process, 'platform') as PropertyDescriptor;
  Object.defineProperty(process, 'platform', { ...platform, value: 'darwin' });
  try {
    const group = await bash('exec sleep 600');

    expect(group.alive).toBe(true);
    await group.stop();
    expect(group.alive).toBe(false);
    expect(runningInGroup(group.pid)).toEqual([]);
  } finally {
    Object.defineProperty(process, 'platform', platform);
  }
});

test('only its own output is told, though others wrote to the log before', async () => {
  await (await bash('echo before')).exited;
  const group = await bash('seq 30; echo; exit 3');
  await group.exited;

  expect(group.exit).toEqual({ code: 3, signal: null });
  expect(group.lastOutput(2)).toBe('29\n30');
  expect(group.outputForError()).toMatch(/^From its log, .*\/log:\n1\n2\n\.\.\.\n13\n14\n/);
});
