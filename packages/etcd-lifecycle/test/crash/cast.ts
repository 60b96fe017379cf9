import type { LocalInstance } from '@quorate/test-harness';
import type { CrashCluster } from './crash-cluster';

/** The part of the instance that is to go. */
export const VICTIM = 'the victim';

/** A follower is the victim. */
export async function chooseFollower(cluster: CrashCluster): Promise<void> {
  const leader = await cluster.leader();
  const [victim, other] = cluster.instances().filter((it) => it.instanceId !== leader.instanceId);
  play(cluster, { [VICTIM]: victim, 'the leader': leader, 'the other follower': other });
  cluster.newcomer = 'the replacement';
}

/** Gives instances their parts. */
export function play(
  cluster: CrashCluster,
  parts: Readonly<Record<string, LocalInstance | undefined>>,
): void {
  cluster.names.clear();
  for (const [part, instance] of Object.entries(parts)) {
    if (!instance) {
      throw new Error(`nobody is there to play ${part}`);
    }
    cluster.names.set(instance.instanceId, part);
  }
}

/** An instance by its place, the oldest first. */
export function at(cluster: CrashCluster, index: number): LocalInstance {
  const instance = cluster.instances()[index];
  if (!instance) {
    throw new Error(`there is no instance number ${index + 1}`);
  }
  return instance;
}

/** Who plays a part; undefined if nobody does. */
export function find(cluster: CrashCluster, part: string): LocalInstance | undefined {
  return cluster.instances().find((one) => cluster.names.get(one.instanceId) === part);
}

/** Who plays a part. */
export function player(cluster: CrashCluster, part: string): LocalInstance {
  const instance = find(cluster, part);
  if (!instance) {
    throw new Error(`nobody plays ${part}`);
  }
  return instance;
}
