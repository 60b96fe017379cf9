import { findPythons, type PythonModule, PythonRunner } from '../../src/python';

/** An interpreter, by default the newest here, with `reference_structure.py` loaded. */
export async function startReference(
  python = findPythons().at(-1)?.executable,
): Promise<PythonRunner> {
  return PythonRunner.start({
    directory: __dirname,
    module: 'reference_structure',
    python,
    timeoutMs: 60_000,
  });
}

interface Texts {
  readonly dumped: Record<string, string>;
}

/** All expression texts of a structure. */
export function textsOf(parsed: PythonModule): string[] {
  const definitions = [...parsed.classes, ...parsed.functions];
  return [
    ...definitions.flatMap(({ decorators }) => decorators),
    ...parsed.classes.flatMap(({ bases, keywords }) => [...bases, ...Object.values(keywords)]),
    ...parsed.functions.flatMap(({ parameters, returns }) =>
      [returns, ...parameters.flatMap((one) => [one.default, one.annotation])].filter(
        (text) => text !== undefined,
      ),
    ),
  ];
}

/** A structure in the reference's form: lists, with expressions as dumped trees. */
export function inReferenceForm(parsed: PythonModule, { dumped }: Texts) {
  const dump = (text: string | undefined) => (text === undefined ? null : dumped[text]);
  return {
    classes: parsed.classes.map((one) => [
      one.qualifiedName,
      one.line,
      one.decorators.map(dump),
      one.docstring ?? null,
      one.bases.map(dump),
      Object.fromEntries(Object.entries(one.keywords).map(([key, text]) => [key, dump(text)])),
    ]),
    functions: parsed.functions.map((one) => [
      one.qualifiedName,
      one.line,
      one.decorators.map(dump),
      one.docstring ?? null,
      one.async,
      one.parameters.map((each) => [
        each.name,
        each.kind,
        dump(each.default),
        dump(each.annotation),
      ]),
      dump(one.returns),
    ]),
    imports: parsed.imports.map(({ module, line, alias, names }) =>
      names
        ? [module, line, null, names.map((one) => [one.name, one.alias ?? null])]
        : [module, line, alias ?? null],
    ),
  };
}
