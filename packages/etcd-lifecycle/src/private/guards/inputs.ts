import { Token } from 'aws-cdk-lib';
import { RuntimeFamily } from 'aws-cdk-lib/aws-lambda';
import type { IConstruct } from 'constructs';
import type { Settings } from '../defaults';
import { refuse } from '../findings';

/** MiB of memory that a function may have (Lambda developer guide, "Configure Lambda function memory"). */
const LEAST_MEMORY = 128;
const MOST_MEMORY = 10240;

/** Each prop for itself: names, ports, the runtime. */
export function guardInputs(scope: IConstruct, settings: Settings): void {
  const { clusterName, clientPort, peerPort, runtime, securityGroups, removal, replacementFirst } =
    settings;
  const { autoScalingGroup, memorySize } = settings;
  // JavaScript lets both be left out.
  if (!autoScalingGroup) {
    refuse(scope, 'autoScalingGroup is missing: pass the group whose instances are the members');
  }
  if (
    !Token.isUnresolved(clusterName) &&
    !(typeof clusterName === 'string' && /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/.test(clusterName))
  ) {
    refuse(
      scope,
      `clusterName ${JSON.stringify(clusterName)} must be 1 to 64 letters, digits, "-", "_" or ".", starting ` +
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
  if (
    !Token.isUnresolved(memorySize) &&
    !(Number.isInteger(memorySize) && memorySize >= LEAST_MEMORY && memorySize <= MOST_MEMORY)
  ) {
    refuse(
      scope,
      `memorySize is ${memorySize}; Lambda takes ${LEAST_MEMORY} to ${MOST_MEMORY} MiB`,
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
