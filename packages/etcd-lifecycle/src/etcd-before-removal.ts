import type { Duration } from 'aws-cdk-lib';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';

/** What follows when what is done before a removal fails, or takes too long. */
export enum EtcdBeforeRemovalFailure {
  /**
   * The member stays, and its instance is held. It is tried again five minutes after its time is over.
   * Auto Scaling ends the wait after 100 heartbeat time-outs, or 48 hours.
   */
  HOLD = 'hold',
  /** The member is removed all the same. A metric, the journal and the log tell of it. */
  PROCEED = 'proceed',
}

/** How long what is done before a removal may take, and what follows when it fails. */
export interface EtcdBeforeRemovalOptions {
  /**
   * How long it may take. A function of Lambda is waited for within one run, so that the construct's
   * own `timeout` must be 30 seconds longer; a command goes on from run to run.
   * @default - 30 seconds for a function, 5 minutes for a command
   */
  readonly timeout?: Duration;

  /**
   * What follows when it fails, or takes longer.
   * @default EtcdBeforeRemovalFailure.HOLD
   */
  readonly onFailure?: EtcdBeforeRemovalFailure;
}

/**
 * What an instance hands over before its member is removed, when it does more than run one: a node of
 * Kubernetes is drained, say.
 *
 * It is done once for each terminating instance whose member answers, when the member may go in every
 * other respect, before the leadership is moved and the member removed, and for one instance at a
 * time. It may be begun twice if a run dies meanwhile, so it should be fit for that. It is not done for
 * an instance that is dead, that EC2 interrupts, that no hook holds, or that never came into service;
 * nor for a member that an operator orders to be removed.
 */
export class EtcdBeforeRemoval {
  /**
   * Calls a function and waits for its end: it fails if it throws. Its event is an object of texts:
   * `instanceId`, `privateIp`, `memberId` (hexadecimal), `clusterName` and `deadline` (ISO 8601).
   *
   * @param fn - The function; the construct's is allowed to call it.
   */
  public static lambda(fn: IFunction, options: EtcdBeforeRemovalOptions = {}): EtcdBeforeRemoval {
    return new EtcdBeforeRemoval(fn, undefined, options);
  }

  /**
   * Runs lines of a shell script on the instance by SSM Run Command (`AWS-RunShellScript`), as root: it
   * fails if the exit code is not 0. The variables `QUORATE_INSTANCE_ID`, `QUORATE_PRIVATE_IP`,
   * `QUORATE_MEMBER_ID`, `QUORATE_CLUSTER_NAME` and `QUORATE_DEADLINE` are set.
   *
   * The instances need the SSM agent and its permissions: `ssmSessionPermissions: true` of the group, or
   * the managed policy `AmazonSSMManagedInstanceCore`.
   *
   * @param commands - The lines; begin with `set -e`, as otherwise the last one alone decides.
   */
  public static runCommand(
    commands: string[],
    options: EtcdBeforeRemovalOptions = {},
  ): EtcdBeforeRemoval {
    return new EtcdBeforeRemoval(undefined, commands, options);
  }

  private constructor(
    /** The function that is called, if one is. */
    public readonly fn: IFunction | undefined,
    /** The lines that the instance runs, if it runs some. */
    public readonly commands: readonly string[] | undefined,
    /** How long it may take, and what follows when it fails. */
    public readonly options: EtcdBeforeRemovalOptions,
  ) {}
}
