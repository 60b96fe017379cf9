import type { MatcherContext } from 'expect';
import { normalizePythonExpression, type PythonClass } from '../parser';
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

function describeExpected(name: string, expected: PythonClassExpectation): string {
  const { bases, methods, docstring } = expected;
  return withParts(`class ${name}`, [
    ...(bases ? [`bases ${inParentheses(bases)}`] : []),
    ...(methods ? [`methods ${methods.join(', ')}`] : []),
    ...describeDocstring(docstring),
  ]);
}

const CLASS: DefinitionKind<PythonClass, PythonClassExpectation> = {
  kind: 'class',
  options: ['bases', 'methods', 'docstring'],
  definitions: (module) => module.classes,
  describe,
  describeExpected,
  compare,
};

/** See `PythonMatchers.toContainPythonClass`. */
export function toContainPythonClass(
  this: MatcherContext,
  received: unknown,
  name: string,
  expected: PythonClassExpectation = {},
): MatcherResult {
  const matcher = { context: this, name: 'toContainPythonClass' };
  return containDefinition(matcher, CLASS, received, name, expected);
}
