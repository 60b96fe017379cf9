import { Stack, Token } from 'aws-cdk-lib';
import {
  CfnRoute,
  CfnSecurityGroupIngress,
  CfnSubnet,
  CfnVPCEndpoint,
  CfnVPNGatewayRoutePropagation,
  type ISecurityGroup,
  type ISubnet,
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
  const { subnets } = vpc.selectSubnets(vpcSubnets);
  if (!subnets.some((one) => isolated.has(one.subnetId) || lacksRoutes(scope, vpc, one))) {
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
      `the function runs in subnets of ${vpc.node.path} without a way out, and the app has no VPC endpoint ` +
        `there for ${missing.join(', ')}: add them with vpc.addInterfaceEndpoint() ` +
        '(addGatewayEndpoint() for dynamodb and s3), or choose subnets with a way out by vpcSubnets',
    );
  }
}

/**
 * Whether nothing leaves a subnet that is part of the app, whatever it is called: its network may have
 * been made without NAT gateways.
 */
function lacksRoutes(scope: IConstruct, vpc: IVpc, subnet: ISubnet): boolean {
  if (
    !(subnet.node.defaultChild instanceof CfnSubnet) ||
    subnet.node.children.some((one) => one instanceof CfnRoute)
  ) {
    return false;
  }
  const { routeTableId } = subnet.routeTable;
  return !constructsAround(scope, vpc).some(
    (one) =>
      (one instanceof CfnRoute && sameValue(one, one.routeTableId, routeTableId)) ||
      (one instanceof CfnVPNGatewayRoutePropagation &&
        one.routeTableIds.some((id) => sameValue(one, id, routeTableId))),
  );
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
  return constructsAround(scope, vpc)
    .filter((one) => one instanceof CfnVPCEndpoint)
    .filter((endpoint) => sameValue(endpoint, endpoint.vpcId, vpc.vpcId))
    .map((endpoint) => lastPartOf(Stack.of(endpoint).resolve(endpoint.serviceName)));
}

/** All of the stacks of the network and of the construct. */
function constructsAround(scope: IConstruct, vpc: IVpc): IConstruct[] {
  return [...new Set([Stack.of(vpc), Stack.of(scope)])].flatMap(({ node }) => node.findAll());
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
