import type { MatcherContext } from 'expect';
import { normalizePythonExpression, type PythonClass } from '../parser';
import {
  assertName,
  assertOptions,
  compareDocstring,
  type DocstringExpectation,
  describeDocstring,
  differing,
  inParentheses,
  listed,
  type Matcher,
  type MatcherResult,
  named,
  notFound,
  parseReceived,
  report,
  sameList,
  withParts,
} from './support';

/** What else a class must have. */
export interface PythonClassExpectation {
  /** Exactly these base classes in order, as Python text; `[]` for none. */
  readonly bases?: readonly string[];
  /** Methods that are defined directly in the class, among others. */
  readonly methods?: readonly string[];
  /** Whether there is a docstring; or its text; or a pattern that it must match. */
  readonly docstring?: DocstringExpectation;
}

function describe({ qualifiedName, bases, keywords }: PythonClass): string {
  const keyworded = Object.entries(keywords).map(([key, value]) => `${key}=${value}`);
  const parts = [...bases, ...keyworded];
  return `class ${qualifiedName}${parts.length > 0 ? inParentheses(parts) : ''}`;
}

function compare(found: PythonClass, expected: PythonClassExpectation): string[] {
  const differences: string[] = [];
  if (expected.bases) {
    const bases = expected.bases.map(normalizePythonExpression);
    if (!sameList(bases, found.bases)) {
      differences.push(
        `bases: expected ${inParentheses(bases)}, found ${inParentheses(found.bases)}`,
      );
    }
  }
  const methods = found.methods.map(({ name }) => name);
  const missing = (expected.methods ?? []).filter((name) => !methods.includes(name));
  if (missing.length > 0) {
    const there = methods.length > 0 ? `it has ${methods.join(', ')}` : 'it has none';
    differences.push(`methods: missing ${missing.join(', ')}; ${there}`);
  }
  return [...differences, ...compareDocstring(expected.docstring, found)];
}

/** See `PythonMatchers.toContainPythonClass`. */
export function toContainPythonClass(
  this: MatcherContext,
  received: unknown,
  name: string,
  expected: PythonClassExpectation = {},
): MatcherResult {
  const matcher: Matcher = { context: this, name: 'toContainPythonClass' };
  const { classes } = parseReceived(matcher, received);
  assertName(matcher, name);
  assertOptions(matcher, expected, ['bases', 'methods', 'docstring']);
  const candidates = named(classes, name);
  const compared = candidates.map((definition) => ({
    definition,
    differences: compare(definition, expected),
  }));
  const matching = compared.filter(({ differences }) => differences.length === 0);
  const what = withParts(`class ${name}`, [
    ...(expected.bases ? [`bases ${inParentheses(expected.bases)}`] : []),
    ...(expected.methods ? [`methods ${expected.methods.join(', ')}`] : []),
    ...describeDocstring(expected.docstring),
  ]);
  const found = () => {
    if (matching.length > 0) {
      return `Found:\n${listed(
        matching.map(({ definition }) => definition),
        describe,
      )}`;
    }
    return compared.length > 0
      ? differing(compared, describe)
      : notFound(received as string, name, 'class', classes, describe);
  };
  return { pass: matching.length > 0, message: () => report(matcher, what, found()) };
}
