export type { BootstrapOptions, BootstrapTlsFiles } from './bootstrap';
export { EtcdAccess, type EtcdSsmRunCommandOptions } from './etcd-access';
export type { EtcdAlarmSet, EtcdAlarms } from './etcd-alarms';
export { EtcdAuth } from './etcd-auth';
export {
  EtcdBeforeRemoval,
  EtcdBeforeRemovalFailure,
  type EtcdBeforeRemovalOptions,
} from './etcd-before-removal';
export { EtcdJoin } from './etcd-join';
export { EtcdLifecycle } from './etcd-lifecycle';
export type { EtcdLifecycleProps } from './etcd-lifecycle-props';
export type { EtcdMembers } from './etcd-members';
export { ETCD_METRICS_NAMESPACE, EtcdMetrics } from './etcd-metrics';
export type { EtcdPorts } from './etcd-ports';
export { type EtcdRemoval, EtcdRemovalAtDeadline } from './etcd-removal';
export { EtcdSnapshotFailure, type EtcdSnapshots } from './etcd-snapshots';
export { EtcdTls } from './etcd-tls';
export { createEtcdLifecycleLambdaCode, ETCD_LIFECYCLE_HANDLER } from './lambda-code';
