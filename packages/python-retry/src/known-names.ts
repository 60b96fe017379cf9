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
 * @throws Error that tells the unknown names, and all that are known
 */
export function refuseUnknown(
  kind: string,
  names: readonly string[],
  known: readonly string[],
): void {
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    // In JavaScript a list of names may hold anything.
    const told = unknown.map(String).join(', ');
    throw new Error(`unknown ${kind} ${told}; the ${kind}s are ${known.join(', ')}`);
  }
}
