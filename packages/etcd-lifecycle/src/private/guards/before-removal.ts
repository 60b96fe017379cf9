import { Stack, Token } from 'aws-cdk-lib';
import { CfnRole, type IRole } from 'aws-cdk-lib/aws-iam';
import type { IConstruct } from 'constructs';
import { timeoutOf } from '../before-removal';
import type { Settings } from '../defaults';
import { refuse, warn } from '../findings';
import { longestWait } from './times';

/** What a run needs besides the time that it waits: 20 s to record the end, and 10 s before. */
const RESERVE_SECONDS = 30;

/** SSM takes a delivery time-out of 30 seconds at least (its API reference, SendCommand). */
const SHORTEST_COMMAND = 30;

/** All variables of a function take 4 KB at most (Lambda developer guide, "Lambda quotas"). */
const MOST_COMMAND_BYTES = 2048;

const AGENT_POLICY = 'AmazonSSMManagedInstanceCore';

/** Whether what is done before a removal fits into the times around it. */
export function guardBeforeRemoval(scope: IConstruct, settings: Settings): void {
  const { beforeRemoval } = settings;
  if (!beforeRemoval) {
    return;
  }
  const timeout = timeoutOf(beforeRemoval).toSeconds();
  if (beforeRemoval.fn) {
    guardFunction(scope, timeout, settings.timeout.toSeconds());
  } else {
    guardCommands(scope, timeout, beforeRemoval.commands ?? []);
  }
  const heartbeat = settings.heartbeatTimeout.toSeconds();
  const longest = longestWait(heartbeat);
  if (timeout >= longest) {
    refuse(
      scope,
      `beforeRemoval has a timeout of ${timeout} s, but with a heartbeatTimeout of ${heartbeat} s ` +
        `Auto Scaling ends the wait after ${longest} s: make it shorter`,
    );
  }
}

/** Whether the instances may run the SSM agent, as far as their role shows it. */
export function guardAgent(scope: IConstruct, role: IRole | undefined): void {
  const resource = role?.node.defaultChild;
  if (!(resource instanceof CfnRole)) {
    return;
  }
  const policies = JSON.stringify(Stack.of(resource).resolve(resource.managedPolicyArns) ?? []);
  if (!policies.includes(AGENT_POLICY)) {
    warn(
      scope,
      'noSsmAgent',
      `the role of the group lacks the managed policy ${AGENT_POLICY}, without which no command ` +
        'reaches its instances: make the group with "ssmSessionPermissions: true", or add the policy',
    );
  }
}

function guardFunction(scope: IConstruct, timeout: number, own: number): void {
  if (timeout < 1) {
    refuse(scope, `beforeRemoval has a timeout of ${timeout} s: make it at least 1 s`);
  }
  if (timeout + RESERVE_SECONDS > own) {
    refuse(
      scope,
      `beforeRemoval has a timeout of ${timeout} s, but the construct's function waits for it ` +
        `within one run of ${own} s: make its timeout at least ${timeout + RESERVE_SECONDS} s, or ` +
        'use EtcdBeforeRemoval.runCommand(), which goes on from run to run',
    );
  }
}

function guardCommands(scope: IConstruct, timeout: number, commands: readonly string[]): void {
  if (timeout < SHORTEST_COMMAND) {
    refuse(
      scope,
      `beforeRemoval has a timeout of ${timeout} s, but SSM alone may take ${SHORTEST_COMMAND} s to ` +
        'deliver a command: make it longer',
    );
  }
  if (commands.length === 0) {
    refuse(scope, 'beforeRemoval has no commands: give at least one, or leave it out');
  }
  const bytes = Buffer.byteLength(JSON.stringify(commands));
  if (!Token.isUnresolved(commands) && bytes > MOST_COMMAND_BYTES) {
    refuse(
      scope,
      `beforeRemoval has commands of ${bytes} bytes, but the function's environment has room for ` +
        `${MOST_COMMAND_BYTES}: put them into a script on the instances, and run that`,
    );
  }
}
