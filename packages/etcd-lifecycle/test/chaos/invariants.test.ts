import { describe, expect, test } from '@jest/globals';
import type { RecordedCall, StateTransition } from '@quorate/test-harness';
import {
  changeProblems,
  hookProblems,
  type Members,
  MembershipHistory,
} from '../../chaos/invariants';
import type { Membership } from '../../demo/cluster-observer';

function members(states: Record<string, Membership>): Members {
  return new Map(Object.entries(states));
}

const THREE = { a: 'voter', b: 'voter', c: 'voter' } as const;

describe('a change of the members', () => {
  test('is fine one at a time', () => {
    const learner = members({ ...THREE, d: 'learner' });
    const promoted = members({ ...THREE, d: 'voter' });
    const removed = members({ ...THREE, a: 'none', d: 'voter' });
    expect(changeProblems(members(THREE), learner, new Set())).toEqual([]);
    expect(changeProblems(learner, promoted, new Set())).toEqual([]);
    expect(changeProblems(promoted, removed, new Set())).toEqual([]);
  });

  test('is wrong among the voters while a learner is on its way in', () => {
    const before = members({ ...THREE, d: 'learner' });
    const after = members({ ...THREE, a: 'none', d: 'learner' });
    expect(changeProblems(before, after, new Set())).toEqual([
      'a changed among the voters while d was a learner',
    ]);
  });

  test('is wrong with a second learner', () => {
    const after = members({ ...THREE, d: 'learner', e: 'learner' });
    expect(changeProblems(members(THREE), after, new Set())).toEqual([
      'd and e are learners at the same time',
    ]);
  });

  test('is wrong when it takes the majority', () => {
    const after = members({ ...THREE, a: 'none' });
    expect(changeProblems(members(THREE), after, new Set(['b']))).toEqual([
      'the change of a left 2 voters, of which b did not answer: no majority',
    ]);
  });

  test('is fine when it removes the one that does not answer', () => {
    const after = members({ ...THREE, b: 'none' });
    expect(changeProblems(members(THREE), after, new Set(['b']))).toEqual([]);
  });
});

test('what one look has seen is one change', () => {
  const history = new MembershipHistory([
    { at: 1, instanceId: 'a', membership: 'voter' },
    { at: 1, instanceId: 'b', membership: 'learner' },
    { at: 2, instanceId: 'b', membership: 'voter' },
  ]);
  expect(history.take()).toEqual([
    { at: 1, before: members({}), after: members({ a: 'voter', b: 'learner' }) },
    {
      at: 2,
      before: members({ a: 'voter', b: 'learner' }),
      after: members({ a: 'voter', b: 'voter' }),
    },
  ]);
  expect(history.take()).toEqual([]);
  expect(history.present).toEqual(members({ a: 'voter', b: 'voter' }));
});

describe('a hook', () => {
  const transition = (from: string, to: string) =>
    ({
      time: 1,
      groupName: 'g',
      instanceId: 'i-1',
      privateIpAddress: '',
      from,
      to,
    }) as StateTransition;
  const call = (errorCode?: string): RecordedCall => ({
    time: 1,
    action: 'CompleteLifecycleAction',
    parameters: { InstanceId: 'i-1', LifecycleHookName: 'launch' },
    errorCode,
  });
  const launched = transition('Pending:Wait', 'Pending:Proceed');

  test('is completed once, however often it was asked for', () => {
    expect(hookProblems([launched], [call(), call('ValidationError')])).toEqual([]);
  });

  test('is not to end by itself', () => {
    expect(hookProblems([launched], [call('Throttling')])).toEqual([
      'i-1 went from Pending:Wait to Pending:Proceed, and nobody had completed its hook',
    ]);
  });

  test('is not to be completed twice', () => {
    expect(hookProblems([launched], [call(), call()])).toEqual([
      'the hook of i-1 launch was completed 2 times',
    ]);
  });

  test('may end with an instance that is terminated while it waits', () => {
    expect(hookProblems([transition('Pending:Wait', 'Terminating')], [])).toEqual([]);
  });
});
