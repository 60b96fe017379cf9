import type { MatcherContext } from 'expect';
import type { PythonImport, PythonImportedName } from '../parser';
import {
  closest,
  listed,
  type Matcher,
  type MatcherResult,
  parseReceived,
  report,
} from './support';

const MODULE = /^(\.+|\.*[\p{L}\p{Nl}_][\p{L}\p{Nl}\p{N}\p{M}_]*(\.[\p{L}\p{Nl}\p{N}\p{M}_]+)*)$/u;
const NAME =
  /^(\*|[\p{L}\p{Nl}_][\p{L}\p{Nl}\p{N}\p{M}_]*( as [\p{L}\p{Nl}_][\p{L}\p{Nl}\p{N}\p{M}_]*)?)$/u;

function written({ name, alias }: PythonImportedName): string {
  return alias === undefined ? name : `${name} as ${alias}`;
}

function describe({ module, alias, names }: PythonImport): string {
  return names
    ? `from ${module} import ${names.map(written).join(', ')}`
    : `import ${written({ name: module, alias })}`;
}

function assertExpected(module: unknown, names: unknown): void {
  if (typeof module !== 'string' || !MODULE.test(module)) {
    throw new TypeError(
      `expected a module such as 'os.path' or '..sibling', got ${String(module)}`,
    );
  }
  if (names === undefined) {
    return;
  }
  if (!Array.isArray(names) || names.length === 0) {
    throw new TypeError('names must be a list of at least one imported name; leave it out for any');
  }
  const wrong: unknown = names.find((one) => typeof one !== 'string' || !NAME.test(one));
  if (wrong !== undefined) {
    throw new TypeError(`expected a name such as 'a', 'a as b' or '*', got ${String(wrong)}`);
  }
}

/** See `PythonMatchers.toContainPythonImport`. */
export function toContainPythonImport(
  this: MatcherContext,
  received: unknown,
  module: string,
  names?: readonly string[],
): MatcherResult {
  const matcher: Matcher = { context: this, name: 'toContainPythonImport' };
  const { imports } = parseReceived(matcher, received);
  assertExpected(module, names);
  const ofModule = imports.filter((one) => one.module === module);
  const imported = ofModule.flatMap((one) => one.names ?? []);
  const missing = (names ?? []).filter(
    (wanted) => !imported.some((one) => wanted === one.name || wanted === written(one)),
  );
  const pass = ofModule.length > 0 && missing.length === 0;
  const what = names
    ? `import of ${names.join(', ')} from module ${module}`
    : `import of module ${module}`;
  const found = () => {
    if (pass) {
      const serving = ofModule.filter((one) => !names || one.names);
      return `Found:\n${listed(serving, describe)}`;
    }
    if (ofModule.length > 0) {
      return `Found, but without ${missing.join(', ')}:\n${listed(ofModule, describe)}`;
    }
    if (imports.length === 0) {
      return 'Found: no import at all';
    }
    const near = closest(imports, module, (one) => one.module);
    return `Found: no import of that module; ${imports.length === 1 ? 'there is' : `the closest of ${imports.length} imports`}:\n${listed(near, describe)}`;
  };
  return { pass, message: () => report(matcher, what, found()) };
}
