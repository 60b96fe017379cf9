import { userInfo } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, RefusedError, readOptions, readWholeNumber, UsageError } from './command';
import { LifecycleFunction } from './lifecycle-function';
import { describeSnapshot, type SnapshotDescription } from './snapshot-description';
import type { Terminal } from './terminal';

/** What etcd's own documentation advises: more than any cluster writes between two snapshots. */
const DEFAULT_BUMP = '1000000000';

/** Between two looks at how the recovery goes on. */
const POLL_MS = 3_000;

const HELP = `Usage: etcd-lifecycle recover --function NAME --cluster NAME --snapshot SNAPSHOT [options]
       etcd-lifecycle recover --function NAME --cluster NAME --cancel

Makes a cluster that has lost its quorum for good anew from a snapshot. It is refused while a quorum
answers, or may answer. What was written after the snapshot is lost; it shows what that is, and asks.

The order is recorded; then the next instance that waits at its launch starts with the snapshot's
data, as the only member of a new cluster, and all others join it as they always do. The instances of
the old cluster are never taken back: terminate them, so that Auto Scaling launches others.

Options:
  --function NAME         the function that looks after the cluster: name or ARN
  --cluster NAME          the name of the cluster, so that it is not another one by mistake
  --snapshot SNAPSHOT     s3://bucket/key, or "latest" for the last one that the function stored
  --bump-revision N       how much to raise the revision, so that it does not go back for clients
                          (default: ${DEFAULT_BUMP})
  --unreachable-are-lost  members that do not answer are lost: you have made sure that they do not
                          run, or will never be reached again
  --operator NAME         who the journal says it was (default: your login name)
  --wait                  wait until the new cluster lives, and show what it waits for
  --yes                   do not ask
  --cancel                take an order back whose cluster does not live yet
  --region REGION         the AWS Region (default: as the AWS SDK finds it)
  --help                  show this

It needs lambda:InvokeFunction and lambda:GetFunctionConfiguration on the function, and s3:GetObject
on the snapshot.
`;

/** Makes a cluster anew that has lost its quorum. */
export const RECOVER: Command = {
  name: 'recover',
  summary: 'make a cluster that has lost its quorum anew from a snapshot',
  help: HELP,
  run,
};

/** How things stand, as the function sees it. Numbers of 64 bits are texts. */
interface Standing {
  readonly cluster: string;
  readonly quorate: boolean;
  readonly cluster_id: string | null;
  readonly known_cluster_ids: readonly string[];
  readonly generation: number;
  readonly order: { readonly snapshot: string; readonly bump_revision: number } | null;
  readonly alive: Readonly<Record<string, string>>;
  readonly ended: Readonly<Record<string, string>>;
  readonly unknown: Readonly<Record<string, string>>;
  readonly led: readonly string[];
  readonly instances: readonly {
    readonly id: string;
    readonly state: string;
    readonly address: string | null;
  }[];
  readonly snapshot_key: string | null;
}

interface Request {
  readonly cluster: string;
  readonly snapshot: string;
  readonly bump: number;
  readonly unreachableAreLost: boolean;
  readonly operator: string;
  readonly yes: boolean;
  readonly region: string | undefined;
}

async function run(args: readonly string[], terminal: Terminal): Promise<void> {
  const values = readOptions(args, {
    function: { type: 'string' },
    cluster: { type: 'string' },
    snapshot: { type: 'string' },
    'bump-revision': { type: 'string', default: DEFAULT_BUMP },
    'unreachable-are-lost': { type: 'boolean' },
    operator: { type: 'string', default: userInfo().username },
    wait: { type: 'boolean' },
    yes: { type: 'boolean' },
    cancel: { type: 'boolean' },
    region: { type: 'string' },
  });
  const { function: name, cluster, snapshot, operator } = values;
  if (name === undefined || cluster === undefined) {
    throw new UsageError('give --function and --cluster');
  }
  if ((snapshot === undefined) !== (values.cancel ?? false)) {
    throw new UsageError('give --snapshot, or --cancel to take an order back');
  }
  const bump = readWholeNumber('--bump-revision', values['bump-revision'], 1);
  const lifecycle = await LifecycleFunction.open(name, values.region);
  try {
    const settings = await lifecycle.settings();
    if (settings.cluster !== cluster) {
      throw new UsageError(
        `the function ${name} looks after the cluster "${settings.cluster}", not "${cluster}"`,
      );
    }
    if (snapshot === undefined) {
      await lifecycle.ask('recover', { do: 'cancel', operator });
      terminal.out('The order is taken back: the cluster is the one that it was before.\n');
      return;
    }
    const request: Request = {
      cluster,
      snapshot,
      bump,
      operator,
      unreachableAreLost: values['unreachable-are-lost'] ?? false,
      yes: values.yes ?? false,
      region: values.region,
    };
    await order(lifecycle, settings.snapshotBucket, request, terminal);
    if (values.wait) {
      await waitUntilAlive(lifecycle, terminal);
    }
  } finally {
    lifecycle.close();
  }
}

async function order(
  lifecycle: LifecycleFunction,
  bucket: string | undefined,
  request: Request,
  terminal: Terminal,
): Promise<void> {
  terminal.err('Looking at what is left of the cluster ...\n');
  const standing = await lifecycle.ask<Standing>('recover', { do: 'inspect' });
  if (standing.quorate) {
    throw new RefusedError('a quorum answers: the cluster lives, and there is nothing to recover');
  }
  const snapshot = await describeSnapshot(locate(request.snapshot, bucket, standing), request);
  checkOrigin(snapshot, standing);
  terminal.out(describe(standing, snapshot, request));
  if (Object.keys(standing.unknown).length > 0 && !request.unreachableAreLost) {
    throw new RefusedError(
      'members that do not answer may be alive, and only out of reach of the function. If you have ' +
        'made sure that they are lost, add --unreachable-are-lost',
    );
  }
  if (!request.yes) {
    const typed = await terminal.ask(
      `Type the name of the cluster (${request.cluster}) to make it anew from this snapshot: `,
    );
    if (typed?.trim() !== request.cluster) {
      throw new RefusedError('it was not confirmed; --yes confirms without being asked');
    }
  }
  terminal.err('Looking again, and ordering the recovery ...\n');
  await lifecycle.ask('recover', {
    do: 'order',
    snapshot: snapshot.url,
    snapshot_revision: snapshot.revision,
    bump_revision: request.bump,
    generation: standing.generation,
    operator: request.operator,
    unreachable_are_lost: request.unreachableAreLost,
  });
  terminal.out(`The recovery is ordered.\n${nextSteps(standing)}`);
}

function locate(snapshot: string, bucket: string | undefined, standing: Standing): string {
  if (snapshot !== 'latest') {
    return snapshot;
  }
  if (bucket === undefined || standing.snapshot_key === null) {
    throw new UsageError('the function has stored no snapshot: name one by --snapshot s3://...');
  }
  return `s3://${bucket}/${standing.snapshot_key}`;
}

/** A snapshot of another cluster would put another's data in place of this one's. */
function checkOrigin(snapshot: SnapshotDescription, standing: Standing): void {
  if (snapshot.cluster !== standing.cluster) {
    throw new RefusedError(
      `${snapshot.url} is a snapshot of the cluster "${snapshot.cluster}", not of ` +
        `"${standing.cluster}"`,
    );
  }
  if (!standing.known_cluster_ids.includes(snapshot.clusterId)) {
    throw new RefusedError(
      `${snapshot.url} is of an etcd cluster ${hex(snapshot.clusterId)}, which this cluster ` +
        `never was (${standing.known_cluster_ids.map(hex).join(', ')})`,
    );
  }
}

function describe(standing: Standing, snapshot: SnapshotDescription, request: Request): string {
  const { alive, ended, unknown } = standing;
  const revisions = Object.values(alive).map(Number);
  const last = revisions.length > 0 ? Math.max(...revisions) : undefined;
  const members = [
    ...Object.entries(alive).map(
      ([at, revision]) => `${at} has no quorum, at revision ${revision}`,
    ),
    ...Object.entries(ended).map(([at]) => `${at} has ended: nothing listens there`),
    ...Object.entries(unknown).map(([at, why]) => `${at} is not certain: ${why}`),
  ];
  const [first = 'no instance of the group has one', ...others] = members;
  const known = standing.cluster_id ?? standing.known_cluster_ids.at(-1) ?? '0';
  return [
    `Cluster:   ${standing.cluster}, with the etcd cluster id ${hex(known)}`,
    ...(standing.order
      ? [`Ordered:   it is to be made of ${standing.order.snapshot} already; this replaces that`]
      : []),
    `Members:   ${first}`,
    ...others.map((member) => `           ${member}`),
    `Snapshot:  ${snapshot.url}`,
    `           taken ${snapshot.taken}, with everything up to revision ${snapshot.revision}`,
    `Lost:      ${lost(snapshot, last)}`,
    `Afterwards revisions go on above ${snapshot.revision + request.bump}; older ones are compacted,`,
    'so that watchers and caches are told to list again. The member list is new, with a new id.',
    '',
  ].join('\n');
}

function lost(snapshot: SnapshotDescription, last: number | undefined): string {
  if (last === undefined) {
    return `all that was written after ${snapshot.taken}; nobody is left to tell how much`;
  }
  if (last <= snapshot.revision) {
    return 'nothing that the members which answer know of';
  }
  return (
    `all that was written after ${snapshot.taken}: at least ${last - snapshot.revision} ` +
    `revisions, ${snapshot.revision + 1} to ${last}`
  );
}

function nextSteps(standing: Standing): string {
  const old = standing.instances.filter(
    ({ state }) => !state.startsWith('Pending') && !state.startsWith('Terminat'),
  );
  if (old.length === 0) {
    return 'The next instance that waits at its launch starts with the snapshot.\n';
  }
  return [
    'The instances of the old cluster do not come back to the new one, and hold their places in the',
    'group. Terminate them one after another, so that others are launched; the last one that still',
    'has data only when you have looked at the new cluster:',
    ...old.map(
      ({ id }) =>
        '  aws autoscaling terminate-instance-in-auto-scaling-group ' +
        `--no-should-decrement-desired-capacity --instance-id ${id}`,
    ),
    '',
  ].join('\n');
}

async function waitUntilAlive(lifecycle: LifecycleFunction, terminal: Terminal): Promise<void> {
  let said = '';
  for (;;) {
    const { recording, decision } = await lifecycle.ask<{
      recording: { view: { seed: { cluster_id: string | null } | null } };
      decision: { reason: string };
    }>('plan');
    const clusterId = recording.view.seed?.cluster_id;
    if (clusterId) {
      terminal.out(`The new cluster lives, with the etcd cluster id ${hex(clusterId)}.\n`);
      return;
    }
    if (decision.reason !== said) {
      said = decision.reason;
      terminal.err(`Next: ${said}\n`);
    }
    await sleep(POLL_MS);
  }
}

function hex(id: string): string {
  return BigInt(id).toString(16);
}
