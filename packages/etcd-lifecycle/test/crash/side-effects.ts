import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CrashPoint, Moment } from './function-host';

const DIRECTORY = join(__dirname, 'side-effects');

/** Set by the task that writes the lists anew. */
export const RECORDING = process.env.QUORATE_RECORD_SIDE_EFFECTS === '1';

const MOMENTS: readonly Moment[] = ['before', 'after'];

/** A crash point with the number of its side effect. */
export interface NumberedPoint extends CrashPoint {
  readonly number: number;
}

/** The side effects of a scenario, by their numbers: the first one is number 1. */
export function listedSideEffects(scenario: string): string[] {
  return readFileSync(file(scenario), 'utf8').trimEnd().split('\n');
}

/** Writes the list of a scenario anew, unless only the order differs, which is partly chance. */
export function writeSideEffects(scenario: string, effects: readonly string[]): void {
  mkdirSync(DIRECTORY, { recursive: true });
  const listed = existsSync(file(scenario)) ? listedSideEffects(scenario) : [];
  if (listed.length === effects.length && listed.every((one) => effects.includes(one))) {
    return;
  }
  writeFileSync(file(scenario), `${effects.join('\n')}\n`);
}

/**
 * The points at which the function is killed in a scenario: before and after each side effect.
 *
 * `QUORATE_CRASH_SAMPLE=<n>` or `<n>:<seed>` takes one of n points, and others for another seed.
 */
export function crashPoints(scenario: string): NumberedPoint[] {
  // One moment after the other: taking one of n then takes from both, whatever n is.
  const points = MOMENTS.flatMap((moment) =>
    listedSideEffects(scenario).map((point, index) => ({ number: index + 1, point, moment })),
  );
  const { n, seed } = sample();
  return points.filter((_, index) => (index + seed) % n === 0);
}

function sample(): { readonly n: number; readonly seed: number } {
  const text = process.env.QUORATE_CRASH_SAMPLE ?? '1';
  const [, n, seed = '0'] = /^([1-9]\d*)(?::(\d+))?$/.exec(text) ?? [];
  if (n === undefined) {
    throw new Error(
      `QUORATE_CRASH_SAMPLE is ${text}, but must be n or n:seed, such as 5 for one point of five`,
    );
  }
  return { n: Number(n), seed: Number(seed) };
}

function file(scenario: string): string {
  return join(DIRECTORY, `${scenario}.txt`);
}
