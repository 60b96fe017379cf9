import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { programArguments } from '../packages/etcd-lifecycle/demo/program';
import { runCommand } from './command';
import { copyExample, exampleNames } from './example';
import { LocalRegistry } from './local-registry';
import { packageFolders, plainEnvironment, ROOT, readManifest } from './pack';
import { ScratchClone } from './scratch-clone';

const USAGE = `Usage: npx projen release:dry-run [-- OPTIONS]

Releases what is committed to a registry on this machine, as the release workflow does to the real
one, in a clone: all packages first, then, after a new feature of one package, what that changes. Then
it installs the packages from that registry into empty folders and synthesizes the examples there, one
with the oldest CDK as well.
Nothing is pushed, and the workspace stays as it is. What is not ours comes from the registry that npm
is configured for, or from npm's cache.

Options:
  --keep      leave the clone, the registry's files and the examples for a look at them
  --verbose   show the output of the commands
  --help      show this text

Exit codes: 0 when all went well, 1 when not, 2 when the options are wrong, 130 when interrupted.
`;

const SCOPE = '@quorate';
/** The package that gets a feature, and those that are released again then, with the new version. */
const CHANGED = '@quorate/python-retry';
const DEPENDENT = '@quorate/etcd-lifecycle';
/** The example that is tried with the oldest CDK, too: the one with most of the construct. */
const OLDEST_EXAMPLE = 'mtls-cluster';
const INTERRUPTED = 130;

interface Options {
  readonly keep: boolean;
  readonly verbose: boolean;
}

/** Something is not as a release must be. */
class ReleaseError extends Error {}

function check(holds: boolean, otherwise: string): asserts holds {
  if (!holds) {
    throw new ReleaseError(otherwise);
  }
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

class DryRun {
  private readonly names = packageFolders().map((folder) => readManifest(folder).name);

  constructor(
    private readonly directory: string,
    private readonly registry: LocalRegistry,
    private readonly clone: ScratchClone,
    private readonly options: Options,
  ) {}

  async run(): Promise<void> {
    await this.compile();
    say('Releasing every package');
    await this.release('--force-publish');
    const first = await this.latest();
    for (const [name, version] of first) {
      check(version !== undefined, `${name} was not published`);
    }

    say(`Releasing again after a new feature of ${CHANGED}`);
    this.addFeature();
    await this.compile();
    await this.release();
    const second = await this.latest();
    await this.checkSecond(first, second);
    check(
      this.clone.git('status', '--porcelain') === '',
      'the release left changes that are not committed in the clone',
    );
    await this.report(second);

    for (const name of exampleNames()) {
      await this.synthesizeExample(name, second);
    }
    await this.synthesizeWithOldest();
    await this.loadHarness();
  }

  /** Everything that a fresh clone's build makes before it publishes. */
  private async compile(): Promise<void> {
    await this.inClone('node', ['packages/python-retry/scripts/embed.mjs']);
    const projects = packageFolders().map((folder) => {
      return join(folder.replace(ROOT, this.clone.root), 'tsconfig.json');
    });
    await this.inClone('tsc', ['--build', ...projects]);
  }

  private async release(...options: readonly string[]): Promise<void> {
    await this.inClone('lerna', [
      ...['publish', '--yes', '--registry', this.registry.url],
      ...options,
    ]);
  }

  private inClone(command: string, args: readonly string[]): Promise<string> {
    return runCommand(command, args, {
      cwd: this.clone.root,
      verbose: this.options.verbose,
      environment: {
        ...plainEnvironment(),
        PATH: `${join(this.clone.root, 'node_modules', '.bin')}:${process.env.PATH}`,
        NPM_CONFIG_USERCONFIG: join(this.directory, 'npmrc'),
        // It is signed for by the workflow's identity, which this machine does not have.
        NPM_CONFIG_PROVENANCE: 'false',
      },
    });
  }

  private addFeature(): void {
    const folder = CHANGED.replace(SCOPE, 'packages');
    appendFileSync(join(this.clone.root, folder, 'README.md'), '\nA feature of the dry run.\n');
    this.clone.git('commit', '--quiet', '--all', '--message', 'feat: try a release');
  }

  /** The newest version of each package in the registry. */
  private async latest(): Promise<Map<string, string | undefined>> {
    const found = await Promise.all(this.names.map((name) => this.registry.find(name)));
    return new Map(this.names.map((name, index) => [name, found[index]?.['dist-tags'].latest]));
  }

  private async checkSecond(
    first: Map<string, string | undefined>,
    second: Map<string, string | undefined>,
  ): Promise<void> {
    const released = this.names.filter((name) => first.get(name) !== second.get(name)).sort();
    check(
      released.join() === [DEPENDENT, CHANGED].join(),
      `of a feature of ${CHANGED}, ${released.join(', ') || 'nothing'} was released`,
    );
    const [major, minor] = (first.get(CHANGED) ?? '').split('.').map(Number);
    const expected = `${major}.${(minor ?? 0) + 1}.0`;
    check(
      second.get(CHANGED) === expected,
      `after a feature ${CHANGED} is ${second.get(CHANGED)}, not ${expected}`,
    );
    const published = await this.registry.find(DEPENDENT);
    const range = published?.versions[second.get(DEPENDENT) ?? '']?.dependencies?.[CHANGED];
    check(range === `^${expected}`, `${DEPENDENT} depends on ${CHANGED} ${range}`);
    const changelog = join(this.clone.root, CHANGED.replace(SCOPE, 'packages'), 'CHANGELOG.md');
    check(
      /### Features\s+\* try a release/.test(readFileSync(changelog, 'utf8')),
      `the changelog of ${CHANGED} does not name the feature`,
    );
    for (const name of released) {
      const tag = `${name}@${second.get(name)}`;
      check(this.clone.git('ls-remote', 'origin', tag) !== '', `the tag ${tag} was not pushed`);
    }
  }

  private async report(versions: Map<string, string | undefined>): Promise<void> {
    say('\nPackage                      Version    Packed');
    for (const [name, version = ''] of versions) {
      const tarball = (await this.registry.find(name))?.versions[version]?.dist.tarball;
      check(tarball !== undefined, `the registry does not know ${name}@${version}`);
      const bytes = (await (await fetch(tarball)).arrayBuffer()).byteLength;
      say(
        `${name.padEnd(28)} ${version.padEnd(7)} ${`${Math.round(bytes / 1000)} kB`.padStart(9)}`,
      );
    }
    say('');
  }

  private async synthesizeExample(
    name: string,
    versions: Map<string, string | undefined>,
  ): Promise<void> {
    say(`Installing and synthesizing examples/${name}`);
    const project = join(this.directory, 'examples', name);
    copyExample(name, project);
    await this.install(project);
    for (const dependency of Object.keys(readManifest(project).dependencies ?? {})) {
      if (versions.has(dependency)) {
        const { version } = readManifest(join(project, 'node_modules', dependency));
        check(version === versions.get(dependency), `${name} installed ${dependency} ${version}`);
      }
    }
    await this.synthesize(project);
  }

  /** The oldest CDK that the construct says it works with, as npm takes the newest by itself. */
  private async synthesizeWithOldest(): Promise<void> {
    const project = join(this.directory, 'examples', 'oldest');
    copyExample(OLDEST_EXAMPLE, project);
    const { peerDependencies = {} } = readManifest(
      join(this.clone.root, DEPENDENT.replace(SCOPE, 'packages')),
    );
    const oldest = Object.entries(peerDependencies).map(([name, range]) => {
      return [name, range.replace('^', '')] as const;
    });
    const told = oldest.map((one) => one.join(' ')).join(' and ');
    say(`Installing and synthesizing examples/${OLDEST_EXAMPLE} with ${told}`);
    const manifest = readManifest(project);
    writeFileSync(
      join(project, 'package.json'),
      JSON.stringify({
        ...manifest,
        dependencies: { ...manifest.dependencies, ...Object.fromEntries(oldest) },
      }),
    );
    await this.install(project);
    for (const [name, version] of oldest) {
      const installed = readManifest(join(project, 'node_modules', name)).version;
      check(installed === version, `of ${name}, ${installed} was installed`);
    }
    await this.synthesize(project);
  }

  private async synthesize(project: string): Promise<void> {
    await this.inProject(project, 'npm', ['run', 'synth']);
    const made = readdirSync(join(project, 'cdk.out'));
    check(
      made.some((file) => file.endsWith('.template.json')),
      `${basename(project)} made no template: ${made.join(', ')}`,
    );
  }

  /** The harness has dependencies of its own: loads it where nothing else is installed. */
  private async loadHarness(): Promise<void> {
    say(`Installing and loading ${SCOPE}/test-harness`);
    const project = join(this.directory, 'harness');
    mkdirSync(project, { recursive: true });
    writeFileSync(
      join(project, 'package.json'),
      JSON.stringify({ private: true, dependencies: { [`${SCOPE}/test-harness`]: 'latest' } }),
    );
    await this.install(project);
    const use =
      "const all = require('@quorate/test-harness');" +
      'console.log(Object.keys(all).sort().join());';
    const exported = await this.inProject(project, 'node', ['--eval', use]);
    check(/PythonRunner/.test(exported), `${SCOPE}/test-harness exports ${exported}`);
  }

  private async install(project: string): Promise<void> {
    writeFileSync(join(project, '.npmrc'), `${SCOPE}:registry=${this.registry.url}\n`);
    await this.inProject(project, 'npm', [
      ...['install', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'],
    ]);
  }

  private inProject(project: string, command: string, args: readonly string[]): Promise<string> {
    return runCommand(command, args, {
      cwd: project,
      verbose: this.options.verbose,
      environment: {
        ...plainEnvironment(),
        CDK_DISABLE_CLI_TELEMETRY: 'true',
        CDK_VALIDATION: 'false',
      },
    });
  }
}

async function main(options: Options): Promise<void> {
  const cache = join(ROOT, '.cache', 'release');
  mkdirSync(cache, { recursive: true });
  const directory = mkdtempSync(join(cache, 'dry-run-'));
  const clean = () => {
    if (options.keep) {
      say(`Everything is in ${directory}`);
    } else if (existsSync(directory)) {
      rmSync(directory, { recursive: true });
    }
  };
  // The registry goes with this process, however it ends.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      clean();
      process.exit(INTERRUPTED);
    });
  }
  let registry: LocalRegistry | undefined;
  try {
    say('Starting a registry, and cloning what is committed');
    registry = await LocalRegistry.start(join(directory, 'registry'));
    writeFileSync(join(directory, 'npmrc'), await registry.addUser('release'));
    const clone = ScratchClone.create(join(directory, 'repository'));
    await new DryRun(directory, registry, clone, options).run();
    say('All went well.');
  } finally {
    await registry?.stop();
    clean();
  }
}

function readOptions(): Options | undefined {
  const { values } = parseArgs({
    args: programArguments(),
    options: {
      keep: { type: 'boolean', default: false },
      verbose: { type: 'boolean', default: false },
      help: { type: 'boolean' },
    },
  });
  return values.help ? undefined : { keep: values.keep, verbose: values.verbose };
}

let options: Options | undefined;
try {
  options = readOptions();
} catch (error) {
  console.error(`release:dry-run: ${error instanceof Error ? error.message : error}\n\n${USAGE}`);
  process.exit(2);
}
if (options === undefined) {
  process.stdout.write(USAGE);
} else {
  main(options).catch((error) => {
    console.error(error instanceof ReleaseError ? `release:dry-run: ${error.message}` : error);
    process.exitCode = 1;
  });
}
