import { Package } from './projenrc/package';
import { VERSIONS } from './projenrc/versions';
import { Workspace } from './projenrc/workspace';

const workspace = new Workspace();

const testHarness = new Package(workspace, {
  name: 'test-harness',
  description:
    'Jest matchers for Python, a Python runner, real etcd clusters and a local Auto Scaling group',
  keywords: ['jest', 'matchers', 'python', 'etcd', 'autoscaling', 'testing'],
  files: ['python', 'etcd', '!**/__pycache__'],
  entryPoints: { jest: 'jest', 'jest-globals': 'jest-globals' },
  devFolders: ['scripts'],
  python: ['python'],
  deps: [
    '@astral-sh/ruff-wasm-nodejs@^0.17.4',
    `@aws-sdk/client-cloudformation@${VERSIONS.awsSdk}`,
    `@aws-sdk/client-eventbridge@${VERSIONS.awsSdk}`,
    `@aws-sdk/client-s3@${VERSIONS.awsSdk}`,
    '@peculiar/x509@^2.2.0',
    `expect@${VERSIONS.jest}`,
    'fast-xml-parser@^5.0.0',
    'fflate@^0.8.2',
    `jest-matcher-utils@${VERSIONS.jest}`,
    'py-ast@^1.16.0',
    'reflect-metadata@^0.2.2',
  ],
  devDeps: [
    `@aws-sdk/client-sqs@${VERSIONS.awsSdk}`,
    `@jest/globals@${VERSIONS.jest}`,
    '@types/jest@^30.0.0',
    `typescript@${VERSIONS.typescript}`,
  ],
  peerDeps: [`@jest/globals@${VERSIONS.jest}`],
  optionalPeers: ['@jest/globals'],
  types: ['node', 'jest'],
});

const pythonRetry = new Package(workspace, {
  name: 'python-retry',
  description: 'Dependency-free Python retry and circuit breaker for Lambdas in any CDK app',
  keywords: ['aws', 'cdk', 'lambda', 'python', 'retry', 'circuit-breaker', 'backoff', 'jitter'],
  commands: { 'python-retry': 'cli' },
  python: ['python'],
  pythonTests: ['test'],
  devDeps: [
    `@jest/globals@${VERSIONS.jest}`,
    `aws-cdk-lib@${VERSIONS.awsCdkLib}`,
    `constructs@${VERSIONS.constructs}`,
    `typescript@${VERSIONS.typescript}`,
  ],
  devSiblings: [testHarness],
});

new Package(workspace, {
  name: 'etcd-lifecycle',
  description: 'A CDK construct that lets an Auto Scaling group replace etcd members safely',
  keywords: ['aws', 'cdk', 'etcd', 'autoscaling', 'lifecycle-hook', 'quorum', 'kubernetes'],
  files: ['bootstrap', 'lambda', '!**/__pycache__'],
  commands: { 'etcd-lifecycle': 'cli' },
  cdk: true,
  python: ['lambda'],
  pythonTests: ['test'],
  devFolders: ['demo', 'chaos'],
  programFolders: ['demo', 'chaos'],
  peerDeps: [`aws-cdk-lib@^${VERSIONS.awsCdkLibFloor}`, `constructs@^${VERSIONS.constructsFloor}`],
  // For the command line only: the construct does not load them.
  deps: [
    `@aws-sdk/client-dynamodb@${VERSIONS.awsSdk}`,
    `@aws-sdk/client-lambda@${VERSIONS.awsSdk}`,
    `@aws-sdk/client-s3@${VERSIONS.awsSdk}`,
  ],
  devDeps: [
    `@aws-sdk/client-sqs@${VERSIONS.awsSdk}`,
    `@jest/globals@${VERSIONS.jest}`,
    `aws-cdk-lib@${VERSIONS.awsCdkLib}`,
    'cdk-nag@3.0.2',
    `constructs@${VERSIONS.constructs}`,
    'fast-xml-parser@^5.0.0',
    `typescript@${VERSIONS.typescript}`,
  ],
  siblings: [pythonRetry],
  devSiblings: [testHarness],
});

workspace.synth();
