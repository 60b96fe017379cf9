import { ETCD_RELEASES, type EtcdRelease } from '@quorate/test-harness';

/** A release of etcd with a number of its own, which is good for an address of its own. */
export interface NumberedRelease {
  readonly release: EtcdRelease;
  readonly index: number;
}

/** The releases to test: those that `QUORATE_ETCD_RELEASES` names, joined by commas, else all. */
export function releases(): NumberedRelease[] {
  const named = process.env.QUORATE_ETCD_RELEASES?.split(',').map((name) => name.trim());
  const unknown = named?.filter((name) => !ETCD_RELEASES.includes(name as EtcdRelease)) ?? [];
  if (unknown.length > 0) {
    throw new Error(
      `QUORATE_ETCD_RELEASES names ${unknown.join(', ')}, but there are ${ETCD_RELEASES.join(', ')}`,
    );
  }
  return ETCD_RELEASES.map((release, index) => ({ release, index })).filter(
    ({ release }) => !named || named.includes(release),
  );
}
