/**
 * The names of all fields of an interface. The compiler refuses one that is missing, and one that the
 * interface does not have, so that the two cannot drift apart.
 */
export type NamesOf<T> = Readonly<Record<keyof T, true>>;

/** Refuses what is ignored otherwise: JavaScript takes an option of any name. */
export function refuseUnknownOptions(options: object, known: Readonly<Record<string, true>>): void {
  refuseUnknown('option', Object.keys(options), Object.keys(known));
}

/**
 * Refuses names that are none of the known ones.
 *
 * @param kind what they name, in the singular
 * @throws Error that tells each unknown name, the known one that it is like, and all that are known
 */
export function refuseUnknown(
  kind: string,
  names: readonly string[],
  known: readonly string[],
): void {
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    // In JavaScript a list of names may hold anything.
    const told = unknown.map(String).map((name) => {
      const meant = nearest(name, known);
      return meant === undefined ? name : `${name} (did you mean ${meant}?)`;
    });
    throw new Error(`unknown ${kind} ${told.join(', ')}; the ${kind}s are ${known.join(', ')}`);
  }
}

/** The known name that differs least, if it is near: by a third of the letters at most. */
function nearest(name: string, known: readonly string[]): string | undefined {
  const [best] = known
    .map((one) => ({ one, edits: editDistance(name.toLowerCase(), one.toLowerCase()) }))
    .filter(({ one, edits }) => edits <= Math.max(name.length, one.length) / 3)
    .sort((a, b) => a.edits - b.edits);
  return best?.one;
}

/** The number of insertions, deletions, replacements and swaps of neighbours between two words. */
function editDistance(one: string, other: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let i = 1; i <= one.length; i++) {
    const row = [i];
    for (let j = 1; j <= other.length; j++) {
      const replaced = (last[j - 1] ?? 0) + (one[i - 1] === other[j - 1] ? 0 : 1);
      const swap = one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1];
      const swapped = swap ? (beforeLast[j - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY;
      row.push(Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, replaced, swapped));
    }
    beforeLast = last;
    last = row;
  }
  return last[other.length] ?? 0;
}
