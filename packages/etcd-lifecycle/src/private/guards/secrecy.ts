import type { IConstruct } from 'constructs';
import type { Settings } from '../defaults';
import { warn } from '../findings';

/** Who else could read along. */
export function guardSecrecy(scope: IConstruct, { tls, auth }: Settings): void {
  if (tls.scheme === 'https') {
    return;
  }
  warn(
    scope,
    'noTls',
    'the cluster has no TLS: whoever reaches its ports can read and change everything. Pass ' +
      'tls: EtcdTls.fromSecret(...)',
  );
  if (auth) {
    warn(
      scope,
      'authWithoutTls',
      'without TLS the password of auth crosses the network in the clear',
    );
  }
}
