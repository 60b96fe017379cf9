import type { CrashCluster } from './crash-cluster';

/** Who gives orders. */
export const OPERATOR = 'an operator';

/**
 * Asks the function for something.
 *
 * @returns Its answer; undefined if it was killed.
 * @throws Error if it refuses.
 */
export async function ask<T>(cluster: CrashCluster, what: object): Promise<T | undefined> {
  const { ended, answer } = await cluster.pass(what);
  if (ended === 'killed') {
    return undefined;
  }
  if ((answer as { refused?: string }).refused !== undefined) {
    throw new Error(`refused: ${(answer as { refused: string }).refused}`);
  }
  const [[, value]] = Object.entries(answer as object) as [[string, T]];
  return value;
}

/** Gives an order until it is answered: whose command has failed gives it again. */
export async function give<T>(
  cluster: CrashCluster,
  order: object,
  beforeAgain: () => Promise<void>,
): Promise<T> {
  for (;;) {
    const answer = await ask<T>(cluster, order);
    if (answer !== undefined) {
      return answer;
    }
    await beforeAgain();
  }
}
