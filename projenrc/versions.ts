import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Versions that more than one package uses, in one place. */
export const VERSIONS = {
  apiExtractor: '7.60.1',
  attw: '0.18.5',
  awsCdkLib: '2.276.0',
  awsCdkLibFloor: '2.271.0',
  awsSdk: '^3.1000.0',
  // Newer releases, like those of swc, lack platform binaries in some registries.
  biome: '2.5.15',
  // The newest that runs on Node 20.
  concurrently: '^9.2.5',
  constructs: '10.8.1',
  constructsFloor: '10.5.0',
  jest: '^30.5.2',
  lerna: '^9.0.7',
  projen: '0.103.25',
  publint: '0.3.25',
  pyright: '1.1.414',
  swcCore: '1.16.18',
  swcJest: '^0.2.39',
  tsx: '^4.23.15',
  typedoc: '0.28.20',
  typedocMarkdown: '4.14.1',
  typescript: '~5.9.3',
  typesNode: '^20.19.0',
  // The newest that runs on Node 20.
  verdaccio: '6.5.2',
} as const;

/** The oldest Node.js that is supported. */
export const NODE_FLOOR = '20.19.0';

/** How long a test may take before it is taken to hang: no measure of speed, machines are noisy. */
export const TEST_TIMEOUT_MS = 60_000;

/**
 * The version that a package carries now. lerna owns the version numbers, so that a synthesis
 * must keep what it finds.
 */
export function currentVersion(packageDirectory: string): string {
  const file = join(packageDirectory, 'package.json');
  if (!existsSync(file)) {
    return '0.0.0';
  }
  const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version?: string };
  return version ?? '0.0.0';
}
