export type { EventSink, ServiceEvent } from './auto-scaling-events';
export type { Effect } from './auto-scaling-group';
export { AutoScalingGroup } from './auto-scaling-group';
export type {
  AutoScalingDelays,
  AutoScalingGroupContext,
  AutoScalingGroupProps,
} from './auto-scaling-group-props';
export type {
  AutoScalingGroupFromTemplateProps,
  CloudFormationTemplate,
} from './auto-scaling-template';
export type { CdkDeployProps, DeployedResource } from './cdk-deployment';
export { CdkDeployment } from './cdk-deployment';
export type { Clock } from './clock';
export { ManualClock, SystemClock } from './clock';
export { eventBridgeSink } from './event-bridge-sink';
export type { Ec2State, GroupInstance, LifecycleState } from './group-instance';
export type { BootProps, ScriptResult } from './instance-process';
export type { ActionReference, LifecycleAction } from './lifecycle-action';
export type {
  LifecycleActionResult,
  LifecycleHook,
  LifecycleHookProps,
  LifecycleTransition,
} from './lifecycle-hook';
export type {
  InjectedFault,
  LocalAutoScalingGroupProps,
  LocalAutoScalingProps,
  LocalInstance,
  RecordedCall,
  StateTransition,
} from './local-auto-scaling';
export { LocalAutoScaling } from './local-auto-scaling';
export type { LocalRunCommandProps, SentCommand } from './local-run-command';
export { LocalRunCommand } from './local-run-command';
export type { MinistackProps } from './ministack';
export { Ministack } from './ministack';
export type { ScalingActivity } from './scaling-activity';
export { ServiceError } from './service-error';
