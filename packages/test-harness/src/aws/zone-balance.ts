import type { GroupInstance } from './group-instance';

/** The zone with the fewest instances; among several, the first. */
export function zoneToLaunchIn(
  zones: readonly string[],
  instances: readonly GroupInstance[],
): string {
  const inZone = countByZone(zones, instances);
  const emptiest = Math.min(...inZone.values());
  return zones.find((zone) => inZone.get(zone) === emptiest) as string;
}

/**
 * The instance to scale in: of the fullest zone, one in service before one that is pending.
 *
 * @param instances oldest first; at least one.
 */
export function instanceToScaleIn<T extends GroupInstance>(
  zones: readonly string[],
  instances: readonly T[],
): T {
  const inZone = countByZone(zones, instances);
  const fullest = Math.max(...inZone.values());
  const candidates = instances.filter(
    (instance) => inZone.get(instance.availabilityZone) === fullest,
  );
  return (candidates.find((instance) => instance.lifecycleState === 'InService') ??
    candidates[0]) as T;
}

function countByZone(
  zones: readonly string[],
  instances: readonly GroupInstance[],
): Map<string, number> {
  const counts = new Map(zones.map((zone) => [zone, 0]));
  for (const { availabilityZone } of instances) {
    counts.set(availabilityZone, (counts.get(availabilityZone) ?? 0) + 1);
  }
  return counts;
}
