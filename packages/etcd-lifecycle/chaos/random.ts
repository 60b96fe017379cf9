/** A number from 0 (included) to 1 (excluded). */
export type Random = () => number;

/**
 * Random numbers that a seed determines (mulberry32). Streams with other names are independent, so
 * that a change to one part of a run leaves the numbers of the others as they were.
 */
export function seededRandom(seed: number, stream: string): Random {
  let state = seed >>> 0;
  for (const character of stream) {
    state = (Math.imul(state ^ character.charCodeAt(0), 0x01000193) + 0x9e3779b9) >>> 0;
  }
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A number between two limits, rounded to a tenth. */
export function between(random: Random, least: number, most: number): number {
  return Math.round((least + random() * (most - least)) * 10) / 10;
}

/** One of several values; those that stand more than once are likelier. */
export function choose<T>(random: Random, values: readonly T[]): T {
  const value = values[Math.floor(random() * values.length)];
  if (value === undefined) {
    throw new Error('there is nothing to choose from');
  }
  return value;
}
