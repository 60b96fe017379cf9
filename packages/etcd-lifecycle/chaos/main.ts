import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { resolve } from 'node:path';
import { readArguments, runProgram, UsageError } from '../demo/program';
import { type ChaosResult, runChaos } from './chaos-run';
import { renderReport, renderResult } from './report';
import { describeSchedule, planSchedule } from './schedule';

const USAGE = `Usage: npx projen chaos [-- OPTIONS]

Brings up a real etcd cluster of three members on this machine, with the real function behind an
emulator of AWS, and replaces its instances at random under write load. Meanwhile members are killed,
stopped, paused and wiped, the function is killed, events are lost, doubled and late, and AWS
throttles, fails and answers slowly. Invariants are checked all the time, the history of a few
registers afterwards, for linearizability. The seed determines the faults, so that a failure can be
tried again.

Options:
  --seed N         the faults to run (default 1)
  --seeds N,N,...  several, one after another
  --minutes M      how long faults happen, for each seed (default 2); the set-up and the time to come
                   to rest, about a minute, come on top
  --rate N         writes a second (default 50)
  --address A      address of the first instance (default 127.0.0.2)
  --logs DIR       where everything that happened is written, a file for each seed
                   (default .cache/chaos)
  --plan           show the faults and end
  --results FILE   write the results as JSON
  --report FILE    write the results as Markdown; its "What was found", if there is one, is kept
  --from F,F,...   take the results from such JSON files for the report, and run nothing
  --help           show this text

Exit codes: 0 when no invariant was broken, 1 when one was or the run failed, 2 when the options are
wrong, 130 when interrupted.
`;

/** The part of a report that people write. */
const FINDINGS = /^## What was found$[\s\S]*/m;

interface Options {
  readonly seeds: readonly number[];
  readonly minutes: number;
  readonly rate: number;
  readonly address: string;
  readonly logs: string;
  readonly plan: boolean;
  readonly results: string | undefined;
  readonly report: string | undefined;
  readonly from: readonly string[];
}

function readOptions(args: string[]): Options {
  const values = readArguments(args, {
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string' },
    minutes: { type: 'string', default: '2' },
    rate: { type: 'string', default: '50' },
    address: { type: 'string', default: '127.0.0.2' },
    logs: { type: 'string', default: '.cache/chaos' },
    plan: { type: 'boolean', default: false },
    results: { type: 'string' },
    report: { type: 'string' },
    from: { type: 'string' },
  });
  const given = (values.seeds ?? values.seed).split(',');
  const seeds = given.map(Number);
  if (!seeds.every((seed) => Number.isInteger(seed) && seed >= 0) || given.includes('')) {
    throw new UsageError(`--seed(s) ${given}: give whole numbers, with commas between them`);
  }
  const minutes = Number(values.minutes);
  if (!(minutes > 0 && minutes <= 24 * 60)) {
    throw new UsageError(`--minutes ${values.minutes}: give a number of minutes, up to a day`);
  }
  const rate = Number(values.rate);
  if (!(rate > 0 && rate <= 1000)) {
    throw new UsageError(`--rate ${values.rate}: give a number of writes a second, up to 1000`);
  }
  if (!/^127(\.\d{1,3}){3}$/.test(values.address)) {
    throw new UsageError(`--address ${values.address}: give an address of 127.0.0.0/8`);
  }
  const here = (file: string) => resolve(process.env.INIT_CWD ?? '.', file);
  return {
    seeds,
    minutes,
    rate,
    address: values.address,
    logs: here(values.logs),
    plan: values.plan,
    results: values.results && here(values.results),
    report: values.report && here(values.report),
    from: values.from?.split(',').map(here) ?? [],
  };
}

async function run(options: Options, interrupted: AbortSignal): Promise<boolean> {
  if (options.plan) {
    for (const seed of options.seeds) {
      console.log(`Seed ${seed}:\n${describeSchedule(planSchedule(seed, options.minutes * 60))}`);
    }
    return true;
  }
  const results: ChaosResult[] = options.from.flatMap(
    (file) => JSON.parse(readFileSync(file, 'utf8')) as ChaosResult[],
  );
  let failed = false;
  for (const seed of options.from.length > 0 ? [] : options.seeds) {
    const startedAt = Date.now();
    const logFile = resolve(options.logs, `seed-${seed}.log`);
    const progress = (text: string) => {
      const seconds = ((Date.now() - startedAt) / 1000).toFixed(0).padStart(5);
      console.log(`seed ${seed} ${seconds} s  ${text}`);
    };
    progress(`begins; everything goes to ${logFile}`);
    try {
      const result = await runChaos({ ...options, seed, logFile, progress, interrupted });
      results.push(result);
      console.log(`\n${renderResult(result)}\n`);
    } catch (error) {
      interrupted.throwIfAborted();
      failed = true;
      console.error(`\nseed ${seed}: FAILED: ${(error as Error).message}\n`);
    }
    if (options.results) {
      writeFileSync(options.results, `${JSON.stringify(results, undefined, 2)}\n`);
    }
  }
  if (options.report) {
    writeReport(options.report, results);
    console.log(`Report: ${options.report}`);
  }
  const broken = results.flatMap(({ problems }) => problems).length;
  const lost = results.reduce((sum, result) => sum + result.lost, 0);
  console.log(
    `chaos: ${results.length} seeds, ${broken} problems, ${lost} acknowledged writes lost` +
      `${failed ? '; a run failed, see above' : ''}`,
  );
  return !failed && broken === 0;
}

/** Writes the report, and keeps what people wrote of the findings in an earlier one. */
function writeReport(file: string, results: readonly ChaosResult[]): void {
  const before = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const findings = FINDINGS.exec(before)?.[0];
  writeFileSync(file, [renderReport(results, machine()), findings].filter(Boolean).join('\n'));
}

function machine(): string {
  const gigabytes = Math.round(totalmem() / 2 ** 30);
  return `Node.js ${process.version} on ${cpus().length} cores (${cpus()[0]?.model.trim()}), ${gigabytes} GB`;
}

void runProgram({ name: 'chaos', usage: USAGE, read: readOptions, run });
