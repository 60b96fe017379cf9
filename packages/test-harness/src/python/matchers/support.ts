import type { MatcherContext } from 'expect';
import type { PythonDefinition, PythonImport, PythonModule } from '../parser';
import { parsePython } from '../parser';
import { PythonSyntaxError } from '../syntax';

/** What a matcher returns to `expect`. */
export interface MatcherResult {
  /** Whether it holds. */
  readonly pass: boolean;
  /** Makes the text that is shown if it should not. */
  readonly message: () => string;
}

/** Names the matcher that is at work, for its messages. */
export interface Matcher {
  readonly context: MatcherContext;
  readonly name: string;
}

/** The first line of every message. */
export function hint({ context, name }: Matcher): string {
  const { isNot, promise } = context;
  return context.utils.matcherHint(name, 'python', 'expected', { isNot, promise: promise ?? '' });
}

/** Refuses anything but text, whether the matcher is negated or not. */
export function assertText(matcher: Matcher, received: unknown): asserts received is string {
  if (typeof received !== 'string') {
    const { printWithType, printReceived, RECEIVED_COLOR } = matcher.context.utils;
    throw new TypeError(
      `${hint(matcher)}\n\n${RECEIVED_COLOR('received')} value must be a string of Python source\n` +
        printWithType('Received', received, printReceived),
    );
  }
}

/** Reads the received text; refuses what is not Python, whether the matcher is negated or not. */
export function parseReceived(matcher: Matcher, received: unknown): PythonModule {
  assertText(matcher, received);
  try {
    return parsePython(received);
  } catch (error) {
    if (error instanceof PythonSyntaxError) {
      throw new TypeError(`${hint(matcher)}\n\nThe received text is ${error.message}`);
    }
    throw error;
  }
}

/** Refuses options that the types do not allow: a misspelt one would make the matcher pass. */
export function assertOptions(matcher: Matcher, options: object, known: readonly string[]): void {
  const unknown = Object.keys(options).filter((key) => !known.includes(key));
  if (unknown.length > 0) {
    throw new TypeError(
      `${hint(matcher)}\n\nunknown option ${unknown.join(', ')}; there are: ${known.join(', ')}`,
    );
  }
}

/** A message of the usual form: hint, what was expected, what was found. */
export function report(matcher: Matcher, expected: string, found: string): string {
  const { EXPECTED_COLOR, RECEIVED_COLOR } = matcher.context.utils;
  const not = matcher.context.isNot ? 'no ' : '';
  return `${hint(matcher)}\n\nExpected: ${not}${EXPECTED_COLOR(expected)}\n${RECEIVED_COLOR(found)}`;
}

/** The number of insertions, deletions and replacements between two words. */
function editDistance(one: string, other: string): number {
  let previous = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let i = 1; i <= one.length; i++) {
    const current = [i];
    for (let j = 1; j <= other.length; j++) {
      const replace = (previous[j - 1] ?? 0) + (one[i - 1] === other[j - 1] ? 0 : 1);
      current.push(Math.min((previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1, replace));
    }
    previous = current;
  }
  return previous[other.length] ?? 0;
}

/** How many of a long list a message shows. */
export const SHOWN = 6;

/** The candidates whose names are most like the wanted one, the closest first. */
export function closest<T>(
  candidates: readonly T[],
  wanted: string,
  nameOf: (one: T) => string,
): readonly T[] {
  const distance = (one: T) => editDistance(nameOf(one).toLowerCase(), wanted.toLowerCase());
  return candidates
    .map((one) => ({ one, distance: distance(one) }))
    .sort((a, b) => a.distance - b.distance)
    .slice(0, SHOWN)
    .map(({ one }) => one);
}

/** One line for each, indented, with its line number. */
export function listed<T extends PythonDefinition | PythonImport>(
  ones: readonly T[],
  describe: (one: T) => string,
): string {
  return ones.map((one) => `  line ${one.line}: ${describe(one)}`).join('\n');
}

/** What a docstring must be: there or not, this text (surrounding white space aside), or matching. */
export type DocstringExpectation = boolean | string | RegExp;

/** Compares a docstring; returns the difference as a list of none or one. */
export function compareDocstring(
  expected: DocstringExpectation | undefined,
  { docstring }: PythonDefinition,
): string[] {
  if (expected === undefined) {
    return [];
  }
  const found = docstring === undefined ? 'there is none' : `found ${JSON.stringify(docstring)}`;
  if (typeof expected === 'boolean') {
    const same = expected === (docstring !== undefined);
    return same ? [] : [`docstring: expected ${expected ? 'one' : 'none'}, ${found}`];
  }
  if (typeof expected === 'string') {
    const same = docstring?.trim() === expected.trim();
    return same ? [] : [`docstring: expected ${JSON.stringify(expected.trim())}, ${found}`];
  }
  const same = docstring !== undefined && docstring.search(expected) >= 0;
  return same ? [] : [`docstring: expected a match of ${String(expected)}, ${found}`];
}

/** The words for an expected docstring. */
export function describeDocstring(expected: DocstringExpectation | undefined): string[] {
  switch (typeof expected) {
    case 'undefined':
      return [];
    case 'boolean':
      return [expected ? 'a docstring' : 'no docstring'];
    case 'string':
      return [`docstring ${JSON.stringify(expected.trim())}`];
    default:
      return [`a docstring that matches ${String(expected)}`];
  }
}

/** `what`, or `what with a, b` if more is expected. */
export function withParts(what: string, parts: readonly string[]): string {
  return parts.length === 0 ? what : `${what} with ${parts.join(', ')}`;
}

/** A list as Python writes arguments. */
export function inParentheses(items: readonly string[]): string {
  return `(${items.join(', ')})`;
}

/** Whether two lists are equal in order. */
export function sameList(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((item, index) => item === other[index]);
}
