import type { PythonDefinition, PythonModule } from '../parser';
import {
  assertOptions,
  closest,
  hint,
  listed,
  type Matcher,
  type MatcherResult,
  parseReceived,
  report,
  SHOWN,
} from './support';

/** What is particular to one kind of definition `T` with the options `E`. */
export interface DefinitionKind<T extends PythonDefinition, E extends object> {
  readonly kind: 'class' | 'function';
  /** Every name that an option may have. */
  readonly options: readonly (keyof E & string)[];
  /** The definitions of this kind, at any depth. */
  readonly definitions: (module: PythonModule) => readonly T[];
  /** A definition in one line, as in Python. */
  readonly describe: (found: T) => string;
  /** What is expected, in words. */
  readonly describeExpected: (name: string, expected: E) => string;
  /** The ways in which a definition of the right name differs. */
  readonly compare: (found: T, expected: E) => string[];
}

/** Tells whether the received text has a definition of this name that is as expected. */
export function containDefinition<T extends PythonDefinition, E extends object>(
  matcher: Matcher,
  definitionKind: DefinitionKind<T, E>,
  received: unknown,
  name: string,
  expected: E,
): MatcherResult {
  const { kind, options, describe, compare } = definitionKind;
  const definitions = definitionKind.definitions(parseReceived(matcher, received));
  assertName(matcher, name);
  assertOptions(matcher, expected, options);
  const compared = named(definitions, name).map((definition) => ({
    definition,
    differences: compare(definition, expected),
  }));
  const matching = compared.filter(({ differences }) => differences.length === 0);
  const found = () => {
    if (matching.length > 0) {
      return `Found:\n${listed(
        matching.map(({ definition }) => definition),
        describe,
      )}`;
    }
    return compared.length > 0
      ? differing(compared, describe)
      : notFound(received as string, name, kind, definitions, describe);
  };
  const what = definitionKind.describeExpected(name, expected);
  return { pass: matching.length > 0, message: () => report(matcher, what, found()) };
}

const DOTTED_NAME =
  /^[\p{L}\p{Nl}_][\p{L}\p{Nl}\p{N}\p{M}_]*(\.[\p{L}\p{Nl}_][\p{L}\p{Nl}\p{N}\p{M}_]*)*$/u;

/** Refuses a name that no definition can have. */
function assertName(matcher: Matcher, name: unknown): asserts name is string {
  if (typeof name !== 'string' || !DOTTED_NAME.test(name)) {
    throw new TypeError(
      `${hint(matcher)}\n\nexpected a name such as 'Outer' or 'Outer.inner', got ${String(name)}`,
    );
  }
}

/** The definitions that a plain or qualified name stands for, at any depth. */
function named<T extends PythonDefinition>(definitions: readonly T[], name: string): T[] {
  return definitions.filter(
    ({ qualifiedName }) => qualifiedName === name || qualifiedName.endsWith(`.${name}`),
  );
}

/** The lines where a word stands that is no definition: a text, a comment or a use. */
function mentions(source: string, name: string, kind: string): string {
  const word = name.split('.').at(-1) ?? name;
  const pattern = new RegExp(`(?<![\\p{L}\\p{N}_])${word}(?![\\p{L}\\p{N}_])`, 'u');
  const lines = source.split(/\r\n|\r|\n/).flatMap((line, index) => {
    return pattern.test(line) ? [index + 1] : [];
  });
  if (lines.length === 0) {
    return '';
  }
  const shown = lines.slice(0, SHOWN).join(', ');
  return `\n'${word}' is on line ${shown}, but not as the name of a ${kind}`;
}

/** Says what there is where the wanted name is not. */
function notFound<T extends PythonDefinition>(
  source: string,
  wanted: string,
  kind: 'class' | 'function',
  there: readonly T[],
  describe: (one: T) => string,
): string {
  const plural = kind === 'class' ? 'classes' : 'functions';
  const near = closest(there, wanted, ({ qualifiedName }) => qualifiedName);
  const list =
    there.length === 0
      ? `Found: no ${kind} at all`
      : `Found: no ${kind} of that name; ${there.length === 1 ? 'there is' : `the closest of ${there.length} ${plural}`}:\n${listed(near, describe)}`;
  return list + mentions(source, wanted, kind);
}

/** A definition and the ways in which it differs from what was expected. */
interface Compared<T> {
  readonly definition: T;
  readonly differences: readonly string[];
}

/** Says how the definitions of the right name differ. */
function differing<T extends PythonDefinition>(
  compared: readonly Compared<T>[],
  describe: (one: T) => string,
): string {
  const parts = compared.map(({ definition, differences }) =>
    [listed([definition], describe), ...differences.map((one) => `    ${one}`)].join('\n'),
  );
  return `Found, but different:\n${parts.join('\n')}`;
}
