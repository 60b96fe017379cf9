import { Duration } from 'aws-cdk-lib';
import { Architecture, Runtime } from 'aws-cdk-lib/aws-lambda';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { EtcdAccess } from '../etcd-access';
import { EtcdJoin } from '../etcd-join';
import type { EtcdLifecycleProps } from '../etcd-lifecycle-props';
import { EtcdRemovalAtDeadline } from '../etcd-removal';
import { EtcdTls } from '../etcd-tls';

const DEFAULTS = {
  clientPort: 2379,
  peerPort: 2380,
  heartbeatTimeout: Duration.minutes(15),
  replacementDeadline: Duration.hours(1),
  launchDeadline: Duration.minutes(30),
  timeout: Duration.minutes(1),
  timeoutOfRunCommand: Duration.minutes(3),
  memorySize: 256,
  runtime: Runtime.PYTHON_3_13,
  architecture: Architecture.ARM_64,
  logRetention: RetentionDays.THREE_MONTHS,
};

/** The props with their defaults, so that each default is written once. */
export type Settings = ReturnType<typeof settle>;

/** Fills in what was left out. */
export function settle(props: EtcdLifecycleProps) {
  const { ports, ...given } = props;
  const { removal } = props;
  const access = props.access ?? EtcdAccess.gateway();
  const replacementFirst = removal?.replacementFirst ?? true;
  return {
    ...given,
    access,
    tls: props.tls ?? EtcdTls.none(),
    join: props.join ?? EtcdJoin.learner(),
    clientPort: ports?.client ?? DEFAULTS.clientPort,
    peerPort: ports?.peer ?? DEFAULTS.peerPort,
    heartbeatTimeout: props.heartbeatTimeout ?? DEFAULTS.heartbeatTimeout,
    replacementFirst,
    replacementDeadline: replacementFirst
      ? (removal?.deadline ?? DEFAULTS.replacementDeadline)
      : Duration.seconds(0),
    atDeadline: removal?.atDeadline ?? EtcdRemovalAtDeadline.PROCEED,
    launchDeadline: props.launchDeadline ?? DEFAULTS.launchDeadline,
    timeout: props.timeout ?? (access.runCommand ? DEFAULTS.timeoutOfRunCommand : DEFAULTS.timeout),
    memorySize: props.memorySize ?? DEFAULTS.memorySize,
    runtime: props.runtime ?? DEFAULTS.runtime,
    architecture: props.architecture ?? DEFAULTS.architecture,
    logRetention: props.logRetention ?? DEFAULTS.logRetention,
  };
}

/** A duration as an environment variable takes it. */
export function seconds(duration: Duration): string {
  return String(duration.toSeconds());
}
