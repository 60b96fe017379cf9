import { describe, expect, test } from '@jest/globals';
import { Duration } from 'aws-cdk-lib';
import { Annotations, Match, Template } from 'aws-cdk-lib/assertions';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import {
  EtcdAccess,
  EtcdAuth,
  EtcdBeforeRemoval,
  EtcdLifecycle,
  type EtcdLifecycleProps,
  type EtcdSsmRunCommandOptions,
  EtcdTls,
} from '../src';
import { ClusterStack, TLS_FILES } from './cluster-stack';

interface Properties {
  readonly Environment: { readonly Variables: Record<string, string> };
  readonly VpcConfig?: unknown;
  readonly Timeout: number;
}

/** The construct as one writes it for this way: without a network. */
function addLifecycle(
  stack: ClusterStack,
  props: Partial<EtcdLifecycleProps> = {},
  options?: EtcdSsmRunCommandOptions,
): EtcdLifecycle {
  return new EtcdLifecycle(stack, 'EtcdLifecycle', {
    autoScalingGroup: stack.addGroup(),
    clusterName: 'main',
    tls: EtcdTls.onInstances(),
    access: EtcdAccess.ssmRunCommand(options),
    ...props,
  });
}

function synthesize(options?: EtcdSsmRunCommandOptions) {
  const stack = new ClusterStack();
  const lifecycle = addLifecycle(stack, {}, options);
  const template = Template.fromStack(stack);
  const [lambda] = Object.values(
    template.findResources('AWS::Lambda::Function', {
      Properties: { Environment: { Variables: { QUORATE_CLUSTER: 'main' } } },
    }),
  );
  return { stack, lifecycle, template, lambda: lambda?.Properties as Properties };
}

/** The actions that the function's role has. */
function actions(template: Template): string[] {
  return Object.values(template.findResources('AWS::IAM::Policy'))
    .filter(({ Properties }) => JSON.stringify(Properties.Roles).includes('"EtcdLifecycleRole'))
    .flatMap(({ Properties }) => Properties.PolicyDocument.Statement as { Action: string }[])
    .flatMap(({ Action }) => Action);
}

describe('by commands', () => {
  test('the function runs in no network, and needs none of its permissions', () => {
    const { template, lambda, lifecycle } = synthesize();
    expect(lambda.VpcConfig).toBeUndefined();
    expect(lifecycle.connections.securityGroups).toEqual([]);
    const granted = actions(template);
    expect(granted).toEqual(
      expect.arrayContaining(['ssm:SendCommand', 'ssm:GetCommandInvocation']),
    );
    expect(granted.filter((one) => /NetworkInterface|secretsmanager/.test(one))).toEqual([]);
    // Members reach each other all the same.
    const ports = Object.values(template.findResources('AWS::EC2::SecurityGroupIngress')).map(
      ({ Properties }) => Properties.FromPort,
    );
    expect(ports.sort()).toEqual([2379, 2380]);
  });

  test('a run has more time, and its lease holds for longer', () => {
    const { lambda } = synthesize();
    expect(lambda.Timeout).toBe(180);
    expect(lambda.Environment.Variables).toMatchObject({
      QUORATE_LEASE_SECONDS: '120',
      QUORATE_PEER_SCHEME: 'https',
    });
  });

  test('the way to the member is that from which it was started', () => {
    expect(JSON.parse(synthesize().lambda.Environment.Variables.QUORATE_ETCDCTL ?? '')).toEqual({
      etcdctl: 'etcdctl',
      environment_file: '/etc/etcd/quorate.env',
    });
  });

  test('or the one that is said', () => {
    const { lambda } = synthesize({
      etcdctl: '/usr/local/bin/etcdctl',
      endpoint: 'https://127.0.0.1:2379',
      caFile: '/etc/kubernetes/pki/etcd/ca.crt',
      certificateFile: '/etc/kubernetes/pki/etcd/server.crt',
      keyFile: '/etc/kubernetes/pki/etcd/server.key',
    });
    expect(JSON.parse(lambda.Environment.Variables.QUORATE_ETCDCTL ?? '')).toEqual({
      etcdctl: '/usr/local/bin/etcdctl',
      environment_file: '',
      endpoint: 'https://127.0.0.1:2379',
      ca_file: '/etc/kubernetes/pki/etcd/ca.crt',
      certificate_file: '/etc/kubernetes/pki/etcd/server.crt',
      key_file: '/etc/kubernetes/pki/etcd/server.key',
    });
  });

  test('is warned of the agent, and not of TLS that the instances have', () => {
    const stack = new ClusterStack();
    addLifecycle(stack).bootstrapCommands({ tlsFiles: TLS_FILES });
    const warnings = Annotations.fromStack(stack)
      .findWarning('/Stack/EtcdLifecycle', Match.anyValue())
      .map(({ entry }) => String(entry.data));
    expect(warnings).toEqual([expect.stringMatching(/noSsmAgent/)]);
  });

  test('the permission for commands is given once, for a hand-over too', () => {
    const stack = new ClusterStack();
    addLifecycle(stack, { beforeRemoval: EtcdBeforeRemoval.runCommand(['drain']) });
    const granted = actions(Template.fromStack(stack));
    expect(granted.filter((one) => one === 'ssm:GetCommandInvocation')).toHaveLength(1);
  });

  test('bootstrapCommands() needs to know the certificates', () => {
    const { lifecycle } = synthesize();
    expect(() => lifecycle.bootstrapCommands()).toThrow('bootstrapCommands() needs tlsFiles');
  });

  const refused: [string, (stack: ClusterStack) => Partial<EtcdLifecycleProps>, RegExp][] = [
    ['a network', ({ vpc }) => ({ vpc, vpcSubnets: {} }), /in no VPC: leave out vpc, vpcSubnets/],
    ['a secret', (stack) => ({ tls: stack.addTls() }), /pass tls: EtcdTls.onInstances\(\) instead/],
    [
      'a user',
      (stack) => ({ auth: EtcdAuth.fromSecret(new Secret(stack, 'User')) }),
      /leave out auth, and give the instances a client certificate whose common name/,
    ],
    [
      'snapshots',
      (stack) => ({ snapshots: { bucket: new Bucket(stack, 'Backups') } }),
      /a snapshot does not fit through the output of a command: leave out snapshots/,
    ],
    ['a short run', () => ({ timeout: Duration.seconds(119) }), /make it at least 120 s/],
  ];
  test.each(refused)('%s is refused', (_, props, message) => {
    const stack = new ClusterStack();
    expect(() => addLifecycle(stack, props(stack))).toThrow(message);
  });

  const options: [EtcdSsmRunCommandOptions, RegExp][] = [
    [{ endpoint: '127.0.0.1:2379' }, /access.endpoint "127.0.0.1:2379" must be one URL/],
    [{ endpoint: 'https://a:1,https://b:1' }, /must be one URL of the instance's own member/],
    [{ certificateFile: '/x' }, /a certificate or a key, but not both/],
  ];
  test.each(options)('%j is refused', (given, message) => {
    expect(() => synthesize(given)).toThrow(message);
  });
});

describe('by the network', () => {
  function addGateway(props: Partial<EtcdLifecycleProps>) {
    const stack = new ClusterStack();
    return new EtcdLifecycle(stack, 'EtcdLifecycle', {
      autoScalingGroup: stack.addGroup(),
      clusterName: 'main',
      ...props,
    });
  }

  test('a network is needed', () => {
    expect(() => addGateway({})).toThrow(
      'Stack/EtcdLifecycle: the function reaches the members by the network, so vpc is needed: ' +
        'pass it, or access: EtcdAccess.ssmRunCommand()',
    );
  });

  test('a certificate of its own is needed where there is TLS', () => {
    const stack = new ClusterStack();
    expect(() =>
      stack.addLifecycle({ tls: EtcdTls.onInstances(), access: EtcdAccess.gateway() }),
    ).toThrow(/tls is EtcdTls.onInstances\(\), but .* needs a certificate/);
  });

  test('nothing is said of commands', () => {
    const stack = new ClusterStack();
    stack.addLifecycle();
    const template = Template.fromStack(stack);
    expect(actions(template)).not.toContain('ssm:SendCommand');
    template.resourcePropertiesCountIs(
      'AWS::Lambda::Function',
      { Environment: { Variables: { QUORATE_ETCDCTL: Match.anyValue() } } },
      0,
    );
  });
});
