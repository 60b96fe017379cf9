import type { IConstruct } from 'constructs';
import type { BootstrapOptions, BootstrapTlsFiles } from '../../bootstrap';
import type { EtcdSsmRunCommandOptions } from '../../etcd-access';
import type { EtcdAlarms } from '../../etcd-alarms';
import type { EtcdBeforeRemovalOptions } from '../../etcd-before-removal';
import type { EtcdLifecycleProps } from '../../etcd-lifecycle-props';
import type { EtcdMembers } from '../../etcd-members';
import type { EtcdPorts } from '../../etcd-ports';
import type { EtcdRemoval } from '../../etcd-removal';
import type { EtcdSnapshots } from '../../etcd-snapshots';
import { refuse, warn } from '../findings';
import { nearName } from '../near-name';

/**
 * The names of all fields of an interface. The compiler refuses one that is missing, and one that the
 * interface does not have, so that the two cannot drift apart.
 */
type NamesOf<T> = Readonly<Record<keyof T, true>>;

const PROPS: NamesOf<EtcdLifecycleProps> = {
  autoScalingGroup: true,
  members: true,
  clusterName: true,
  access: true,
  vpc: true,
  vpcSubnets: true,
  securityGroups: true,
  tls: true,
  auth: true,
  ports: true,
  join: true,
  snapshots: true,
  alarms: true,
  dashboard: true,
  heartbeatTimeout: true,
  removal: true,
  beforeRemoval: true,
  launchDeadline: true,
  timeout: true,
  memorySize: true,
  runtime: true,
  architecture: true,
  logRetention: true,
  encryptionKey: true,
  environment: true,
};

const MEMBERS: NamesOf<EtcdMembers> = { securityGroups: true, role: true };

const RUN_COMMAND: NamesOf<EtcdSsmRunCommandOptions> = {
  etcdctl: true,
  environmentFile: true,
  endpoint: true,
  caFile: true,
  certificateFile: true,
  keyFile: true,
};

const PORTS: NamesOf<EtcdPorts> = { client: true, peer: true };

const SNAPSHOTS: NamesOf<EtcdSnapshots> = {
  bucket: true,
  prefix: true,
  beforeRemoval: true,
  interval: true,
  keep: true,
  onFailure: true,
};

const ALARMS: NamesOf<EtcdAlarms> = {
  enabled: true,
  topic: true,
  hookHeld: true,
  learnerStalled: true,
  snapshotAge: true,
  certificateEnds: true,
};

const REMOVAL: NamesOf<EtcdRemoval> = {
  replacementFirst: true,
  deadline: true,
  atDeadline: true,
};

const BEFORE_REMOVAL: NamesOf<EtcdBeforeRemovalOptions> = { timeout: true, onFailure: true };

const BOOTSTRAP: NamesOf<BootstrapOptions> = {
  dataDirectory: true,
  environmentFile: true,
  startCommand: true,
  tlsFiles: true,
  pollSeconds: true,
};

const TLS_FILES: NamesOf<BootstrapTlsFiles> = {
  caFile: true,
  certificateFile: true,
  keyFile: true,
};

/**
 * Names that JavaScript lets one misspell, so that the default would be taken without a word. A name
 * that is near a known one is refused. Any other only gets a warning: TypeScript, too, takes an object
 * with more in it than is asked for, such as the props of a stack that hands its own on.
 */
export function guardNames(scope: IConstruct, props: EtcdLifecycleProps): void {
  guardNamesOf(scope, '', props, PROPS);
  guardNamesOf(scope, 'members.', props.members, MEMBERS);
  guardNamesOf(scope, 'access.', props.access?.runCommand, RUN_COMMAND);
  guardNamesOf(scope, 'ports.', props.ports, PORTS);
  guardNamesOf(scope, 'snapshots.', props.snapshots, SNAPSHOTS);
  guardNamesOf(scope, 'alarms.', props.alarms, ALARMS);
  guardNamesOf(scope, 'removal.', props.removal, REMOVAL);
  guardNamesOf(scope, 'beforeRemoval.', props.beforeRemoval?.options, BEFORE_REMOVAL);
}

/** The same for `bootstrapCommands()`. */
export function guardBootstrapNames(scope: IConstruct, options: BootstrapOptions): void {
  guardNamesOf(scope, '', options, BOOTSTRAP);
  guardNamesOf(scope, 'tlsFiles.', options.tlsFiles, TLS_FILES);
}

function guardNamesOf(
  scope: IConstruct,
  prefix: string,
  given: object | undefined,
  names: Readonly<Record<string, true>>,
): void {
  const known = Object.keys(names);
  const told = `known are ${known.map((one) => prefix + one).join(', ')}`;
  for (const name of Object.keys(given ?? {}).filter((one) => !known.includes(one))) {
    const near = nearName(name, known);
    if (near !== undefined) {
      refuse(scope, `${prefix}${name} is unknown (did you mean ${prefix}${near}?); ${told}`);
    }
    warn(scope, 'unknownProp', `${prefix}${name} is unknown and has no effect; ${told}`);
  }
}
