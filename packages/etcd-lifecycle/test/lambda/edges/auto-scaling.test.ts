import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { LocalAutoScaling, type LocalInstance, type PythonRunner } from '@quorate/test-harness';
import { startDriver } from './python-path';

const REGION = 'us-east-1';

let service: LocalAutoScaling;
let python: PythonRunner;
let groups = 0;
let group: string;

beforeAll(async () => {
  service = await LocalAutoScaling.start({ region: REGION });
  python = await startDriver('aws_driver', {
    env: {
      ...service.env(),
      AWS_DEFAULT_REGION: REGION,
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
    },
  });
}, 60_000);

afterAll(async () => {
  await python?.close();
  await service?.stop();
});

beforeEach(() => {
  group = `group-${++groups}`;
  service.createGroup({
    name: group,
    minSize: 0,
    maxSize: 10,
    desiredCapacity: 2,
    baseAddress: `127.0.30.${groups * 10}`,
    lifecycleHooks: [
      { name: 'launch', transition: 'autoscaling:EC2_INSTANCE_LAUNCHING', heartbeatTimeout: 600 },
      {
        name: 'terminate',
        transition: 'autoscaling:EC2_INSTANCE_TERMINATING',
        heartbeatTimeout: 600,
      },
    ],
  });
});

function first(): LocalInstance {
  const [instance] = service.instances(group);
  if (!instance) {
    throw new Error(`${group} has no instance`);
  }
  return instance;
}

const launched = (instance: string) =>
  python.call<boolean>('complete', [group, instance, 'LAUNCHING', 'CONTINUE']);
const callsOf = (action: string) => service.calls.filter((call) => call.action === action).length;

describe('a description', () => {
  test('has every instance with its state, address and zone', async () => {
    const [one, other] = service.instances(group);
    await launched(one?.instanceId ?? '');
    expect(await python.call('describe', [group])).toEqual({
      desired: 2,
      instances: [one, other].map((instance, index) => ({
        id: instance?.instanceId,
        state: index === 0 ? 'InService' : 'Pending:Wait',
        address: `127.0.30.${groups * 10 + index}`,
        zone: instance?.availabilityZone,
      })),
    });
  });

  test('of a group without instances asks nothing of EC2', async () => {
    service.createGroup({ name: `empty-${group}`, minSize: 0, maxSize: 1 });
    const before = callsOf('DescribeInstances');
    expect(await python.call('describe', [`empty-${group}`])).toEqual({
      desired: 0,
      instances: [],
    });
    expect(callsOf('DescribeInstances')).toBe(before);
  });

  test('of a group that is not there names it and the Region', async () => {
    await expect(python.call('describe', ['nobody'])).rejects.toThrow(
      /GroupNotFoundError.*'nobody' in the Region us-east-1/,
    );
  });

  test('is asked for again when the service throttles', async () => {
    service.failNext('DescribeAutoScalingGroups', { times: 2 });
    expect(await python.call('describe', [group])).toMatchObject({ desired: 2 });
  });

  test('is not asked for again when the service denies it', async () => {
    const before = callsOf('DescribeAutoScalingGroups');
    service.failNext('DescribeAutoScalingGroups', {
      code: 'AccessDenied',
      message: 'not authorized',
      httpStatus: 403,
    });
    await expect(python.call('describe', [group])).rejects.toThrow(/AccessDenied/);
    expect(callsOf('DescribeAutoScalingGroups')).toBe(before + 1);
  });
});

describe('an instance whose termination is abandoned', () => {
  test('is retained if the group says so, until it is terminated, once', async () => {
    const name = `retaining-${group}`;
    service.createGroup({
      name,
      minSize: 0,
      maxSize: 10,
      desiredCapacity: 1,
      terminateHookAbandon: 'retain',
      baseAddress: `127.0.31.${groups * 10}`,
      lifecycleHooks: [
        {
          name: 'terminate',
          transition: 'autoscaling:EC2_INSTANCE_TERMINATING',
          heartbeatTimeout: 600,
        },
      ],
    });
    const instanceId = service.instances(name)[0]?.instanceId ?? '';
    const state = () =>
      service.instances(name).find((one) => one.instanceId === instanceId)?.lifecycleState;
    expect(await python.call('retains', [name])).toBe(true);
    expect(await python.call('retains', [group])).toBe(false);

    service.terminateInstance(instanceId, { decrement: true });
    expect(await python.call('complete', [name, instanceId, 'TERMINATING', 'ABANDON'])).toBe(true);
    expect(state()).toBe('Terminating:Retained');

    expect(await python.call('terminate_retained', [name, instanceId])).toBe(true);
    expect(state()).toBeUndefined();
    expect(await python.call('terminate_retained', [name, instanceId])).toBe(false);
  });
});

describe('a lifecycle action', () => {
  test('is kept alive, and completed once', async () => {
    const { instanceId } = first();
    expect(await python.call('heartbeat', [group, instanceId, 'LAUNCHING'])).toBe(true);
    expect(await launched(instanceId)).toBe(true);
    expect(first().lifecycleState).toBe('InService');

    expect(await launched(instanceId)).toBe(false);
    expect(await python.call('heartbeat', [group, instanceId, 'LAUNCHING'])).toBe(false);
    expect(await python.call('heartbeat', [group, instanceId, 'TERMINATING'])).toBe(false);
  });

  test('of a termination ends it', async () => {
    const { instanceId } = first();
    await launched(instanceId);
    service.terminateInstance(instanceId, { decrement: true });
    expect(first().lifecycleState).toBe('Terminating:Wait');
    expect(await python.call('heartbeat', [group, instanceId, 'TERMINATING'])).toBe(true);
    expect(await python.call('complete', [group, instanceId, 'TERMINATING', 'CONTINUE'])).toBe(
      true,
    );
    expect(service.instances(group).map((instance) => instance.instanceId)).not.toContain(
      instanceId,
    );
    expect(await python.call('complete', [group, instanceId, 'TERMINATING', 'CONTINUE'])).toBe(
      false,
    );
  });

  test('of a launch is abandoned', async () => {
    const { instanceId } = first();
    expect(await python.call('complete', [group, instanceId, 'LAUNCHING', 'ABANDON'])).toBe(true);
    const state = service
      .instances(group)
      .find((instance) => instance.instanceId === instanceId)?.lifecycleState;
    expect(state).not.toBe('InService');
  });

  test('is still there when a heartbeat was throttled', async () => {
    const { instanceId } = first();
    service.failNext('RecordLifecycleActionHeartbeat', { times: 3 });
    expect(await python.call('heartbeat', [group, instanceId, 'LAUNCHING'])).toBe(true);
  });

  test('is not taken for gone when there is no such group', async () => {
    await expect(
      python.call('heartbeat', ['nobody', first().instanceId, 'LAUNCHING']),
    ).rejects.toThrow(/ValidationError/);
  });

  // The last one: the circuit stays open.
  test('is kept alive while the circuit is open, and not completed', async () => {
    const { instanceId } = first();
    expect(await python.call('open_the_circuit_of_auto_scaling')).toBe('OPEN');
    expect(await python.call('heartbeat', [group, instanceId, 'LAUNCHING'])).toBe(true);
    await expect(launched(instanceId)).rejects.toThrow(/CircuitOpenError/);
    expect(first().lifecycleState).toBe('Pending:Wait');
  });
});
