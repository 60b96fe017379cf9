import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { loadavg, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { programArguments } from '../../packages/etcd-lifecycle/demo/program';
import { packAll, ROOT } from '../../release/pack';
import {
  addedPercent,
  type Import,
  type Measurements,
  MOST_PERCENT,
  type PackageSize,
  packagesTable,
  render,
  type Synthesis,
  synthesisTable,
} from './report';

const RESULT = join(ROOT, 'bench', 'results', 'synth.md');
const README = join(ROOT, 'README.md');
const LIFECYCLE_README = join(ROOT, 'packages', 'etcd-lifecycle', 'README.md');

const USAGE = `Usage: npx projen bench:synth -- [options]

Measures how long a stack with the construct takes to synthesize beside the same stack with a bare
group, by the clock and in processor time, how long the packages take to be imported, and how large they
are. Writes bench/results/synth.md, and the tables of the READMEs.

  --rounds N     how often each is measured (default: 11)
  --output FILE  write the report there instead, and leave the READMEs as they are
  --help         show this

The exit code is 1 if by the clock the construct adds more than ${MOST_PERCENT} % to a synthesis as CDK does it by
default.`;

function progress(message: string): void {
  console.error(message);
}

function run(script: string, args: readonly string[], environment: NodeJS.ProcessEnv): string {
  return execFileSync(process.execPath, [join(__dirname, script), ...args], {
    cwd: ROOT,
    encoding: 'utf8',
    env: { ...process.env, ...environment },
    // CDK tells what it bundles.
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}

function measureSynthesis(
  rounds: number,
  directory: string,
  validation: 'true' | 'false',
): Synthesis {
  const none = () => ({ group: [] as number[], construct: [] as number[] });
  const measured = { clock: none(), processor: none() };
  // The first of each reads files that no other has read before.
  for (let round = -1; round < rounds; round++) {
    progress(`synthesis ${round + 1} of ${rounds}, CDK_VALIDATION=${validation}`);
    for (const what of ['group', 'construct'] as const) {
      const outdir = join(directory, `${what}-${validation}-${round}`);
      const output = run('synthesize.mjs', [what, outdir], { CDK_VALIDATION: validation });
      if (round >= 0) {
        const { clock, processor } = JSON.parse(output.trim().split('\n').at(-1) ?? '');
        measured.clock[what].push(clock);
        measured.processor[what].push(processor);
      }
    }
  }
  return measured;
}

function measureImports(rounds: number, names: readonly string[]): Import[] {
  const seen = names.map((name) => ({ name, ms: [] as number[], modules: 0 }));
  for (let round = -1; round < rounds; round++) {
    progress(`imports ${round + 1} of ${rounds}`);
    for (const one of seen) {
      const { ms, modules } = JSON.parse(run('import.mjs', [one.name], {}));
      one.modules = modules;
      if (round >= 0) {
        one.ms.push(ms);
      }
    }
  }
  return seen;
}

/** Puts a table between its two marks. */
function show(file: string, mark: string, content: string): void {
  const place = new RegExp(`(<!-- ${mark} -->\\n)[^]*?(<!-- /${mark} -->)`);
  const text = readFileSync(file, 'utf8');
  if (!place.test(text)) {
    throw new Error(`${file} has no place for the table: <!-- ${mark} --> ... <!-- /${mark} -->`);
  }
  writeFileSync(
    file,
    text.replace(place, (_, begin, end) => `${begin}${content}\n${end}`),
  );
}

function measure(rounds: number): Measurements {
  const [load = 0] = loadavg();
  const directory = mkdtempSync(join(tmpdir(), 'quorate-synth-'));
  try {
    progress('compiling and packing');
    mkdirSync(join(directory, 'packed'));
    const sizes: PackageSize[] = packAll(join(directory, 'packed')).map((one) => ({
      name: one.name,
      packed: one.size,
      unpacked: one.unpackedSize,
    }));
    const { version } = createRequire(__filename)('aws-cdk-lib/package.json');
    return {
      cdk: version,
      rounds,
      load,
      validated: measureSynthesis(rounds, directory, 'true'),
      unvalidated: measureSynthesis(rounds, directory, 'false'),
      imports: measureImports(rounds, [...sizes.map(({ name }) => name), 'aws-cdk-lib']),
      sizes,
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function main(): number {
  const { values } = parseArgs({
    args: programArguments(),
    options: {
      rounds: { type: 'string', default: '11' },
      output: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const rounds = Number(values.rounds);
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  if (!(Number.isInteger(rounds) && rounds > 0)) {
    console.error(`bench: --rounds ${values.rounds}: give a whole number above 0\n\n${USAGE}`);
    return 2;
  }
  const measurements = measure(rounds);
  const report = values.output ?? RESULT;
  mkdirSync(dirname(report), { recursive: true });
  writeFileSync(report, render(measurements));
  if (values.output === undefined) {
    show(README, 'bench:synth', packagesTable(measurements));
    show(LIFECYCLE_README, 'bench:synth', synthesisTable(measurements));
  }
  console.log(`${synthesisTable(measurements)}\n\n${packagesTable(measurements)}`);
  progress(`written: ${report}`);
  const added = addedPercent(measurements.validated.clock);
  if (added > MOST_PERCENT) {
    console.error(
      `bench: by the clock the construct adds ${added.toFixed(0)} %, more than ${MOST_PERCENT} %`,
    );
    return 1;
  }
  return 0;
}

try {
  process.exitCode = main();
} catch (error) {
  console.error(error);
  process.exitCode = 1;
}
