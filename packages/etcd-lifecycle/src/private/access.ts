import type { EtcdSsmRunCommandOptions } from '../etcd-access';
import type { Settings } from './defaults';

/** What `bootstrapCommands()` writes, unless it is told otherwise. */
const ENVIRONMENT_FILE = '/etc/etcd/quorate.env';

/** Longer than a look by this way takes, in which the lease is not renewed. */
const LEASE_SECONDS = 120;

/** What the function's environment says of the way to the members. */
export function accessEnvironment({ access, tls }: Settings): Record<string, string> {
  if (!access.runCommand) {
    return {};
  }
  return {
    QUORATE_ETCDCTL: JSON.stringify(etcdctl(access.runCommand)),
    QUORATE_PEER_SCHEME: tls.scheme,
    QUORATE_LEASE_SECONDS: String(LEASE_SECONDS),
  };
}

function etcdctl(options: EtcdSsmRunCommandOptions): Record<string, string> {
  const { endpoint, caFile, certificateFile, keyFile } = options;
  const given = {
    etcdctl: options.etcdctl ?? 'etcdctl',
    environment_file: options.environmentFile ?? (endpoint ? '' : ENVIRONMENT_FILE),
    endpoint,
    ca_file: caFile,
    certificate_file: certificateFile,
    key_file: keyFile,
  };
  return Object.fromEntries(
    Object.entries(given).filter((pair): pair is [string, string] => pair[1] !== undefined),
  );
}
