import { cpus, totalmem } from 'node:os';
import { table } from '../table';
import { RATE, type Writers } from './cluster-by-hand';
import type { LookResults, Looks } from './looks';
import type { OutageResults } from './outage';
import { outageRow, outageSection } from './outage-report';
import { median, summary } from './statistics';

/** A start in a fresh process. */
export interface ColdStart {
  readonly ms: number;
  /** The most memory that was resident. */
  readonly mib: number;
}

export interface ColdStarts {
  readonly nothing: ColdStart[];
  readonly clients: ColdStart[];
  readonly function: ColdStart[];
}

/** All that was measured; times in milliseconds unless their names say otherwise. */
export interface Measurements {
  readonly etcd: string;
  readonly megabytes: number;
  readonly coldStarts: ColdStarts;
  readonly looks: LookResults;
  readonly releases: { readonly follower: readonly number[]; readonly leader: readonly number[] };
  /** By the way in which the leader ended. */
  readonly leaders: Readonly<Record<string, readonly Writers[]>>;
  /** Seconds. */
  readonly rolls: Rolls;
  /** Seconds, with a large database. */
  readonly largeRolls: Rolls;
  readonly outages: OutageResults;
}

/** Replacements of all members. */
export interface Rolls {
  readonly byHand: readonly number[];
  /** All told to go at once. */
  readonly quorate: readonly number[];
  /** Each told to go when the one before it has been replaced. */
  readonly oneByOne: readonly number[];
}

function gaps(writers: readonly Writers[]): number[] {
  return writers.map(({ longestGapMs }) => longestGapMs);
}

function total(writers: readonly Writers[], what: 'acknowledged' | 'failed' | 'lost'): number {
  return writers.reduce((sum, one) => sum + one[what], 0);
}

function ratio(ours: readonly number[], theirs: readonly number[]): string {
  return `${(median(ours) / median(theirs)).toFixed(2)} x`;
}

function rollRows(what: string, { byHand, quorate, oneByOne }: Rolls): string[][] {
  const hand = median(byHand).toFixed(1);
  return [
    [
      `${what}, s`,
      median(quorate).toFixed(1),
      `${hand} (tight loop over the API)`,
      ratio(quorate, byHand),
    ],
    [
      `${what}, each told to go when the one before is replaced, s`,
      median(oneByOne).toFixed(1),
      hand,
      ratio(oneByOne, byHand),
    ],
  ];
}

/** The figures in short, each beside what it is compared with in the same run. */
export function readmeTable(m: Measurements): string {
  const { quorate = [], 'removed without transfer': removed = [] } = m.leaders;
  const milliseconds = (starts: readonly ColdStart[]) => starts.map(({ ms }) => ms);
  return table(
    ['', 'Quorate', 'by hand', 'ratio'],
    [
      [
        `Longest write gap while the leader is replaced (${RATE} puts/s), ms`,
        median(gaps(quorate)).toFixed(0),
        `${median(gaps(removed)).toFixed(0)} (removed without transfer)`,
        ratio(gaps(quorate), gaps(removed)),
      ],
      ...rollRows('Rolling replacement of 3 members', m.rolls),
      ...rollRows(`The same with a database of ${m.megabytes} MB`, m.largeRolls),
      [
        'Terminate event to completed hook, a follower, ms',
        median(m.releases.follower).toFixed(0),
        '',
        '',
      ],
      ['The same, the leader, ms', median(m.releases.leader).toFixed(0), '', ''],
      [
        'A look at 9 healthy members beside one at 3, ms',
        median(m.looks.whole.nine).toFixed(0),
        `${median(m.looks.whole.three).toFixed(0)} (3 members)`,
        ratio(m.looks.whole.nine, m.looks.whole.three),
      ],
      [
        'A look at 9 members of which 2 are hung, ms',
        median(m.looks.nineWithTwoHung).toFixed(0),
        '',
        '',
      ],
      [
        'Cold start: import, clients and all, ms',
        median(milliseconds(m.coldStarts.function)).toFixed(0),
        `${median(milliseconds(m.coldStarts.clients)).toFixed(0)} (boto3 and four clients alone)`,
        ratio(milliseconds(m.coldStarts.function), milliseconds(m.coldStarts.clients)),
      ],
      [
        'Memory after it, MiB',
        median(m.coldStarts.function.map(({ mib }) => mib)).toFixed(0),
        median(m.coldStarts.clients.map(({ mib }) => mib)).toFixed(0),
        '',
      ],
      outageRow(m.outages),
      ['Acknowledged writes lost', String(total(quorate, 'lost')), '', ''],
    ],
  );
}

/** The whole report. */
export function render(m: Measurements): string {
  const [cpu] = cpus();
  const leaderRows = Object.entries(m.leaders).map(([way, writers]) => [
    way === 'quorate' ? 'replaced by Quorate' : way,
    summary(gaps(writers)),
    String(total(writers, 'acknowledged')),
    String(total(writers, 'failed')),
    String(total(writers, 'lost')),
  ]);
  const allRolls = (rolls: Rolls, what: string) => [
    [`${what}, by hand`, summary(rolls.byHand, 1)],
    [`${what}, Quorate`, summary(rolls.quorate, 1)],
    [`${what}, Quorate, told one by one`, summary(rolls.oneByOne, 1)],
  ];
  return `# The engine on real etcd

Written by \`npx projen bench:etcd-lifecycle\` with etcd ${m.etcd} on ${cpus().length} x
${cpu?.model.trim() ?? 'an unknown CPU'}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB. Everything of a
row ran in the same run, interleaved: ratios matter, not absolutes. Figures are medians, with the
least and the most in brackets.

Quorate is the deployed stack: rule, queue, event source mapping, the function with real clients of AWS, an
emulator of AWS behind it, and instances that boot by their user data. "By hand" is a client of
etcd's API in a tight loop, with neither instances nor AWS.

${readmeTable(m)}

## The leader goes

${RATE} puts a second, by a client that gives an attempt 1 s and goes on to another endpoint; the
endpoint of the member that goes is not among its own. The longest time without an acknowledged write:

${table(['the leader is', 'gap, ms', 'acknowledged', 'failed', 'lost'], leaderRows)}

## All members, one after the other

${table(['', 'seconds'], [...allRolls(m.rolls, 'Tiny database'), ...allRolls(m.largeRolls, `${m.megabytes} MB`)])}

Each cluster had been up for more than 5 s. Most of the time of a tight loop is etcd's own caution: it
adds nobody unless as many voters as are a majority with the newcomer have been connected for 5 s. Of
three that is each, so that the latest replacement has to be waited for; of four it may be missing. So
Quorate adds the next replacement before it removes the first member, and waits less. Told to replace one
by one it cannot, and waits as long as the loop does; what it takes beyond that is instances that start,
and ask for their configuration once a second by the AWS CLI. An instance of EC2 takes longer than 5 s to
boot, so that nobody waits there.

## A member that need not be replaced

From the terminate event to the completed hook, through the emulator of AWS:

${table(
  ['', 'ms'],
  [
    ['a follower', summary(m.releases.follower)],
    ['the leader, moved first', summary(m.releases.leader)],
  ],
)}

## A look at the cluster

A look asks Auto Scaling for the group, DynamoDB for the record, each member for its status, all at the
same time, and one of them for the list of members. The first row has all of it, with the emulators of
AWS, which answer sooner than AWS does; the others have the members alone. A run makes new connections for
its first look, and keeps them for the next ones. "The least" is what a client does that sends the same
requests to the members, prepared before, over open connections, and reads nothing of the answers but who
leads: what it takes is the work of etcd itself, ${cpus().length} processors for the ${3 + 9} members on
this machine.

${table(
  ['ms', '3 members', '9 members', 'ratio'],
  (
    [
      ['a look with all that it asks for', m.looks.whole],
      ['the members in the first look of a run', m.looks.first],
      ['the members in a later look', m.looks.later],
      ['the members, the least', m.looks.bare],
    ] as [string, Looks][]
  ).map(([what, { three, nine }]) => [
    what,
    summary(three, 1),
    summary(nine, 1),
    ratio(nine, three),
  ]),
)}

With 2 of the 9 hung (SIGSTOP), the members in a first look take ${summary(m.looks.nineWithTwoHung)} ms: one time-out.

## Cold start

Fresh processes; nothing of the function's own code is compiled before, as its folder is read-only in
Lambda.

${table(
  ['', 'ms', 'MiB'],
  Object.entries(m.coldStarts).map(([kind, starts]: [string, readonly ColdStart[]]) => [
    COLD_START_NAMES[kind as keyof ColdStarts],
    summary(starts.map(({ ms }) => ms)),
    summary(starts.map(({ mib }) => mib)),
  ]),
)}

${OUTAGE_BEGINS}
${outageSection(m.outages)}
${OUTAGE_ENDS}
`;
}

/** Around the section of the outages, which can be measured alone. */
const OUTAGE_BEGINS = '<!-- outage -->';
const OUTAGE_ENDS = '<!-- /outage -->';

/**
 * A report with the section of the outages anew, or for the first time.
 *
 * @param report - What was written before.
 */
export function withOutages(report: string, outages: OutageResults): string {
  const section = `${OUTAGE_BEGINS}\n${outageSection(outages)}\n${OUTAGE_ENDS}\n`;
  const [before = '', rest] = report.split(`${OUTAGE_BEGINS}\n`);
  const after = rest?.split(`${OUTAGE_ENDS}\n`)[1] ?? '';
  return `${rest === undefined ? `${before.trimEnd()}\n\n` : before}${section}${after}`;
}

/** A text with a table of `readmeTable`, with the line of the outages anew, or for the first time. */
export function withOutageRow(text: string, outages: OutageResults): string {
  const row = outageRow(outages);
  const line = `| ${row.join(' | ')} |`;
  const lines = text.split('\n').filter((one) => !one.startsWith(`| ${row[0]} |`));
  const last = lines.findIndex((one) => one.startsWith('| Acknowledged writes lost |'));
  if (last < 0) {
    throw new Error('there is no table with the line "Acknowledged writes lost"');
  }
  return [...lines.slice(0, last), line, ...lines.slice(last)].join('\n');
}

const COLD_START_NAMES: Record<keyof ColdStarts, string> = {
  nothing: 'an empty process',
  clients: 'boto3 and its clients of Auto Scaling, DynamoDB, EC2 and SSM',
  function: 'the function with its clients',
};
