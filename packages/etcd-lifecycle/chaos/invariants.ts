import { setTimeout as sleep } from 'node:timers/promises';
import {
  EtcdGateway,
  type LocalInstance,
  type RecordedCall,
  type StateTransition,
} from '@quorate/test-harness';
import type { Membership, Observation } from '../demo/cluster-observer';

/** Who is a member, by instance, at one moment. */
export type Members = ReadonlyMap<string, Membership>;

/**
 * What is wrong with a change of the members: two changes at once, or a majority that is lost by it.
 *
 * @param before - The members before.
 * @param after - The members after.
 * @param down - Instances whose members are known not to answer.
 * @returns Sentences; none when all is well.
 */
export function changeProblems(
  before: Members,
  after: Members,
  down: ReadonlySet<string>,
): string[] {
  const problems: string[] = [];
  const learners = having(after, 'learner');
  if (learners.length > 1) {
    problems.push(`${learners.join(' and ')} are learners at the same time`);
  }
  const votersBefore = having(before, 'voter');
  const votersAfter = having(after, 'voter');
  const changed = [
    ...votersBefore.filter((one) => !votersAfter.includes(one)),
    ...votersAfter.filter((one) => !votersBefore.includes(one)),
  ];
  const pending = having(before, 'learner').filter((one) => learners.includes(one));
  if (pending.length > 0 && changed.length > 0) {
    problems.push(
      `${changed.join(', ')} changed among the voters while ${pending.join(', ')} was a learner`,
    );
  }
  if (changed.length > 0 && hasMajority(votersBefore, down) && !hasMajority(votersAfter, down)) {
    problems.push(
      `the change of ${changed.join(', ')} left ${votersAfter.length} voters, of which ` +
        `${votersAfter.filter((one) => down.has(one)).join(', ')} did not answer: no majority`,
    );
  }
  return problems;
}

/**
 * What is wrong with how hooks ended: not completed by the function, or completed more than once.
 *
 * @param transitions - Of all instances, oldest first.
 * @param calls - To Auto Scaling, oldest first.
 */
export function hookProblems(
  transitions: readonly StateTransition[],
  calls: readonly RecordedCall[],
): string[] {
  const problems: string[] = [];
  const completions = new Map<string, number>();
  for (const { action, parameters, errorCode } of calls) {
    if (action === 'CompleteLifecycleAction' && !errorCode) {
      const key = `${parameters.InstanceId} ${parameters.LifecycleHookName}`;
      completions.set(key, (completions.get(key) ?? 0) + 1);
    }
  }
  for (const [key, times] of completions) {
    if (times > 1) {
      problems.push(`the hook of ${key} was completed ${times} times`);
    }
  }
  for (const { instanceId, from, to } of transitions) {
    const ended =
      (from === 'Pending:Wait' && to === 'Pending:Proceed') ||
      (from === 'Terminating:Wait' && to !== 'Terminating:Wait');
    const completed = calls.some(
      ({ action, parameters, errorCode }) =>
        action === 'CompleteLifecycleAction' && !errorCode && parameters.InstanceId === instanceId,
    );
    if (ended && !completed) {
      problems.push(`${instanceId} went from ${from} to ${to}, and nobody had completed its hook`);
    }
  }
  return problems;
}

/** How often the hooks were completed. */
export function completedHooks(calls: readonly RecordedCall[]): number {
  return calls.filter(({ action, errorCode }) => action === 'CompleteLifecycleAction' && !errorCode)
    .length;
}

/** The states of the members, one for each look at which something had changed. */
export class MembershipHistory {
  private taken = 0;
  private members: Members = new Map();

  constructor(private readonly observations: readonly Observation[]) {}

  /** The members as they were seen last. */
  public get present(): Members {
    return this.members;
  }

  /** The changes since the last call, oldest first. What one look has seen is one change. */
  public take(): { readonly before: Members; readonly after: Members; readonly at: number }[] {
    const changes: { before: Members; after: Members; at: number }[] = [];
    for (; this.taken < this.observations.length; ) {
      const { at } = this.observations[this.taken] as Observation;
      const after = new Map(this.members);
      for (; this.observations[this.taken]?.at === at; this.taken += 1) {
        const { instanceId, membership } = this.observations[this.taken] as Observation;
        after.set(instanceId, membership);
      }
      changes.push({ before: this.members, after, at });
      this.members = after;
    }
    return changes;
  }
}

const GONE_ATTEMPTS = 60;

/**
 * Asks the quorum whether the member of an instance that is let go still votes.
 *
 * @param clientUrls - Asked again for each attempt, as there may be no quorum for a while.
 * @returns What is wrong, or undefined.
 * @throws Error if nobody answers for about a minute.
 */
export async function goneProblem(
  instance: Pick<LocalInstance, 'instanceId' | 'privateIpAddress'>,
  clientUrls: () => readonly string[],
): Promise<string | undefined> {
  for (let attempt = 0; attempt < GONE_ATTEMPTS; attempt += 1) {
    for (const url of clientUrls()) {
      const gateway = new EtcdGateway(url, { timeoutMs: 1000 });
      try {
        const voter = (await gateway.memberList()).find(
          ({ name, peerUrls, isLearner }) =>
            !isLearner &&
            (name === instance.instanceId ||
              peerUrls.some((peer) => new URL(peer).hostname === instance.privateIpAddress)),
        );
        return voter && `${instance.instanceId} was let go while its member still voted`;
      } catch {
        // That one is down, or has no quorum now: another one, or a later attempt, tells.
      } finally {
        gateway.close();
      }
    }
    await sleep(500);
  }
  throw new Error(`nobody could tell whether the member of ${instance.instanceId} still votes`);
}

function having(members: Members, membership: Membership): string[] {
  return [...members].filter(([, own]) => own === membership).map(([instanceId]) => instanceId);
}

function hasMajority(voters: readonly string[], down: ReadonlySet<string>): boolean {
  return voters.filter((one) => !down.has(one)).length > voters.length / 2;
}
