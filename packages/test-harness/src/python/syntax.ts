import type { Diagnostic, Workspace } from '@astral-sh/ruff-wasm-nodejs';

/** A place where a text is not Python. */
export interface PythonSyntaxProblem {
  /** What is wrong, as one sentence. */
  readonly message: string;
  /** The line, counted from 1. */
  readonly line: number;
  /** The column in UTF-16 code units, counted from 1. */
  readonly column: number;
}

/** Which Python {@link checkPythonSyntax} checks for. */
export interface PythonSyntaxOptions {
  /**
   * The oldest version that must accept the text, from `3.7` to `3.15`.
   * @default '3.14'
   */
  readonly pythonVersion?: string;
}

const DEFAULT_VERSION = '3.14';

// What CPython's compiler refuses although its grammar allows it; ruff has these as lint rules:
// https://docs.astral.sh/ruff/rules/
const COMPILER_ERRORS = [
  'F404', // a __future__ import that is not at the beginning
  'F406', // `from m import *` inside a function
  'F407', // an unknown __future__ feature
  'F621', // too many expressions in a starred assignment
  'F622', // two starred expressions in an assignment
  'F701', // `break` outside of a loop
  'F702', // `continue` outside of a loop
  'F704', // `yield` or `await` outside of a function
  'F706', // `return` outside of a function
  'F707', // a bare `except:` that is not the last
  'PLE0115', // a name that is nonlocal and global
  'PLE0117', // a nonlocal name without a binding
  'PLE0118', // a name used before its global declaration
  'PLE1142', // `await` outside of an async function
  'PLE1700', // `yield from` inside an async function
];

const workspaces = new Map<string, Workspace>();

function workspaceFor(version: string): Workspace {
  const known = workspaces.get(version);
  if (known) {
    return known;
  }
  if (!/^3\.([789]|1[0-5])$/.test(version)) {
    throw new RangeError(`pythonVersion must be from '3.7' to '3.15', got '${version}'`);
  }
  // Loaded at the first use: a WebAssembly module of several megabytes.
  const ruff: typeof import('@astral-sh/ruff-wasm-nodejs') = require('@astral-sh/ruff-wasm-nodejs');
  const settings = {
    'target-version': `py${version.replace('.', '')}`,
    lint: { select: COMPILER_ERRORS },
  };
  const workspace = new ruff.Workspace(settings, ruff.PositionEncoding.Utf16);
  workspaces.set(version, workspace);
  return workspace;
}

/** Comments may switch rules off for a linter, never for a compiler. Positions stay as they are. */
function withoutSuppressions(source: string): string {
  return source.replace(/#.*/g, (comment) =>
    comment.replace(/noqa|ruff|flake8/gi, (word) => 'x'.repeat(word.length)),
  );
}

/**
 * All places where a text is not valid Python, in order; none if it is valid.
 *
 * Checks what `compile()` of Python checks, without an interpreter, for any version.
 */
export function checkPythonSyntax(
  source: string,
  options: PythonSyntaxOptions = {},
): PythonSyntaxProblem[] {
  const workspace = workspaceFor(options.pythonVersion ?? DEFAULT_VERSION);
  const diagnostics: Diagnostic[] = workspace.check(withoutSuppressions(source));
  const byPlace = new Map<string, PythonSyntaxProblem>();
  for (const { message, start_location } of diagnostics) {
    const { row: line, column } = start_location;
    const place = `${line}:${column}`;
    if (!byPlace.has(place)) {
      byPlace.set(place, { message, line, column });
    }
  }
  return [...byPlace.values()].sort((a, b) => a.line - b.line || a.column - b.column);
}

const SHOWN = 5;

/** Problems with the lines they are in and a mark below the column. */
export function formatSyntaxProblems(
  source: string,
  problems: readonly PythonSyntaxProblem[],
): string {
  const lines = source.split(/\r\n|\r|\n/);
  const shown = problems.slice(0, SHOWN).map(({ message, line, column }) => {
    const text = lines[line - 1] ?? '';
    const number = String(line);
    // Tabs are kept, so that the mark stays below its column at any tab width.
    const indent = text.slice(0, column - 1).replace(/[^\t]/g, ' ');
    return [
      `line ${line}, column ${column}: ${message}`,
      `  ${number} | ${text}`,
      `  ${' '.repeat(number.length)} | ${indent}^`,
    ].join('\n');
  });
  if (problems.length > SHOWN) {
    shown.push(`and ${problems.length - SHOWN} more`);
  }
  return shown.join('\n');
}

/** A text that was to be parsed is not valid Python. */
export class PythonSyntaxError extends Error {
  override readonly name = 'PythonSyntaxError';
  /** Where and why; at least one. */
  readonly problems: readonly PythonSyntaxProblem[];

  constructor(source: string, problems: readonly PythonSyntaxProblem[]) {
    super(`not valid Python:\n${formatSyntaxProblems(source, problems)}`);
    this.problems = problems;
  }
}
