import { expect, test } from '@jest/globals';
import { PythonRunner } from '@quorate/test-harness';
import { describeAction, describeRecorded } from '../../src/commands/action';
import { LAMBDA_PATH } from '../lambda/edges/python-path';

test('an action is its kind and what it concerns, without what nobody asks for', () => {
  expect(describeAction({ kind: 'Wait', soon: true })).toBe('Wait');
  expect(describeAction({ kind: 'SeedCluster', instance_id: 'i-0a', replaces: null })).toBe(
    'SeedCluster instance_id=i-0a',
  );
});

test('ids of etcd are hexadecimal, as etcdctl has them', () => {
  expect(describeAction({ kind: 'Promote', member_id: '18186638246165753269' })).toBe(
    'Promote member_id=fc63eb20c13e2db5',
  );
});

test('what is no action stays as it is', () => {
  expect(describeRecorded('EndEarly: autoscaling')).toBe('EndEarly: autoscaling');
});

/** Actions as the function makes them, and what is shown of what it writes of them. */
test.each([
  [
    'HandOverJoin("i-0a", JoinConfiguration("i-0a", "i-0a=http://10.0.0.1:2380", "new", "main"))',
    'HandOverJoin instance_id=i-0a',
  ],
  [
    'CompleteHook("i-0a", Transition.LAUNCHING, HookResult.CONTINUE)',
    'CompleteHook instance_id=i-0a transition=LAUNCHING result=CONTINUE',
  ],
  ['AddLearner("i-0a", "10.0.0.1")', 'AddLearner instance_id=i-0a address=10.0.0.1'],
  ['Promote(0xfc63eb20c13e2db5)', 'Promote member_id=fc63eb20c13e2db5'],
  ['SeedCluster("i-0a")', 'SeedCluster instance_id=i-0a'],
])('the journal of %s', async (action, shown) => {
  const { stdout, stderr } = await PythonRunner.run(
    `from etcd_lifecycle.model import *\nprint(repr(${action}))`,
    { pythonPath: LAMBDA_PATH },
  );
  expect({ stderr, shown: describeRecorded(stdout.trim()) }).toEqual({ stderr: '', shown });
});
