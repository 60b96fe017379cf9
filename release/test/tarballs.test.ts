import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, sep } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  filesUnder,
  modulesOf,
  outputsOf,
  type PackedPackage,
  packAll,
  packageFolders,
  ROOT,
  readManifest,
} from '../pack';

/** Folders of a package that are published besides what is compiled; what else there is, is not. */
const FOLDERS: Record<string, string[]> = {
  '@quorate/etcd-lifecycle': ['bootstrap', 'lambda'],
  '@quorate/python-retry': [],
  '@quorate/test-harness': ['etcd', 'python'],
};

/** Bytes of the largest tarball that surprises nobody. */
const LARGEST: Record<string, number> = {
  '@quorate/etcd-lifecycle': 300_000,
  '@quorate/python-retry': 120_000,
  '@quorate/test-harness': 400_000,
};

/** Packages that the main file of a package loads; all else is loaded when it is needed. */
const LOADED: Record<string, string[]> = {
  '@quorate/etcd-lifecycle': [
    '@quorate/etcd-lifecycle',
    '@quorate/python-retry',
    'aws-cdk-lib',
    'constructs',
  ],
  '@quorate/python-retry': ['@quorate/python-retry'],
  '@quorate/test-harness': ['@quorate/test-harness'],
};

let directory: string;
let packages: Map<string, PackedPackage>;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'quorate-tarballs-'));
  packages = new Map(packAll(directory).map((one) => [one.name, one]));
  for (const { name, tarball } of packages.values()) {
    const folder = join(directory, basename(name));
    mkdirSync(folder);
    execFileSync('tar', ['-xzf', tarball, '--strip-components=1', '-C', folder]);
  }
}, 300_000);

afterAll(() => {
  rmSync(directory, { recursive: true });
});

function run(script: string, args: readonly string[]) {
  return spawnSync(process.execPath, [join(ROOT, 'node_modules', script), ...args], {
    cwd: directory,
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: undefined },
  });
}

/** The files that a script loads in a process of its own, from the workspace's folder. */
function loadedBy(script: string): string[] {
  const program = `${script}; process.stdout.write(JSON.stringify(Object.keys(require.cache)))`;
  const output = execFileSync(process.execPath, ['--eval', program], {
    cwd: ROOT,
    encoding: 'utf8',
    env: { ...process.env, CDK_VALIDATION: 'false' },
  });
  return JSON.parse(output);
}

/** The package that a file of the workspace or of one of its dependencies belongs to. */
function packageOf(file: string): string {
  const folder = packageFolders().find((one) => file.startsWith(one + sep));
  const [scope = '', name] = file.slice(join(ROOT, 'node_modules').length + 1).split(sep);
  return folder ? readManifest(folder).name : scope.startsWith('@') ? `${scope}/${name}` : scope;
}

/** The files of a package's folders that git knows or would take. */
function sourcesIn(folder: string, folders: readonly string[]): string[] {
  if (folders.length === 0) {
    return [];
  }
  const listed = execFileSync(
    'git',
    ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--', ...folders],
    { cwd: folder, encoding: 'utf8' },
  );
  return listed.split('\0').filter((path) => path !== '' && statSync(join(folder, path)).isFile());
}

describe.each(packageFolders().map((folder) => readManifest(folder).name))('%s', (name) => {
  const packed = () => packages.get(name) as PackedPackage;
  const unpacked = (...path: string[]) => join(directory, basename(name), ...path);

  test('holds what is needed and nothing else', () => {
    const { folder, files } = packed();
    const compiled = modulesOf(folder)
      .flatMap(outputsOf)
      .filter((file) => !file.endsWith('.d.ts.map'))
      .map((file) => `lib/${file}`);
    const expected = ['LICENSE', 'README.md', 'package.json', ...compiled];
    expect(files).toEqual([...expected, ...sourcesIn(folder, FOLDERS[name] ?? [])].sort());
  });

  test('is small', () => {
    expect(packed().size).toBeLessThan(LARGEST[name] ?? 0);
  });

  test('loads no other package before it is needed', () => {
    const loaded = loadedBy(`require(${JSON.stringify(name)})`).map(packageOf);
    expect([...new Set(loaded)].sort()).toEqual(LOADED[name]);
  });

  test('says under which licence it stands', () => {
    const licence = readFileSync(join(ROOT, 'LICENSE'), 'utf8');
    expect(readFileSync(unpacked('LICENSE'), 'utf8')).toBe(licence);
  });

  test('has maps that hold the sources', () => {
    const { folder } = packed();
    for (const module of modulesOf(folder)) {
      const map = JSON.parse(readFileSync(unpacked('lib', `${module}.js.map`), 'utf8'));
      expect(map.sourcesContent).toEqual([
        readFileSync(join(folder, 'src', `${module}.ts`), 'utf8'),
      ]);
    }
  });

  test('names no path of the machine where it was packed', () => {
    const naming = filesUnder(unpacked()).filter((file) =>
      readFileSync(unpacked(file), 'utf8').includes(ROOT),
    );
    expect(naming).toEqual([]);
  });

  test('depends on what a registry has: no folder, no workspace', () => {
    const { dependencies = {}, peerDependencies = {} } = packed().manifest;
    for (const range of Object.values({ ...dependencies, ...peerDependencies })) {
      expect(range).toMatch(/^\^\d+\.\d+\.\d+$/);
    }
  });

  test('has commands that begin with what runs them', () => {
    for (const file of Object.values(packed().manifest.bin ?? {})) {
      expect(readFileSync(unpacked(file), 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/);
    }
  });

  test('is without fault to publint', () => {
    const { status, stdout, stderr } = run('publint/src/cli.js', ['--strict', packed().tarball]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain('All good!');
    expect(stdout).not.toMatch(/Suggestions|Warnings|Errors/);
  });

  test('has types that resolve as CommonJS and as ESM, and are not masquerading', () => {
    // node10 is the resolution of Node.js 10, which knows no `exports`.
    const args = ['--profile', 'node16', '--format', 'json', packed().tarball];
    const { status, stdout } = run('@arethetypeswrong/cli/dist/index.js', args);
    const { analysis } = JSON.parse(stdout);
    expect({ status, problems: analysis.problems.filter(concernsUs) }).toEqual({
      status: 0,
      problems: [],
    });
    expect(Object.keys(analysis.entrypoints)).toEqual(Object.keys(packed().manifest.exports));
  });
});

/** The packages from which a module loads something, but for itself and what is built into Node.js. */
function packagesLoadedBy(module: string): string[] {
  const script =
    // What registers matchers wants the `expect` of jest.
    'globalThis.expect = { extend() {} };' +
    `require(${JSON.stringify(module)});` +
    'console.log(JSON.stringify(Object.keys(require.cache)));';
  const files: string[] = JSON.parse(
    execFileSync(process.execPath, ['-e', script], { cwd: ROOT, encoding: 'utf8' }),
  );
  expect(files.length).toBeGreaterThan(1);
  const names = files.map(
    (file) => /.*node_modules[\\/]((?:@[^\\/]+[\\/])?[^\\/]+)/.exec(file)?.[1],
  );
  return [...new Set(names.filter((name) => name !== undefined))].sort();
}

describe('whoever imports', () => {
  test.each(['@quorate/python-retry', '@quorate/test-harness/jest'])(
    '%s loads no other',
    (name) => {
      expect(packagesLoadedBy(name)).toEqual([]);
    },
  );

  test('the construct loads what every app with it has loaded, and no client of AWS', () => {
    expect(packagesLoadedBy('@quorate/etcd-lifecycle')).toEqual(['aws-cdk-lib', 'constructs']);
  });

  test('the test harness does not load aws-cdk-lib', () => {
    expect(packagesLoadedBy('@quorate/test-harness')).not.toContain('aws-cdk-lib');
  });
});

function concernsUs({ resolutionKind }: { readonly resolutionKind?: string }): boolean {
  return resolutionKind !== 'node10';
}

test('a synthesis with the construct loads neither facts of Regions nor what copies assets', () => {
  const loaded = loadedBy(`
    const { App, Stack } = require('aws-cdk-lib');
    const { AutoScalingGroup } = require('aws-cdk-lib/aws-autoscaling');
    const { InstanceType, MachineImage, SecurityGroup, Vpc } = require('aws-cdk-lib/aws-ec2');
    const { Secret } = require('aws-cdk-lib/aws-secretsmanager');
    const { EtcdLifecycle, EtcdTls } = require('@quorate/etcd-lifecycle');
    const app = new App({ outdir: ${JSON.stringify(join(directory, 'assembly'))} });
    const stack = new Stack(app, 'Stack');
    const vpc = new Vpc(stack, 'Vpc');
    const autoScalingGroup = new AutoScalingGroup(stack, 'Members', {
      vpc,
      instanceType: new InstanceType('m7g.medium'),
      machineImage: MachineImage.genericLinux({ 'eu-central-1': 'ami-0123456789abcdef0' }),
      securityGroup: new SecurityGroup(stack, 'SecurityGroup', { vpc }),
      minCapacity: 3,
      maxCapacity: 4,
    });
    const tls = EtcdTls.fromSecret(Secret.fromSecretNameV2(stack, 'Secret', 'etcd'));
    new EtcdLifecycle(stack, 'Etcd', { autoScalingGroup, clusterName: 'main', vpc, tls });
    app.synth()`);
  const cdk = loaded.filter((file) => packageOf(file) === 'aws-cdk-lib');
  // That it looks at the right place.
  expect(cdk.filter((file) => file.includes(join('aws-cdk-lib', 'aws-lambda')))).not.toEqual([]);
  expect(cdk.filter((file) => /[\\/](region-info|aws-s3-assets|fs-extra)[\\/]/.test(file))).toEqual(
    [],
  );
});
