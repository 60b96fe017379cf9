import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import ts from 'typescript';

const PACKAGE = join(__dirname, '..');

/** The blocks of TypeScript in the README, as files that are not there. */
const BLOCKS = new Map(
  [...readFileSync(join(PACKAGE, 'README.md'), 'utf8').matchAll(/^```ts\n(.*?)^```$/gms)].map(
    ([, block = ''], index) => [join(PACKAGE, 'test', `readme-${index}.ts`), block] as const,
  ),
);

const config = ts.parseJsonConfigFileContent(
  ts.readConfigFile(join(PACKAGE, 'tsconfig.json'), ts.sys.readFile).config,
  ts.sys,
  PACKAGE,
);
const options: ts.CompilerOptions = {
  ...config.options,
  composite: false,
  incremental: false,
  // Only an ES module has await at its top.
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  noEmit: true,
  rootDir: undefined,
  tsBuildInfoFile: undefined,
  types: ['jest', 'node'],
  paths: {
    '@quorate/test-harness': [join(PACKAGE, 'src')],
    '@quorate/test-harness/*': [join(PACKAGE, 'src', '*')],
  },
};

test('the code in the README compiles as it stands', () => {
  expect(BLOCKS.size).toBe(4);
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (file) => BLOCKS.has(file) || fileExists(file);
  host.readFile = (file) => BLOCKS.get(file) ?? readFile(file);
  host.getSourceFile = (file, version, ...rest) => {
    const block = BLOCKS.get(file);
    return block === undefined
      ? getSourceFile(file, version, ...rest)
      : ts.createSourceFile(file, block, version);
  };
  const program = ts.createProgram([...BLOCKS.keys()], options, host);
  const problems = ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
  expect(problems).toEqual([]);
}, 120_000);
