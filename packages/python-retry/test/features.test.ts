import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { findPythons, PythonRunner } from '@quorate/test-harness';
import { getPythonRetryUtils, type PythonRetryOptions } from '../src';

const EMISSIONS: [name: string, options: PythonRetryOptions][] = [
  ['as it is', { features: 'all' }],
  ['written compactly', { features: 'all', compact: true }],
];

const pythons = findPythons({ minimumVersion: '3.10' });

describe.each(
  pythons.flatMap(({ executable, version }) =>
    EMISSIONS.map(([name, options]) => ({ name, options, executable, version })),
  ),
)('all features, $name, on Python $version', ({ options, executable }) => {
  let directory: string;
  let runner: PythonRunner;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'python-retry-features-'));
    writeFileSync(join(directory, 'python_retry.py'), getPythonRetryUtils(options));
    runner = await PythonRunner.start({
      python: executable,
      directory: join(__dirname, 'python'),
      pythonPath: [directory],
      timeoutMs: 60_000,
    });
  });

  afterAll(async () => {
    await runner?.close();
    rmSync(directory, { recursive: true });
  });

  // The models look into the module by its private names, and take their time.
  const models = [
    'test_circuit_models',
    'test_fleet_model',
    'test_shared_models',
    'test_peer_rules',
  ];
  const isEnd = executable === pythons[0]?.executable || executable === pythons.at(-1)?.executable;
  const modules = ['test_features', 'test_store', ...(!options.compact && isEnd ? models : [])];

  test.each(modules)(
    '%s',
    async (module) => {
      const report = await runner.call<{ ran: number; failures: string[] }>(
        'retry_support:run_all',
        [module],
      );
      expect(report.failures).toEqual([]);
      expect(report.ran).toBeGreaterThan(5);
    },
    60_000,
  );
});
