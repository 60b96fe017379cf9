import { Annotations } from 'aws-cdk-lib';
import { type Connections, type IVpc, Port, SecurityGroup } from 'aws-cdk-lib/aws-ec2';
import type { FunctionOptions } from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';
import type { Settings } from './defaults';

/** Makes the security group of the function. */
function addSecurityGroup(scope: Construct, vpc: IVpc, clusterName: string): SecurityGroup {
  const securityGroup = new SecurityGroup(scope, 'SecurityGroup', {
    vpc,
    description: `Looks after the etcd cluster ${clusterName}`,
  });
  // CDK warns that the rule towards the members is not needed, as all outbound traffic is allowed.
  Annotations.of(securityGroup).acknowledgeWarning('@aws-cdk/aws-ec2:ipv4IgnoreEgressRule');
  return securityGroup;
}

/** Where the function runs, if it needs to be in a network. */
export function placeFunction(
  scope: Construct,
  { vpc, vpcSubnets, securityGroups, clusterName }: Settings,
): Pick<FunctionOptions, 'vpc' | 'vpcSubnets' | 'securityGroups'> {
  if (!vpc) {
    return {};
  }
  const own = securityGroups ?? [addSecurityGroup(scope, vpc, clusterName)];
  return { vpc, vpcSubnets, securityGroups: own };
}

/** Lets the function reach the members' client port, and the members each other. */
export function connect(
  ofFunction: Connections,
  members: Connections,
  { clientPort, peerPort }: Settings,
): void {
  const client = Port.tcp(clientPort);
  if (ofFunction.securityGroups.length > 0) {
    ofFunction.allowTo(members, client, 'etcd clients: the lifecycle function');
  }
  // Other than allowInternally(), it does not warn that all outbound traffic is allowed anyhow.
  for (const securityGroup of members.securityGroups) {
    members.allowFrom(securityGroup, client, 'etcd clients: other members');
    members.allowFrom(securityGroup, Port.tcp(peerPort), 'etcd peers');
  }
}
