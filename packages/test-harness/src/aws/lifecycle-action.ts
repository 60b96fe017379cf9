import type { GroupInstance } from './group-instance';
import { globalTimeout, type LifecycleHook } from './lifecycle-hook';
import { validationError } from './service-error';

/** A lifecycle action that somebody has to complete. */
export interface LifecycleAction {
  /** The hook as it was when the action began. */
  readonly hook: LifecycleHook;

  /** UUID of the action. */
  readonly token: string;

  /** When it times out without another heartbeat, in seconds since the epoch. */
  deadline: number;

  /** When it times out whatever happens, in seconds since the epoch. */
  readonly globalDeadline: number;
}

/** Names a lifecycle action: by its token, or by its instance. */
export interface ActionReference {
  readonly hookName: string;
  readonly token?: string;
  readonly instanceId?: string;
}

/** Begins the action of a hook. */
export function beginAction(hook: LifecycleHook, token: string, now: number): LifecycleAction {
  return {
    hook,
    token,
    deadline: now + Math.min(hook.heartbeatTimeout, globalTimeout(hook)),
    globalDeadline: now + globalTimeout(hook),
  };
}

/** Restarts the heartbeat timeout of an action; the global timeout stays. */
export function prolongAction(action: LifecycleAction, now: number): void {
  action.deadline = Math.min(now + action.hook.heartbeatTimeout, action.globalDeadline);
}

/**
 * Finds an action, and the instance that waits for it.
 *
 * @throws ServiceError (ValidationError) if there is no such action.
 */
export function findAction<T extends Pick<GroupInstance, 'instanceId' | 'actions'>>(
  instances: Iterable<T>,
  reference: ActionReference,
): [T, T['actions'][number]] {
  const { hookName, token, instanceId } = reference;
  if (token === undefined && instanceId === undefined) {
    throw validationError('Either a lifecycle action token or an instance ID must be provided');
  }
  for (const instance of instances) {
    for (const action of instance.actions) {
      if (
        action.hook.name === hookName &&
        (token === undefined || action.token === token) &&
        (instanceId === undefined || instance.instanceId === instanceId)
      ) {
        return [instance, action];
      }
    }
  }
  throw validationError(
    token === undefined
      ? `No active Lifecycle Action found with instance ID ${instanceId}`
      : `No active Lifecycle Action found with token ${token}`,
  );
}
