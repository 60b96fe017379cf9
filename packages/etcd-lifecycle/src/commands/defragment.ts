import { userInfo } from 'node:os';
import { type Command, readOptions, UsageError } from './command';
import { LifecycleFunction } from './lifecycle-function';
import type { Terminal } from './terminal';

const HELP = `Usage: etcd-lifecycle defragment --function NAME [options]

Gives space of the members' databases back: one member after another, the leader last, each only
while all others are well and caught up and no instance comes or goes. A member answers nothing while
it is defragmented.

Options:
  --function NAME  the function that looks after the cluster: name or ARN
  --compact        first drop all revisions but the present one: watchers from before, and reads of
                   earlier revisions, get an error
  --disarm         in the end disarm the alarm NOSPACE, so that writes are taken again
  --operator NAME  who the journal says it was (default: your login name)
  --region REGION  the AWS Region (default: as the AWS SDK finds it)
  --help           show this

It needs lambda:InvokeFunction. One member is done by one run of the function, whose timeout it must
fit into.
`;

/** Defragments all members. */
export const DEFRAGMENT: Command = {
  name: 'defragment',
  summary: "give space of the members' databases back, one member after another",
  help: HELP,
  run,
};

interface Step {
  /** What was done to which member; null when each is done. */
  readonly member: {
    readonly id: string;
    readonly name: string;
    readonly before: number;
    readonly after: number;
    readonly seconds: number;
  } | null;
  /** The ids of members for which an alarm stands. */
  readonly alarmed: readonly string[];
}

async function run(args: readonly string[], terminal: Terminal): Promise<void> {
  const values = readOptions(args, {
    function: { type: 'string' },
    compact: { type: 'boolean' },
    disarm: { type: 'boolean' },
    operator: { type: 'string', default: userInfo().username },
    region: { type: 'string' },
  });
  const { function: name, operator } = values;
  if (name === undefined) {
    throw new UsageError('give --function');
  }
  const lifecycle = await LifecycleFunction.open(name, values.region);
  try {
    const maintain = <T>(what: string, more: object = {}) =>
      lifecycle.ask<T>('maintain', { do: what, operator, ...more });
    if (values.compact) {
      const { revision } = await maintain<{ revision: string }>('compact');
      terminal.out(`Compacted: only revision ${revision} is left.\n`);
    }
    const done: string[] = [];
    let step = await maintain<Step>('defragment', { done });
    for (; step.member; step = await maintain<Step>('defragment', { done })) {
      done.push(step.member.id);
      terminal.out(`${renderStep(step.member)}\n`);
    }
    terminal.out(`${done.length} members are defragmented.\n`);
    if (values.disarm) {
      const { disarmed } = await maintain<{ disarmed: readonly string[] }>('disarm');
      terminal.out(`Alarms NOSPACE that were disarmed: ${disarmed.length}.\n`);
    } else if (step.alarmed.length > 0) {
      terminal.err('An alarm NOSPACE stands, so that no writes are taken: use --disarm.\n');
    }
  } finally {
    lifecycle.close();
  }
}

function renderStep(member: NonNullable<Step['member']>): string {
  const { name, before, after, seconds } = member;
  return `${name}: ${megabytes(before)} before, ${megabytes(after)} after, in ${seconds} s`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
