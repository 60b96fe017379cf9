import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const PACKAGE = '@quorate/etcd-lifecycle';

/**
 * The path of a folder that the package brings along. In an application that was bundled this module
 * is no longer in the package, and a folder of the same name that is found beside it is the
 * application's own: then the package is looked up as Node.js would, beside the bundle and from the
 * working directory.
 *
 * @throws Error if the package is not installed where the bundle runs
 * @internal
 */
export function packageFolder(name: 'bootstrap' | 'lambda'): string {
  // A bundle in the form of an ES module has no __dirname.
  const here = typeof __dirname === 'string' ? __dirname : process.cwd();
  const root = dirname(here);
  return join(isOurs(root) ? root : findInstalled([here, process.cwd()]), name);
}

function isOurs(root: string): boolean {
  const manifest = join(root, 'package.json');
  return existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).name === PACKAGE;
}

function findInstalled(places: readonly string[]): string {
  for (const place of places) {
    try {
      return dirname(createRequire(join(place, 'index.js')).resolve(`${PACKAGE}/package.json`));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') {
        throw error;
      }
    }
  }
  throw new Error(
    `${PACKAGE} was bundled, and is not installed in ${places.join(' or ')}, nor in a folder above: ` +
      'it deploys files that are not JavaScript. Run the bundle where the package is installed.',
  );
}
