import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { type App, Stack, Stage } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { Function as LambdaFunction, Runtime } from 'aws-cdk-lib/aws-lambda';
import { RootConstruct } from 'constructs';
import { type CodeFiles, FilesCode } from '../src/private/files-code';
import { newApp } from './cluster-stack';

const FILES: CodeFiles = new Map([
  ['index.py', 'from package import module\n'],
  ['package/module.py', 'def handle(event, context):\n    return event\n'],
]);

/** A stack whose function has these files. */
function addFunction(scope: App | Stage, files: CodeFiles): Stack {
  const stack = new Stack(scope, 'Stack');
  new LambdaFunction(stack, 'Function', {
    code: new FilesCode(() => files),
    handler: 'index.handle',
    runtime: Runtime.PYTHON_3_13,
  });
  return stack;
}

/** What the manifest says of the one folder of a stack in an assembly. */
function assetOf(assembly: string, name: string) {
  const { files } = JSON.parse(readFileSync(join(assembly, `${name}.assets.json`), 'utf8')) as {
    files: Record<string, { displayName: string; source: { path: string; packaging: string } }>;
  };
  const found = Object.entries(files).find(([, { source }]) => source.packaging === 'zip');
  if (!found) {
    throw new Error(`${name} has no folder among its assets`);
  }
  const [hash, { displayName, source }] = found;
  return { hash, displayName, directory: join(assembly, source.path) };
}

function synthesize(files: CodeFiles, app = newApp()) {
  addFunction(app, files);
  return assetOf(app.synth().directory, 'Stack');
}

describe('the hash', () => {
  const { hash } = synthesize(FILES);

  test('is that of the content, whatever the order and whether it is text or bytes', () => {
    const turned = [...FILES].reverse().map(([path, text]) => [path, Buffer.from(text)] as const);
    expect(synthesize(new Map(turned)).hash).toBe(hash);
  });

  test.each([
    [
      'one character is another',
      [['package/module.py', 'def handle(event, context):\n    return event \n']],
    ],
    ['a file is added', [['package/__init__.py', '']]],
    [
      'text moves to the next file',
      [
        ['index.py', ''],
        ['package/module.py', [...FILES.values()].join('')],
      ],
    ],
  ] as const)('is another when %s', (_, changes) => {
    expect(synthesize(new Map([...FILES, ...changes])).hash).not.toBe(hash);
  });

  test('is another when a file has another name', () => {
    const renamed = [...FILES].map(
      ([path, text]) => [path.replace('module', 'other'), text] as const,
    );
    expect(synthesize(new Map(renamed)).hash).not.toBe(hash);
  });

  test('is another when the app asks for others by its salt', () => {
    const app = newApp();
    app.node.setContext('@aws-cdk/core:assetHashSalt', 'other');
    expect(synthesize(FILES, app).hash).not.toBe(hash);
  });

  test('is the key of the object that the function is made from', () => {
    const template = Template.fromStack(addFunction(newApp(), FILES));
    template.hasResourceProperties('AWS::Lambda::Function', { Code: { S3Key: `${hash}.zip` } });
  });
});

describe('the folder', () => {
  test('holds the files, which everybody may read whatever the umask is', () => {
    const before = process.umask(0o077);
    let directory: string;
    try {
      ({ directory } = synthesize(FILES, newApp('umask')));
    } finally {
      process.umask(before);
    }
    for (const [path, text] of FILES) {
      expect(readFileSync(join(directory, path), 'utf8')).toBe(text);
      expect(statSync(join(directory, path)).mode & 0o777).toBe(0o644);
    }
    expect(readdirSync(directory, { recursive: true }).sort()).toEqual(
      ['package', ...[...FILES.keys()].map((path) => join(...path.split('/')))].sort(),
    );
  });

  test('is whole, although another process died while it wrote it', () => {
    const { hash } = synthesize(FILES, newApp('whole'));
    const app = newApp('interrupted');
    const draft = join(app.assetOutdir, `asset.${hash}.draft`);
    mkdirSync(draft, { recursive: true });
    writeFileSync(join(draft, 'index.py'), 'from pack');
    const { directory } = synthesize(FILES, app);
    expect(readFileSync(join(directory, 'index.py'), 'utf8')).toBe(FILES.get('index.py'));
    expect(existsSync(draft)).toBe(false);
  });

  test('is found from the assembly of a nested stage', () => {
    const app = newApp('staged');
    const stage = new Stage(app, 'Production');
    const { artifactId } = addFunction(stage, FILES);
    app.synth();
    const { directory, displayName } = assetOf(stage.outdir, artifactId);
    expect(readFileSync(join(directory, 'index.py'), 'utf8')).toBe(FILES.get('index.py'));
    expect(displayName).toBe('Function/Code');
  });
});

test('tools are told where the code is, if the app asks for it', () => {
  const app = newApp();
  app.node.setContext('aws:cdk:enable-asset-metadata', true);
  const template = Template.fromStack(addFunction(app, FILES));
  const { hash } = synthesize(FILES);
  template.hasResource('AWS::Lambda::Function', {
    Metadata: {
      'aws:asset:path': `asset.${hash}`,
      'aws:asset:is-bundled': true,
      'aws:asset:property': 'Code',
    },
  });
});

test('without an app there is no place to write to', () => {
  expect(() => new FilesCode(() => FILES).bind(new RootConstruct('Alone'))).toThrow(
    'Alone: the code of a function is written where its app is, but it is in no app',
  );
});
