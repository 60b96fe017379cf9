import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, jest, test } from '@jest/globals';
import { EtcdGateway } from '../../src/etcd';
import { waitUntil } from '../../src/etcd/wait-until';

// A machine that runs these for the first time builds etcd first.
jest.setTimeout(240_000);

test.each([
  ['SIGKILL', '127.0.13.2'],
  ['SIGINT', '127.0.13.3'],
  ['SIGTERM', '127.0.13.4'],
] as const)(
  '%s to the Node process ends its etcd and removes its data',
  async (signal, address) => {
    const child = spawn(
      process.execPath,
      ['--import', 'tsx', join(__dirname, 'fixtures', 'run-until-killed.ts'), address],
      { cwd: join(__dirname, '..', '..'), stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const exited = new Promise((settle) => child.once('exit', (_code, by) => settle(by)));
    try {
      const line = await new Promise<string>((settle, fail) => {
        createInterface({ input: child.stdout }).once('line', settle);
        child.once('exit', (code) => fail(new Error(`it ended too early, with exit code ${code}`)));
      });
      const { pid, directory, endpoint } = JSON.parse(line);
      const gateway = new EtcdGateway(endpoint);
      await gateway.put('a', 'b');
      gateway.close();
      expect(existsSync(directory)).toBe(true);

      child.kill(signal);
      expect(await exited).toBe(signal);
      await waitUntil(
        `process ${pid} and ${directory} to be gone`,
        async () => (!existsSync(`/proc/${pid}/cmdline`) && !existsSync(directory)) || undefined,
        { timeoutMs: 10_000 },
      );
    } finally {
      child.kill('SIGKILL');
    }
  },
);
