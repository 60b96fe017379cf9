import { readFile } from 'node:fs/promises';
import { text as readAll } from 'node:stream/consumers';
import { type Action, describeAction } from './action';
import { type Command, readOptions, UsageError } from './command';
import { LifecycleFunction } from './lifecycle-function';
import { decideOnRecording } from './python-planner';
import type { Terminal } from './terminal';

const HELP = `Usage: etcd-lifecycle plan --function NAME [options]
       etcd-lifecycle plan --view FILE [options]

Shows what the next pass would do about the cluster, and why, and changes nothing: no member, no
hook, no record, not even the lease.

Options:
  --function NAME  let this function, name or ARN, look at the live cluster and decide
  --view FILE      decide on what "plan --json" wrote earlier; "-" for the standard input
  --json           as JSON: what was seen, the policy, the time, and the decision
  --python PATH    the Python (3.10 or newer) that decides on a file (default: python3)
  --region REGION  the AWS Region (default: as the AWS SDK finds it)
  --help           show this

With --function it needs lambda:InvokeFunction; the function has all else. With --view it needs no AWS.
`;

/** What a pass sees and decides, as JSON. */
interface Plan {
  /** The version of the form. */
  readonly format: number;
  readonly view: View;
  readonly policy: unknown;
  readonly now: number;
  readonly decision: Decision;
}

interface Member {
  readonly learner?: boolean;
}

interface View {
  readonly cluster: string;
  readonly quorate?: boolean;
  readonly desired: number;
  readonly members?: readonly Member[];
  readonly instances?: readonly unknown[];
  readonly silent?: Readonly<Record<string, string>>;
}

interface Decision {
  readonly action: Action;
  readonly reason: string;
  readonly arithmetic: string;
}

/** Shows what would be done next. */
export const PLAN: Command = {
  name: 'plan',
  summary: 'show what would be done next, and why, without doing it',
  help: HELP,
  run,
};

async function run(args: readonly string[], terminal: Terminal): Promise<void> {
  const values = readOptions(args, {
    function: { type: 'string' },
    view: { type: 'string' },
    json: { type: 'boolean' },
    python: { type: 'string' },
    region: { type: 'string' },
  });
  const { function: name, view: file } = values;
  if ((name === undefined) === (file === undefined)) {
    throw new UsageError('give either --function or --view');
  }
  const plan =
    name === undefined
      ? await planOfFile(file ?? '', values.python ?? 'python3')
      : await planOfFunction(name, values.region);
  terminal.out(values.json ? `${JSON.stringify(plan, null, 2)}\n` : render(plan));
}

async function planOfFunction(name: string, region: string | undefined): Promise<Plan> {
  const lifecycle = await LifecycleFunction.open(name, region);
  try {
    const { recording, decision } = await lifecycle.ask<{
      recording: Omit<Plan, 'decision'>;
      decision: Decision;
    }>('plan');
    return { ...recording, decision };
  } finally {
    lifecycle.close();
  }
}

async function planOfFile(file: string, python: string): Promise<Plan> {
  let recording: Omit<Plan, 'decision'>;
  try {
    const content = file === '-' ? await readAll(process.stdin) : await readFile(file, 'utf8');
    // What was decided then is decided anew.
    const { decision: _, ...recorded } = JSON.parse(content) as Plan;
    recording = recorded;
  } catch (cause) {
    throw new UsageError(`--view ${file} cannot be read: ${(cause as Error).message}`, { cause });
  }
  return { ...recording, decision: await decideOnRecording<Decision>(recording, python) };
}

function render({ view, decision }: Plan): string {
  const { members = [], instances = [], silent = {} } = view;
  const learners = members.filter(({ learner }) => learner).length;
  const quorum = view.quorate
    ? `${members.length - learners} voters, ${learners} learners`
    : 'no quorum answers';
  return [
    `Cluster:    ${view.cluster}: ${quorum}; ${instances.length} instances, ${view.desired} wanted`,
    ...Object.entries(silent).map(([address, why]) => `Silent:     ${address}: ${why}`),
    `Next:       ${describeAction(decision.action)}`,
    `Reason:     ${decision.reason}`,
    `Arithmetic: ${decision.arithmetic}`,
    'Nothing was changed.',
    '',
  ].join('\n');
}
