import { expect, test } from '@jest/globals';
import { Duration } from 'aws-cdk-lib';
import { Annotations, Match } from 'aws-cdk-lib/assertions';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import {
  type BootstrapOptions,
  EtcdAccess,
  EtcdBeforeRemoval,
  type EtcdBeforeRemovalOptions,
  type EtcdLifecycleProps,
  type EtcdSsmRunCommandOptions,
  EtcdTls,
} from '../src';
import { ClusterStack } from './cluster-stack';

const minute = Duration.minutes(1);

// As JavaScript gives them, where no compiler looks.
const beforeRemoval: EtcdBeforeRemovalOptions & { timeOut?: Duration } = { timeOut: minute };
const runCommand: EtcdSsmRunCommandOptions & { keyfile?: string } = { keyfile: '/pki/key' };

test.each<[props: object, message: string | RegExp]>([
  [
    { heartbeatTimeOut: minute },
    /^Stack\/EtcdLifecycle: heartbeatTimeOut is unknown \(did you mean heartbeatTimeout\?\); known are autoScalingGroup, members, .*, environment$/,
  ],
  [{ launch_deadline: minute }, 'launch_deadline is unknown (did you mean launchDeadline?); known'],
  [{ tsl: EtcdTls.none() }, 'tsl is unknown (did you mean tls?); known are autoScalingGroup, '],
  [{ members: { securityGroup: [] } }, '(did you mean members.securityGroups?)'],
  [
    { access: EtcdAccess.ssmRunCommand(runCommand) },
    'access.keyfile is unknown (did you mean access.keyFile?); known are access.etcdctl, ' +
      'access.environmentFile, access.endpoint, access.caFile, access.certificateFile, access.keyFile',
  ],
  [{ ports: { clients: 1 } }, 'ports.clients is unknown (did you mean ports.client?); known are'],
  [{ snapshots: { buckte: {} } }, 'snapshots.buckte is unknown (did you mean snapshots.bucket?)'],
  [{ alarms: { topics: [] } }, 'alarms.topics is unknown (did you mean alarms.topic?)'],
  [{ removal: { deadLine: 1, atDeadLine: 2 } }, '(did you mean removal.deadline?)'],
  ...[
    EtcdBeforeRemoval.runCommand(['true'], beforeRemoval),
    EtcdBeforeRemoval.lambda({} as IFunction, beforeRemoval),
  ].map((one): [object, string] => [
    { beforeRemoval: one },
    'beforeRemoval.timeOut is unknown (did you mean beforeRemoval.timeout?); known are ' +
      'beforeRemoval.timeout, beforeRemoval.onFailure',
  ]),
])('a misspelt name is refused: %j', (props, message) => {
  const stack = new ClusterStack();
  expect(() => stack.addLifecycle(props as Partial<EtcdLifecycleProps>)).toThrow(message);
});

test.each<[options: object, message: string]>([
  [
    { pollSecond: 1 },
    'Stack/EtcdLifecycle: pollSecond is unknown (did you mean pollSeconds?); known are ' +
      'dataDirectory, environmentFile, startCommand, tlsFiles, pollSeconds',
  ],
  [
    { tlsFiles: { cafile: '/pki/ca' } },
    'tlsFiles.cafile is unknown (did you mean tlsFiles.caFile?)',
  ],
])('so is one for the user data: %j', (options, message) => {
  const lifecycle = new ClusterStack().addLifecycle();
  expect(() => lifecycle.bootstrapCommands(options as BootstrapOptions)).toThrow(message);
});

test('a name that is none of ours is warned of: an object may have more in it than is asked for', () => {
  const stack = new ClusterStack();
  const props = { tags: {}, constructor: 1, ports: { http: 80 } };
  stack.addLifecycle(props as Partial<EtcdLifecycleProps>);
  const found = Annotations.fromStack(stack).findWarning('/Stack/EtcdLifecycle', Match.anyValue());
  expect(found.map(({ entry }) => entry.data)).toEqual([
    expect.stringMatching(/^tags is unknown and has no effect; known are autoScalingGroup, /),
    expect.stringMatching(/^constructor is unknown and has no effect; /),
    'ports.http is unknown and has no effect; known are ports.client, ports.peer ' +
      '[ack: @quorate/etcd-lifecycle:unknownProp]',
  ]);
});
