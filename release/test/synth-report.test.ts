import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { packageFolders, ROOT, readManifest } from '../pack';

const REPORT = readFileSync(join(ROOT, 'bench', 'results', 'synth.md'), 'utf8');

/** What a page shows between its marks. */
function shownIn(page: string): string {
  const text = readFileSync(join(ROOT, page), 'utf8');
  return text.split('<!-- bench:synth -->\n')[1]?.split('<!-- /bench:synth -->')[0] ?? '';
}

test.each(['README.md', 'packages/etcd-lifecycle/README.md'])(
  '%s shows a table of the report as it is',
  (page) => {
    const table = shownIn(page);
    expect(table).toMatch(/^\|/);
    expect(REPORT).toContain(table);
  },
);

test('the README has a line for each package', () => {
  const names = [...shownIn('README.md').matchAll(/^\| `(@[^`]+)`/gm)].map(([, name]) => name);
  expect(names).toEqual(packageFolders().map((folder) => readManifest(folder).name));
});
