import { Annotations, type App, Duration, SecretValue, Stack } from 'aws-cdk-lib';
import { AutoScalingGroup, HealthChecks } from 'aws-cdk-lib/aws-autoscaling';
import {
  InstanceType,
  LaunchTemplate,
  MachineImage,
  SecurityGroup,
  SubnetType,
  UserData,
  Vpc,
} from 'aws-cdk-lib/aws-ec2';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import {
  type BootstrapTlsFiles,
  type EtcdAccess,
  EtcdAuth,
  type EtcdBeforeRemoval,
  EtcdJoin,
  EtcdLifecycle,
  type EtcdRemoval,
  type EtcdSnapshots,
  EtcdTls,
} from '../src';

/** What a stack with TLS needs. */
export interface DemoTls {
  /** Where each instance has its certificates. */
  readonly files: BootstrapTlsFiles;
  /** The value of the secret with the function's certificate, if it reaches the members itself. */
  readonly secret: Readonly<Record<string, string>>;
}

/** Snapshots in a bucket that is there. */
type SnapshotsInBucket = Omit<EtcdSnapshots, 'bucket'> & { readonly bucketName: string };

/** What differs between the stacks of the demo and of the tests. */
export interface DemoStackProps {
  readonly clusterName: string;
  readonly size: number;
  /**
   * Mutual TLS.
   * @default - no TLS
   */
  readonly tls?: DemoTls;
  /**
   * The value of the secret with the user as whom the function logs in.
   * @default - it does not log in
   */
  readonly auth?: Readonly<Record<string, string>>;
  /**
   * How the function reaches the members. By commands it is in no network, and has no certificate.
   * @default - by the network
   */
  readonly access?: EtcdAccess;
  /** Further environment variables of the function. */
  readonly environment?: Record<string, string>;
  /** The bucket for snapshots, and when they are taken; none by default. */
  readonly snapshots?: SnapshotsInBucket;
  /** How members leave; as the construct has it by default. */
  readonly removal?: EtcdRemoval;
  /**
   * What is done before a removal, which may be by a function that it adds to the stack.
   * @default - nothing
   */
  readonly beforeRemoval?: (stack: Stack) => EtcdBeforeRemoval;
  /**
   * The shell command that an instance starts etcd with.
   * @default - etcd in place of the shell
   */
  readonly startCommand?: string;
  /**
   * The lines with which an instance joins by its own means.
   * @default - it is told how to join by the function
   */
  readonly ownJoin?: readonly string[];
}

/**
 * The stack of the demo: an etcd cluster as a user would write it, with two differences that let its
 * instances run on one machine. Their files are below a folder of each instance's own, and etcd is
 * started by the user data itself, as there is no systemd.
 */
export class DemoStack extends Stack {
  public readonly lifecycle: EtcdLifecycle;

  constructor(app: App, id: string, props: DemoStackProps) {
    super(app, id);
    const vpc = new Vpc(this, 'Vpc', {
      availabilityZones: ['us-east-1a', 'us-east-1b', 'us-east-1c'],
      natGateways: 0,
      subnetConfiguration: [{ name: 'etcd', subnetType: SubnetType.PRIVATE_ISOLATED }],
      restrictDefaultSecurityGroup: false,
    });
    const autoScalingGroup = new AutoScalingGroup(this, 'Etcd', {
      vpc,
      vpcSubnets: { subnetType: SubnetType.PRIVATE_ISOLATED },
      minCapacity: props.size,
      maxCapacity: props.size + 1,
      desiredCapacity: props.size,
      healthChecks: HealthChecks.ec2(),
      launchTemplate: new LaunchTemplate(this, 'Template', {
        instanceType: new InstanceType('m7g.medium'),
        machineImage: MachineImage.genericLinux({ 'us-east-1': 'ami-0123456789abcdef0' }),
        securityGroup: new SecurityGroup(this, 'Members', { vpc }),
        role: new Role(this, 'Member', { assumedBy: new ServicePrincipal('ec2.amazonaws.com') }),
        userData: UserData.forLinux(),
        requireImdsv2: true,
      }),
    });
    this.lifecycle = new EtcdLifecycle(this, 'EtcdLifecycle', {
      autoScalingGroup,
      clusterName: props.clusterName,
      ...(props.access?.runCommand
        ? { access: props.access, tls: props.tls && EtcdTls.onInstances() }
        : {
            vpc,
            vpcSubnets: { subnetType: SubnetType.PRIVATE_ISOLATED },
            tls:
              props.tls && EtcdTls.fromSecret(this.secret('ClientCertificate', props.tls.secret)),
          }),
      heartbeatTimeout: Duration.minutes(props.access?.runCommand ? 10 : 5),
      auth: props.auth && EtcdAuth.fromSecret(this.secret('User', props.auth)),
      environment: props.environment,
      join: props.ownJoin && EtcdJoin.managedByInstance(),
      beforeRemoval: props.beforeRemoval?.(this),
      removal: props.removal,
      snapshots: props.snapshots && this.snapshots(props.snapshots),
    });
    // Its endpoints, and the agents of its instances, are on this machine.
    for (const id of ['noWayToAws', 'noSsmAgent']) {
      Annotations.of(this.lifecycle).acknowledgeWarning(`@quorate/etcd-lifecycle:${id}`);
    }
    autoScalingGroup.addUserData(
      ...(props.ownJoin ??
        this.lifecycle.bootstrapCommands({
          dataDirectory: `\${QUORATE_INSTANCE_ROOT}/data`,
          environmentFile: `\${QUORATE_INSTANCE_ROOT}/etcd.env`,
          startCommand: props.startCommand ?? 'exec "$etcd_binary"',
          pollSeconds: 1,
          tlsFiles: props.tls?.files,
        })),
    );
  }

  private snapshots({ bucketName, ...others }: SnapshotsInBucket): EtcdSnapshots {
    return { ...others, bucket: Bucket.fromBucketName(this, 'Snapshots', bucketName) };
  }

  /** A secret whose value is in the template, which no real one should be: this one stays here. */
  private secret(id: string, value: Readonly<Record<string, string>>): Secret {
    return new Secret(this, id, {
      secretStringValue: SecretValue.unsafePlainText(JSON.stringify(value)),
    });
  }
}
