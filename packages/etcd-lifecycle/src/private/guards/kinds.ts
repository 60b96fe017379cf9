import { Construct, type IConstruct } from 'constructs';
import type { BootstrapOptions, BootstrapTlsFiles } from '../../bootstrap';
import type { EtcdSsmRunCommandOptions } from '../../etcd-access';
import type { EtcdAlarms } from '../../etcd-alarms';
import { EtcdBeforeRemovalFailure, type EtcdBeforeRemovalOptions } from '../../etcd-before-removal';
import type { EtcdLifecycleProps } from '../../etcd-lifecycle-props';
import type { EtcdMembers } from '../../etcd-members';
import { type EtcdRemoval, EtcdRemovalAtDeadline } from '../../etcd-removal';
import { EtcdSnapshotFailure, type EtcdSnapshots } from '../../etcd-snapshots';
import { refuse } from '../findings';

/** A kind of values. */
interface Kind {
  /** What such a value is, and how to come by one. */
  readonly told: string;
  /** Whether a value is one. It is told by what it has: an app may have loaded a package twice. */
  readonly fits: (value: unknown) => boolean;
}

/** The kinds of an interface's fields, as far as nothing else looks at them. */
type KindsOf<T> = Readonly<Partial<Record<keyof T, Kind>>>;

/** A value of which any field may be asked. */
type Fields = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null;
}

function objectWith(field: string, type: string, told: string): Kind {
  return { told, fits: (value) => isObject(value) && typeof value[field] === type };
}

function oneOf(name: string, members: Readonly<Record<string, string>>): Kind {
  const names = Object.keys(members).map((member) => `${name}.${member}`);
  const values: unknown[] = Object.values(members);
  return { told: `one of ${names.join(', ')}`, fits: (value) => values.includes(value) };
}

const TEXT: Kind = { told: 'a text', fits: (value) => typeof value === 'string' };

const FLAG: Kind = { told: 'true or false', fits: (value) => typeof value === 'boolean' };

/** Options that are written down, and not a construct or what a method gives. */
const OPTIONS: Kind = {
  told: 'an object with the options',
  fits: (value) => isObject(value) && !Array.isArray(value) && !Construct.isConstruct(value),
};

interface DurationLike {
  isUnresolved(): boolean;
  toSeconds(options: { integral: boolean }): number;
}

const DURATION: Kind = {
  told: 'a Duration of whole seconds that is known at synthesis, such as Duration.minutes(5)',
  fits: (value) => {
    if (!isObject(value) || typeof value.toSeconds !== 'function') {
      return false;
    }
    const duration = value as unknown as DurationLike;
    return !duration.isUnresolved() && Number.isInteger(duration.toSeconds({ integral: false }));
  },
};

const SECURITY_GROUPS: Kind = { told: 'a list of security groups', fits: Array.isArray };

const BUCKET = objectWith('arnForObjects', 'function', 'a bucket, not its name');

const PROPS: KindsOf<EtcdLifecycleProps> = {
  autoScalingGroup: {
    told: 'an Auto Scaling group, not its name: AutoScalingGroup.fromAutoScalingGroupName() imports one',
    fits: Construct.isConstruct,
  },
  members: OPTIONS,
  access: {
    told: 'what EtcdAccess.gateway() or EtcdAccess.ssmRunCommand() gives',
    fits: (value) => isObject(value) && 'runCommand' in value,
  },
  vpc: objectWith(
    'selectSubnets',
    'function',
    'a network, not its id: Vpc.fromLookup() imports one',
  ),
  vpcSubnets: OPTIONS,
  securityGroups: SECURITY_GROUPS,
  tls: objectWith(
    'scheme',
    'string',
    'what EtcdTls.fromSecret(), EtcdTls.onInstances() or EtcdTls.none() gives',
  ),
  auth: objectWith('secret', 'object', 'what EtcdAuth.fromSecret() gives'),
  ports: OPTIONS,
  join: objectWith(
    'managedByInstance',
    'boolean',
    'what EtcdJoin.learner() or EtcdJoin.managedByInstance() gives',
  ),
  snapshots: OPTIONS,
  alarms: {
    told: 'an object with the options; enabled: false turns the alarms off',
    fits: OPTIONS.fits,
  },
  dashboard: FLAG,
  heartbeatTimeout: DURATION,
  removal: OPTIONS,
  beforeRemoval: {
    told:
      'what EtcdBeforeRemoval.lambda() gives with a function, or EtcdBeforeRemoval.runCommand() with ' +
      'a list of lines',
    fits: (value) =>
      isObject(value) &&
      (isObject(value.fn) || Array.isArray(value.commands)) &&
      OPTIONS.fits(value.options),
  },
  launchDeadline: DURATION,
  timeout: DURATION,
  runtime: objectWith('name', 'string', 'a Runtime, such as Runtime.PYTHON_3_13'),
  architecture: objectWith('name', 'string', 'an Architecture, such as Architecture.ARM_64'),
  encryptionKey: objectWith('keyArn', 'string', 'a key, not its ARN: Key.fromKeyArn() imports one'),
  environment: {
    told: 'an object of texts',
    fits: (value) => OPTIONS.fits(value) && Object.values(value as Fields).every(TEXT.fits),
  },
};

const MEMBERS: KindsOf<EtcdMembers> = {
  securityGroups: SECURITY_GROUPS,
  role: objectWith('roleArn', 'string', 'a role, not its name: Role.fromRoleName() imports one'),
};

const RUN_COMMAND: KindsOf<EtcdSsmRunCommandOptions> = {
  etcdctl: TEXT,
  environmentFile: TEXT,
  endpoint: TEXT,
  caFile: TEXT,
  certificateFile: TEXT,
  keyFile: TEXT,
};

const SNAPSHOTS: KindsOf<EtcdSnapshots> = {
  bucket: BUCKET,
  prefix: TEXT,
  beforeRemoval: FLAG,
  interval: DURATION,
  onFailure: oneOf('EtcdSnapshotFailure', EtcdSnapshotFailure),
};

const ALARMS: KindsOf<EtcdAlarms> = {
  enabled: FLAG,
  topic: objectWith('topicArn', 'string', 'a topic, not its ARN: Topic.fromTopicArn() imports one'),
  hookHeld: DURATION,
  learnerStalled: DURATION,
  snapshotAge: DURATION,
  certificateEnds: DURATION,
};

const REMOVAL: KindsOf<EtcdRemoval> = {
  replacementFirst: FLAG,
  deadline: DURATION,
  atDeadline: oneOf('EtcdRemovalAtDeadline', EtcdRemovalAtDeadline),
};

const BEFORE_REMOVAL: KindsOf<EtcdBeforeRemovalOptions> = {
  timeout: DURATION,
  onFailure: oneOf('EtcdBeforeRemovalFailure', EtcdBeforeRemovalFailure),
};

const BOOTSTRAP: KindsOf<BootstrapOptions> = {
  dataDirectory: TEXT,
  environmentFile: TEXT,
  startCommand: TEXT,
  tlsFiles: OPTIONS,
};

const TLS_FILES: KindsOf<BootstrapTlsFiles> = {
  caFile: TEXT,
  certificateFile: TEXT,
  keyFile: TEXT,
};

/**
 * Values of another kind than is asked for, which JavaScript takes: most would fail somewhere inside,
 * without a word of the prop, and some would be taken for the default.
 */
export function guardKinds(scope: IConstruct, props: EtcdLifecycleProps): void {
  guardKindsOf(scope, '', props, PROPS);
  guardKindsOf(scope, 'members.', props.members, MEMBERS);
  guardKindsOf(scope, 'access.', props.access?.runCommand, RUN_COMMAND);
  guardKindsOf(scope, 'snapshots.', props.snapshots, SNAPSHOTS, ['bucket']);
  guardKindsOf(scope, 'alarms.', props.alarms, ALARMS);
  guardKindsOf(scope, 'removal.', props.removal, REMOVAL);
  guardKindsOf(scope, 'beforeRemoval.', props.beforeRemoval?.options, BEFORE_REMOVAL);
}

/** The same for `bootstrapCommands()`. */
export function guardBootstrapKinds(scope: IConstruct, options: BootstrapOptions): void {
  guardKindsOf(scope, '', options, BOOTSTRAP);
  const needed = Object.keys(TLS_FILES);
  guardKindsOf(scope, 'tlsFiles.', options.tlsFiles, TLS_FILES, needed);
}

function guardKindsOf(
  scope: IConstruct,
  prefix: string,
  given: object | undefined,
  kinds: Readonly<Record<string, Kind | undefined>>,
  needed: readonly string[] = [],
): void {
  if (!given) {
    return;
  }
  for (const [name, kind] of Object.entries(kinds)) {
    const value = (given as Fields)[name];
    if (kind && (value === undefined ? needed.includes(name) : !kind.fits(value))) {
      refuse(scope, `${prefix}${name} is ${shown(value)}; it must be ${kind.told}`);
    }
  }
}

/** A value as it can be told in a message. */
function shown(value: unknown): string {
  if (value === undefined) {
    return 'missing';
  }
  if (typeof value === 'function') {
    return `the function ${value.name}, which was not called`;
  }
  if (isObject(value)) {
    // A bundler numbers the names of classes that are there twice.
    return `of the kind ${value.constructor?.name.replace(/\d+$/, '')}`;
  }
  return JSON.stringify(value);
}
