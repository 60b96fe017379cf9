import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { expect, test } from '@jest/globals';
import { packageFolders, ROOT } from '../pack';

/** Where GitHub shows the files of this repository, and where it gives them as they are. */
const ON_GITHUB = [
  'https://github.com/quorate/quorate/blob/main/',
  'https://raw.githubusercontent.com/quorate/quorate/main/',
];

/** The Markdown of the repository, with `/` and from its root. */
const PAGES = execFileSync(
  'git',
  ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '*.md'],
  { cwd: ROOT, encoding: 'utf8' },
)
  .split('\0')
  .filter((page) => page !== '' && existsSync(join(ROOT, page)));

/** A page without its blocks of code. */
function proseOf(page: string): string {
  return readFileSync(join(ROOT, page), 'utf8').replace(/^( *```).*?^\1/gms, '');
}

/** Where the links and pictures of a page lead, as they are written. */
function linksOf(page: string): string[] {
  const prose = proseOf(page).replace(/(`+)(?!`).+?(?<!`)\1(?!`)/g, 'code');
  return [...prose.matchAll(/\]\(([^()\s]+)\)/g)].map(([, target = '']) => target);
}

const known = new Map<string, Set<string>>();

/** The anchors that GitHub makes of the titles of a page. */
function anchorsOf(page: string): Set<string> {
  const anchors = known.get(page) ?? new Set<string>();
  if (known.has(page)) {
    return anchors;
  }
  known.set(page, anchors);
  for (const [, title = ''] of proseOf(page).matchAll(/^#{1,6} +(.*?) *$/gm)) {
    const name = title
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\p{M}_ -]/gu, '')
      .replaceAll(' ', '-');
    let anchor = name;
    for (let count = 1; anchors.has(anchor); count++) {
      anchor = `${name}-${count}`;
    }
    anchors.add(anchor);
  }
  return anchors;
}

/** What is wrong with a link, if it leads into this repository. */
function faultOf(page: string, link: string): string[] {
  const inRepository = ON_GITHUB.find((start) => link.startsWith(start));
  if (!inRepository && /^[a-z]+:/.test(link)) {
    return [];
  }
  const [path = '', anchor] = (inRepository ? link.slice(inRepository.length) : link).split('#');
  const from = inRepository ? ROOT : join(ROOT, dirname(page));
  const target = path === '' ? join(ROOT, page) : join(from, path);
  if (!existsSync(target)) {
    return [`${page}: there is no ${link}`];
  }
  if (anchor === undefined) {
    return [];
  }
  const isPage = statSync(target).isFile() && target.endsWith('.md');
  return isPage && anchorsOf(relative(ROOT, target)).has(anchor)
    ? []
    : [`${page}: ${link} leads to no title`];
}

test('there are pages with links', () => {
  expect(PAGES).toContain('README.md');
  expect(linksOf('README.md').length).toBeGreaterThan(10);
});

test('every link into the repository leads to a file, and to a title of it', () => {
  expect(PAGES.flatMap((page) => linksOf(page).flatMap((link) => faultOf(page, link)))).toEqual([]);
});

test('what is missing is found', () => {
  expect(faultOf('README.md', 'docs/nowhere.md')).toEqual([
    'README.md: there is no docs/nowhere.md',
  ]);
  expect(faultOf('docs/costs.md', '../README.md#nowhere')).toHaveLength(1);
  expect(faultOf('README.md', `${ON_GITHUB[0]}docs/operations.md#nowhere`)).toHaveLength(1);
  expect(faultOf('README.md', 'https://example.com/#nowhere')).toEqual([]);
});

test.each(packageFolders().map((folder) => relative(ROOT, folder)))(
  'the README of %s, which is read where the repository is not, links to no file beside it',
  (folder) => {
    const links = linksOf(`${folder}/README.md`);
    expect(links.filter((link) => !/^(#|https:)/.test(link))).toEqual([]);
  },
);

test('every command of projen that a page names is there', () => {
  const { tasks } = JSON.parse(readFileSync(join(ROOT, '.projen', 'tasks.json'), 'utf8'));
  const named = PAGES.flatMap((page) =>
    [...readFileSync(join(ROOT, page), 'utf8').matchAll(/npx projen ([a-z][a-z:-]*)/g)].map(
      ([, task = '']) => task,
    ),
  );
  expect(named).toContain('test:crash:sample');
  expect([...new Set(named)].filter((task) => !(task in tasks))).toEqual([]);
});
