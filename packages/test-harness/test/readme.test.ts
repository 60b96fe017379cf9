import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import ts from 'typescript';
import { compilerOptions, typeErrors } from '../../../testing/readme-code';

const PACKAGE = join(__dirname, '..');

/** The blocks of TypeScript in the README, as files that are not there. */
const BLOCKS = new Map(
  [...readFileSync(join(PACKAGE, 'README.md'), 'utf8').matchAll(/^```ts\n(.*?)^```$/gms)].map(
    ([, block = ''], index) => [join(PACKAGE, 'test', `readme-${index}.ts`), block] as const,
  ),
);

test('the code in the README compiles as it stands', () => {
  expect(BLOCKS.size).toBe(4);
  const options = compilerOptions(PACKAGE, {
    // Only an ES module has await at its top.
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    paths: {
      '@quorate/test-harness': [join(PACKAGE, 'src')],
      '@quorate/test-harness/*': [join(PACKAGE, 'src', '*')],
    },
  });
  expect(typeErrors(BLOCKS, options, PACKAGE)).toEqual([]);
}, 120_000);
