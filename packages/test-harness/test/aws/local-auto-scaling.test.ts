import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import {
  LocalAutoScaling,
  type LocalAutoScalingProps,
  type LocalInstance,
  ManualClock,
  type ServiceEvent,
} from '../../src/aws';
import { runningInGroup } from '../process/running-processes';
import { LAUNCH, TERMINATE } from './hooks';
import { runPython } from './run-python';

let autoScaling: LocalAutoScaling;

async function start(props: LocalAutoScalingProps = {}): Promise<LocalAutoScaling> {
  autoScaling = await LocalAutoScaling.start(props);
  return autoScaling;
}

afterEach(async () => {
  await autoScaling.stop();
});

const states = () => autoScaling.instances().map(({ lifecycleState }) => lifecycleState);

/** Runs statements with boto3 clients `asg` and `ec2`, and gives back what they printed as JSON. */
async function boto3(statements: string): Promise<unknown> {
  const { status, stdout, stderr } = await runPython(
    [
      '-c',
      `import boto3, json\nfrom botocore.exceptions import ClientError\n` +
        `asg = boto3.client("autoscaling")\nec2 = boto3.client("ec2")\n${statements}`,
    ],
    {
      env: {
        ...autoScaling.env(),
        AWS_DEFAULT_REGION: 'us-east-1',
        AWS_ACCESS_KEY_ID: 'test',
        AWS_SECRET_ACCESS_KEY: 'test',
        AWS_MAX_ATTEMPTS: '1',
      },
    },
  );
  if (status !== 0) {
    throw new Error(stderr);
  }
  return JSON.parse(stdout);
}

/** Calls an operation without an SDK. */
async function call(
  action: string,
  parameters: Record<string, string> = {},
  version = '2011-01-01',
): Promise<{ status: number; body: string }> {
  const response = await fetch(autoScaling.endpoint, {
    method: 'POST',
    body: new URLSearchParams({ Action: action, Version: version, ...parameters }),
  });
  return { status: response.status, body: await response.text() };
}

describe('through real boto3', () => {
  test('a launch is held, found in EC2, and completed by the token of its event', async () => {
    await start();
    autoScaling.createGroup({
      name: 'group',
      minSize: 1,
      maxSize: 1,
      baseAddress: '127.0.31.2',
      lifecycleHooks: [LAUNCH],
      tags: { cluster: 'main' },
    });
    const [event] = autoScaling.events;

    expect(
      await boto3(`
[instance] = asg.describe_auto_scaling_instances()["AutoScalingInstances"]
[reservation] = ec2.describe_instances(InstanceIds=[instance["InstanceId"]])["Reservations"]
[machine] = reservation["Instances"]
asg.complete_lifecycle_action(
    AutoScalingGroupName="group", LifecycleHookName="launch", LifecycleActionResult="CONTINUE",
    LifecycleActionToken="${event?.detail.LifecycleActionToken}")
[after] = asg.describe_auto_scaling_groups()["AutoScalingGroups"][0]["Instances"]
print(json.dumps([instance["LifecycleState"], instance["HealthStatus"], machine["PrivateIpAddress"],
    machine["Placement"]["AvailabilityZone"], machine["State"]["Name"],
    {tag["Key"]: tag["Value"] for tag in machine["Tags"]}, after["LifecycleState"]]))`),
    ).toEqual([
      'Pending:Wait',
      'HEALTHY',
      '127.0.31.2',
      'us-east-1a',
      'running',
      { cluster: 'main', 'aws:autoscaling:groupName': 'group' },
      'InService',
    ]);
    expect(autoScaling.calls.map(({ action }) => action)).toContain('CompleteLifecycleAction');
  });

  test('errors carry the code and the text of the service', async () => {
    await start();
    autoScaling.createGroup({ name: 'group', minSize: 1, maxSize: 1, baseAddress: '127.0.31.2' });
    const [instance] = autoScaling.instances();

    expect(
      await boto3(`
def error(call, **parameters):
    try:
        call(**parameters)
    except ClientError as e:
        return [e.response["Error"]["Code"], e.response["Error"]["Message"]]
hook = dict(LifecycleHookName="launch", LifecycleActionResult="CONTINUE")
print(json.dumps([
    error(asg.complete_lifecycle_action, AutoScalingGroupName="group",
          InstanceId="${instance?.instanceId}", **hook),
    error(asg.complete_lifecycle_action, AutoScalingGroupName="other", InstanceId="i-1", **hook),
    error(asg.set_desired_capacity, AutoScalingGroupName="group", DesiredCapacity=2),
    error(asg.describe_policies),
    error(ec2.describe_vpcs),
]))`),
    ).toEqual([
      [
        'ValidationError',
        `No active Lifecycle Action found with instance ID ${instance?.instanceId}`,
      ],
      ['ValidationError', "AutoScalingGroup name not found - AutoScalingGroup 'other' not found"],
      [
        'ValidationError',
        'New SetDesiredCapacity value 2 is above max value 1 for the AutoScalingGroup.',
      ],
      ['InvalidAction', 'Could not find operation DescribePolicies for version 2011-01-01'],
      ['InvalidAction', 'The action DescribeVpcs is not valid for this web service.'],
    ]);
  });
});

describe('the protocol', () => {
  test('a parameter that is not implemented is refused, not ignored', async () => {
    await start();
    autoScaling.createGroup({ name: 'group', minSize: 1, maxSize: 1, baseAddress: '127.0.31.2' });

    const { status, body } = await call('UpdateAutoScalingGroup', {
      AutoScalingGroupName: 'group',
      MaxSize: '2',
      CapacityRebalance: 'true',
    });
    expect(status).toBe(400);
    expect(body).toContain('does not implement CapacityRebalance');
    expect(autoScaling.group('group').maxSize).toBe(1);
  });

  test.each([
    ['SetDesiredCapacity', { AutoScalingGroupName: 'group' }, /Value null at 'desiredCapacity'/],
    ['SetDesiredCapacity', { DesiredCapacity: '1' }, /Value null at 'autoScalingGroupName'/],
    [
      'SetDesiredCapacity',
      { AutoScalingGroupName: 'group', DesiredCapacity: 'one' },
      /not a whole number: one/,
    ],
    [
      'TerminateInstanceInAutoScalingGroup',
      { InstanceId: 'i-1', ShouldDecrementDesiredCapacity: 'maybe' },
      /neither true nor false: maybe/,
    ],
    [
      'CompleteLifecycleAction',
      {
        AutoScalingGroupName: 'group',
        LifecycleHookName: 'launch',
        LifecycleActionResult: 'MAYBE',
      },
      /MAYBE is not one of/,
    ],
    ['constructor', {}, /InvalidAction/],
  ])('a wrong %s is a client error: %j', async (action, parameters, message) => {
    await start();
    autoScaling.createGroup({ name: 'group', minSize: 1, maxSize: 1, baseAddress: '127.0.31.2' });

    const { status, body } = await call(action, parameters);
    expect(status).toBe(400);
    expect(body.replaceAll('&apos;', "'")).toMatch(message);
  });

  test('an unknown version of an API is refused', async () => {
    await start();

    expect(await call('DescribeInstances', {}, '2010-01-01')).toMatchObject({
      status: 400,
      body: expect.stringContaining('2010-01-01'),
    });
  });

  test('injected faults are answered as often as asked, and change nothing', async () => {
    await start();
    autoScaling.createGroup({
      name: 'group',
      minSize: 0,
      maxSize: 2,
      desiredCapacity: 1,
      baseAddress: '127.0.31.2',
    });
    autoScaling.failNext('SetDesiredCapacity', { times: 2 });
    const set = () =>
      call('SetDesiredCapacity', { AutoScalingGroupName: 'group', DesiredCapacity: '2' });

    expect((await set()).body).toContain('<Code>Throttling</Code>');
    expect((await set()).status).toBe(400);
    expect(states()).toHaveLength(1);
    expect((await set()).status).toBe(200);
    expect(states()).toHaveLength(2);
    expect(autoScaling.calls.map(({ errorCode }) => errorCode)).toEqual([
      'Throttling',
      'Throttling',
      undefined,
    ]);
  });

  test('two groups cannot have one name', async () => {
    await start();
    const group = { name: 'group', minSize: 0, maxSize: 1 };
    autoScaling.createGroup(group);

    expect(() => autoScaling.createGroup(group)).toThrow('already exists');
  });
});

describe('DescribeInstances', () => {
  /** Last parts of the addresses, or "none", of the instances that one filter finds. */
  const find = async (name: string, ...values: string[]) => {
    const filter = Object.fromEntries(
      values.map((value, index) => [`Filter.1.Value.${index + 1}`, value]),
    );
    const { status, body } = await call(
      'DescribeInstances',
      { 'Filter.1.Name': name, ...filter },
      '2016-11-15',
    );
    expect(status).toBe(200);
    return body
      .split('<instanceId>')
      .slice(1)
      .map((item) => /<privateIpAddress>127\.0\.31\.(\d+)</.exec(item)?.[1] ?? 'none')
      .sort();
  };

  test.each<[string, string[], string[]]>([
    ['instance-state-name', ['running'], ['2', '4']],
    ['instance-state-name', ['terminated'], ['none']],
    ['instance-state-name', ['running', 'terminated'], ['2', '4', 'none']],
    ['availability-zone', ['us-east-1a'], ['2']],
    ['availability-zone', ['us-east-1?'], ['2', '4', 'none']],
    ['private-ip-address', ['127.0.31.4'], ['4']],
    ['private-ip-address', ['127.0.31.3'], []],
    ['private-ip-address', ['*31.*'], ['2', '4']],
    ['tag:aws:autoscaling:groupName', ['group'], ['2', '4', 'none']],
    ['tag:aws:autoscaling:groupName', ['grou'], []],
    ['tag:other', ['*'], []],
    ['tag-key', ['aws:*'], ['2', '4', 'none']],
  ])('finds by %s %j', async (name, values, expected) => {
    await start();
    autoScaling.createGroup({
      name: 'group',
      minSize: 0,
      maxSize: 3,
      desiredCapacity: 3,
      baseAddress: '127.0.31.2',
    });
    const second = autoScaling.instances()[1];
    autoScaling.terminateInstance(second?.instanceId ?? '', { decrement: true });

    expect(await find(name, ...values)).toEqual(expected);
  });
});

describe('with a clock that the test drives', () => {
  test('a hook times out, is heartbeated, and the replacement waits in its turn', async () => {
    const clock = new ManualClock();
    await start({ clock });
    autoScaling.createGroup({
      name: 'group',
      minSize: 1,
      maxSize: 1,
      baseAddress: '127.0.31.2',
      lifecycleHooks: [LAUNCH],
    });
    const [first] = autoScaling.instances();

    clock.advance(59);
    expect(states()).toEqual(['Pending:Wait']);
    const heartbeat = {
      AutoScalingGroupName: 'group',
      LifecycleHookName: 'launch',
      InstanceId: first?.instanceId ?? '',
    };
    expect((await call('RecordLifecycleActionHeartbeat', heartbeat)).status).toBe(200);
    clock.advance(59);
    expect(autoScaling.instances()[0]?.instanceId).toBe(first?.instanceId);
    clock.advance(1);
    expect(states()).toEqual(['Pending:Wait']);
    expect(autoScaling.instances()[0]?.instanceId).not.toBe(first?.instanceId);
    expect((await call('RecordLifecycleActionHeartbeat', heartbeat)).body).toContain(
      'No active Lifecycle Action found',
    );
  });

  test('heartbeats hold an instance no longer than the global timeout', async () => {
    const clock = new ManualClock();
    await start({ clock });
    const group = autoScaling.createGroup({
      name: 'group',
      minSize: 0,
      maxSize: 1,
      desiredCapacity: 1,
      baseAddress: '127.0.31.2',
      lifecycleHooks: [{ ...TERMINATE, heartbeatTimeout: 1800 }],
    });
    const [instance] = autoScaling.instances();
    const instanceId = instance?.instanceId ?? '';
    autoScaling.terminateInstance(instanceId, { decrement: true });
    const started = clock.now();
    while (states().length > 0 && clock.now() - started < 50 * 3600) {
      group.recordHeartbeat({ hookName: 'terminate', instanceId }, clock.now());
      clock.advance(600);
    }

    expect(clock.now() - started).toBe(48 * 3600);
  });
});

describe('events', () => {
  test('are delivered in order, also through a slow sink', async () => {
    const delivered: string[] = [];
    await start({
      eventSink: async (event: ServiceEvent) => {
        await sleep(delivered.length === 0 ? 50 : 0);
        delivered.push(event.detailType);
      },
    });
    autoScaling.createGroup({ name: 'group', minSize: 0, maxSize: 1, desiredCapacity: 1 });
    await call('SetDesiredCapacity', { AutoScalingGroupName: 'group', DesiredCapacity: '0' });
    await autoScaling.settled();

    expect(delivered).toEqual([
      'EC2 Instance Launch Successful',
      'EC2 Instance Terminate Successful',
    ]);
  });

  test('that cannot be delivered are reported once, and the next ones are still tried', async () => {
    const delivered: string[] = [];
    await start({
      eventSink: async (event) => {
        if (delivered.push(event.detailType) === 1) {
          throw new Error('the bus is down');
        }
      },
    });
    autoScaling.createGroup({ name: 'group', minSize: 2, maxSize: 2, baseAddress: '127.0.31.2' });

    await expect(autoScaling.settled()).rejects.toThrow(
      "'EC2 Instance Launch Successful' was not delivered: the bus is down",
    );
    expect(delivered).toHaveLength(2);
    await autoScaling.settled();
  });
});

describe('instances with a boot script', () => {
  const boot = (script: string, rest: object = {}) =>
    autoScaling.createGroup({
      name: 'group',
      minSize: 0,
      maxSize: 3,
      desiredCapacity: 1,
      baseAddress: '127.0.31.2',
      boot: { script, ...rest },
    });
  const only = () => autoScaling.instances()[0] as LocalInstance;
  const log = (instance: LocalInstance) => readFileSync(instance.logFile ?? '', 'utf8');
  const booted = () =>
    autoScaling.waitUntil('booted', (all) =>
      all.every(({ bootExitStatus }) => bootExitStatus !== undefined),
    );

  test('learn who they are from the metadata service, with a session token only', async () => {
    await start();
    boot(`
get() { curl --silent --write-out ' %{http_code}\\n' "$AWS_EC2_METADATA_SERVICE_ENDPOINT/latest/$1" "\${@:2}"; }
token=$(curl --silent --request PUT --header 'X-aws-ec2-metadata-token-ttl-seconds: 60' "$AWS_EC2_METADATA_SERVICE_ENDPOINT/latest/api/token")
for path in instance-id local-ipv4 placement/availability-zone placement/region nonsense; do
  get "meta-data/$path" --header "X-aws-ec2-metadata-token: $token"
done
get meta-data/instance-id
get meta-data/instance-id --header 'X-aws-ec2-metadata-token: guess'
get api/token --request PUT
`);
    await booted();

    expect(log(only()).split('\n')).toEqual([
      `${only().instanceId} 200`,
      '127.0.31.2 200',
      'us-east-1a 200',
      'us-east-1 200',
      ' 404',
      ' 401',
      ' 401',
      ' 400',
      '',
    ]);
  });

  test('have a disk, and the environment that they are given', async () => {
    await start();
    boot('pwd; echo "$QUORATE_INSTANCE_ROOT" "$COLOUR" "$AWS_ENDPOINT_URL_EC2"; touch disk', {
      environment: { COLOUR: 'red' },
      path: ['/first'],
    });
    await booted();
    const { rootDirectory = '' } = only();

    expect(log(only())).toBe(`${rootDirectory}\n${rootDirectory} red ${autoScaling.endpoint}\n`);
    expect(existsSync(join(rootDirectory, 'disk'))).toBe(true);
  });

  test('run until they are terminated, and the background processes with them', async () => {
    await start();
    const group = boot('sleep 600 &');
    group.putHook(TERMINATE);
    await booted();
    const { instanceId, pid = 0, processesAlive } = only();

    expect(processesAlive).toBe(true);
    autoScaling.terminateInstance(instanceId, { decrement: true });
    await autoScaling.settled();
    expect(only()).toMatchObject({ lifecycleState: 'Terminating:Wait', processesAlive: true });
    await call('CompleteLifecycleAction', {
      AutoScalingGroupName: 'group',
      LifecycleHookName: 'terminate',
      InstanceId: instanceId,
      LifecycleActionResult: 'CONTINUE',
    });
    await autoScaling.settled();
    expect(autoScaling.instances()).toEqual([]);
    expect(runningInGroup(pid)).toEqual([]);
  });

  test('vanish without a farewell', async () => {
    await start();
    boot('sleep 600').putHook(TERMINATE);
    await autoScaling.settled();
    const { instanceId } = only();

    await call('TerminateInstances', { 'InstanceId.1': instanceId }, '2016-11-15');
    await autoScaling.settled();
    expect(
      autoScaling
        .instances()
        .map(({ lifecycleState, processesAlive }) => [lifecycleState, processesAlive]),
    ).toEqual([
      ['Terminating:Wait', false],
      ['InService', true],
    ]);
  });

  test('hang, go on, and die without the group noticing', async () => {
    await start();
    boot('while :; do echo tick; sleep 0.01; done');
    await autoScaling.settled();
    const instance = only();
    const size = () => log(instance).length;
    const grows = async () => {
      const before = size();
      await autoScaling.waitUntil('it ticks', () => size() > before);
    };
    await grows();
    await autoScaling.pauseInstance(instance.instanceId);
    const paused = size();
    await sleep(200);
    expect(size()).toBe(paused);
    autoScaling.resumeInstance(instance.instanceId);
    await grows();
    autoScaling.killInstanceProcesses(instance.instanceId);
    await autoScaling.waitUntil('it is dead', () => !only().processesAlive);
    expect(only()).toMatchObject({
      instanceId: instance.instanceId,
      lifecycleState: 'InService',
      bootExitStatus: 'SIGKILL',
    });
  });

  test('a freed address serves again only after the last process on it has gone', async () => {
    await start();
    autoScaling.createGroup({
      name: 'group',
      minSize: 1,
      maxSize: 1,
      baseAddress: '127.0.31.2',
      reuseAddresses: true,
      replacement: 'after-termination',
      boot: {
        script:
          'trap "sleep 0.3; echo stopped >> $DIARY; exit" TERM; echo started >> $DIARY; sleep 600 & wait',
        stopGraceSeconds: 5,
        environment: { DIARY: '../../diary' },
      },
    });
    await autoScaling.settled();
    const diary = join(only().rootDirectory ?? '', '..', '..', 'diary');
    const lines = () => (existsSync(diary) ? readFileSync(diary, 'utf8').trim().split('\n') : []);
    await autoScaling.waitUntil('the first has started', () => lines().length === 1);
    autoScaling.terminateInstance(only().instanceId);
    await autoScaling.waitUntil('the second has started', () => lines().length === 3);

    expect(only().privateIpAddress).toBe('127.0.31.2');
    expect(lines()).toEqual(['started', 'stopped', 'started']);
  });

  test('whose script cannot be started are reported', async () => {
    await start();
    boot('true', { environment: { PATH: '/nowhere' } });

    await expect(autoScaling.settled()).rejects.toThrow('Cannot start bash');
  });

  test('leave nothing behind when the service stops', async () => {
    await start();
    boot('sleep 600');
    await autoScaling.settled();
    const { pid = 0, rootDirectory = '' } = only();
    await autoScaling.stop();

    expect(runningInGroup(pid)).toEqual([]);
    expect(existsSync(rootDirectory)).toBe(false);
  });
});

test('waiting in vain tells the state of the instances', async () => {
  await start();
  autoScaling.createGroup({ name: 'group', minSize: 1, maxSize: 1, baseAddress: '127.0.31.2' });

  await expect(autoScaling.waitUntil('pigs fly', () => false, 0.05)).rejects.toThrow(
    /until pigs fly.*\n.*127\.0\.31\.2 InService/,
  );
});
