import type { MatcherContext } from 'expect';
import { normalizePythonExpression, type PythonFunction, type PythonParameter } from '../parser';
import { containDefinition, type DefinitionKind } from './contain-definition';
import {
  compareDocstring,
  type DocstringExpectation,
  describeDocstring,
  inParentheses,
  type MatcherResult,
  sameList,
  withParts,
} from './support';

/**
 * A default value: a number, boolean or null (`None`) stands for itself, a string is Python text, so
 * that the Python string `'a'` is written `"'a'"`.
 */
export type PythonDefault = string | number | boolean | null;

/** What else a function must have. */
export interface PythonFunctionExpectation {
  /**
   * Exactly these parameters in order, `self` included; with their stars: `['self', 'a', '*args',
   * '**kwargs']`. If the list contains the marker `*` or `/`, both markers are compared too.
   */
  readonly parameters?: readonly string[];
  /** Parameters that have these defaults, among others. Numbers are compared by value. */
  readonly defaults?: Readonly<Record<string, PythonDefault>>;
  /** Whether it is an `async def`. */
  readonly async?: boolean;
  /**
   * Exactly these decorators from top to bottom, as Python text; `[]` for none. A name stands for
   * its calls too: `functools.wraps` for `@functools.wraps(f)`.
   */
  readonly decorators?: readonly string[];
  /** Whether there is a docstring; or its text; or a pattern that it must match. */
  readonly docstring?: DocstringExpectation;
}

const MARKERS = ['*', '/'];
const PARAMETER = /^(\*|\/|\*{0,2}[\p{L}\p{Nl}_][\p{L}\p{Nl}\p{N}\p{M}_]*)$/u;

/** The parameters as a signature has them, with the markers `/` and `*` where Python needs them. */
function signature(
  parameters: readonly PythonParameter[],
  show: (one: PythonParameter) => string,
): string[] {
  const parts: string[] = [];
  let starred = false;
  parameters.forEach((one, index) => {
    if (one.kind === 'keyword-only' && !starred) {
      parts.push('*');
      starred = true;
    }
    starred ||= one.kind === 'var-positional';
    parts.push(show(one));
    if (one.kind === 'positional-only' && parameters[index + 1]?.kind !== 'positional-only') {
      parts.push('/');
    }
  });
  return parts;
}

function starredName({ name, kind }: PythonParameter): string {
  if (kind === 'var-positional') {
    return `*${name}`;
  }
  return kind === 'var-keyword' ? `**${name}` : name;
}

function withDefault(one: PythonParameter): string {
  return starredName(one) + (one.default === undefined ? '' : `=${one.default}`);
}

function describe({ async, decorators, parameters, qualifiedName }: PythonFunction): string {
  const above = decorators.map((one) => `@${one} `).join('');
  const list = inParentheses(signature(parameters, withDefault));
  return `${above}${async ? 'async ' : ''}def ${qualifiedName}${list}`;
}

function pythonText(value: PythonDefault): string {
  switch (value) {
    case null:
      return 'None';
    case true:
      return 'True';
    case false:
      return 'False';
    default:
      if (typeof value === 'number' && !Number.isFinite(value)) {
        throw new TypeError(`a default is text, a boolean, null or a finite number, got ${value}`);
      }
      return normalizePythonExpression(String(value));
  }
}

function compareParameters(expected: readonly string[], found: PythonFunction): string[] {
  const wrong = expected.find((one) => !PARAMETER.test(one));
  if (wrong !== undefined) {
    throw new TypeError(
      `parameters takes names such as 'a', '*args', '**kwargs' and the markers '*' and '/', got ` +
        `'${wrong}'; defaults are compared by the option defaults`,
    );
  }
  const marked = expected.some((one) => MARKERS.includes(one));
  const names = signature(found.parameters, starredName);
  const compared = marked ? names : names.filter((one) => !MARKERS.includes(one));
  return sameList(expected, compared)
    ? []
    : [`parameters: expected ${inParentheses(expected)}, found ${inParentheses(compared)}`];
}

function compareDefault(name: string, expected: PythonDefault, found: PythonFunction): string[] {
  const parameter = found.parameters.find((one) => one.name === name);
  const wanted = pythonText(expected);
  if (!parameter) {
    return [`default of ${name}: expected ${wanted}, there is no such parameter`];
  }
  if (parameter.default === wanted) {
    return [];
  }
  const there = parameter.default === undefined ? 'it has none' : `found ${parameter.default}`;
  return [`default of ${name}: expected ${wanted}, ${there}`];
}

function compareDecorators(expected: readonly string[], found: PythonFunction): string[] {
  const wanted = expected.map((one) => normalizePythonExpression(one.replace(/^@/, '')));
  const same = (one: string, other: string | undefined) =>
    one === other || other?.startsWith(`${one}(`) === true;
  if (
    wanted.length === found.decorators.length &&
    wanted.every((one, index) => same(one, found.decorators[index]))
  ) {
    return [];
  }
  const there = found.decorators.length > 0 ? `found ${found.decorators.join(', ')}` : 'found none';
  return [`decorators: expected ${wanted.join(', ') || 'none'}, ${there}`];
}

function compare(found: PythonFunction, expected: PythonFunctionExpectation): string[] {
  const { parameters, defaults = {}, decorators } = expected;
  const differences: string[] = [];
  if (expected.async !== undefined && expected.async !== found.async) {
    const [wanted, there] = expected.async ? ['async def', 'def'] : ['def', 'async def'];
    differences.push(`kind: expected ${wanted}, found ${there}`);
  }
  if (parameters) {
    differences.push(...compareParameters(parameters, found));
  }
  for (const [name, value] of Object.entries(defaults)) {
    differences.push(...compareDefault(name, value, found));
  }
  if (decorators) {
    differences.push(...compareDecorators(decorators, found));
  }
  return [...differences, ...compareDocstring(expected.docstring, found)];
}

function describeExpected(name: string, expected: PythonFunctionExpectation): string {
  const { async, parameters, defaults, decorators, docstring } = expected;
  const kinds = new Map([
    [true, 'async function'],
    [false, 'synchronous function'],
  ]);
  const what = (async === undefined ? undefined : kinds.get(async)) ?? 'function';
  return withParts(`${what} ${name}`, [
    ...(parameters ? [`parameters ${inParentheses(parameters)}`] : []),
    ...(defaults
      ? [
          `defaults ${Object.entries(defaults)
            .map(([key, value]) => `${key}=${pythonText(value)}`)
            .join(', ')}`,
        ]
      : []),
    ...(decorators ? [`decorators ${decorators.join(', ') || '(none)'}`] : []),
    ...describeDocstring(docstring),
  ]);
}

const FUNCTION: DefinitionKind<PythonFunction, PythonFunctionExpectation> = {
  kind: 'function',
  options: ['parameters', 'defaults', 'async', 'decorators', 'docstring'],
  definitions: (module) => module.functions,
  describe,
  describeExpected,
  compare,
};

/** See `PythonMatchers.toContainPythonFunction`. */
export function toContainPythonFunction(
  this: MatcherContext,
  received: unknown,
  name: string,
  expected: PythonFunctionExpectation = {},
): MatcherResult {
  const matcher = { context: this, name: 'toContainPythonFunction' };
  return containDefinition(matcher, FUNCTION, received, name, expected);
}
