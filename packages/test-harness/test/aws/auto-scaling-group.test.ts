import { describe, expect, test } from '@jest/globals';
import {
  AutoScalingGroup,
  type AutoScalingGroupProps,
  type Effect,
  type LifecycleHookProps,
  type LifecycleState,
  ServiceError,
} from '../../src/aws';
import { LAUNCH, TERMINATE } from './hooks';

/** A group with names that can be foretold, and all that it asked for. */
function createGroup(props: Partial<AutoScalingGroupProps> = {}) {
  let uuids = 0;
  let instances = 0;
  const group = new AutoScalingGroup(
    { name: 'group', minSize: 0, maxSize: 10, desiredCapacity: 3, ...props },
    {
      region: 'us-east-1',
      accountId: '000000000000',
      uuid: () => `token-${++uuids}`,
      instanceId: () => `i-${++instances}`,
    },
    0,
  );
  const effects: Effect[] = [];
  const run = (next: Effect[]) => effects.push(...next);
  run(group.start(0));
  const states = (): Record<string, LifecycleState> =>
    Object.fromEntries(
      group.instances.map(({ instanceId, lifecycleState }) => [instanceId, lifecycleState]),
    );
  const path = (instanceId: string) =>
    effects.flatMap((effect) =>
      effect.kind === 'state-changed' && effect.instance.instanceId === instanceId
        ? [effect.to]
        : [],
    );
  const events = () =>
    effects.flatMap((effect) => (effect.kind === 'send-event' ? [effect.event] : []));
  const token = (instanceId: string, hook: string) =>
    group.instances
      .find((instance) => instance.instanceId === instanceId)
      ?.actions.find((action) => action.hook.name === hook)?.token;
  return { group, run, states, path, events, token, effects };
}

describe('capacity', () => {
  test('the first instances are spread over the zones, with consecutive addresses', () => {
    const { group } = createGroup({ desiredCapacity: 4 });

    expect(
      group.instances.map(({ availabilityZone, privateIpAddress }) => [
        availabilityZone,
        privateIpAddress,
      ]),
    ).toEqual([
      ['us-east-1a', '127.0.0.2'],
      ['us-east-1b', '127.0.0.3'],
      ['us-east-1c', '127.0.0.4'],
      ['us-east-1a', '127.0.0.5'],
    ]);
  });

  test('a scale-in takes the oldest instance of the fullest zone', () => {
    const { group, run, states } = createGroup({ desiredCapacity: 4 });

    run(group.setDesiredCapacity(3, 1));
    expect(Object.keys(states())).toEqual(['i-2', 'i-3', 'i-4']);
    run(group.setDesiredCapacity(1, 2));
    expect(Object.keys(states())).toEqual(['i-4']);
  });

  test.each([
    [false, ['127.0.0.2', '127.0.0.4']],
    [true, ['127.0.0.2', '127.0.0.3']],
  ])('reuse of freed addresses: %s', (reuseAddresses, expected) => {
    const { group, run } = createGroup({ desiredCapacity: 2, reuseAddresses });

    run(group.terminateInstance('i-2', false, 1));
    expect(group.instances.map((instance) => instance.privateIpAddress)).toEqual(expected);
  });

  test('an address is not handed out again while its instance is terminating', () => {
    const { group, run } = createGroup({
      desiredCapacity: 1,
      reuseAddresses: true,
      lifecycleHooks: [TERMINATE],
    });

    run(group.terminateInstance('i-1', false, 1));
    expect(group.instances.map((instance) => instance.privateIpAddress)).toEqual([
      '127.0.0.2',
      '127.0.0.3',
    ]);
  });

  test.each([
    ['immediately', ['Terminating:Wait', 'InService']],
    ['after-termination', ['Terminating:Wait']],
  ] as const)('a replacement is launched %s', (replacement, expected) => {
    const { group, run, states } = createGroup({
      desiredCapacity: 1,
      replacement,
      lifecycleHooks: [TERMINATE],
    });

    run(group.terminateInstance('i-1', false, 1));
    expect(Object.values(states())).toEqual(expected);
    run(group.completeAction({ hookName: 'terminate', instanceId: 'i-1' }, 'CONTINUE', 2));
    expect(states()).toEqual({ 'i-2': 'InService' });
  });

  test('a decrement leaves no room for a replacement', () => {
    const { group, run, states } = createGroup({ desiredCapacity: 2 });

    run(group.terminateInstance('i-1', true, 1));
    expect(group.desiredCapacity).toBe(1);
    expect(states()).toEqual({ 'i-2': 'InService' });
  });

  test.each<[string, (group: AutoScalingGroup) => unknown, RegExp]>([
    ['too many', (group) => group.setDesiredCapacity(11, 1), /11 is above max value 10/],
    ['too few', (group) => group.setDesiredCapacity(1, 1), /1 is below min value 2/],
    ['below the minimum', (group) => group.terminateInstance('i-1', true, 1), /minSize \(2\)/],
    ['unknown instance', (group) => group.terminateInstance('i-9', false, 1), /ID: i-9/],
    ['min above max', (group) => group.update({ minSize: 11 }, 1), /Max bound, 10/],
    ['desired outside', (group) => group.update({ desiredCapacity: 1 }, 1), /min size:2/],
    ['no whole number', (group) => group.update({ desiredCapacity: 2.5 }, 1), /whole numbers/],
  ])('%s is refused and changes nothing', (_, act, message) => {
    const { group, states } = createGroup({ minSize: 2, desiredCapacity: 2 });
    const before = states();

    expect(() => act(group)).toThrow(message);
    expect(() => act(group)).toThrow(ServiceError);
    expect(states()).toEqual(before);
    expect(group.desiredCapacity).toBe(2);
  });

  test('new limits move the desired capacity', () => {
    const { group, run, states } = createGroup({ desiredCapacity: 3 });

    run(group.update({ minSize: 0, maxSize: 1 }, 1));
    expect(group.desiredCapacity).toBe(1);
    expect(Object.keys(states())).toHaveLength(1);
    run(group.update({ minSize: 2, maxSize: 4 }, 2));
    expect(Object.keys(states())).toHaveLength(2);
  });
});

describe('lifecycle', () => {
  test('without hooks an instance comes and goes straight', () => {
    const { group, run, path } = createGroup({ desiredCapacity: 1 });

    run(group.setDesiredCapacity(0, 1));
    expect(path('i-1')).toEqual(['Pending', 'InService', 'Terminating', 'Terminated']);
  });

  test('with hooks it waits on both ways', () => {
    const { group, run, path, effects } = createGroup({
      desiredCapacity: 1,
      lifecycleHooks: [LAUNCH, TERMINATE],
    });

    run(group.completeAction({ hookName: 'launch', instanceId: 'i-1' }, 'CONTINUE', 1));
    run(group.setDesiredCapacity(0, 2));
    expect(effects.some(({ kind }) => kind === 'stop-instance')).toBe(false);
    run(group.completeAction({ hookName: 'terminate', instanceId: 'i-1' }, 'CONTINUE', 3));
    expect(path('i-1')).toEqual([
      'Pending',
      'Pending:Wait',
      'Pending:Proceed',
      'InService',
      'Terminating',
      'Terminating:Wait',
      'Terminating:Proceed',
      'Terminated',
    ]);
    expect(effects.filter(({ kind }) => kind === 'stop-instance')).toHaveLength(1);
    expect(group.terminatedInstances.map(({ instanceId }) => instanceId)).toEqual(['i-1']);
  });

  test('the service takes the time that it is told to take', () => {
    const { group, run, states } = createGroup({
      desiredCapacity: 1,
      lifecycleHooks: [LAUNCH],
      delays: { pending: 10, pendingProceed: 5, terminatingProceed: 7, healthCheck: 20 },
    });
    const at = (time: number) => {
      run(group.tick(time));
      return states()['i-1'];
    };

    expect(at(9)).toBe('Pending');
    expect(at(10)).toBe('Pending:Wait');
    run(group.completeAction({ hookName: 'launch', instanceId: 'i-1' }, 'CONTINUE', 11));
    expect(at(15)).toBe('Pending:Proceed');
    expect(at(16)).toBe('InService');
    run(group.setInstanceHealth('i-1', 'Unhealthy', 20));
    expect(at(39)).toBe('InService');
    expect(at(40)).toBe('Terminating');
    expect(at(46)).toBe('Terminating');
    expect(at(47)).toBeUndefined();
  });

  test('an instance that recovers in time is not replaced', () => {
    const { group, run, states } = createGroup({
      desiredCapacity: 1,
      delays: { healthCheck: 20 },
    });

    run(group.setInstanceHealth('i-1', 'Unhealthy', 0));
    run(group.setInstanceHealth('i-1', 'Healthy', 10));
    run(group.tick(100));
    expect(states()).toEqual({ 'i-1': 'InService' });
  });

  test('an instance that vanishes is replaced, and its terminate hook fires', () => {
    const { group, run, states, effects } = createGroup({
      desiredCapacity: 1,
      lifecycleHooks: [TERMINATE],
    });

    run(group.loseInstance('i-1', 1));
    expect(states()).toEqual({ 'i-1': 'Terminating:Wait', 'i-2': 'InService' });
    expect(group.instances[0]?.ec2State).toBe('terminated');
    expect(effects.filter(({ kind }) => kind === 'stop-instance')).toHaveLength(1);
    run(group.completeAction({ hookName: 'terminate', instanceId: 'i-1' }, 'CONTINUE', 2));
    expect(states()).toEqual({ 'i-2': 'InService' });
    expect(effects.filter(({ kind }) => kind === 'stop-instance')).toHaveLength(1);
  });
});

describe('lifecycle actions', () => {
  test.each([
    ['CONTINUE', { 'i-1': 'InService' }],
    ['ABANDON', { 'i-2': 'Pending:Wait' }],
  ] as const)('a launch hook that times out does its default, %s', (defaultResult, expected) => {
    const { group, run, states } = createGroup({
      desiredCapacity: 1,
      lifecycleHooks: [{ ...LAUNCH, defaultResult }],
    });

    run(group.tick(59.9));
    expect(states()).toEqual({ 'i-1': 'Pending:Wait' });
    run(group.tick(60));
    expect(states()).toEqual(expected);
  });

  test.each(['CONTINUE', 'ABANDON'] as const)(
    'a terminate hook that times out lets the instance go, with default %s',
    (defaultResult) => {
      const { group, run, states } = createGroup({
        desiredCapacity: 1,
        lifecycleHooks: [{ ...TERMINATE, defaultResult }],
      });

      run(group.setDesiredCapacity(0, 100));
      run(group.tick(159));
      expect(states()).toEqual({ 'i-1': 'Terminating:Wait' });
      run(group.tick(160));
      expect(states()).toEqual({});
    },
  );

  test('a heartbeat restarts the timeout in full', () => {
    const { group, run, states } = createGroup({ desiredCapacity: 1, lifecycleHooks: [LAUNCH] });

    run(group.recordHeartbeat({ hookName: 'launch', instanceId: 'i-1' }, 50));
    expect(group.nextDeadline).toBe(110);
    run(group.tick(109));
    expect(states()).toEqual({ 'i-1': 'Pending:Wait' });
    run(group.tick(110));
    expect(states()).toEqual({ 'i-2': 'Pending:Wait' });
  });

  test.each([
    [60, 6000],
    [7200, 172_800],
  ])('with a timeout of %d s no heartbeat holds for longer than %d s', (timeout, limit) => {
    const { group, run, states } = createGroup({
      desiredCapacity: 1,
      lifecycleHooks: [{ ...LAUNCH, heartbeatTimeout: timeout, defaultResult: 'CONTINUE' }],
    });

    for (let time = 0; time < limit; time += timeout / 2) {
      run(group.tick(time));
      run(group.recordHeartbeat({ hookName: 'launch', instanceId: 'i-1' }, time));
    }
    run(group.tick(limit - 1));
    expect(states()).toEqual({ 'i-1': 'Pending:Wait' });
    run(group.tick(limit));
    expect(states()).toEqual({ 'i-1': 'InService' });
  });

  test.each(['token', 'instance'] as const)('an action is completed once, by its %s', (by) => {
    const { group, run, token, states } = createGroup({
      desiredCapacity: 1,
      lifecycleHooks: [LAUNCH],
    });
    const reference =
      by === 'token'
        ? { hookName: 'launch', token: token('i-1', 'launch') }
        : { hookName: 'launch', instanceId: 'i-1' };
    const message =
      by === 'token'
        ? `No active Lifecycle Action found with token ${reference.token}`
        : 'No active Lifecycle Action found with instance ID i-1';

    run(group.completeAction(reference, 'CONTINUE', 1));
    expect(states()).toEqual({ 'i-1': 'InService' });
    expect(() => group.completeAction(reference, 'CONTINUE', 2)).toThrow(message);
    expect(() => group.recordHeartbeat(reference, 2)).toThrow(message);
  });

  test.each([
    ['another hook', { hookName: 'other', instanceId: 'i-1' }],
    ['another instance', { hookName: 'launch', instanceId: 'i-9' }],
    ['another token', { hookName: 'launch', token: 'nope' }],
    ['neither token nor instance', { hookName: 'launch' }],
  ])('%s names no action', (_, reference) => {
    const { group, states } = createGroup({ desiredCapacity: 1, lifecycleHooks: [LAUNCH] });

    expect(() => group.completeAction(reference, 'CONTINUE', 1)).toThrow(ServiceError);
    expect(states()).toEqual({ 'i-1': 'Pending:Wait' });
  });

  test('all hooks of a transition have to continue', () => {
    const { group, run, states, events } = createGroup({
      desiredCapacity: 1,
      lifecycleHooks: [LAUNCH, { ...LAUNCH, name: 'second' }],
    });

    expect(events().map(({ detail }) => detail.LifecycleHookName)).toEqual(['launch', 'second']);
    run(group.completeAction({ hookName: 'second', instanceId: 'i-1' }, 'CONTINUE', 1));
    expect(states()).toEqual({ 'i-1': 'Pending:Wait' });
    run(group.completeAction({ hookName: 'launch', instanceId: 'i-1' }, 'CONTINUE', 2));
    expect(states()).toEqual({ 'i-1': 'InService' });
  });

  test.each([LAUNCH, TERMINATE])('one ABANDON ends the other actions of $name', (hook) => {
    const { group, run, states } = createGroup({
      desiredCapacity: 1,
      terminateHooksBeforeService: false,
      lifecycleHooks: [hook, { ...hook, name: 'second' }],
    });

    if (hook === TERMINATE) {
      run(group.setDesiredCapacity(0, 0));
    }
    run(group.completeAction({ hookName: hook.name, instanceId: 'i-1' }, 'ABANDON', 1));
    expect(states()['i-1']).toBeUndefined();
    expect(() =>
      group.completeAction({ hookName: 'second', instanceId: 'i-1' }, 'CONTINUE', 2),
    ).toThrow('No active Lifecycle Action');
  });

  test.each([
    [true, 'Terminating:Wait'],
    [false, undefined],
  ])('terminate hooks for an abandoned launch: %s', (terminateHooksBeforeService, expected) => {
    const { group, run, states } = createGroup({
      desiredCapacity: 1,
      terminateHooksBeforeService,
      lifecycleHooks: [LAUNCH, TERMINATE],
    });

    run(group.completeAction({ hookName: 'launch', instanceId: 'i-1' }, 'ABANDON', 1));
    expect(states()['i-1']).toBe(expected);
    expect(states()['i-2']).toBe('Pending:Wait');
  });

  test('a hook that is put later holds only later transitions', () => {
    const { group, run, states } = createGroup({ desiredCapacity: 1 });

    group.putHook({ ...LAUNCH, heartbeatTimeout: 30 });
    run(group.setDesiredCapacity(2, 1));
    expect(states()).toEqual({ 'i-1': 'InService', 'i-2': 'Pending:Wait' });
    group.putHook({ ...LAUNCH, heartbeatTimeout: 300 });
    expect(group.nextDeadline).toBe(31);
  });

  test.each([
    [{ ...LAUNCH, heartbeatTimeout: 0 }, /Heartbeat timeout 0/],
    [{ ...LAUNCH, heartbeatTimeout: 7201 }, /Heartbeat timeout 7201/],
    [{ ...LAUNCH, defaultResult: 'MAYBE' }, /Default result MAYBE/],
    [{ ...LAUNCH, transition: 'other' }, /Lifecycle transition other/],
  ])('a wrong hook is refused: %j', (hook, message) => {
    const { group } = createGroup();

    expect(() => group.putHook(hook as LifecycleHookProps)).toThrow(message);
  });
});

describe('retained instances', () => {
  const retaining = () =>
    createGroup({
      desiredCapacity: 1,
      terminateHookAbandon: 'retain',
      replacement: 'after-termination',
      lifecycleHooks: [TERMINATE],
    });

  test.each<[string, (context: ReturnType<typeof retaining>) => void]>([
    [
      'an explicit ABANDON',
      ({ group, run }) =>
        run(group.completeAction({ hookName: 'terminate', instanceId: 'i-1' }, 'ABANDON', 2)),
    ],
    ['a timeout with default ABANDON', ({ group, run }) => run(group.tick(61))],
  ])('%s retains the instance, which is replaced', (_, abandon) => {
    const context = retaining();
    const { group, run, states, effects } = context;

    run(group.terminateInstance('i-1', false, 1));
    expect(states()).toEqual({ 'i-1': 'Terminating:Wait' });
    abandon(context);
    expect(states()).toEqual({ 'i-1': 'Terminating:Retained', 'i-2': 'InService' });
    expect(effects.some(({ kind }) => kind === 'stop-instance')).toBe(false);
    run(group.tick(1_000_000));
    expect(states()['i-1']).toBe('Terminating:Retained');
    run(group.terminateInstance('i-1', false, 1_000_001));
    expect(states()).toEqual({ 'i-2': 'InService' });
  });

  test('a retained instance waits for no other hook', () => {
    const { group, run, states } = createGroup({
      minSize: 1,
      desiredCapacity: 1,
      terminateHookAbandon: 'retain',
      lifecycleHooks: [TERMINATE, { ...TERMINATE, name: 'second' }],
    });

    run(group.terminateInstance('i-1', false, 1));
    run(group.completeAction({ hookName: 'second', instanceId: 'i-1' }, 'ABANDON', 2));
    expect(group.nextDeadline).toBeUndefined();
    expect(() =>
      group.completeAction({ hookName: 'terminate', instanceId: 'i-1' }, 'CONTINUE', 3),
    ).toThrow('No active Lifecycle Action');
    expect(states()['i-1']).toBe('Terminating:Retained');
  });

  test('CONTINUE terminates', () => {
    const { group, run, states } = retaining();

    run(group.terminateInstance('i-1', false, 1));
    run(group.completeAction({ hookName: 'terminate', instanceId: 'i-1' }, 'CONTINUE', 2));
    expect(states()).toEqual({ 'i-2': 'InService' });
  });
});

describe('events and activities', () => {
  test('a lifecycle action is announced with all that is needed to complete it', () => {
    const { group, run, events, token } = createGroup({
      desiredCapacity: 1,
      lifecycleHooks: [{ ...LAUNCH, notificationMetadata: 'cluster=main' }, TERMINATE],
    });

    expect(events()).toEqual([
      {
        source: 'aws.autoscaling',
        detailType: 'EC2 Instance-launch Lifecycle Action',
        resources: [group.arn],
        time: 0,
        detail: {
          LifecycleActionToken: token('i-1', 'launch'),
          AutoScalingGroupName: 'group',
          LifecycleHookName: 'launch',
          EC2InstanceId: 'i-1',
          LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
          NotificationMetadata: 'cluster=main',
          Origin: 'EC2',
          Destination: 'AutoScalingGroup',
        },
      },
    ]);
    run(group.completeAction({ hookName: 'launch', instanceId: 'i-1' }, 'CONTINUE', 1));
    run(group.setDesiredCapacity(0, 2));
    run(group.completeAction({ hookName: 'terminate', instanceId: 'i-1' }, 'CONTINUE', 3));
    expect(events().map(({ detailType, time }) => [detailType, time])).toEqual([
      ['EC2 Instance-launch Lifecycle Action', 0],
      ['EC2 Instance Launch Successful', 1],
      ['EC2 Instance-terminate Lifecycle Action', 2],
      ['EC2 Instance Terminate Successful', 3],
    ]);
    expect(events()[2]?.detail).toMatchObject({
      Origin: 'AutoScalingGroup',
      Destination: 'EC2',
      LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
    });
  });

  test('a heartbeat sends no event', () => {
    const { group, events } = createGroup({ desiredCapacity: 1, lifecycleHooks: [LAUNCH] });

    expect(group.recordHeartbeat({ hookName: 'launch', instanceId: 'i-1' }, 1)).toEqual([]);
    expect(events()).toHaveLength(1);
  });

  test('an abandoned launch is reported as unsuccessful, with the reason', () => {
    const { group, run, events, token } = createGroup({
      desiredCapacity: 1,
      lifecycleHooks: [LAUNCH],
    });
    const abandoned = token('i-1', 'launch');

    run(group.tick(60));
    expect(events().map(({ detailType }) => detailType)).toContain(
      'EC2 Instance Launch Unsuccessful',
    );
    expect(group.activities).toContainEqual(
      expect.objectContaining({
        instanceId: 'i-1',
        statusCode: 'Cancelled',
        statusMessage: expect.stringContaining(`${abandoned} was abandoned: Heartbeat Timeout`),
      }),
    );
  });

  test('activities tell how far a change is', () => {
    const { group, run } = createGroup({
      desiredCapacity: 1,
      lifecycleHooks: [LAUNCH],
      delays: { terminatingProceed: 10 },
    });

    expect(group.activityOf('i-1').statusCode).toBe('MidLifecycleAction');
    run(group.completeAction({ hookName: 'launch', instanceId: 'i-1' }, 'CONTINUE', 1));
    expect(group.activityOf('i-1')).toMatchObject({ statusCode: 'Successful', endTime: 1 });
    run(group.setDesiredCapacity(0, 2));
    expect(group.activityOf('i-1')).toMatchObject({
      description: 'Terminating EC2 instance: i-1',
      statusCode: 'InProgress',
    });
  });
});
