import { javascript } from 'projen';
import { NODE_FLOOR, TEST_TIMEOUT_MS } from './versions';

/** What the root and each package have in common as projects of projen. */
export const PROJECT_OPTIONS = {
  defaultReleaseBranch: 'main',
  packageManager: javascript.NodePackageManager.NPM,
  minNodeVersion: NODE_FLOOR,
  license: 'Apache-2.0',
  copyrightOwner: 'The Quorate Authors',
  authorName: 'The Quorate Authors',
  authorOrganization: true,
  repository: 'git+https://github.com/quorate/quorate.git',
  jest: false,
  npmignoreEnabled: false,
  buildWorkflow: false,
  release: false,
  depsUpgrade: false,
  package: false,
} satisfies Partial<javascript.NodeProjectOptions>;

/** What the projects of Jest have in common: tests of TypeScript in a folder `test`. */
export const JEST_OPTIONS = {
  testEnvironment: 'node',
  testTimeout: TEST_TIMEOUT_MS,
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  transform: {
    '^.+\\.ts$': ['@swc/jest', { jsc: { target: 'es2022' }, sourceMaps: 'inline' }],
  },
};
