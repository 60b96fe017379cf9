import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { CdkDeployment } from '../../packages/test-harness/src/aws/cdk-deployment';
import { Ministack } from '../../packages/test-harness/src/aws/ministack';
import { exampleNames, installExamples, NOT_EMULATED } from '../example';
import { plainEnvironment, ROOT } from '../pack';

/** What each stack must have: the handler of its function. */
const HANDLERS: Record<string, string> = {
  kubeadm: 'etcd_lifecycle.handler.handle',
  minimal: 'etcd_lifecycle.handler.handle',
  'mtls-cluster': 'etcd_lifecycle.handler.handle',
  'plain-lambda': 'index.handler',
};
const PYTHON = join(ROOT, '.venv', 'bin', 'python');

/** Where the projects are. */
let directory: string;

interface Template {
  readonly Resources: Record<string, { Type: string; Properties: Record<string, unknown> }>;
}

beforeAll(() => {
  directory = installExamples(exampleNames());
}, 300_000);

afterAll(() => {
  rmSync(directory, { recursive: true });
});

function run(project: string, command: string, args: readonly string[], env = {}) {
  const ran = spawnSync(command, args, {
    cwd: project,
    encoding: 'utf8',
    env: {
      ...plainEnvironment(),
      CDK_VALIDATION: 'false',
      JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION: '1',
      ...env,
    },
  });
  return { status: ran.status, output: `${ran.stdout}${ran.stderr}` };
}

const tool = (...path: string[]) => join(ROOT, 'node_modules', ...path);

/** Synthesizes, and returns the template and the folder of the cloud assembly. */
function synthesize(project: string, app: string, out: string) {
  const assembly = join(project, out);
  // As the CDK's command line hands it over.
  const { context = {} } = JSON.parse(readFileSync(join(project, 'cdk.json'), 'utf8'));
  const ran = run(project, process.execPath, [app], {
    CDK_OUTDIR: assembly,
    CDK_CONTEXT_JSON: JSON.stringify(context),
  });
  expect(ran).toEqual({ status: 0, output: expect.not.stringMatching(/error/i) });
  const [file = ''] = readdirSync(assembly).filter((name) => name.endsWith('.template.json'));
  return { assembly, template: JSON.parse(readFileSync(join(assembly, file), 'utf8')) as Template };
}

/** How an app of one file is built: each returns the program to run. */
const BUILDS: Record<string, (project: string) => string> = {
  CommonJS: () => 'app.js',
  ESM: () => 'app.mjs',
  'a CommonJS bundle': (project) => bundle(project, 'cjs', 'bundle.cjs'),
  'an ESM bundle': (project) => bundle(project, 'esm', 'bundle.mjs'),
};

/** Compiles all examples at once, each as CommonJS and as an ES module, beside its source. */
function compileAll() {
  for (const name of exampleNames()) {
    copyFileSync(join(directory, name, 'app.ts'), join(directory, name, 'app.mts'));
  }
  writeFileSync(
    join(directory, 'tsconfig.json'),
    JSON.stringify({
      extends: './minimal/tsconfig.json',
      compilerOptions: { outDir: null },
      include: ['*/app.ts', '*/app.mts'],
    }),
  );
  return run(directory, process.execPath, [tool('typescript', 'bin', 'tsc')]);
}

/** Bundles all but the CDK, which reads files of its own. */
function bundle(project: string, format: string, file: string): string {
  const banner =
    'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);';
  const bundled = run(project, tool('.bin', 'esbuild'), [
    ...['app.ts', '--bundle', '--minify', '--platform=node', `--format=${format}`],
    ...['--external:aws-cdk-lib', '--external:constructs', '--log-level=warning'],
    ...(format === 'esm' ? [`--banner:js=${banner}`] : []),
    `--outfile=dist/app/${file}`,
  ]);
  expect(bundled).toEqual({ status: 0, output: '' });
  return join('dist', 'app', file);
}

test('every example is tried', () => {
  expect(exampleNames()).toEqual(Object.keys(HANDLERS));
});

test('their settings are the same, and their types are right', () => {
  const settings = exampleNames().map((name) =>
    JSON.parse(readFileSync(join(ROOT, 'examples', name, 'tsconfig.json'), 'utf8')),
  );
  expect(settings).toEqual(settings.map(() => settings[0]));
  expect(compileAll()).toEqual({ status: 0, output: '' });
});

describe.each(Object.entries(HANDLERS))('%s', (name, handler) => {
  const project = () => join(directory, name);
  const templates: Template[] = [];

  test.each(Object.keys(BUILDS))('synthesizes as %s', (build) => {
    // A folder of this name is the application's own, and none of the package's business.
    mkdirSync(join(project(), 'dist', 'lambda'), { recursive: true });
    writeFileSync(join(project(), 'dist', 'lambda', 'own.py'), '');
    const program = BUILDS[build]?.(project()) ?? '';
    const { assembly, template } = synthesize(project(), program, `out-${build}`);
    const functions = Object.values(template.Resources).filter(
      ({ Type, Properties }) => Type === 'AWS::Lambda::Function' && Properties.Handler === handler,
    );
    expect(functions).toHaveLength(1);
    const code = functions[0]?.Properties.Code as { S3Key: string };
    const asset = join(assembly, `asset.${code.S3Key.replace('.zip', '')}`);
    const module = `${handler.split('.').slice(0, -1).join('/')}.py`;
    expect(existsSync(join(asset, module))).toBe(true);
    expect(existsSync(join(asset, 'python_retry.py'))).toBe(true);
    templates.push(template);
    // However it was built, the same is deployed.
    expect(template).toEqual(templates[0]);
  });
});

test('a bundle without the package says what it needs', () => {
  const project = join(directory, 'minimal');
  const program = bundle(project, 'cjs', 'alone.cjs');
  const alone = mkdtempSync(join(tmpdir(), 'quorate-bundle-'));
  try {
    mkdirSync(join(alone, 'node_modules'));
    for (const name of ['aws-cdk-lib', 'constructs']) {
      symlinkSync(tool(name), join(alone, 'node_modules', name));
    }
    copyFileSync(join(project, program), join(alone, 'alone.cjs'));
    const ran = run(alone, process.execPath, ['alone.cjs'], { CDK_OUTDIR: 'out' });
    expect(ran.status).toBe(1);
    expect(ran.output).toMatch(/@quorate\/etcd-lifecycle was bundled, and is not installed in /);
  } finally {
    rmSync(alone, { recursive: true });
  }
});

describe('the function of plain-lambda', () => {
  let server: Server;
  let statuses: number[] = [];

  beforeAll(async () => {
    server = createServer((_, response) => {
      response.statusCode = statuses.shift() ?? 500;
      response.end('42 crates');
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
  });

  afterAll(() => {
    server.close();
  });

  const url = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;

  async function invoke(answers: number[], times: number) {
    statuses = answers;
    const script = [
      'import json, random, sys, time',
      'sys.path.insert(0, "lambda")',
      'class Context:',
      '    def get_remaining_time_in_millis(self): return 30_000',
      'import index',
      'slept = []',
      'time.sleep = slept.append',
      'def invoke():',
      '    try: return index.handler({}, Context())',
      '    except OSError as error: return str(error)',
      `print(json.dumps([invoke() for _ in range(${times})]))`,
    ].join('\n');
    const child = spawn(PYTHON, ['-I', '-c', script], {
      cwd: join(directory, 'plain-lambda'),
      env: { ...plainEnvironment(), INVENTORY_URL: url() },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    let errors = '';
    child.stdout.on('data', (text) => {
      output += text;
    });
    child.stderr.on('data', (text) => {
      errors += text;
    });
    const [code] = await once(child, 'close');
    if (code !== 0) {
      throw new Error(`the function failed: ${errors}`);
    }
    return JSON.parse(output);
  }

  test('answers in spite of failures that pass', async () => {
    expect(await invoke([500, 503, 200], 1)).toEqual([{ statusCode: 200, body: '42 crates' }]);
  });

  test('stops calling a dependency that stays down', async () => {
    expect(await invoke([], 4)).toEqual([
      'HTTP Error 500: Internal Server Error',
      'HTTP Error 500: Internal Server Error',
      'HTTP Error 500: Internal Server Error',
      { statusCode: 503, headers: { 'Retry-After': 60 } },
    ]);
  });

  test('answers when CloudFormation has deployed it', async () => {
    await using ministack = await startMinistack();
    const deployed = await deploy(ministack.it, 'plain-lambda', (template) =>
      template.replaceAll('https://inventory.example.com/', url()),
    );
    const [sync] = deployed.resourcesOfType('AWS::Lambda::Function');
    statuses = [500, 200];
    const answer = await fetch(
      `${ministack.it.endpoint}/2015-03-31/functions/${sync?.physicalId}/invocations`,
      { method: 'POST', body: '{}' },
    );
    expect(await answer.json()).toEqual({ statusCode: 200, body: '42 crates' });
  });
});

test.each(['kubeadm', 'minimal', 'mtls-cluster'])('CloudFormation deploys %s', async (name) => {
  await using ministack = await startMinistack();
  const deployed = await deploy(ministack.it, name);
  for (const type of [
    'AutoScaling::AutoScalingGroup',
    'EC2::LaunchTemplate',
    'Lambda::Function',
    'SQS::Queue',
  ]) {
    expect(deployed.resourcesOfType(`AWS::${type}`)).not.toEqual([]);
  }
});

/** In the Region of the image that the examples name. */
async function startMinistack() {
  const it = await Ministack.start({ region: 'eu-central-1' });
  return { it, [Symbol.asyncDispose]: () => it.stop() };
}

/** Deploys what was synthesized as CommonJS. */
function deploy(
  ministack: Ministack,
  name: string,
  edit: (template: string) => string = (template) => template,
) {
  const assembly = join(directory, name, 'out-CommonJS');
  const [file = ''] = readdirSync(assembly).filter((one) => one.endsWith('.template.json'));
  writeFileSync(join(assembly, file), edit(readFileSync(join(assembly, file), 'utf8')));
  return CdkDeployment.deploy(ministack, assembly, file.replace('.template.json', ''), {
    omitResourceTypes: NOT_EMULATED,
  });
}
