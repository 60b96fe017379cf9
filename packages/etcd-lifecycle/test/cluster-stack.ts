import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from '@jest/globals';
import { App, Stack } from 'aws-cdk-lib';
import { AutoScalingGroup, type AutoScalingGroupProps } from 'aws-cdk-lib/aws-autoscaling';
import {
  InstanceType,
  LaunchTemplate,
  MachineImage,
  SecurityGroup,
  UserData,
  Vpc,
} from 'aws-cdk-lib/aws-ec2';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { type BootstrapTlsFiles, EtcdLifecycle, type EtcdLifecycleProps, EtcdTls } from '../src';

/** Where the certificates of a member are on its instance. */
export const TLS_FILES: BootstrapTlsFiles = {
  caFile: '/pki/ca.crt',
  certificateFile: '/pki/server.crt',
  keyFile: '/pki/server.key',
};

const assembly = mkdtempSync(join(tmpdir(), 'etcd-lifecycle-test-'));
afterAll(() => rmSync(assembly, { recursive: true, force: true }));

/**
 * An app whose cloud assembly is removed after the tests of the file.
 *
 * @param directory - Another one for each app that must not share its assets with others.
 */
export function newApp(directory = 'shared'): App {
  return new App({ outdir: join(assembly, directory) });
}

/** A stack with a network, to put clusters into. */
export class ClusterStack extends Stack {
  public readonly vpc = new Vpc(this, 'Vpc');

  constructor(app = newApp(), id = 'Stack', region?: string) {
    super(app, id, { env: { region } });
  }

  /** A group of three whose launch template has all that the construct needs. */
  public addGroup(id = 'Group', props: Partial<AutoScalingGroupProps> = {}): AutoScalingGroup {
    return new AutoScalingGroup(this, id, {
      vpc: this.vpc,
      minCapacity: 3,
      maxCapacity: 4,
      launchTemplate: new LaunchTemplate(this, `${id}Template`, {
        instanceType: new InstanceType('m7g.medium'),
        machineImage: MachineImage.latestAmazonLinux2023(),
        securityGroup: new SecurityGroup(this, `${id}Members`, { vpc: this.vpc }),
        role: new Role(this, `${id}Member`, {
          assumedBy: new ServicePrincipal('ec2.amazonaws.com'),
        }),
        userData: UserData.forLinux(),
      }),
      ...props,
    });
  }

  /** TLS with a secret of the stack. */
  public addTls(id = 'Certificate'): EtcdTls {
    return EtcdTls.fromSecret(new Secret(this, id));
  }

  /**
   * The construct under test: the cluster `main` of a group of its own, with TLS. It is asked for its
   * lines, as by everybody; they are in no user data, so that they change no template.
   */
  public addLifecycle(props: Partial<EtcdLifecycleProps> = {}): EtcdLifecycle {
    const lifecycle = this.addUnbootstrapped(props);
    if (!props.join?.managedByInstance) {
      const secure = !('tls' in props) || props.tls?.scheme === 'https';
      lifecycle.bootstrapCommands(secure ? { tlsFiles: TLS_FILES } : {});
    }
    return lifecycle;
  }

  /** The same, never asked for the lines that start its members. */
  public addUnbootstrapped(props: Partial<EtcdLifecycleProps> = {}): EtcdLifecycle {
    return new EtcdLifecycle(this, 'EtcdLifecycle', {
      autoScalingGroup: props.autoScalingGroup ?? this.addGroup(),
      clusterName: 'main',
      vpc: this.vpc,
      tls: this.addTls(),
      ...props,
    });
  }
}
