export type { BootstrapOptions, BootstrapTlsFiles } from './bootstrap';
export { EtcdAuth } from './etcd-auth';
export { EtcdLifecycle, type EtcdLifecycleProps, type EtcdPorts } from './etcd-lifecycle';
export { EtcdSnapshotFailure, type EtcdSnapshots } from './etcd-snapshots';
export { EtcdTls } from './etcd-tls';
export { createEtcdLifecycleLambdaCode, ETCD_LIFECYCLE_HANDLER } from './lambda-code';
