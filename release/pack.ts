import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, relative, sep } from 'node:path';

export const ROOT = join(__dirname, '..');
const PACKAGES = join(ROOT, 'packages');
const TSC = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');

/** What is said of a package in its `package.json`, as far as it matters here. */
export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly bin?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
}

/** A package as it would be published. */
export interface PackedPackage {
  readonly name: string;
  /** Its folder in the workspace. */
  readonly folder: string;
  readonly manifest: Manifest;
  /** The path of the tarball. */
  readonly tarball: string;
  /** Bytes of the tarball. */
  readonly size: number;
  /** Bytes of what is in it. */
  readonly unpackedSize: number;
  /** The paths in it, with `/`, sorted. */
  readonly files: readonly string[];
}

/** The folders of the packages, sorted. */
export function packageFolders(): string[] {
  return readdirSync(PACKAGES)
    .map((name) => join(PACKAGES, name))
    .filter((folder) => existsSync(join(folder, 'package.json')))
    .sort();
}

export function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
}

/** What the compiler writes for a module under `src`. */
export function outputsOf(module: string): string[] {
  return ['.js', '.js.map', '.d.ts', '.d.ts.map'].map((ending) => module + ending);
}

/** The modules under `src`, as paths with `/` and without their ending. */
export function modulesOf(folder: string): string[] {
  return filesUnder(join(folder, 'src'))
    .filter((file) => file.endsWith('.ts'))
    .map((file) => file.slice(0, -'.ts'.length));
}

/** The files under a folder, as paths with `/`. */
export function filesUnder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'));
}

/** Compiles every package, and removes what was compiled from sources that are gone. */
export function compile(): void {
  execFileSync(
    process.execPath,
    [TSC, '--build', ...packageFolders().map((folder) => join(folder, 'tsconfig.json'))],
    { cwd: ROOT, stdio: 'inherit' },
  );
  for (const folder of packageFolders()) {
    const current = new Set(modulesOf(folder).flatMap(outputsOf));
    for (const file of filesUnder(join(folder, 'lib'))) {
      if (!current.has(file) && !file.endsWith('.tsbuildinfo')) {
        rmSync(join(folder, 'lib', file));
      }
    }
  }
}

/** Compiles every package and packs it into a folder, as `npm publish` would. */
export function packAll(destination: string): PackedPackage[] {
  compile();
  return packageFolders().map((folder) => {
    const json = execFileSync(
      'npm',
      ['pack', '--json', '--loglevel=error', '--pack-destination', destination],
      { cwd: folder, encoding: 'utf8', env: plainEnvironment() },
    );
    const [packed] = JSON.parse(json) as {
      readonly filename: string;
      readonly size: number;
      readonly unpackedSize: number;
      readonly files: readonly { readonly path: string }[];
    }[];
    if (!packed) {
      throw new Error(`npm pack in ${folder} told of no package`);
    }
    const manifest = readManifest(folder);
    return {
      name: manifest.name,
      folder,
      manifest,
      tarball: join(destination, packed.filename),
      size: packed.size,
      unpackedSize: packed.unpackedSize,
      files: packed.files.map(({ path }) => path).sort(),
    };
  });
}

/** This process's environment, without what npm, projen and jest have added for their children. */
export function plainEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^(npm_|jest_)/i.test(name) && !['NODE_OPTIONS', 'NODE_ENV'].includes(name),
    ),
  );
}
