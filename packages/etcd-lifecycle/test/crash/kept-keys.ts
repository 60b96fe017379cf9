import { expect } from '@jest/globals';
import type { LocalInstance } from '@quorate/test-harness';
import { at } from './cast';
import type { CrashCluster } from './crash-cluster';

const KEPT = 20;

const keptKeys = () => Array.from({ length: KEPT }, (_, n) => [`/kept/${n}`, `kept ${n}`] as const);

/** Writes the keys that a scenario must keep. */
export async function putKept(cluster: CrashCluster, instance: LocalInstance): Promise<void> {
  await cluster.ask(instance, async (gateway) => {
    for (const [key, value] of keptKeys()) {
      await gateway.put(key, value);
    }
  });
}

/** Each of them must be there. */
export async function expectKept(cluster: CrashCluster): Promise<void> {
  const found = await cluster.ask(at(cluster, 0), (gateway) => gateway.range({ prefix: '/kept/' }));
  expect(new Map(found.map(({ key, value }) => [key, value]))).toEqual(new Map(keptKeys()));
}
