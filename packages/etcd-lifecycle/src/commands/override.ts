import { userInfo } from 'node:os';
import { type Command, RefusedError, readOptions, readWholeNumber, UsageError } from './command';
import { LifecycleFunction } from './lifecycle-function';
import type { Terminal } from './terminal';

const DEFAULT_MINUTES = '15';

const HELP = `Usage: etcd-lifecycle override --function NAME --remove MEMBER --reason TEXT [options]

Has the function remove a member that the guard would keep: because too few of the others are well,
or its replacement is not there yet. What etcd itself refuses stays refused, and so does the last
voter. The order holds once, and ends by itself.

Options:
  --function NAME  the function that looks after the cluster: name or ARN
  --remove MEMBER  the member: its name (the instance id), or its id in decimal or hexadecimal
  --reason TEXT    why, for the journal
  --minutes N      how long the order holds, at most a day (default: ${DEFAULT_MINUTES})
  --operator NAME  who the journal says it was (default: your login name)
  --yes            do not ask
  --region REGION  the AWS Region (default: as the AWS SDK finds it)
  --help           show this

It needs lambda:InvokeFunction.
`;

/** Has a member removed that the guard would keep. */
export const OVERRIDE: Command = {
  name: 'override',
  summary: 'have a member removed that the guard would keep',
  help: HELP,
  run,
};

interface Member {
  readonly id: string;
  readonly name: string;
}

async function run(args: readonly string[], terminal: Terminal): Promise<void> {
  const values = readOptions(args, {
    function: { type: 'string' },
    remove: { type: 'string' },
    reason: { type: 'string' },
    minutes: { type: 'string', default: DEFAULT_MINUTES },
    operator: { type: 'string', default: userInfo().username },
    yes: { type: 'boolean' },
    region: { type: 'string' },
  });
  const { function: name, remove, reason, operator } = values;
  if (!name || !remove || !reason) {
    throw new UsageError('give --function, --remove and --reason');
  }
  const minutes = readWholeNumber('--minutes', values.minutes, 1);
  const lifecycle = await LifecycleFunction.open(name, values.region);
  try {
    const { recording } = await lifecycle.ask<{
      recording: { view: { quorate: boolean; members: readonly Member[] } };
    }>('plan');
    checkMember(remove, recording.view);
    if (!values.yes) {
      const typed = await terminal.ask(
        `${remove} is removed even if the others have no healthy majority. Type its name again: `,
      );
      if (typed?.trim() !== remove) {
        throw new RefusedError('it was not confirmed; --yes confirms without being asked');
      }
    }
    await lifecycle.tell({ override: { remove, operator, reason, seconds: minutes * 60 } });
    terminal.out('Ordered. "etcd-lifecycle history" tells what became of it.\n');
  } finally {
    lifecycle.close();
  }
}

function checkMember(
  remove: string,
  { quorate, members }: { readonly quorate: boolean; readonly members: readonly Member[] },
): void {
  if (!quorate) {
    throw new RefusedError('no quorum answers, so that no member can be removed');
  }
  const named = members.filter(({ id, name }) => [name, id, hex(id)].includes(remove));
  if (named.length !== 1) {
    const all = members.map(({ id, name }) => `${name || 'unnamed'} (${hex(id)})`);
    const count = named.length === 0 ? 'no member' : `${named.length} members`;
    throw new RefusedError(`${remove} names ${count}; there are ${all.join(', ')}`);
  }
}

function hex(id: string): string {
  return BigInt(id).toString(16);
}
