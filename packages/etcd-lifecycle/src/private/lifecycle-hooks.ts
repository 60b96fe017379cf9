import type { Duration } from 'aws-cdk-lib';
import {
  type CfnAutoScalingGroup,
  CfnLifecycleHook,
  DefaultResult,
  LifecycleTransition,
} from 'aws-cdk-lib/aws-autoscaling';
import type { Construct, IConstruct } from 'constructs';
import { refuse } from './findings';

/** The names of the two hooks of a cluster's group. */
export interface LifecycleHookNames {
  readonly launch: string;
  readonly terminate: string;
}

/** The hooks are named after the cluster, so that a group's others are never taken for ours. */
export function nameHooks(clusterName: string): LifecycleHookNames {
  return { launch: `quorate-${clusterName}-launch`, terminate: `quorate-${clusterName}-terminate` };
}

/** Adds the hooks to the group itself: they hold its first instances too; others may come late. */
export function addHooks(
  scope: IConstruct,
  group: CfnAutoScalingGroup,
  names: LifecycleHookNames,
  heartbeatTimeout: Duration,
): void {
  const existing = group.lifecycleHookSpecificationList ?? [];
  if (!Array.isArray(existing)) {
    refuse(
      scope,
      "the group's lifecycleHookSpecificationList is not a plain list, so hooks cannot be added",
    );
  }
  group.lifecycleHookSpecificationList = [
    ...existing,
    ...Object.values(hooks(names, heartbeatTimeout)),
  ];
}

/**
 * Adds the hooks to a group that is not part of the app. They come after all that answers them, and
 * go before it.
 */
export function addHooksBeside(
  scope: Construct,
  autoScalingGroupName: string,
  names: LifecycleHookNames,
  heartbeatTimeout: Duration,
): void {
  const others = [...scope.node.children];
  const { launch, terminate } = hooks(names, heartbeatTimeout);
  for (const [id, hook] of Object.entries({ LaunchHook: launch, TerminateHook: terminate })) {
    new CfnLifecycleHook(scope, id, { autoScalingGroupName, ...hook }).node.addDependency(
      ...others,
    );
  }
}

/** What is said of each hook. */
function hooks(names: LifecycleHookNames, heartbeatTimeout: Duration) {
  return {
    launch: {
      lifecycleHookName: names.launch,
      lifecycleTransition: LifecycleTransition.INSTANCE_LAUNCHING,
      heartbeatTimeout: heartbeatTimeout.toSeconds(),
      // Nobody said that the instance has joined: another one is launched in its place.
      defaultResult: DefaultResult.ABANDON,
    },
    terminate: {
      lifecycleHookName: names.terminate,
      lifecycleTransition: LifecycleTransition.INSTANCE_TERMINATING,
      heartbeatTimeout: heartbeatTimeout.toSeconds(),
      // Neither result keeps the instance; this one leaves the group's other hooks their turn.
      defaultResult: DefaultResult.CONTINUE,
    },
  };
}
