export type { BootstrapOptions, BootstrapTlsFiles } from './bootstrap';
export { EtcdAuth } from './etcd-auth';
export { EtcdLifecycle } from './etcd-lifecycle';
export type { EtcdLifecycleProps } from './etcd-lifecycle-props';
export type { EtcdPorts } from './etcd-ports';
export { EtcdSnapshotFailure, type EtcdSnapshots } from './etcd-snapshots';
export { EtcdTls } from './etcd-tls';
export { createEtcdLifecycleLambdaCode, ETCD_LIFECYCLE_HANDLER } from './lambda-code';
