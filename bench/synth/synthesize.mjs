// Synthesizes one stack in this process, as `cdk synth` does, and prints the milliseconds from the start
// of the process to the end of the synthesis, by the clock and of processor time.
// `synthesize.mjs group|construct OUTDIR`
//
// Plain JavaScript that requires what was compiled, as a user's app does in production; imports by
// name would make Node.js load all of aws-cdk-lib.
import { createRequire } from 'node:module';

const [what, outdir] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const { App, Stack } = require('aws-cdk-lib');
const { AutoScalingGroup } = require('aws-cdk-lib/aws-autoscaling');
const { InstanceType, MachineImage, SecurityGroup, Vpc } = require('aws-cdk-lib/aws-ec2');
const { Secret } = require('aws-cdk-lib/aws-secretsmanager');

const app = new App({ outdir });
const stack = new Stack(app, 'Etcd');
const vpc = new Vpc(stack, 'Vpc');
const autoScalingGroup = new AutoScalingGroup(stack, 'Members', {
  vpc,
  instanceType: new InstanceType('m7g.medium'),
  machineImage: MachineImage.genericLinux({ 'eu-central-1': 'ami-0123456789abcdef0' }),
  securityGroup: new SecurityGroup(stack, 'MembersSecurityGroup', { vpc }),
  minCapacity: 3,
  maxCapacity: 4,
});
if (what === 'construct') {
  const { EtcdLifecycle, EtcdTls } = require('@quorate/etcd-lifecycle');
  const lifecycle = new EtcdLifecycle(stack, 'EtcdLifecycle', {
    autoScalingGroup,
    clusterName: 'main',
    vpc,
    tls: EtcdTls.fromSecret(Secret.fromSecretNameV2(stack, 'ClientCertificate', 'etcd/lifecycle')),
  });
  autoScalingGroup.addUserData(
    ...lifecycle.bootstrapCommands({
      tlsFiles: { caFile: '/pki/ca', certificateFile: '/pki/crt', keyFile: '/pki/key' },
    }),
  );
}
app.synth();
// By Node.js its clock begins when the process does.
const clock = performance.now();
const { user, system } = process.cpuUsage();
console.log(JSON.stringify({ clock, processor: (user + system) / 1000 }));
