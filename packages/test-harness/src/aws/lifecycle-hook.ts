import { validationError } from './service-error';

/** When a lifecycle hook fires. */
export type LifecycleTransition =
  | 'autoscaling:EC2_INSTANCE_LAUNCHING'
  | 'autoscaling:EC2_INSTANCE_TERMINATING';

/** How a lifecycle action ends. */
export type LifecycleActionResult = 'CONTINUE' | 'ABANDON';

/** A lifecycle hook of an Auto Scaling group. */
export interface LifecycleHookProps {
  /** Name, unique in the group. */
  readonly name: string;

  /** When it fires. */
  readonly transition: LifecycleTransition;

  /** Seconds until the action times out, unless a heartbeat restarts them. Default: 3600. */
  readonly heartbeatTimeout?: number;

  /** Result of an action that times out. Default: ABANDON. */
  readonly defaultResult?: LifecycleActionResult;

  /** Text that each event carries. Default: none. */
  readonly notificationMetadata?: string;

  /** Where notifications would go; kept, but nothing is sent there. Default: none. */
  readonly notificationTargetArn?: string;

  /** Role for the notification target; kept, but not used. Default: none. */
  readonly roleArn?: string;
}

/** A lifecycle hook with its defaults filled in. */
export type LifecycleHook = LifecycleHookProps &
  Required<Pick<LifecycleHookProps, 'heartbeatTimeout' | 'defaultResult'>>;

const TRANSITIONS: readonly string[] = [
  'autoscaling:EC2_INSTANCE_LAUNCHING',
  'autoscaling:EC2_INSTANCE_TERMINATING',
];

/**
 * Fills in the defaults.
 *
 * @throws ServiceError (ValidationError) if a value is wrong. The service's lower limit of 30 s for
 * the heartbeat timeout is not enforced here, so that tests in real time need not wait so long.
 */
export function completeHook(props: LifecycleHookProps): LifecycleHook {
  const hook = {
    ...props,
    heartbeatTimeout: props.heartbeatTimeout ?? 3600,
    defaultResult: props.defaultResult ?? 'ABANDON',
  };
  if (!TRANSITIONS.includes(hook.transition)) {
    throw validationError(
      `Lifecycle transition ${hook.transition} is not one of ${TRANSITIONS.join(', ')}`,
    );
  }
  if (!(hook.heartbeatTimeout > 0 && hook.heartbeatTimeout <= 7200)) {
    throw validationError(
      `Heartbeat timeout ${hook.heartbeatTimeout} is not more than 0 and at most 7200 seconds`,
    );
  }
  if (!['CONTINUE', 'ABANDON'].includes(hook.defaultResult)) {
    throw validationError(`Default result ${hook.defaultResult} is not one of CONTINUE, ABANDON`);
  }
  return hook;
}

/**
 * Seconds after which no heartbeat holds an instance any longer: 48 hours or 100 times the heartbeat
 * timeout, whichever is smaller (API reference of Amazon EC2 Auto Scaling, LifecycleHook,
 * GlobalTimeout).
 */
export function globalTimeout(hook: LifecycleHook): number {
  return Math.min(48 * 3600, 100 * hook.heartbeatTimeout);
}
