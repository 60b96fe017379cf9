export type { ProcessExit } from '../process/process-group';
export { loopbackAddresses } from './address';
export {
  cacheDirectory,
  ETCD_RELEASES,
  type EtcdBinary,
  type EtcdRelease,
  isSupportedEtcdVersion,
  pinnedEtcdVersion,
  type ResolveEtcdOptions,
  resolveEtcd,
} from './binary';
export { EtcdCluster, type EtcdClusterProps, type EtcdTimeout } from './cluster';
export { type EtcdSnapshotStatus, Etcdutl } from './etcdutl';
export { fillDatabase } from './fill-database';
export {
  type EtcdCallOptions,
  EtcdError,
  EtcdGateway,
  type EtcdGatewayProps,
  type EtcdKeyValue,
  type EtcdMemberInfo,
  EtcdNoAnswerError,
  type EtcdRangeOptions,
  type EtcdStatus,
  type EtcdUser,
  GrpcCode,
} from './gateway';
export { resolveEtcdctl } from './go-tool';
export { type EtcdExit, EtcdMember, type EtcdMemberProps } from './member';
export {
  EtcdCertificates,
  type EtcdCertificatesProps,
  ExtendedKeyUsage,
  type IssueCertificateOptions,
  type TlsFiles,
} from './tls';
export {
  type LostWrite,
  WriteLoad,
  type WriteLoadProps,
  type WriteProgress,
  type WriteVerification,
} from './write-load';
export type {
  AcknowledgedWrite,
  FailedWrite,
  WriteGap,
  WriteReport,
  WriteTimelinePoint,
} from './write-report';
