import { Token } from 'aws-cdk-lib';
import type { IConstruct } from 'constructs';
import type { EtcdSsmRunCommandOptions } from '../../etcd-access';
import type { Settings } from '../defaults';
import { refuse } from '../findings';

/** A look by commands takes 75 seconds at worst (`etcdctl.py`), and a run should not end with one. */
const SHORTEST_RUN = 120;

/** Whether the way to the members goes together with all else. */
export function guardAccess(scope: IConstruct, settings: Settings): void {
  const { access, vpc, tls } = settings;
  if (access.runCommand) {
    guardRunCommand(scope, settings, access.runCommand);
    return;
  }
  if (!vpc) {
    refuse(
      scope,
      'the function reaches the members by the network, so vpc is needed: pass it, or ' +
        'access: EtcdAccess.ssmRunCommand()',
    );
  }
  if (tls.scheme === 'https' && !tls.secret) {
    refuse(
      scope,
      'tls is EtcdTls.onInstances(), but the function reaches the members by the network and needs a ' +
        'certificate: pass EtcdTls.fromSecret(...), or access: EtcdAccess.ssmRunCommand()',
    );
  }
}

function guardRunCommand(
  scope: IConstruct,
  settings: Settings,
  options: EtcdSsmRunCommandOptions,
): void {
  const { vpc, vpcSubnets, securityGroups, tls, auth, snapshots, timeout } = settings;
  const byNetwork = Object.entries({ vpc, vpcSubnets, securityGroups })
    .filter(([, value]) => value !== undefined)
    .map(([name]) => name);
  if (byNetwork.length > 0) {
    refuse(
      scope,
      `access is EtcdAccess.ssmRunCommand(), by which the function runs in no VPC: leave out ` +
        byNetwork.join(', '),
    );
  }
  if (tls.secret) {
    refuse(
      scope,
      'access is EtcdAccess.ssmRunCommand(), by which certificates stay on the instances: pass ' +
        'tls: EtcdTls.onInstances() instead of a secret',
    );
  }
  if (auth) {
    refuse(
      scope,
      'access is EtcdAccess.ssmRunCommand(), and a password would show in the history of commands: ' +
        'leave out auth, and give the instances a client certificate whose common name is a user with ' +
        'the role root',
    );
  }
  if (snapshots) {
    refuse(
      scope,
      'access is EtcdAccess.ssmRunCommand(), and a snapshot does not fit through the output of a ' +
        'command: leave out snapshots and take them on the instances, or use EtcdAccess.gateway()',
    );
  }
  if (timeout.toSeconds() < SHORTEST_RUN) {
    refuse(
      scope,
      `timeout is ${timeout.toSeconds()} s, but commands take seconds to reach the instances: make it ` +
        `at least ${SHORTEST_RUN} s, or leave it out`,
    );
  }
  guardOptions(scope, options);
}

function guardOptions(scope: IConstruct, options: EtcdSsmRunCommandOptions): void {
  const { endpoint, certificateFile, keyFile } = options;
  if (
    endpoint !== undefined &&
    !Token.isUnresolved(endpoint) &&
    !/^https?:\/\/[^\s,/]+:\d+$/.test(endpoint)
  ) {
    refuse(
      scope,
      `access.endpoint "${endpoint}" must be one URL of the instance's own member, such as ` +
        'https://127.0.0.1:2379',
    );
  }
  if ((certificateFile === undefined) !== (keyFile === undefined)) {
    refuse(scope, 'access has a certificate or a key, but not both: give both, or neither');
  }
}
