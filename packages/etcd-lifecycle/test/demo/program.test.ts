import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';

const PACKAGE = join(__dirname, '..', '..');

/** Runs the chaos program as its task does. */
function chaos(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', 'tsx', join(PACKAGE, 'chaos', 'main.ts'), ...args],
    {
      encoding: 'utf8',
      env: { ...process.env, TSX_TSCONFIG_PATH: join(PACKAGE, 'chaos', 'tsconfig.json') },
    },
  );
  return { status, stdout, stderr };
}

test.each([[[]], [['--']]])('takes its options with %j before them', (before: string[]) => {
  const { status, stdout } = chaos(...before, '--plan', '--seed', '3', '--minutes', '0.1');
  expect(stdout).toMatch(/^Seed 3:\n/);
  expect(status).toBe(0);
});

test('shows its usage on request, and after a wrong option on the error stream', () => {
  expect(chaos('--help')).toMatchObject({
    status: 0,
    stdout: expect.stringMatching(/^Usage: npx projen chaos/),
    stderr: '',
  });
  expect(chaos('--minutes', 'two')).toMatchObject({
    status: 2,
    stdout: '',
    stderr: expect.stringMatching(/^chaos: --minutes two: give a number of minutes.*\n\nUsage: /),
  });
  expect(chaos('--minute', '2')).toMatchObject({
    status: 2,
    stderr: expect.stringMatching(/^chaos: Unknown option '--minute'/),
  });
});
