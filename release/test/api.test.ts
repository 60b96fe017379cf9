import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { API_FOLDER, apiHasChanged, renderReference, reportOf } from '../api';
import { compile, filesUnder, packageFolders, readManifest } from '../pack';

/** What to do when one of these tests fails, and nothing else is wrong. */
const MEND = 'if this is what you want, run "npx projen api" and commit docs/api';

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'quorate-api-'));
  compile();
}, 300_000);

afterAll(() => {
  rmSync(directory, { recursive: true });
});

function textsUnder(folder: string): Record<string, string> {
  const files = filesUnder(folder).sort();
  return Object.fromEntries(files.map((file) => [file, readFileSync(join(folder, file), 'utf8')]));
}

describe.each(packageFolders().map((folder) => [readManifest(folder).name, folder]))(
  '%s',
  (_, folder) => {
    test(`has the public API that its report says; ${MEND}`, () => {
      const changed = apiHasChanged(folder, directory);
      const now = readFileSync(join(directory, basename(reportOf(folder))), 'utf8');
      expect(now).toBe(readFileSync(reportOf(folder), 'utf8'));
      expect(changed).toBe(false);
    }, 180_000);

    test(`has the reference that its docstrings make; ${MEND}`, () => {
      renderReference(folder, join(directory, 'reference'));
      const name = basename(folder);
      expect(textsUnder(join(directory, 'reference', name))).toEqual(
        textsUnder(join(API_FOLDER, name)),
      );
    }, 180_000);
  },
);
