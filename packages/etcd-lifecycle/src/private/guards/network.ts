import { Stack, Token } from 'aws-cdk-lib';
import {
  CfnSecurityGroupIngress,
  CfnVPCEndpoint,
  type ISecurityGroup,
  type IVpc,
} from 'aws-cdk-lib/aws-ec2';
import type { IConstruct } from 'constructs';
import type { Settings } from '../defaults';
import { refuse, warn } from '../findings';

/** Whether the members admit the function: an imported security group may take no rules. */
export function guardAdmission(
  scope: IConstruct,
  members: ISecurityGroup[],
  ofFunction: ISecurityGroup[],
  { clientPort, vpc }: Settings,
): void {
  if (!vpc) {
    return;
  }
  // A rule belongs to either side, if they are in different stacks.
  const admitted = [...members, ...ofFunction]
    .flatMap(({ node }) => node.children)
    .filter((one) => one instanceof CfnSecurityGroupIngress)
    .some(
      (rule) =>
        rule.fromPort === clientPort &&
        ofFunction.some((one) => sameValue(rule, rule.sourceSecurityGroupId, one.securityGroupId)),
    );
  if (!admitted) {
    warn(
      scope,
      'notAdmitted',
      "the security groups of the members take no rules, so the function's was not admitted at " +
        `port ${clientPort}: import them with "mutable: true", or admit it yourself`,
    );
  }
}

/**
 * Whether the function is kept out of public subnets: its interfaces get no public address there, so
 * that the internet gateway takes nothing of theirs (Lambda developer guide, "Enable internet access
 * for VPC-connected Lambda functions").
 */
export function guardPublicSubnets(scope: IConstruct, { vpc, vpcSubnets }: Settings): void {
  if (!vpc) {
    return;
  }
  const open = new Set(vpc.publicSubnets.map(({ subnetId }) => subnetId));
  if (vpc.selectSubnets(vpcSubnets).subnetIds.some((id) => open.has(id))) {
    refuse(
      scope,
      `the function would run in public subnets of ${vpc.node.path}, where Lambda gives it no way to ` +
        'the endpoints of AWS: choose private ones by vpcSubnets, and add some if the network has ' +
        'none; or do without a network by access: EtcdAccess.ssmRunCommand()',
    );
  }
}

/** Whether the function can reach the endpoints of AWS from where it runs. */
export function guardEndpoints(scope: IConstruct, settings: Settings): void {
  const { vpc, vpcSubnets } = settings;
  if (!vpc) {
    return;
  }
  const isolated = new Set(vpc.isolatedSubnets.map(({ subnetId }) => subnetId));
  const { subnetIds } = vpc.selectSubnets(vpcSubnets);
  if (!subnetIds.some((id) => isolated.has(id))) {
    return;
  }
  const there = endpointsOf(scope, vpc);
  const missing = servicesOf(settings).filter(
    (service) => !there.some((name) => name.endsWith(`.${service}`)),
  );
  if (missing.length > 0) {
    warn(
      scope,
      'noWayToAws',
      `the function runs in isolated subnets of ${vpc.node.path}, and the app has no VPC endpoint ` +
        `there for ${missing.join(', ')}: add them with vpc.addInterfaceEndpoint() ` +
        '(addGatewayEndpoint() for dynamodb and s3), or choose subnets with a way out by vpcSubnets',
    );
  }
}

/** The services that the function calls, as they are named in the names of their endpoints. */
export function servicesOf({ tls, auth, snapshots, join, beforeRemoval }: Settings): string[] {
  return [
    'autoscaling',
    'dynamodb',
    'ec2',
    ...(beforeRemoval?.fn ? ['lambda'] : []),
    ...(snapshots ? ['s3'] : []),
    ...(tls.secret || auth ? ['secretsmanager'] : []),
    'sqs',
    ...(join.managedByInstance ? [] : ['ssm']),
  ];
}

/** The service names of the network's endpoints that are part of the app. */
function endpointsOf(scope: IConstruct, vpc: IVpc): string[] {
  const stacks = new Set([Stack.of(vpc), Stack.of(scope)]);
  return [...stacks]
    .flatMap((stack) => stack.node.findAll())
    .filter((one) => one instanceof CfnVPCEndpoint)
    .filter((endpoint) => sameValue(endpoint, endpoint.vpcId, vpc.vpcId))
    .map((endpoint) => lastPartOf(Stack.of(endpoint).resolve(endpoint.serviceName)));
}

function sameValue(scope: IConstruct, one: string | undefined, other: string): boolean {
  const stack = Stack.of(scope);
  const text = (value: unknown) => JSON.stringify(stack.resolve(value));
  return one === other || text(one) === text(other);
}

/** The end of a service's name, whose middle only the deployment may know. */
function lastPartOf(name: unknown): string {
  if (typeof name === 'string' && !Token.isUnresolved(name)) {
    return name;
  }
  const parts = (name as { 'Fn::Join'?: [string, unknown[]] })['Fn::Join']?.[1] ?? [];
  return String(parts.at(-1) ?? '');
}
