import type { LifecycleHookProps } from '../../src/aws';

/** A hook at the launch of instances. */
export const LAUNCH: LifecycleHookProps = {
  name: 'launch',
  transition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
  heartbeatTimeout: 60,
};

/** A hook at their end. */
export const TERMINATE: LifecycleHookProps = {
  name: 'terminate',
  transition: 'autoscaling:EC2_INSTANCE_TERMINATING',
  heartbeatTimeout: 60,
};
