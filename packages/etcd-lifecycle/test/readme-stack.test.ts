import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import * as cdk from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import ts from 'typescript';
import { newApp } from './cluster-stack';

const PACKAGE = join(__dirname, '..');
const REPOSITORY = join(PACKAGE, '..', '..');

/** Each README that must show code, with the handler of the function that its stack must have. */
const READMES: Record<string, string> = {
  'README.md': 'etcd_lifecycle.handler.handle',
  'packages/etcd-lifecycle/README.md': 'etcd_lifecycle.handler.handle',
  'packages/python-retry/README.md': 'index.handler',
};

/** The TypeScript of a README: its blocks right below a comment `<!-- compiled -->`. */
interface Code {
  readonly readme: string;
  readonly handler: string;
  /** The file that it is compiled as; there is none of that name. */
  readonly file: string;
  /** One program, each line of which has the number that it has in the README. */
  readonly source: string;
}

function codeOf([readme, handler]: [string, string]): Code {
  const text = readFileSync(join(REPOSITORY, readme), 'utf8');
  const lines = text.split('\n').map(() => '');
  for (const match of text.matchAll(/^<!-- compiled -->\n+```ts\n(.*?)^```$/gms)) {
    const block = (match[1] as string).split('\n');
    const above = text.slice(0, match.index + match[0].indexOf('```ts')).split('\n').length;
    lines.splice(above, block.length, ...block);
  }
  return {
    readme,
    handler,
    file: join(PACKAGE, 'test', `${readme.replace(/\W/g, '-')}.ts`),
    source: lines.join('\n'),
  };
}

const codes = Object.entries(READMES).map(codeOf);

const config = ts.parseJsonConfigFileContent(
  ts.readConfigFile(join(PACKAGE, 'tsconfig.json'), ts.sys.readFile).config,
  ts.sys,
  PACKAGE,
);
const options: ts.CompilerOptions = {
  ...config.options,
  composite: false,
  incremental: false,
  noEmit: true,
  rootDir: undefined,
  tsBuildInfoFile: undefined,
  paths: { '@quorate/*': [join(PACKAGE, '..', '*', 'src')] },
};

/** What the compiler says of them, with the lines of the READMEs. */
function compile(): string[] {
  const sources = new Map(codes.map(({ file, source }) => [file, source]));
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (file) => sources.has(file) || fileExists(file);
  host.readFile = (file) => sources.get(file) ?? readFile(file);
  host.getSourceFile = (file, version, ...rest) => {
    const source = sources.get(file);
    return source === undefined
      ? getSourceFile(file, version, ...rest)
      : ts.createSourceFile(file, source, version);
  };
  const program = ts.createProgram([...sources.keys()], options, host);
  return ts.getPreEmitDiagnostics(program).map(({ file, start = 0, messageText }) => {
    const message = ts.flattenDiagnosticMessageText(messageText, '\n');
    const code = codes.find((one) => one.file === file?.fileName);
    const name = code?.readme ?? (file && relative(REPOSITORY, file.fileName));
    const line = file && file.getLineAndCharacterOfPosition(start).line + 1;
    return `${name}:${line}: ${message}`;
  });
}

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
    problems = compile();
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
