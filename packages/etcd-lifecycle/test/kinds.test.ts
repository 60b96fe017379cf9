import { expect, test } from '@jest/globals';
import { Duration, Lazy } from 'aws-cdk-lib';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { Topic } from 'aws-cdk-lib/aws-sns';
import {
  type BootstrapOptions,
  EtcdAccess,
  EtcdAuth,
  EtcdBeforeRemoval,
  EtcdJoin,
  type EtcdLifecycleProps,
  EtcdTls,
} from '../src';
import { ClusterStack } from './cluster-stack';

// As JavaScript gives them, where no compiler looks.
const WHOLE = 'it must be a Duration of whole seconds that is known at synthesis';
const TLS = 'it must be what EtcdTls.fromSecret(), EtcdTls.onInstances() or EtcdTls.none() gives';
const bucket = { arnForObjects: () => '' };

/** Props that need a stack are made in it. */
type Given = object | ((stack: ClusterStack) => object);

const refused: [title: string, given: Given, message: string][] = [
  ['a secret for tls', (stack) => ({ tls: new Secret(stack, 'S') }), `Secret; ${TLS}`],
  [
    'a method that was not called',
    { tls: EtcdTls.none },
    `the function none, which was not called; ${TLS}`,
  ],
  [
    'a method for join, which would be taken for the default',
    { join: EtcdJoin.managedByInstance },
    'join is the function managedByInstance, which was not called; it must be what EtcdJoin.learner()',
  ],
  [
    'a text for join',
    { join: 'managedByInstance' },
    'join is "managedByInstance"; it must be what',
  ],
  ['a text for access', { access: 'gateway' }, 'access is "gateway"; it must be what EtcdAccess.'],
  [
    'a secret for auth',
    (stack) => ({ auth: new Secret(stack, 'S') }),
    'it must be what EtcdAuth.fromSecret() gives',
  ],
  ['a number of seconds', { timeout: 60 }, `timeout is 60; ${WHOLE}`],
  ['one for a deadline', { removal: { deadline: 60 } }, `removal.deadline is 60; ${WHOLE}`],
  [
    'half a second',
    { launchDeadline: Duration.millis(60_500) },
    `launchDeadline is of the kind Duration; ${WHOLE}`,
  ],
  [
    'seconds that only the deployment knows',
    { heartbeatTimeout: Duration.seconds(Lazy.number({ produce: () => 900 })) },
    `heartbeatTimeout is of the kind Duration; ${WHOLE}`,
  ],
  [
    'the name of a member of an enumeration',
    { removal: { atDeadline: 'RETAIN' } },
    'removal.atDeadline is "RETAIN"; it must be one of EtcdRemovalAtDeadline.PROCEED, ' +
      'EtcdRemovalAtDeadline.HOLD, EtcdRemovalAtDeadline.RETAIN',
  ],
  [
    'a value of another enumeration',
    { snapshots: { bucket, onFailure: 'hold' } },
    'snapshots.onFailure is "hold"; it must be one of EtcdSnapshotFailure.STOP, EtcdSnapshotFailure.WARN',
  ],
  [
    'one for what is done before a removal',
    { beforeRemoval: EtcdBeforeRemoval.runCommand(['true'], { onFailure: 'stop' as never }) },
    'beforeRemoval.onFailure is "stop"; it must be one of EtcdBeforeRemovalFailure.HOLD, ',
  ],
  [
    'a list for beforeRemoval',
    { beforeRemoval: ['true'] },
    'of the kind Array; it must be what EtcdBefore',
  ],
  [
    'a line that is no list',
    { beforeRemoval: EtcdBeforeRemoval.runCommand('kubectl drain' as never) },
    'or EtcdBeforeRemoval.runCommand() with a list of lines',
  ],
  [
    'no bucket',
    { snapshots: {} },
    'snapshots.bucket is missing; it must be a bucket, not its name',
  ],
  [
    'the name of one',
    { snapshots: { bucket: 'b' } },
    'snapshots.bucket is "b"; it must be a bucket',
  ],
  [
    'true for options',
    { snapshots: true },
    'snapshots is true; it must be an object with the options',
  ],
  ['false for alarms', { alarms: false }, 'enabled: false turns the alarms off'],
  [
    'a topic for alarms',
    (stack) => ({ alarms: new Topic(stack, 'T') }),
    'alarms is of the kind Topic',
  ],
  ['the ARN of a topic', { alarms: { topic: 'arn' } }, 'Topic.fromTopicArn() imports one'],
  [
    'the name of a group',
    { autoScalingGroup: 'etcd' },
    'AutoScalingGroup.fromAutoScalingGroupName()',
  ],
  ['the id of a network', { vpc: 'vpc-1' }, 'vpc is "vpc-1"; it must be a network, not its id'],
  ['one security group', { securityGroups: {} }, 'it must be a list of security groups'],
  ['the ARN of a key', { encryptionKey: 'arn' }, 'Key.fromKeyArn() imports one'],
  ['null', { alarms: null }, 'alarms is null; it must be an object with the options'],
  ['a text for dashboard', { dashboard: 'no' }, 'dashboard is "no"; it must be true or false'],
  ['a runtime by its name', { runtime: 'python3.13' }, 'such as Runtime.PYTHON_3_13'],
  ['an architecture by its name', { architecture: 'arm64' }, 'such as Architecture.ARM_64'],
  ['a number in the environment', { environment: { A: 1 } }, 'it must be an object of texts'],
  [
    'a path that is none',
    { access: EtcdAccess.ssmRunCommand({ keyFile: true as never }) },
    'access.keyFile is true; it must be a text',
  ],
];

test.each(refused)('%s is refused', (_title, given, message) => {
  const add = () => {
    const stack = new ClusterStack();
    const props = typeof given === 'function' ? given(stack) : given;
    stack.addLifecycle(props as Partial<EtcdLifecycleProps>);
  };
  expect(add).toThrow(message);
  expect(add).toThrow(/^Stack\/EtcdLifecycle: /);
});

test('what another copy of a package has made is taken', () => {
  const stack = new ClusterStack();
  const copy = <T extends object>(one: T): T => Object.assign(Object.create(null), one);
  const auth = copy(EtcdAuth.fromSecret(new Secret(stack, 'User')));
  const props = {
    join: copy(EtcdJoin.managedByInstance()),
    access: copy(EtcdAccess.gateway()),
    auth: Object.assign(auth, { grantRead: () => undefined }),
  };
  expect(stack.addLifecycle(props).clusterName).toBe('main');
});

test.each<[options: object, message: string]>([
  [
    { tlsFiles: true },
    'Stack/EtcdLifecycle: tlsFiles is true; it must be an object with the options',
  ],
  [{ tlsFiles: { caFile: '/ca' } }, 'tlsFiles.certificateFile is missing; it must be a text'],
  [{ startCommand: ['etcd'] }, 'startCommand is of the kind Array; it must be a text'],
])('so it is for the user data: %j', (options, message) => {
  const lifecycle = new ClusterStack().addLifecycle();
  expect(() => lifecycle.bootstrapCommands(options as BootstrapOptions)).toThrow(message);
});
