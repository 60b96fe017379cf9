import { Token } from 'aws-cdk-lib';
import { RuntimeFamily } from 'aws-cdk-lib/aws-lambda';
import type { IConstruct } from 'constructs';
import type { Settings } from '../defaults';
import { refuse } from '../findings';

/** Each prop for itself: names, ports, the runtime. */
export function guardInputs(scope: IConstruct, settings: Settings): void {
  const { clusterName, clientPort, peerPort, runtime, securityGroups, removal, replacementFirst } =
    settings;
  if (!Token.isUnresolved(clusterName) && !/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/.test(clusterName)) {
    refuse(
      scope,
      `clusterName "${clusterName}" must be 1 to 64 letters, digits, "-", "_" or ".", starting ` +
        'with a letter or digit',
    );
  }
  for (const [name, port] of Object.entries({ client: clientPort, peer: peerPort })) {
    if (!Number.isInteger(port) || port < 1 || port > 65535) {
      refuse(scope, `ports.${name} is ${port}; a port is a whole number from 1 to 65535`);
    }
  }
  if (clientPort === peerPort) {
    refuse(
      scope,
      `ports.client and ports.peer are both ${clientPort}; a member listens at two ports`,
    );
  }
  const [, minor] = /^python3\.(\d+)$/.exec(runtime.name) ?? [];
  if (runtime.family !== RuntimeFamily.PYTHON || !(Number(minor) >= 10)) {
    refuse(
      scope,
      `runtime is ${runtime.name}; the function is written in Python, for 3.10 or newer`,
    );
  }
  const { deadline, atDeadline } = removal ?? {};
  if (!replacementFirst && (deadline !== undefined || atDeadline !== undefined)) {
    refuse(
      scope,
      'removal.replacementFirst is false, so that no member waits for its replacement: leave out ' +
        'removal.deadline and removal.atDeadline',
    );
  }
  if (securityGroups?.length === 0) {
    refuse(
      scope,
      'securityGroups is empty, so the members could not admit the function: give at least one, ' +
        'or leave it out for a new one',
    );
  }
}
