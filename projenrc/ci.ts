import { type Project, TextFile, YamlFile } from 'projen';

const CHECKOUT = { uses: 'actions/checkout@v6' };
/** With the tags and commits by which lerna tells what has changed. */
const CHECKOUT_WITH_HISTORY = { ...CHECKOUT, with: { 'fetch-depth': 0 } };
const TOOLS = [
  { uses: 'actions/setup-python@v6', with: { 'python-version': '3.13' } },
  { uses: 'actions/setup-go@v6', with: { 'go-version': '1.26' } },
];

function setupNode(version: string) {
  return { uses: 'actions/setup-node@v6', with: { 'node-version': version } };
}

/** Tasks with longer checks than a developer waits for, in the order in which CI runs them. */
const LONG_SUITES = [
  'test:exhaustive',
  'test:examples',
  'test:permissions',
  'test:matrix',
  'test:crash:sample',
  'test:chaos',
];

/**
 * Adds the script that checks everything, and the workflows: one runs it, one runs each night what takes
 * still longer, and one publishes.
 */
export function addCi(workspace: Project, setup: string): void {
  const script = new TextFile(workspace, '.ci/run', { executable: true, readonly: false });
  for (const line of [
    '#!/usr/bin/env bash',
    `# ${script.marker}`,
    '# Runs every check, then sums what the test runners said in one closing line.',
    'set -uo pipefail',
    'cd "$(dirname "$0")/.."',
    'log=$(mktemp)',
    `trap 'rm -f "$log"' EXIT`,
    'status=0',
    `for task in test ${LONG_SUITES.join(' ')}; do`,
    '  npx projen "$task" 2>&1 | tee -a "$log" || status=1',
    'done',
    'node scripts/sum-tests.mjs "$log" || status=1',
    'exit "$status"',
  ]) {
    script.addLine(line);
  }

  addWorkflow(workspace, 'build', {
    on: { pull_request: {}, push: { branches: ['main'] } },
    permissions: { contents: 'read' },
    jobs: {
      test: {
        'runs-on': 'ubuntu-latest',
        'timeout-minutes': 60,
        strategy: { matrix: { node: ['20', '22', '24'] }, 'fail-fast': false },
        // Where old releases of etcd come from, as the runner's own apt has no mirror of Debian.
        env: { QUORATE_DEBIAN_MIRROR: '$' + '{{ vars.QUORATE_DEBIAN_MIRROR }}' },
        steps: [CHECKOUT, setupNode('$' + '{{ matrix.node }}'), ...TOOLS, { run: 'bash .ci/run' }],
      },
      build: {
        'runs-on': 'ubuntu-latest',
        'timeout-minutes': 30,
        steps: [
          CHECKOUT_WITH_HISTORY,
          setupNode('22'),
          ...TOOLS,
          { run: 'npx projen build' },
          { name: 'Generated files are current', run: 'git diff --exit-code' },
          { name: 'A release would work', run: 'npx projen release:dry-run' },
        ],
      },
    },
  });
  addWorkflow(workspace, 'nightly', {
    on: { schedule: [{ cron: '17 2 * * *' }], workflow_dispatch: {} },
    permissions: { contents: 'read' },
    jobs: {
      crash: {
        'runs-on': 'ubuntu-latest',
        'timeout-minutes': 90,
        steps: [CHECKOUT, setupNode('22'), ...TOOLS, { run: 'npx projen test:crash' }],
      },
      chaos: {
        'runs-on': 'ubuntu-latest',
        'timeout-minutes': 60,
        // Each night another seed: its log names it.
        env: { SEED: '$' + '{{ github.run_number }}' },
        steps: [
          CHECKOUT,
          setupNode('22'),
          ...TOOLS,
          { run: 'npx projen chaos -- --seed "$SEED" --minutes 30' },
        ],
      },
    },
  });
  addWorkflow(workspace, 'release', {
    on: { workflow_dispatch: {} },
    permissions: { contents: 'write', 'id-token': 'write' },
    concurrency: 'release',
    jobs: {
      publish: {
        'runs-on': 'ubuntu-latest',
        'timeout-minutes': 60,
        steps: [
          CHECKOUT_WITH_HISTORY,
          // Its npm can publish by the identity of this workflow: no token of npm is kept anywhere.
          setupNode('24'),
          ...TOOLS,
          // Before npx runs anything, which would take the newest projen where none is installed: a job
          // that may publish runs what the lock file pins.
          { run: setup },
          { run: 'npx projen build' },
          {
            run: [
              'git config user.name github-actions',
              'git config user.email github-actions@github.com',
              'npx lerna publish --yes --create-release github',
            ].join('\n'),
            env: {
              GH_TOKEN: '$' + '{{ secrets.GITHUB_TOKEN }}',
              NPM_CONFIG_PROVENANCE: 'true',
            },
          },
        ],
      },
    },
  });
}

function addWorkflow(workspace: Project, name: string, content: Record<string, unknown>): void {
  new YamlFile(workspace, `.github/workflows/${name}.yml`, {
    obj: { name, ...content },
    readonly: false,
  });
}
