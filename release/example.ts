import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type PackedPackage, packAll, ROOT } from './pack';

const EXAMPLES = join(ROOT, 'examples');
/** What may lie in an example's folder because somebody has tried it there. */
const LEFTOVERS = ['node_modules', 'cdk.out', 'build', 'package-lock.json'];

/**
 * The types of resources that are left out when an example is deployed to the emulator: what it does
 * not know of a network, and alarms, one of which has metric math, with what refers to them.
 */
export const NOT_EMULATED: readonly string[] = [
  'CloudWatch::Alarm',
  'CloudWatch::Dashboard',
  'EC2::EIP',
  'EC2::NatGateway',
  'EC2::Route',
  'EC2::SecurityGroupIngress',
  'EC2::SecurityGroupEgress',
].map((type) => `AWS::${type}`);

/** The names of the examples, sorted. */
export function exampleNames(): string[] {
  return readdirSync(EXAMPLES, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();
}

/** Copies an example as git has it. */
export function copyExample(name: string, destination: string): void {
  cpSync(join(EXAMPLES, name), destination, {
    recursive: true,
    filter: (source) =>
      !LEFTOVERS.some((leftover) => source.endsWith(`/${leftover}`)) &&
      !/__pycache__|python_retry\.pyi?$/.test(source),
  });
}

/**
 * Puts packed packages into a project's `node_modules`, unpacked as npm unpacks them. What they
 * depend on must be found in a folder above, so that neither network nor cache is needed.
 */
function unpackInto(project: string, packages: readonly PackedPackage[]): void {
  for (const { name, tarball } of packages) {
    const folder = join(project, 'node_modules', name);
    mkdirSync(folder, { recursive: true });
    execFileSync('tar', ['-xzf', tarball, '--strip-components=1', '-C', folder]);
  }
}

/**
 * Copies examples into a new folder below the workspace, where the CDK and the tools are found above,
 * each with the packages as they are packed now.
 *
 * @returns the folder, in which each example has one of its name.
 */
export function installExamples(names: readonly string[]): string {
  const cache = join(ROOT, '.cache', 'examples');
  const tarballs = mkdtempSync(join(tmpdir(), 'quorate-examples-'));
  try {
    const packages = packAll(tarballs);
    mkdirSync(cache, { recursive: true });
    const directory = mkdtempSync(join(cache, 'run-'));
    for (const name of names) {
      copyExample(name, join(directory, name));
      unpackInto(join(directory, name), packages);
    }
    return directory;
  } finally {
    rmSync(tarballs, { recursive: true });
  }
}
