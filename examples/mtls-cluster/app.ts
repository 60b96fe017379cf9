import { EtcdLifecycle, EtcdTls } from '@quorate/etcd-lifecycle';
import { App, Duration, Stack } from 'aws-cdk-lib';
import { AutoScalingGroup } from 'aws-cdk-lib/aws-autoscaling';
import {
  GatewayVpcEndpointAwsService,
  InstanceType,
  MachineImage,
  SecurityGroup,
  Vpc,
} from 'aws-cdk-lib/aws-ec2';
import { BlockPublicAccess, Bucket, BucketEncryption } from 'aws-cdk-lib/aws-s3';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { Topic } from 'aws-cdk-lib/aws-sns';

const app = new App();
const stack = new Stack(app, 'EtcdWithTls');
const vpc = new Vpc(stack, 'Vpc', {
  // The snapshots go this way, not through the NAT gateway.
  gatewayEndpoints: { S3: { service: GatewayVpcEndpointAwsService.S3 } },
});

const snapshots = new Bucket(stack, 'Snapshots', {
  encryption: BucketEncryption.S3_MANAGED,
  blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
  enforceSSL: true,
  // What a function that was stopped in the midst of an upload leaves.
  lifecycleRules: [{ abortIncompleteMultipartUploadAfter: Duration.days(1) }],
});

const autoScalingGroup = new AutoScalingGroup(stack, 'Members', {
  vpc,
  instanceType: new InstanceType('m7g.medium'),
  // An image with etcd, curl, jq and the AWS CLI.
  machineImage: MachineImage.genericLinux({ 'eu-central-1': 'ami-0123456789abcdef0' }),
  securityGroup: new SecurityGroup(stack, 'MembersSecurityGroup', { vpc }),
  minCapacity: 3,
  maxCapacity: 4,
});

// JSON with the keys ca, certificate and key, each in PEM form: the function's client certificate,
// and that of the members, which names their addresses and is for both sides of a connection.
const functionCertificate = Secret.fromSecretNameV2(stack, 'FunctionCertificate', 'etcd/lifecycle');
const memberCertificate = Secret.fromSecretNameV2(stack, 'MemberCertificate', 'etcd/member');
memberCertificate.grantRead(autoScalingGroup.role);

const lifecycle = new EtcdLifecycle(stack, 'EtcdLifecycle', {
  autoScalingGroup,
  clusterName: 'main',
  vpc,
  tls: EtcdTls.fromSecret(functionCertificate),
  timeout: Duration.minutes(5),
  memorySize: 1024,
  // Who is called subscribes to it.
  alarms: { topic: new Topic(stack, 'Alarms', { enforceSSL: true }) },
  snapshots: { bucket: snapshots, prefix: 'etcd', interval: Duration.hours(6), keep: 28 },
});

autoScalingGroup.addUserData(
  'install -d -m 700 /etc/etcd/pki',
  'certificate=$(aws secretsmanager get-secret-value --secret-id etcd/member --query SecretString --output text)',
  'umask 077',
  `for part in ca certificate key; do jq -r ".$part" <<<"$certificate" >"/etc/etcd/pki/$part.pem"; done`,
  ...lifecycle.bootstrapCommands({
    tlsFiles: {
      caFile: '/etc/etcd/pki/ca.pem',
      certificateFile: '/etc/etcd/pki/certificate.pem',
      keyFile: '/etc/etcd/pki/key.pem',
    },
  }),
);
