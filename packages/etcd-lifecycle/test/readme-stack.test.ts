import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import * as cdk from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import ts from 'typescript';
import { compiledCode, compilerOptions, typeErrors } from '../../../testing/readme-code';
import { newApp } from './cluster-stack';

const PACKAGE = join(__dirname, '..');
const REPOSITORY = join(PACKAGE, '..', '..');

/** Each README that must show code, with the handler of the function that its stack must have. */
const READMES: Record<string, string> = {
  'README.md': 'etcd_lifecycle.handler.handle',
  'packages/etcd-lifecycle/README.md': 'etcd_lifecycle.handler.handle',
  'packages/python-retry/README.md': 'index.handler',
};

/** The TypeScript of a README. */
interface Code {
  readonly readme: string;
  readonly handler: string;
  /** The file that it is compiled as; there is none of that name. */
  readonly file: string;
  readonly source: string;
}

const codes = Object.entries(READMES).map(
  ([readme, handler]): Code => ({
    readme,
    handler,
    file: join(PACKAGE, 'test', `${readme.replaceAll('/', '-')}.ts`),
    source: compiledCode(readFileSync(join(REPOSITORY, readme), 'utf8')),
  }),
);

const options = compilerOptions(PACKAGE, {
  paths: { '@quorate/*': [join(PACKAGE, '..', '*', 'src')] },
});

/** Runs the code, and returns the apps that it makes. */
function run({ source, file, readme }: Code): cdk.App[] {
  const apps: cdk.App[] = [];
  class RecordedApp extends cdk.App {
    constructor(props: cdk.AppProps = {}) {
      super({ outdir: newApp(dirname(readme)).outdir, ...props });
      apps.push(this);
    }
  }
  const library = Object.create(cdk, { App: { value: RecordedApp } });
  const { outputText } = ts.transpileModule(source, { compilerOptions: options, fileName: file });
  new Function('require', 'exports', outputText)(
    (name: string) => (name === 'aws-cdk-lib' ? library : require(name)),
    {},
  );
  return apps;
}

test.each(codes)('$readme shows code', ({ source }) => {
  expect(source).toMatch(/\S/);
});

describe('the code in the READMEs', () => {
  let problems: string[];
  beforeAll(() => {
    problems = typeErrors(
      new Map(codes.map(({ file, source }) => [file, source])),
      options,
      PACKAGE,
    );
  }, 60_000);

  test('compiles', () => {
    expect(problems).toEqual([]);
  });

  test.each(codes)('of $readme synthesizes to a stack with the function', (code) => {
    const apps = run(code);
    expect(apps).toHaveLength(1);
    const stacks = apps.flatMap((app) => app.node.children.filter(cdk.Stack.isStack));
    expect(stacks).toHaveLength(1);
    for (const stack of stacks) {
      Template.fromStack(stack).hasResourceProperties('AWS::Lambda::Function', {
        Handler: code.handler,
      });
    }
  });
});
