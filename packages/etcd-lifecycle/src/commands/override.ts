import { userInfo } from 'node:os';
import { type Command, RefusedError, readOptions, readWholeNumber, UsageError } from './command';
import { LifecycleFunction } from './lifecycle-function';
import type { Terminal } from './terminal';

const DEFAULT_MINUTES = '15';

const HELP = `Usage: etcd-lifecycle override --function NAME --member MEMBER --reason TEXT [options]
       etcd-lifecycle override --function NAME --withdraw

Has the next pass remove a member that the guard would keep: because too few of the others are well,
or its replacement is not there yet. What etcd itself refuses stays refused, and so does the last
voter. The order holds for one member, and ends by itself.

Options:
  --function NAME  the function that looks after the cluster: name or ARN
  --member MEMBER  the member: its name (the instance id), or its id in decimal or hexadecimal
  --reason TEXT    why, for the journal
  --minutes N      how long the order holds, at most a day (default: ${DEFAULT_MINUTES})
  --operator NAME  who the journal says it was (default: your login name)
  --yes            do not ask
  --withdraw       take the order back
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

async function run(args: readonly string[], terminal: Terminal): Promise<void> {
  const values = readOptions(args, {
    function: { type: 'string' },
    member: { type: 'string' },
    reason: { type: 'string' },
    minutes: { type: 'string', default: DEFAULT_MINUTES },
    operator: { type: 'string', default: userInfo().username },
    yes: { type: 'boolean' },
    withdraw: { type: 'boolean' },
    region: { type: 'string' },
  });
  const { function: name, member, reason, operator } = values;
  if (name === undefined) {
    throw new UsageError('give --function');
  }
  const minutes = readWholeNumber('--minutes', values.minutes, 1);
  if (!values.withdraw && (!member || !reason)) {
    throw new UsageError('give --member and --reason, or --withdraw');
  }
  if (values.withdraw && (member || reason)) {
    throw new UsageError('--withdraw takes back whatever was ordered: leave the rest out');
  }
  const lifecycle = await LifecycleFunction.open(name, values.region);
  try {
    if (values.withdraw) {
      const { withdrawn } = await lifecycle.ask<{ withdrawn: string | null }>('override', {
        do: 'withdraw',
        operator,
      });
      terminal.out(
        withdrawn ? `The order to remove ${withdrawn} is taken back.\n` : 'There was no order.\n',
      );
      return;
    }
    if (!values.yes) {
      const typed = await terminal.ask(
        `${member} is removed even if the others have no healthy majority. Type its name again: `,
      );
      if (typed?.trim() !== member) {
        throw new RefusedError('it was not confirmed');
      }
    }
    const { expires } = await lifecycle.ask<{ expires: number }>('override', {
      do: 'order',
      member,
      operator,
      reason,
      seconds: minutes * 60,
    });
    terminal.out(`Ordered until ${new Date(expires * 1000).toISOString()}.\n`);
  } finally {
    lifecycle.close();
  }
}
