import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { getPythonRetryUtils } from '@quorate/python-retry';
import { findPythons, PythonRunner } from '@quorate/test-harness';
import '@quorate/test-harness/jest-globals';
import { Lazy, Stack } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { Architecture, Function as LambdaFunction, Runtime } from 'aws-cdk-lib/aws-lambda';
import { createEtcdLifecycleLambdaCode, ETCD_LIFECYCLE_HANDLER } from '../src';
import { newApp } from './cluster-stack';

const SOURCES = join(__dirname, '..', 'lambda', 'etcd_lifecycle');

/** Wires the function by hand, in a stack of its own; returns the asset's folder and hash. */
function synthesize(outputDirectory: string, clusterName?: string) {
  const app = newApp(outputDirectory);
  const stack = new Stack(app, 'Stack');
  new LambdaFunction(stack, 'Function', {
    code: createEtcdLifecycleLambdaCode(clusterName),
    handler: ETCD_LIFECYCLE_HANDLER,
    runtime: Runtime.PYTHON_3_13,
    architecture: Architecture.ARM_64,
  });
  const { directory } = app.synth();
  const { files } = JSON.parse(readFileSync(join(directory, 'Stack.assets.json'), 'utf8')) as {
    files: Record<string, { source: { path: string; packaging: string } }>;
  };
  const [found] = Object.entries(files).filter(([, { source }]) => source.packaging === 'zip');
  if (!found) {
    throw new Error('the stack has no asset that is a folder');
  }
  const [hash, { source }] = found;
  return { hash, directory: join(directory, source.path) };
}

function filesOf(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true, encoding: 'utf8' })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .sort();
}

let asset: string;
let hash: string;
beforeAll(() => {
  ({ hash, directory: asset } = synthesize('first'));
});

const modules = readdirSync(SOURCES).filter((name) => name.endsWith('.py'));

test('the asset is the Python package and the retry utilities, and nothing else', () => {
  expect(modules.length).toBeGreaterThan(0);
  expect(filesOf(asset)).toEqual([
    ...modules.map((name) => join('etcd_lifecycle', name)).sort(),
    'python_retry.py',
  ]);
  expect(readdirSync(asset).sort()).toEqual(['etcd_lifecycle', 'python_retry.py']);
});

test('what is deployed is what is in the sources, byte for byte', () => {
  for (const name of modules) {
    expect(readFileSync(join(asset, 'etcd_lifecycle', name), 'utf8')).toBe(
      readFileSync(join(SOURCES, name), 'utf8'),
    );
  }
  expect(readFileSync(join(asset, 'python_retry.py'), 'utf8')).toBe(
    getPythonRetryUtils({ features: ['breaker', 'store', 'aws'] }),
  );
});

test('the same sources give the same hash', () => {
  expect(hash).toMatch(/^[0-9a-f]{64}$/);
  expect(synthesize('second').hash).toBe(hash);
});

test('caches and notes beside the sources are left out, and change nothing', () => {
  const planted = [join('__pycache__', `model.${process.pid}.pyc`), `.${process.pid}.py.swp`];
  mkdirSync(join(SOURCES, '__pycache__'), { recursive: true });
  try {
    for (const name of planted) {
      writeFileSync(join(SOURCES, name), name);
    }
    const other = synthesize('third');
    expect(filesOf(other.directory)).toEqual(filesOf(asset));
    expect(other.hash).toBe(hash);
  } finally {
    for (const name of planted) {
      rmSync(join(SOURCES, name), { force: true });
    }
  }
});

describe('for a cluster of a given name', () => {
  test('the asset has an index.handler that knows it, and nothing else is different', async () => {
    const named = synthesize('named', 'main');
    expect(filesOf(named.directory)).toEqual(
      [...filesOf(asset), 'cluster-name.txt', 'index.py'].sort(),
    );
    expect(named.hash).not.toBe(hash);
    expect(synthesize('named again', 'main').hash).toBe(named.hash);
    await using runner = await PythonRunner.start({ directory: named.directory, module: 'index' });
    expect(await runner.call('settings', [{ CONTROL_PLANE_ASG_NAME: 'group' }, 'main'])).toEqual({
      QUORATE_CLUSTER: 'main',
      QUORATE_GROUP: 'group',
      QUORATE_JOIN: 'instance',
      QUORATE_TERMINATE_HOOK: 'main-etcd-cleanup',
    });
  });

  test.each(['', 'two words', '-x', 'x'.repeat(65)])('"%s" is no name', (name) => {
    expect(() => createEtcdLifecycleLambdaCode(name)).toThrow(
      `createEtcdLifecycleLambdaCode(): "${name}" must be 1 to 64 letters, digits`,
    );
  });

  test('it must be known when the code is made', () => {
    expect(() => createEtcdLifecycleLambdaCode(Lazy.string({ produce: () => 'main' }))).toThrow(
      'give it as plain text, or leave it out and set QUORATE_CLUSTER',
    );
  });
});

test('one stack can take the code for several functions', () => {
  const stack = new Stack(newApp(), 'Stack');
  for (const id of ['One', 'Two']) {
    new LambdaFunction(stack, id, {
      code: createEtcdLifecycleLambdaCode(),
      handler: ETCD_LIFECYCLE_HANDLER,
      runtime: Runtime.PYTHON_3_13,
    });
  }
  Template.fromStack(stack).allResourcesProperties('AWS::Lambda::Function', {
    Handler: 'etcd_lifecycle.handler.handle',
    Code: Match.objectLike({ S3Key: Match.stringLikeRegexp('^[0-9a-f]{64}') }),
  });
});

describe('on each Python of this machine that is new enough', () => {
  const COMPILE_ALL = `
import pathlib, py_compile, tempfile, warnings

files = sorted(pathlib.Path(ASSET).rglob("*.py"))
with tempfile.TemporaryDirectory() as directory, warnings.catch_warnings():
    warnings.simplefilter("error")
    for file in files:
        py_compile.compile(str(file), cfile=f"{directory}/compiled", doraise=True)
print(len(files))
`;

  test.each(findPythons({ onePerMinorVersion: true }))(
    'every file compiles without a warning on $version',
    async ({ executable }) => {
      const source = `ASSET = ${JSON.stringify(asset)}\n${COMPILE_ALL}`;
      const result = await PythonRunner.run(source, { python: executable });
      expect(result).toEqual({ stdout: `${modules.length + 1}\n`, stderr: '', exitCode: 0 });
    },
  );
});

test.each(['3.10', '3.11', '3.12', '3.13', '3.14'])(
  'every file is valid Python %s',
  (pythonVersion) => {
    for (const file of filesOf(asset)) {
      expect(readFileSync(join(asset, file), 'utf8')).toBeValidPython({ pythonVersion });
    }
  },
);

describe('the handler', () => {
  const [packageName, moduleName, functionName] = ETCD_LIFECYCLE_HANDLER.split('.') as [
    string,
    string,
    string,
  ];
  const module = `${packageName}.${moduleName}`;

  test('is where ETCD_LIFECYCLE_HANDLER says, and takes what Lambda gives', () => {
    expect(
      readFileSync(join(asset, packageName, `${moduleName}.py`), 'utf8'),
    ).toContainPythonFunction(functionName, {
      parameters: ['event', 'context'],
      async: false,
      decorators: [],
    });
  });

  // Lambda's context object cannot be written as JSON.
  const INVOKE = `
import importlib, os

class Context:
    aws_request_id = "request"

    def get_remaining_time_in_millis(self):
        return 60_000

for name in [name for name in os.environ if name.startswith("QUORATE_")]:
    del os.environ[name]
os.environ.update(ENVIRONMENT)

try:
    importlib.import_module("${module}").${functionName}({"source": "aws.events"}, Context())
except Exception as error:
    print(f"{type(error).__name__}: {error}")
`;

  async function invoke(environment: Record<string, string>): Promise<string> {
    const source = `ENVIRONMENT = ${JSON.stringify(environment)}\n${INVOKE}`;
    const result = await PythonRunner.run(source, { pythonPath: [asset], timeoutMs: 30_000 });
    expect(result).toMatchObject({ stderr: '', exitCode: 0 });
    return result.stdout;
  }

  test('can be imported from the asset alone', async () => {
    const secrets = `${packageName}.etcd_secrets`;
    await using runner = await PythonRunner.start({ directory: asset, module: secrets });
    await expect(runner.call('read_certificate', ['{}'])).rejects.toThrow(
      'ConfigurationError: it must be a JSON object',
    );
  });

  test('says which variables its environment lacks', async () => {
    expect(await invoke({})).toContain(
      "ConfigurationError: the function's environment lacks QUORATE_CLUSTER, QUORATE_GROUP, " +
        'QUORATE_TERMINATE_HOOK, QUORATE_TABLE, QUORATE_LAUNCH_HOOK, QUORATE_PARAMETER_PREFIX, ' +
        'QUORATE_DEAD_LETTER_QUEUE_URL: the construct EtcdLifecycle sets them all; see the README ' +
        'for what each means\n',
    );
  });

  test('says which variable is no number', async () => {
    const named = Object.fromEntries(
      [
        'CLUSTER',
        'GROUP',
        'LAUNCH_HOOK',
        'TERMINATE_HOOK',
        'TABLE',
        'PARAMETER_PREFIX',
        'DEAD_LETTER_QUEUE_URL',
      ].map((name) => [`QUORATE_${name}`, 'x']),
    );
    expect(await invoke({ ...named, QUORATE_CLIENT_PORT: 'etcd' })).toContain(
      "ConfigurationError: QUORATE_CLIENT_PORT is 'etcd', but must be a whole number from 1 to 65535\n",
    );
  });
});
