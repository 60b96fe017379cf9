import { describeRecorded } from './action';
import { type Command, readOptions, readWholeNumber, UsageError } from './command';
import { type JournalEntry, readJournal } from './journal';
import { LifecycleFunction } from './lifecycle-function';
import { renderTable } from './table';
import type { Terminal } from './terminal';

const DEFAULT_LIMIT = '50';

const HELP = `Usage: etcd-lifecycle history --function NAME [options]
       etcd-lifecycle history --cluster NAME --table NAME [options]

Shows what the function decided and did, oldest first: each decision that changed something, with its
reason and what became of it. Entries are kept for 90 days.

Options:
  --function NAME  the function that looks after the cluster: name or ARN
  --cluster NAME   the name of the cluster
  --table NAME     the DynamoDB table
  --limit N        the newest N entries (default: ${DEFAULT_LIMIT})
  --since TIME     none that is older, such as 2026-01-31 or 2026-01-31T12:00:00Z (default: all)
  --json           as JSON: an array of objects, with the arithmetic and all of each decision
  --region REGION  the AWS Region (default: as the AWS SDK finds it)
  --help           show this

It needs dynamodb:Query on the table, and with --function lambda:GetFunctionConfiguration.
`;

/** Shows the journal of a cluster. */
export const HISTORY: Command = {
  name: 'history',
  summary: 'show what was decided and done, and why',
  help: HELP,
  run,
};

async function run(args: readonly string[], terminal: Terminal): Promise<void> {
  const values = readOptions(args, {
    function: { type: 'string' },
    cluster: { type: 'string' },
    table: { type: 'string' },
    limit: { type: 'string', default: DEFAULT_LIMIT },
    since: { type: 'string' },
    json: { type: 'boolean' },
    region: { type: 'string' },
  });
  const limit = readWholeNumber('--limit', values.limit, 1);
  const since = values.since === undefined ? undefined : readTime(values.since);
  const where = await whereJournalIs(values);
  const entries = await readJournal({ ...where, limit, since, region: values.region }).catch(
    (error: Error) => {
      throw error.name === 'ResourceNotFoundException' ? withoutTable(where.table, error) : error;
    },
  );
  if (values.json) {
    terminal.out(`${JSON.stringify(entries, null, 2)}\n`);
    return;
  }
  if (entries.length === 0) {
    terminal.err(`The journal of the cluster ${where.cluster} in ${where.table} has no entry.\n`);
    return;
  }
  terminal.out(renderTable(['TIME', 'ACTION', 'OUTCOME', 'REASON'], entries.map(renderEntry)));
}

async function whereJournalIs(values: {
  readonly function?: string;
  readonly cluster?: string;
  readonly table?: string;
  readonly region?: string;
}): Promise<{ cluster: string; table: string }> {
  const { function: name, cluster, table } = values;
  if (name !== undefined) {
    if (cluster !== undefined || table !== undefined) {
      throw new UsageError('--function tells cluster and table: leave out --cluster and --table');
    }
    const lifecycle = await LifecycleFunction.open(name, values.region);
    try {
      return await lifecycle.settings();
    } finally {
      lifecycle.close();
    }
  }
  if (cluster === undefined || table === undefined) {
    throw new UsageError('give --function, or both --cluster and --table');
  }
  return { cluster, table };
}

function withoutTable(table: string, cause: Error): Error {
  return new Error(
    `there is no table "${table}" in this account and Region (${cause.name}): check the name, ` +
      '--region and the credentials',
    { cause },
  );
}

function readTime(text: string): Date {
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) {
    throw new UsageError(`--since is "${text}"; it is a time such as 2026-01-31T12:00:00Z`);
  }
  return time;
}

function renderEntry(entry: JournalEntry): string[] {
  const time = entry.time.replace('T', ' ').replace(/\.\d+Z$/, 'Z');
  return [time, describeRecorded(entry.action), entry.outcome, entry.reason];
}
