/**
 * Measures what the engine does on real etcd processes beside what one would do by hand, in the same
 * run, and writes bench/results/etcd-lifecycle.md and the table of the README. From the root:
 *
 *     npx projen bench:etcd-lifecycle
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readArguments, runProgram, UsageError } from '../../packages/etcd-lifecycle/demo/program';
import { EtcdCluster, resolveEtcd } from '../../packages/test-harness/src';
import {
  endLeaderByHand,
  LEADER_ENDS,
  replaceAllByHand,
  SETTLE_MS,
  type Writers,
} from './cluster-by-hand';
import {
  deploy,
  fill,
  release,
  replaceAll,
  replaceLeader,
  replaceOneByOne,
} from './cluster-of-quorate';
import { measureLooks } from './looks';
import { measureOutages } from './outage';
import { outageSection } from './outage-report';
import { functionSettings, runPython, withFunctionCode } from './python';
import {
  type ColdStarts,
  type Measurements,
  type Rolls,
  readmeTable,
  render,
  withOutageRow,
  withOutages,
} from './report';

const USAGE = `Usage: npx projen bench:etcd-lifecycle [-- OPTIONS]

Measures the engine on real etcd processes, beside what one would do by hand, and writes
bench/results/etcd-lifecycle.md. Takes about 20 minutes, on a machine that does nothing else.

Options:
  --rounds N     leader replacements and releases of each kind (default 10)
  --rolls N      rolling replacements of each kind (default 3)
  --megabytes N  size of the database in the large rolling replacement (default 600)
  --only outage  measure nothing but the outages of Auto Scaling, in about two minutes
  --help         show this text
`;

const ROOT = join(__dirname, '..', '..');
const RESULT = join(ROOT, 'bench', 'results', 'etcd-lifecycle.md');
const README = join(ROOT, 'packages', 'etcd-lifecycle', 'README.md');
const TABLE = /(<!-- bench -->\n)[\s\S]*?(<!-- \/bench -->)/;

const BY_HAND = '127.0.60.2';
const QUORATE = '127.0.61.2';
const COLD_STARTS = 15;

interface Options {
  readonly rounds: number;
  readonly rolls: number;
  readonly megabytes: number;
  readonly onlyOutage: boolean;
}

function progress(text: string): void {
  console.log(`${new Date().toISOString().slice(11, 19)}  ${text}`);
}

/** The same rounds of every way, one way after the other within each round. */
async function measureLeaders(rounds: number): Promise<Measurements['leaders']> {
  const ways = Object.keys(LEADER_ENDS) as (keyof typeof LEADER_ENDS)[];
  const leaders: Record<string, Writers[]> = Object.fromEntries(
    [...ways, 'quorate'].map((way) => [way, []]),
  );
  const deployment = await deploy(QUORATE);
  try {
    for (let round = 1; round <= rounds; round += 1) {
      await deployment.stopTicks();
      for (const way of ways) {
        leaders[way]?.push(await endLeaderByHand(way, BY_HAND));
      }
      deployment.startTicks(0.5);
      leaders.quorate?.push(await replaceLeader(deployment));
      const gaps = Object.entries(leaders).map(
        ([way, seen]) => `${way} ${seen.at(-1)?.longestGapMs.toFixed(0)} ms`,
      );
      progress(`leader replaced, round ${round} of ${rounds}: ${gaps.join(', ')}`);
    }
  } finally {
    await deployment.stop();
  }
  return leaders;
}

async function measureRolls(rolls: number, bytes: number): Promise<Rolls> {
  const seconds: Record<keyof Rolls, number[]> = { byHand: [], quorate: [], oneByOne: [] };
  const ways = { quorate: replaceAll, oneByOne: replaceOneByOne };
  for (let roll = 1; roll <= rolls; roll += 1) {
    {
      await using cluster = await EtcdCluster.start({ baseAddress: BY_HAND });
      await cluster.fill(bytes);
      await sleep(SETTLE_MS);
      seconds.byHand.push(await replaceAllByHand(cluster));
    }
    for (const [way, replace] of Object.entries(ways) as [keyof typeof ways, typeof replaceAll][]) {
      const deployment = await deploy(QUORATE);
      try {
        await fill(deployment, bytes);
        await sleep(SETTLE_MS);
        seconds[way].push(await replace(deployment));
      } finally {
        await deployment.stop();
      }
    }
    progress(
      `all replaced, round ${roll} of ${rolls}: by hand ${seconds.byHand.at(-1)?.toFixed(1)} s, ` +
        `quorate ${seconds.quorate.at(-1)?.toFixed(1)} s, and ` +
        `${seconds.oneByOne.at(-1)?.toFixed(1)} s when told one by one`,
    );
  }
  return seconds;
}

async function measureReleases(rounds: number): Promise<Measurements['releases']> {
  const releases: Record<'follower' | 'leader', number[]> = { follower: [], leader: [] };
  const deployment = await deploy(QUORATE);
  try {
    for (let round = 1; round <= rounds; round += 1) {
      releases.follower.push(await release(deployment, false));
      releases.leader.push(await release(deployment, true));
      progress(
        `released, round ${round} of ${rounds}: a follower in ` +
          `${releases.follower.at(-1)?.toFixed(0)} ms, ` +
          `the leader in ${releases.leader.at(-1)?.toFixed(0)} ms`,
      );
    }
  } finally {
    await deployment.stop();
  }
  return releases;
}

function measureColdStarts(code: string): ColdStarts {
  const environment = {
    AWS_DEFAULT_REGION: 'us-east-1',
    // Lambda gives them so, too; without them, botocore looks for a metadata service.
    AWS_ACCESS_KEY_ID: 'bench',
    AWS_SECRET_ACCESS_KEY: 'bench',
    ...functionSettings(),
  };
  const starts: ColdStarts = { nothing: [], clients: [], function: [] };
  const kinds = Object.keys(starts) as (keyof ColdStarts)[];
  for (let round = 0; round < COLD_STARTS; round += 1) {
    for (const kind of kinds) {
      starts[kind].push(runPython('cold_start.py', [kind], code, environment));
    }
  }
  progress('cold starts');
  return starts;
}

/** Puts the outages, measured alone, into the report and the README of the last whole run. */
async function runOutages(): Promise<boolean> {
  const outages = await withFunctionCode((code) => measureOutages(code, progress));
  const report = withOutages(readFileSync(RESULT, 'utf8'), outages);
  writeFileSync(RESULT, withOutageRow(report, outages));
  writeFileSync(README, withOutageRow(readFileSync(README, 'utf8'), outages));
  console.log(outageSection(outages));
  progress(`written: ${RESULT}`);
  return true;
}

async function run({ rounds, rolls, megabytes, onlyOutage }: Options): Promise<boolean> {
  if (onlyOutage) {
    return runOutages();
  }
  const etcd = await resolveEtcd();
  progress(`etcd ${etcd.version}`);
  const measurements: Measurements = {
    etcd: etcd.version,
    megabytes,
    coldStarts: await withFunctionCode(measureColdStarts),
    looks: await withFunctionCode((code) => measureLooks(code, progress)),
    releases: await measureReleases(rounds),
    leaders: await measureLeaders(rounds),
    rolls: await measureRolls(rolls, 0),
    largeRolls: await measureRolls(1, megabytes * 1e6),
    outages: await withFunctionCode((code) => measureOutages(code, progress)),
  };
  mkdirSync(join(ROOT, 'bench', 'results'), { recursive: true });
  writeFileSync(RESULT, render(measurements));
  const readme = readFileSync(README, 'utf8');
  if (!TABLE.test(readme)) {
    throw new Error(`${README} has no place for the table: <!-- bench --> ... <!-- /bench -->`);
  }
  writeFileSync(README, readme.replace(TABLE, `$1${readmeTable(measurements)}\n$2`));
  console.log(readmeTable(measurements));
  progress(`written: ${RESULT}`);
  const writers = Object.values(measurements.leaders).flat();
  if (writers.some(({ lost }) => lost > 0)) {
    console.error('bench: acknowledged writes were lost');
    return false;
  }
  return true;
}

function readOptions(args: string[]): Options {
  const values = readArguments(args, {
    rounds: { type: 'string', default: '10' },
    rolls: { type: 'string', default: '3' },
    megabytes: { type: 'string', default: '600' },
    only: { type: 'string' },
  });
  if (values.only !== undefined && values.only !== 'outage') {
    throw new UsageError(`--only ${values.only}: there is only outage that can be measured alone`);
  }
  const count = (name: 'rounds' | 'rolls' | 'megabytes') => {
    const number = Number(values[name]);
    if (!(Number.isInteger(number) && number > 0)) {
      throw new UsageError(`--${name} ${values[name]}: give a whole number above 0`);
    }
    return number;
  };
  return {
    rounds: count('rounds'),
    rolls: count('rolls'),
    megabytes: count('megabytes'),
    onlyOutage: values.only !== undefined,
  };
}

void runProgram({ name: 'bench', usage: USAGE, read: readOptions, run });
