import { JsonFile, javascript, type Task } from 'projen';
import { JEST_OPTIONS, PROJECT_OPTIONS } from './common';
import { Projenrc } from './projenrc';
import { currentVersion } from './versions';
import type { Workspace } from './workspace';

export interface PackageOptions {
  /** Folder name under `packages/`, and the published name behind the scope. */
  readonly name: string;
  readonly description: string;
  readonly keywords: string[];
  readonly deps?: string[];
  readonly devDeps?: string[];
  readonly peerDeps?: string[];
  /** Sibling packages that the sources need at run time. */
  readonly siblings?: Package[];
  /** Sibling packages that only the tests need. */
  readonly devSiblings?: Package[];
  /** What the npm package holds besides `lib`. @default - nothing */
  readonly files?: string[];
  /** Entry points besides the main one: sub-path to module under `src`, without extension. */
  readonly entryPoints?: Record<string, string>;
  /** Commands that the package installs: name to module under `src`, without extension. */
  readonly commands?: Record<string, string>;
  /** Whether the tests need the setup of the CDK (no template validation at each synthesis). */
  readonly cdk?: boolean;
  /** Folders of Python that are type-checked and linted, relative to the package. */
  readonly python?: string[];
  /** Folders of pytest tests, relative to the package. */
  readonly pythonTests?: string[];
  /** Ambient type packages that the sources see. @default node's only */
  readonly types?: string[];
  /** Peer dependencies that only some users need. */
  readonly optionalPeers?: string[];
  /** Further folders of TypeScript that are checked but not published. */
  readonly devFolders?: string[];
  /** Of these, those with programs that run from the sources, siblings' included. */
  readonly programFolders?: string[];
}

/** One published npm package of the workspace. */
export class Package extends javascript.NodeProject {
  public readonly checkTypes: Task;

  constructor(workspace: Workspace, options: PackageOptions) {
    const outdir = `packages/${options.name}`;
    super({
      ...PROJECT_OPTIONS,
      parent: workspace,
      outdir,
      name: `@quorate/${options.name}`,
      description: options.description,
      keywords: options.keywords,
      repositoryDirectory: outdir,
      npmAccess: javascript.NpmAccess.PUBLIC,
      entrypoint: 'lib/index.js',
      bin: Object.fromEntries(
        Object.entries(options.commands ?? {}).map(([name, module]) => [name, `lib/${module}.js`]),
      ),
      deps: [...(options.deps ?? []), ...(options.siblings ?? []).map(siblingRange)],
      devDeps: [...(options.devDeps ?? []), ...(options.devSiblings ?? []).map(siblingRange)],
      peerDeps: options.peerDeps,
      peerDependencyOptions: { pinnedDevDependency: false },
      github: false,
      projenDevDependency: false,
      gitignore: ['/lib/', '/dist/', '*.tsbuildinfo', '__pycache__/', '*.generated.ts'],
    });
    workspace.adopt(this);
    new Projenrc(this, '../../.projenrc.ts');

    this.tasks.addEnvironment('PATH', workspace.binariesPath('../..'));
    this.package.addVersion(currentVersion(this.outdir));
    this.package.addField('type', 'commonjs');
    this.package.addField('types', 'lib/index.d.ts');
    this.package.addField('files', [
      'lib',
      '!lib/**/*.tsbuildinfo',
      // They lead to the sources, which are in the maps of the JavaScript but not in the package.
      '!lib/**/*.d.ts.map',
      ...(options.files ?? []),
    ]);
    if (options.optionalPeers) {
      this.package.addField(
        'peerDependenciesMeta',
        Object.fromEntries(options.optionalPeers.map((peer) => [peer, { optional: true }])),
      );
    }
    this.package.addField('exports', renderExports(options.entryPoints ?? {}));

    this.addTypeScript(options);
    for (const folder of options.programFolders ?? []) {
      const siblings = [...(options.siblings ?? []), ...(options.devSiblings ?? [])];
      this.addProgramFolder(folder, siblings);
    }
    this.addJest(options);

    this.preCompileTask.exec('npx projen setup', { name: 'setup', cwd: '../..' });
    this.compileTask.exec('tsc --build tsconfig.json');
    this.packageTask.exec('mkdir -p dist && npm pack --silent --pack-destination dist');

    this.checkTypes = this.addTask('check:types', {
      description: 'Check the types of TypeScript and Python',
      steps: [{ exec: 'tsc --build tsconfig.json tsconfig.dev.json' }],
    });
    if (options.python?.length) {
      const folders = options.python.map((folder) => `${outdir}/${folder}`).join(' ');
      this.checkTypes.exec(`mypy ${folders}`, { cwd: '../..' });
    }

    // With its etcd, where there is none: a test should not have to wait for it to be built.
    this.testTask.reset('npx projen etcd', { name: 'set-up', cwd: '../..' });
    this.testTask.exec('biome check --error-on-warnings .');
    if (options.python?.length) {
      this.testTask.exec('ruff check --quiet . && ruff format --check --quiet .');
    }
    this.testTask.spawn(this.checkTypes);
    if (options.pythonTests?.length) {
      const folders = options.pythonTests.map((folder) => `${outdir}/${folder}`).join(' ');
      this.testTask.exec(`pytest ${folders}`, { cwd: '../..' });
    }
    this.testTask.env('AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED', 'true');
    this.testTask.exec('jest --ci', { receiveArgs: true });
    this.addTask('test:watch', { exec: 'jest --watch', receiveArgs: true });

    // The root installs for all packages; a change here only asks it to.
    Object.assign(this.package, { installDependencies: () => workspace.requestInstall() });
  }

  private addTypeScript(options: PackageOptions): void {
    const referTo = (siblings: Package[] = []) =>
      siblings.map((sibling) => ({ path: `../${folderOf(sibling.name)}/tsconfig.json` }));
    const compilerOptions = {
      target: 'ES2022',
      lib: ['ES2023', 'ESNext.Disposable'],
      module: 'node16',
      moduleResolution: 'node16',
      strict: true,
      noImplicitOverride: true,
      noUncheckedIndexedAccess: true,
      noFallthroughCasesInSwitch: true,
      noUnusedLocals: true,
      noUnusedParameters: true,
      isolatedModules: true,
      esModuleInterop: true,
      resolveJsonModule: true,
      skipLibCheck: true,
      stripInternal: true,
      types: options.types ?? ['node'],
    };
    new JsonFile(this, 'tsconfig.json', {
      obj: {
        compilerOptions: {
          ...compilerOptions,
          composite: true,
          declaration: true,
          declarationMap: true,
          sourceMap: true,
          inlineSources: true,
          rootDir: 'src',
          outDir: 'lib',
          tsBuildInfoFile: 'lib/tsconfig.tsbuildinfo',
        },
        include: ['src'],
        references: referTo(options.siblings),
      },
      readonly: false,
    });
    new JsonFile(this, 'tsconfig.dev.json', {
      obj: {
        compilerOptions: {
          ...compilerOptions,
          noEmit: true,
          incremental: true,
          tsBuildInfoFile: 'lib/tsconfig.dev.tsbuildinfo',
        },
        include: ['test', ...(options.devFolders ?? [])],
        references: [
          { path: './tsconfig.json' },
          ...referTo(options.siblings),
          ...referTo(options.devSiblings),
        ],
      },
      readonly: false,
    });
  }

  /** Lets a program take its siblings from their sources, so that nothing must be compiled first. */
  private addProgramFolder(folder: string, siblings: Package[]): void {
    new JsonFile(this, `${folder}/tsconfig.json`, {
      obj: {
        extends: '../tsconfig.dev.json',
        compilerOptions: {
          paths: Object.fromEntries(
            siblings.map(({ name }) => [name, [`../../${folderOf(name)}/src/index.ts`]]),
          ),
        },
      },
      readonly: false,
    });
  }

  private addJest(options: PackageOptions): void {
    new JsonFile(this, 'jest.config.json', {
      obj: {
        displayName: options.name,
        ...JEST_OPTIONS,
        moduleNameMapper: {
          '^@quorate/([^/]+)$': '<rootDir>/../$1/src',
          '^@quorate/([^/]+)/(.+)$': '<rootDir>/../$1/src/$2',
        },
        modulePathIgnorePatterns: ['<rootDir>/lib/', '<rootDir>/dist/'],
        setupFiles: options.cdk ? ['<rootDir>/test/setup.ts'] : [],
      },
      readonly: false,
    });
  }
}

function folderOf(name: string): string {
  return name.replace('@quorate/', '');
}

function siblingRange(sibling: Package): string {
  return `${sibling.name}@^${currentVersion(sibling.outdir)}`;
}

function renderExports(entryPoints: Record<string, string>): Record<string, unknown> {
  const entry = (module: string) => ({
    types: `./lib/${module}.d.ts`,
    default: `./lib/${module}.js`,
  });
  return {
    '.': entry('index'),
    ...Object.fromEntries(
      Object.entries(entryPoints).map(([path, module]) => [`./${path}`, entry(module)]),
    ),
    './package.json': './package.json',
  };
}
