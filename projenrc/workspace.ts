import { execFileSync } from 'node:child_process';
import { copyFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { JsonFile, javascript } from 'projen';
import { addCi } from './ci';
import { PROJECT_OPTIONS } from './common';
import type { Package } from './package';
import { Projenrc } from './projenrc';
import { addPublishing, RELEASE_FOLDER } from './publishing';
import { addPython } from './python';
import { TEST_TIMEOUT_MS, VERSIONS } from './versions';

/** Installs what the other tasks need. Plain Node, since it runs before anything is installed. */
const SETUP = 'node scripts/setup.mjs';

/** Libraries that would print advice, or take seconds for what one test covers, in each run. */
const QUIET = {
  AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
  CDK_VALIDATION: 'false',
};

/** Tells which etcd is used, and builds it first where there is none. */
const ETCD = 'tsx packages/test-harness/scripts/etcd.ts';

const EXPLORE = 'python packages/etcd-lifecycle/test/lambda/explore_plan.py';

const CHAOS = 'packages/etcd-lifecycle/chaos';

/** The root of the repository: what concerns all packages. */
export class Workspace extends javascript.NodeProject {
  private readonly packages: Package[] = [];
  private installRequested = false;

  constructor() {
    super({
      ...PROJECT_OPTIONS,
      name: 'quorate',
      description: 'Self-managed etcd on EC2 Auto Scaling, without nursing',
      projenVersion: VERSIONS.projen,
      devDeps: [
        `@arethetypeswrong/cli@${VERSIONS.attw}`,
        `@biomejs/biome@${VERSIONS.biome}`,
        `@microsoft/api-extractor@${VERSIONS.apiExtractor}`,
        `@swc/core@${VERSIONS.swcCore}`,
        `@swc/jest@${VERSIONS.swcJest}`,
        `@types/node@${VERSIONS.typesNode}`,
        `concurrently@${VERSIONS.concurrently}`,
        `constructs@${VERSIONS.constructs}`,
        `jest@${VERSIONS.jest}`,
        `lerna@${VERSIONS.lerna}`,
        `publint@${VERSIONS.publint}`,
        `pyright@${VERSIONS.pyright}`,
        `tsx@${VERSIONS.tsx}`,
        `typedoc@${VERSIONS.typedoc}`,
        `typedoc-plugin-markdown@${VERSIONS.typedocMarkdown}`,
        `typescript@${VERSIONS.typescript}`,
        `verdaccio@${VERSIONS.verdaccio}`,
      ],
      allowScripts: ['@parcel/watcher', '@swc/core', 'esbuild', 'nx', 'unrs-resolver'],
      githubOptions: { mergify: false, pullRequestLint: true },
      pullRequestTemplate: false,
      projenrcJs: false,
      gitignore: [
        '.venv/',
        '.cache/',
        '.nx/',
        '/dist/',
        '*.tsbuildinfo',
        '__pycache__/',
        '.mypy_cache/',
        '.pytest_cache/',
        '.ruff_cache/',
        '.hypothesis/',
        '/demo-timeline.html',
      ],
    });
    new Projenrc(this, '.projenrc.ts');
    this.package.addField('private', true);
    this.package.addField('workspaces', ['packages/*']);
    // Newer releases lack platform binaries in some registries.
    this.package.addField('overrides', {
      'unrs-resolver': '1.11.1',
      // verdaccio asks for it by a tag, which not every registry keeps.
      'node-fetch': '2.7.0',
    });
    this.package.addVersion('0.0.0');
    this.tasks.addEnvironment('PATH', this.binariesPath('.'));
    this.defaultTask?.exec('tsx .projenrc.ts');

    // A fresh clone has no node_modules, where npx must be allowed to fetch projen; and the lock
    // file names no registry, whatever the configuration of whoever updates it.
    this.npmrc.addConfig('yes', 'true');
    this.npmrc.addConfig('omit-lockfile-registry-resolved', 'true');

    this.addSetup();
    this.addLerna();
    this.addBiome();
    addPython(this);
    this.addChecks();
    this.addLongSuites();
    this.addMatrix();
    this.addCrashTests();
    this.addBenchmarks();
    addPublishing(this, SETUP);
    addCi(this, SETUP);
  }

  /** Takes a package into the workspace; called by the package itself. */
  public adopt(child: Package): void {
    this.packages.push(child);
  }

  /** Asks for one installation at the end of the synthesis. */
  public requestInstall(): void {
    this.installRequested = true;
  }

  /** The PATH of tasks: the workspace's own tools first. `npx` in each task would cost seconds. */
  public binariesPath(root: string): string {
    const from = `$(cd ${root} && pwd)`;
    return `$(echo "${from}/node_modules/.bin:${from}/.venv/bin:$PATH")`;
  }

  public override preSynthesize(): void {
    super.preSynthesize();
    const paths = this.packages.map((child) => `packages/${child.name.replace('@quorate/', '')}`);
    new JsonFile(this, 'tsconfig.json', {
      obj: {
        files: [],
        references: [
          { path: './tsconfig.dev.json' },
          ...paths.flatMap((path) => [
            { path: `${path}/tsconfig.json` },
            { path: `${path}/tsconfig.dev.json` },
          ]),
        ],
      },
      readonly: false,
    });
    new JsonFile(this, 'jest.config.json', {
      obj: {
        projects: [...paths, RELEASE_FOLDER].map((path) => `<rootDir>/${path}`),
        maxWorkers: 2,
        testSequencer: '<rootDir>/scripts/longest-first.mjs',
        testTimeout: TEST_TIMEOUT_MS,
      },
      readonly: false,
    });
  }

  public override postSynthesize(): void {
    super.postSynthesize();
    if (this.installRequested) {
      execFileSync('npm', ['install', '--no-audit', '--no-fund'], {
        cwd: this.outdir,
        stdio: 'inherit',
      });
      // The stamp by which the set-up knows that nothing is left to install. Made anew: where the
      // folder was copied by links, writing in place would write in the other copies too.
      const stamp = join(this.outdir, 'node_modules', '.installed-lock.json');
      rmSync(stamp, { force: true });
      copyFileSync(join(this.outdir, 'package-lock.json'), stamp);
    }
  }

  private addSetup(): void {
    this.addTask('setup', {
      description: 'Install what the other tasks need (Node packages, Python tools); quick if done',
      exec: SETUP,
    });
    this.preCompileTask.exec(SETUP);
    this.addTask('etcd', {
      description: 'Show which etcd the tests use, and build it first where there is none',
      steps: [{ exec: SETUP }, { exec: ETCD }],
    });
    const demo = 'packages/etcd-lifecycle/demo';
    this.addTask('demo', {
      description: 'Replace every member of a real etcd cluster through lifecycle events, live',
      env: { ...QUIET, TSX_TSCONFIG_PATH: `${demo}/tsconfig.json` },
      steps: [
        { exec: SETUP },
        // In this process rather than by the command tsx, which kills what does not answer Ctrl-C
        // within 30 ms: the demo has things to stop.
        { exec: `node --import tsx ${demo}/main.ts`, receiveArgs: true },
      ],
    });
    this.addTask('picture:dashboard', {
      description: "Draw the picture of the construct's dashboard again",
      env: { ...QUIET, TSX_TSCONFIG_PATH: `${demo}/tsconfig.json`, CDK_VALIDATION: 'false' },
      steps: [{ exec: SETUP }, { exec: `node --import tsx ${demo}/dashboard-picture.ts` }],
    });
    this.addTask('chaos', {
      description: 'Replace members of a real etcd cluster at random while everything fails',
      env: { ...QUIET, TSX_TSCONFIG_PATH: `${CHAOS}/tsconfig.json` },
      steps: [{ exec: SETUP }, { exec: `node --import tsx ${CHAOS}/main.ts`, receiveArgs: true }],
    });
  }

  private addLerna(): void {
    new JsonFile(this, 'lerna.json', {
      obj: {
        $schema: 'node_modules/lerna/schemas/lerna-schema.json',
        version: 'independent',
        npmClient: 'npm',
        command: {
          version: {
            allowBranch: 'main',
            conventionalCommits: true,
            message: 'chore(release): publish',
          },
          publish: { conventionalCommits: true },
        },
      },
      marker: false,
      readonly: false,
    });
    new JsonFile(this, 'nx.json', {
      obj: {
        analytics: false,
        tui: { enabled: false },
        targetDefaults: { compile: { dependsOn: ['^compile'] }, build: { dependsOn: ['^build'] } },
      },
      marker: false,
      readonly: false,
    });
    // lerna changes version numbers in files that projen writes: write the rest of them to match.
    this.package.setScript('version', 'npx projen && git add --all');
    this.compileTask.exec('tsc --build');
    this.packageTask.exec('lerna run package --stream=false --loglevel=warn');
  }

  private addBiome(): void {
    new JsonFile(this, 'biome.json', {
      obj: {
        $schema: './node_modules/@biomejs/biome/configuration_schema.json',
        vcs: { enabled: true, clientKind: 'git', useIgnoreFile: true },
        files: {
          includes: [
            '**/*.ts',
            '**/*.mjs',
            '!**/lib',
            '!**/dist',
            '!**/*.generated.ts',
            '!**/cdk.out',
          ],
        },
        formatter: { indentStyle: 'space', indentWidth: 2, lineWidth: 100 },
        javascript: { formatter: { quoteStyle: 'single' } },
        // What projen writes stays as it writes it.
        json: { formatter: { enabled: false } },
        assist: { actions: { source: { organizeImports: 'on' } } },
        linter: {
          rules: {
            preset: 'recommended',
            correctness: { noUnusedImports: 'error', noUnusedVariables: 'error' },
            style: { useImportType: 'error', noNonNullAssertion: 'error' },
            suspicious: { noExplicitAny: 'error' },
          },
        },
      },
      marker: false,
      readonly: false,
    });
  }

  private addLongSuites(): void {
    this.addTask('test:chaos', {
      description: 'Run chaos with a few seeds: replacements under load while everything fails',
      env: { ...QUIET, TSX_TSCONFIG_PATH: `${CHAOS}/tsconfig.json` },
      steps: [
        { exec: SETUP },
        { exec: ETCD },
        { exec: `node --import tsx ${CHAOS}/main.ts --seeds 1,2,3 --minutes 1.5` },
      ],
    });
    this.addTask('test:examples', {
      description:
        'Run the example of the cluster from the packed tarballs: its user data boots real etcd',
      env: QUIET,
      steps: [
        { exec: SETUP },
        { exec: ETCD },
        {
          exec: "jest --ci --config release/jest.config.json --testMatch='**/test/*.run.ts'",
          receiveArgs: true,
        },
      ],
    });
    this.addTask('test:exhaustive', {
      description:
        'Let the planner decide on every state of up to 5 members, and follow each to its end',
      steps: [
        { exec: SETUP },
        { exec: `${EXPLORE} --members 5 --rare 3` },
        { exec: `${EXPLORE} --members 4 --rare 2 --own-join` },
      ],
    });
    this.addTask('test:permissions', {
      description:
        'Use every option of a deployed cluster, and compare its calls with the policies',
      env: { ...QUIET, CDK_VALIDATION: 'false' },
      steps: [
        { exec: SETUP },
        { exec: ETCD },
        {
          exec: "jest --ci --config packages/etcd-lifecycle/jest.config.json --testMatch='**/test/permissions/*.walk.ts'",
          receiveArgs: true,
        },
      ],
    });
  }

  private addMatrix(): void {
    this.addTask('test:matrix', {
      description:
        'Test every release of etcd, old ones too: plain, with TLS and with authentication',
      env: QUIET,
      steps: [
        { exec: SETUP },
        { exec: `${ETCD} all`, name: 'etcd' },
        {
          exec: "jest --ci --maxWorkers=2 --testMatch '<rootDir>/test/**/*.matrix.ts'",
          cwd: 'packages/etcd-lifecycle',
          receiveArgs: true,
        },
      ],
    });
  }

  private addCrashTests(): void {
    const jest =
      'jest --ci --config packages/etcd-lifecycle/jest.config.json ' +
      "--testMatch='**/test/crash/*.crash.ts' --maxWorkers=2";
    const steps = [{ exec: SETUP }, { exec: ETCD }, { exec: jest, receiveArgs: true }];
    this.addTask('test:crash', {
      description: 'Kill the function before and after each of its side effects, in each scenario',
      env: QUIET,
      steps,
    });
    this.addTask('test:crash:sample', {
      description: 'The same for a quarter of the side effects, in a quarter of the time',
      env: { ...QUIET, QUORATE_CRASH_SAMPLE: '4' },
      steps,
    });
    this.addTask('test:crash:record', {
      description: 'Write the lists of side effects anew, after the function got other ones',
      env: { ...QUIET, QUORATE_RECORD_SIDE_EFFECTS: '1' },
      steps,
    });
  }

  private addBenchmarks(): void {
    this.addTask('bench:python-retry', {
      description: 'Compare python-retry with other packages, and write bench/results',
      steps: [{ exec: SETUP }, { exec: 'tsx bench/python-retry/main.ts', receiveArgs: true }],
    });
    this.addTask('bench:etcd-lifecycle', {
      description: 'Measure the engine on real etcd, and write bench/results and the README',
      env: { ...QUIET, TSX_TSCONFIG_PATH: 'tsconfig.dev.json' },
      steps: [
        { exec: SETUP },
        { exec: 'node --import tsx bench/etcd-lifecycle/main.ts', receiveArgs: true },
      ],
    });
    this.addTask('bench:synth', {
      description:
        'Measure what the construct adds to a synthesis, imports and sizes; write bench/results',
      env: { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' },
      steps: [{ exec: SETUP }, { exec: 'tsx bench/synth/main.ts', receiveArgs: true }],
    });
  }

  private addChecks(): void {
    new JsonFile(this, 'tsconfig.dev.json', {
      obj: {
        compilerOptions: {
          target: 'ES2022',
          lib: ['ES2023'],
          module: 'node16',
          moduleResolution: 'node16',
          strict: true,
          noEmit: true,
          incremental: true,
          tsBuildInfoFile: '.cache/tsconfig.dev.tsbuildinfo',
          skipLibCheck: true,
          types: ['node'],
          paths: { '@quorate/*': ['./packages/*/src/index.ts'] },
        },
        include: ['.projenrc.ts', 'projenrc', 'bench', 'release'],
      },
      readonly: false,
    });
    this.addTask('format', {
      description: 'Format and lint everything, and mend what can be mended',
      steps: [
        { exec: SETUP },
        { exec: 'biome check --write --log-level=warn .' },
        { exec: 'ruff check --fix --quiet . ; ruff format --quiet .' },
      ],
    });
    const lint = this.addTask('check:lint', {
      description: 'Check format and lint of TypeScript and Python',
      steps: [
        { exec: 'biome check --error-on-warnings --log-level=warn .' },
        { exec: 'ruff check --quiet . && ruff format --check --quiet .' },
      ],
    });
    const types = this.addTask('check:types', {
      description: 'Check the types of TypeScript and Python',
      steps: [{ exec: 'tsc --build' }, { exec: 'mypy' }],
    });
    this.testTask.reset(SETUP, { name: 'setup' });
    // Of one core each but the first, which waits for its modules to arrive; the longest first.
    const checks = [ETCD, 'pytest', ...[types, lint].map(({ name }) => `projen ${name}`)];
    // As many at once as there are cores; what each of them prints is kept together.
    this.testTask.exec(
      `concurrently --group --prefix none --max-processes 100% ${checks.map((one) => `'${one}'`).join(' ')}`,
      { name: 'checks' },
    );
    this.testTask.env('AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED', 'true');
    this.testTask.exec('jest --ci', { name: 'jest', receiveArgs: true });
  }
}
