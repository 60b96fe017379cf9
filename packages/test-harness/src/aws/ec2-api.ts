import type { AutoScalingState } from './auto-scaling-api';
import type { Ec2State, GroupInstance } from './group-instance';
import { isoTime } from './iso-time';
import {
  findOperation,
  paginate,
  type QueryRequest,
  writeXml,
  type XmlValue,
} from './query-protocol';
import { ServiceError } from './service-error';

/** Version of the EC2 API that is spoken. */
export const EC2_VERSION = '2016-11-15';

const NAMESPACE = `http://ec2.amazonaws.com/doc/${EC2_VERSION}/`;

/** What the operations of the service work on. */
export interface Ec2ServiceState extends AutoScalingState {
  /** Account that owns the instances. */
  readonly accountId: string;
}

/** Codes of the states (API reference of Amazon EC2, InstanceState). */
const STATE_CODES: Readonly<Record<Ec2State, number>> = {
  running: 16,
  'shutting-down': 32,
  terminated: 48,
};

type Operation = (request: QueryRequest, state: Ec2ServiceState) => { [name: string]: XmlValue };

const OPERATIONS: Readonly<Record<string, Operation>> = {
  DescribeInstances(request, state) {
    const ids = request.list('InstanceId');
    const filters = readFilters(request);
    const known = allInstances(state);
    const chosen = (ids.length === 0 ? known : find(ids, known)).filter((instance) =>
      filters.every((filter) => filter(instance)),
    );
    const page = paginate(
      chosen,
      request.integer('MaxResults') ?? 1000,
      request.string('NextToken'),
    );
    request.rejectUnread();
    return {
      reservationSet: {
        item: page.items.map((instance) => ({
          reservationId: instance.instanceId.replace(/^i-/, 'r-'),
          ownerId: state.accountId,
          groupSet: {},
          instancesSet: { item: describeInstance(instance) },
        })),
      },
      nextToken: page.nextToken,
    };
  },

  TerminateInstances(request, state) {
    const ids = request.list('InstanceId');
    request.rejectUnread();
    const instances = find(ids, allInstances(state));
    const changes = instances.map((instance) => {
      const previous = instance.ec2State;
      if (previous !== 'terminated') {
        const group = [...state.groups.values()].find(({ name }) => name === instance.groupName);
        state.apply(group?.loseInstance(instance.instanceId, state.now()) ?? []);
      }
      return {
        instanceId: instance.instanceId,
        currentState: describeState(instance.ec2State),
        previousState: describeState(previous),
      };
    });
    return { instancesSet: { item: changes } };
  },
};

/** Names of the operations that are implemented. */
export const EC2_ACTIONS: readonly string[] = Object.keys(OPERATIONS);

/**
 * Answers a request.
 *
 * @returns the XML document of a success.
 * @throws ServiceError for an error of the service, see {@link ec2Error}.
 */
export function answerEc2(
  request: QueryRequest,
  state: Ec2ServiceState,
  requestId: string,
): string {
  const operation = findOperation(
    OPERATIONS,
    request.action,
    `The action ${request.action} is not valid for this web service.`,
  );
  return writeXml(`${request.action}Response`, NAMESPACE, {
    requestId,
    ...operation(request, state),
  });
}

/** The XML document of an error. */
export function ec2Error(error: ServiceError, requestId: string): string {
  return writeXml('Response', undefined, {
    Errors: { Error: { Code: error.code, Message: error.message } },
    RequestID: requestId,
  });
}

function allInstances(state: Ec2ServiceState): GroupInstance[] {
  return [...state.groups.values()].flatMap((group) => [
    ...group.instances,
    ...group.terminatedInstances,
  ]);
}

function find(ids: readonly string[], known: readonly GroupInstance[]): GroupInstance[] {
  const malformed = ids.find((id) => !/^i-([0-9a-f]{8}|[0-9a-f]{17})$/.test(id));
  if (malformed !== undefined) {
    throw new ServiceError('InvalidInstanceID.Malformed', `Invalid id: "${malformed}"`);
  }
  const missing = ids.filter((id) => !known.some(({ instanceId }) => instanceId === id));
  if (missing.length > 0) {
    throw new ServiceError(
      'InvalidInstanceID.NotFound',
      missing.length === 1
        ? `The instance ID '${missing[0]}' does not exist`
        : `The instance IDs '${missing.join(', ')}' do not exist`,
    );
  }
  return known.filter(({ instanceId }) => ids.includes(instanceId));
}

type Filter = (instance: GroupInstance) => boolean;

function readFilters(request: QueryRequest): Filter[] {
  const filters: Filter[] = [];
  for (let index = 1; ; index += 1) {
    const name = request.string(`Filter.${index}.Name`);
    if (name === undefined) {
      return filters;
    }
    const patterns = request.list(`Filter.${index}.Value`).map(wildcards);
    const attribute = attributeReader(name);
    filters.push((instance) =>
      attribute(instance).some((value) => patterns.some((pattern) => pattern.test(value))),
    );
  }
}

/** The values of an instance that a filter looks at. */
function attributeReader(name: string): (instance: GroupInstance) => string[] {
  if (name.startsWith('tag:')) {
    const key = name.slice('tag:'.length);
    return ({ tags }) => (tags[key] === undefined ? [] : [tags[key]]);
  }
  switch (name) {
    case 'tag-key':
      return ({ tags }) => Object.keys(tags);
    case 'instance-id':
      return ({ instanceId }) => [instanceId];
    case 'instance-state-name':
      return ({ ec2State }) => [ec2State];
    case 'availability-zone':
      return ({ availabilityZone }) => [availabilityZone];
    case 'private-ip-address':
    case 'network-interface.addresses.private-ip-address':
      return (instance) => (hasAddress(instance) ? [instance.privateIpAddress] : []);
    default:
      throw new ServiceError('InvalidParameterValue', `The filter '${name}' is invalid`);
  }
}

/** Filters know `*` for any characters and `?` for one (user guide of Amazon EC2, filtering). */
function wildcards(text: string): RegExp {
  const pattern = text
    .replaceAll(/[\\^$.|+()[\]{}]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${pattern}$`, 's');
}

/** A terminated instance has lost its network interface. */
function hasAddress(instance: GroupInstance): boolean {
  return instance.ec2State !== 'terminated';
}

function describeState(state: Ec2State): XmlValue {
  return { code: STATE_CODES[state], name: state };
}

function describeInstance(instance: GroupInstance): XmlValue {
  return {
    instanceId: instance.instanceId,
    imageId: 'ami-0123456789abcdef0',
    instanceState: describeState(instance.ec2State),
    privateDnsName: hasAddress(instance)
      ? `ip-${instance.privateIpAddress.replaceAll('.', '-')}.ec2.internal`
      : '',
    dnsName: '',
    amiLaunchIndex: 0,
    productCodes: {},
    instanceType: 't4g.small',
    launchTime: isoTime(instance.launchTime),
    placement: { availabilityZone: instance.availabilityZone, groupName: '', tenancy: 'default' },
    monitoring: { state: 'disabled' },
    privateIpAddress: hasAddress(instance) ? instance.privateIpAddress : undefined,
    groupSet: {},
    architecture: 'arm64',
    tagSet: {
      item: Object.entries(instance.tags).map(([key, value]) => ({ key, value })),
    },
  };
}
