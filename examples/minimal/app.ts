import { EtcdLifecycle, EtcdTls } from '@quorate/etcd-lifecycle';
import { App, Stack } from 'aws-cdk-lib';
import { AutoScalingGroup } from 'aws-cdk-lib/aws-autoscaling';
import { InstanceType, MachineImage, SecurityGroup, Vpc } from 'aws-cdk-lib/aws-ec2';

const app = new App();
const stack = new Stack(app, 'Etcd');
const vpc = new Vpc(stack, 'Vpc');

const autoScalingGroup = new AutoScalingGroup(stack, 'Members', {
  vpc,
  instanceType: new InstanceType('m7g.medium'),
  // An image with etcd, curl and the AWS CLI.
  machineImage: MachineImage.genericLinux({ 'eu-central-1': 'ami-0123456789abcdef0' }),
  securityGroup: new SecurityGroup(stack, 'MembersSecurityGroup', { vpc }),
  minCapacity: 3,
  maxCapacity: 4,
});

const lifecycle = new EtcdLifecycle(stack, 'EtcdLifecycle', {
  autoScalingGroup,
  clusterName: 'main',
  vpc,
  tls: EtcdTls.none(),
});

autoScalingGroup.addUserData(...lifecycle.bootstrapCommands());
