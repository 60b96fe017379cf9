import { readFileSync } from 'node:fs';
import { EtcdJoin, EtcdLifecycle, EtcdTls } from '@quorate/etcd-lifecycle';
import { App, Duration, Stack } from 'aws-cdk-lib';
import { AutoScalingGroup } from 'aws-cdk-lib/aws-autoscaling';
import {
  InstanceType,
  IpAddresses,
  MachineImage,
  Peer,
  Port,
  SecurityGroup,
  Vpc,
} from 'aws-cdk-lib/aws-ec2';
import { NetworkLoadBalancer } from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { Topic } from 'aws-cdk-lib/aws-sns';

const CLUSTER = 'main';
const NETWORK = '10.0.0.0/16';
const API_SERVER = Port.tcp(6443);

const app = new App();
const stack = new Stack(app, 'ControlPlane');
const vpc = new Vpc(stack, 'Vpc', { ipAddresses: IpAddresses.cidr(NETWORK) });

const securityGroup = new SecurityGroup(stack, 'NodesSecurityGroup', { vpc });
securityGroup.addIngressRule(Peer.ipv4(NETWORK), API_SERVER, 'API server');
securityGroup.addIngressRule(securityGroup, Port.tcp(10250), 'kubelet');

const autoScalingGroup = new AutoScalingGroup(stack, 'Nodes', {
  vpc,
  instanceType: new InstanceType('m7g.large'),
  // An image with kubeadm, kubelet, a container runtime, curl, jq, openssl and the AWS CLI.
  machineImage: MachineImage.genericLinux({ 'eu-central-1': 'ami-0123456789abcdef0' }),
  securityGroup,
  requireImdsv2: true,
  minCapacity: 3,
  maxCapacity: 4,
});

const loadBalancer = new NetworkLoadBalancer(stack, 'LoadBalancer', { vpc });
loadBalancer.addListener('ApiServer', { port: 6443 }).addTargets('Nodes', {
  port: 6443,
  targets: [autoScalingGroup],
  // A node reaches itself through it, too.
  preserveClientIp: false,
  deregistrationDelay: Duration.seconds(30),
});

// JSON: the files below /etc/kubernetes/pki that all nodes share, by their names (ca.crt, ca.key,
// sa.key, sa.pub, front-proxy-ca.crt, front-proxy-ca.key, etcd/ca.crt, etcd/ca.key), and a bootstrap
// token as "kubeadm token generate" prints it.
const authorities = Secret.fromSecretNameV2(stack, 'Authorities', 'kubernetes/authorities');
authorities.grantRead(autoScalingGroup);

// JSON with the keys ca, certificate and key: etcd's authority, etcd/ca.crt, and a certificate for
// clients that it has signed.
const functionCertificate = Secret.fromSecretNameV2(stack, 'FunctionCertificate', 'etcd/lifecycle');

// Names the instance that started the cluster. Delete it only to start another one.
const firstNode = `/kubernetes/${CLUSTER}/first-node`;
autoScalingGroup.addToRolePolicy(
  new PolicyStatement({
    actions: ['ssm:GetParameter', 'ssm:PutParameter'],
    resources: [
      stack.formatArn({
        service: 'ssm',
        resource: 'parameter',
        resourceName: firstNode.slice(1),
      }),
    ],
  }),
);

new EtcdLifecycle(stack, 'EtcdLifecycle', {
  autoScalingGroup,
  clusterName: CLUSTER,
  vpc,
  tls: EtcdTls.fromSecret(functionCertificate),
  join: EtcdJoin.managedByInstance(),
  alarms: { topic: new Topic(stack, 'Alarms', { enforceSSL: true }) },
});

autoScalingGroup.addUserData(
  `cluster=${CLUSTER}`,
  `region=${stack.region}`,
  `endpoint=${loadBalancer.loadBalancerDnsName}`,
  `secret=${authorities.secretName}`,
  `first_node=${firstNode}`,
  readFileSync('control-plane.sh', 'utf8'),
);
