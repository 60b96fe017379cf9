import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { runCommand } from './recording-terminal';

const ROOT = join(__dirname, '..', '..', '..', '..');

/** Runs TypeScript in a Node of its own. */
async function runNode(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', ...args], {
    cwd: ROOT,
    env: { ...process.env, TSX_TSCONFIG_PATH: 'packages/etcd-lifecycle/demo/tsconfig.json' },
  });
  return stdout;
}

describe('help', () => {
  test('lists the commands and the exit codes', async () => {
    const { stdout, exitCode } = await runCommand(['--help']);
    expect(exitCode).toBe(0);
    for (const word of ['history', 'Exit codes: 0 done, 1 failed, 2 not understood, 3 refused']) {
      expect(stdout).toContain(word);
    }
    expect((await runCommand(['help'])).stdout).toBe(stdout);
  });

  test.each([
    ['plan', ['--function', '--view', '--json', '--python']],
    ['history', ['--function', '--cluster', '--table', '--limit', '--since', '--json']],
    [
      'recover',
      ['--function', '--cluster', '--snapshot', '--bump-revision', '--unreachable-are-lost'],
    ],
    ['override', ['--function', '--remove', '--reason', '--minutes', '--yes']],
    ['defragment', ['--function', '--compact', '--disarm', '--operator']],
  ])('of %s names its options', async (name, options) => {
    const { stdout, exitCode, stderr } = await runCommand([name, '--help']);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    for (const option of ['--region', '--help', ...options]) {
      expect(stdout).toContain(`  ${option}`);
    }
  });

  test('tells the version', async () => {
    const { version } = JSON.parse(
      readFileSync(join(ROOT, 'packages', 'etcd-lifecycle', 'package.json'), 'utf8'),
    );
    expect(await runCommand(['--version'])).toEqual({
      exitCode: 0,
      stdout: `${version}\n`,
      stderr: '',
    });
  });

  test('is shown by the program that is installed', async () => {
    expect(await runNode('packages/etcd-lifecycle/src/cli.ts', '--help')).toMatch(
      /^Usage: etcd-lifecycle <command>/,
    );
  });
});

describe('what is not understood ends with exit code 2 and a message', () => {
  const REGION = ['--region', 'us-east-1'];

  test.each([
    [[], /^Usage/],
    [['forget'], /there is no command "forget"/],
    [['history'], /give --function, or both --cluster and --table/],
    [['history', '--cluster', 'main'], /give --function, or both/],
    [['history', '--function', 'f', '--table', 't'], /leave out --cluster and --table/],
    [['history', '--cluster', 'c', '--table', 't', '--limit', '0'], /--limit is "0"/],
    [['history', '--cluster', 'c', '--table', 't', '--limit', '1e3'], /--limit is "1e3"/],
    [['history', '--cluster', 'c', '--table', 't', '--since', 'noon'], /--since is "noon"/],
    [['recover'], /give --function and --cluster/],
    [['recover', '--function', 'f', '--cluster', 'c'], /give --snapshot, or --cancel/],
    [
      ['recover', '--function', 'f', '--cluster', 'c', '--cancel', '--snapshot', 's'],
      /give --snapshot, or --cancel/,
    ],
    [
      ['recover', '--function', 'f', '--cluster', 'c', '--snapshot', 's', '--bump-revision', '0'],
      /--bump-revision is "0"/,
    ],
    [['override', '--remove', 'm'], /give --function, --remove and --reason/],
    [['override', '--function', 'f', '--remove', 'm'], /give --function, --remove and --reason/],
    [['defragment'], /give --function/],
    [['plan'], /give either --function or --view/],
    [['plan', '--function', 'f', '--view', 'v'], /give either --function or --view/],
    [['plan', '--view', '/dev/null/view'], /--view \/dev\/null\/view cannot be read: ENOTDIR/],
    [['plan', '--view', __filename], /cannot be read: .*JSON/],
    [['history', 'main'], /main/],
    [['history', '--fast'], /--fast/],
  ])('%j', async (args, message) => {
    const { exitCode, stdout, stderr } = await runCommand(args.length ? [...args, ...REGION] : []);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toMatch(message);
  });
});

test('whoever imports the construct does not load the AWS SDK', async () => {
  const loaded = await runNode(
    '--eval',
    `require('./packages/etcd-lifecycle/src/index.ts');
     console.log(Object.keys(require.cache).filter((file) => file.includes('@aws-sdk')).length,
       Object.keys(require.cache).some((file) => file.includes('aws-cdk-lib')));`,
  );
  expect(loaded.trim()).toBe('0 true');
});
