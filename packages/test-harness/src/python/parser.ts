import { checkPythonSyntax, PythonSyntaxError } from './syntax';

// py-ast ships a CommonJS build under types that say ECMAScript module.
type PyAst = typeof import('py-ast', { with: { 'resolution-mode': 'import' }});
type Ast = import('py-ast', { with: { 'resolution-mode': 'import' }}).ASTNodeUnion;
type Node<Type extends Ast['nodeType']> = Extract<Ast, { nodeType: Type }>;
type FunctionNode = Node<'FunctionDef'> | Node<'AsyncFunctionDef'>;

/** How arguments reach a parameter; the kinds of Python's `inspect.Parameter`. */
export type PythonParameterKind =
  | 'positional-only'
  | 'positional-or-keyword'
  | 'var-positional'
  | 'keyword-only'
  | 'var-keyword';

/** One parameter of a function. */
export interface PythonParameter {
  /** The name, without stars. */
  readonly name: string;
  readonly kind: PythonParameterKind;
  /** The default value as normalized Python text; absent if there is none. */
  readonly default?: string;
  /** The annotation as normalized Python text; absent if there is none. */
  readonly annotation?: string;
}

/** What classes and functions have in common. */
export interface PythonDefinition {
  readonly name: string;
  /** The names of the definitions around it and its own, joined by dots: `Outer.method.helper`. */
  readonly qualifiedName: string;
  /** The line of `class` or `def`, counted from 1; decorators stand above it. */
  readonly line: number;
  /** The decorators from top to bottom as normalized Python text, without `@`. */
  readonly decorators: readonly string[];
  /** The docstring with its indentation removed, as `inspect.cleandoc` does; absent if there is none. */
  readonly docstring?: string;
}

/** A class definition. */
export interface PythonClass extends PythonDefinition {
  /** The base classes in order, as normalized Python text. */
  readonly bases: readonly string[];
  /** Keyword arguments of the definition, as `metaclass`, as normalized Python text. */
  readonly keywords: Readonly<Record<string, string>>;
  /** The functions defined directly in it. */
  readonly methods: readonly PythonFunction[];
}

/** A function or method definition. */
export interface PythonFunction extends PythonDefinition {
  readonly async: boolean;
  readonly parameters: readonly PythonParameter[];
  /** The annotation of the result as normalized Python text; absent if there is none. */
  readonly returns?: string;
}

/** A name in an import. */
export interface PythonImportedName {
  readonly name: string;
  /** The name after `as`, if any. */
  readonly alias?: string;
}

/** One imported module: `import a, b` gives two of these. */
export interface PythonImport {
  /** The module as written, with its leading dots if relative. */
  readonly module: string;
  readonly line: number;
  /** The name after `import module as`, if any. */
  readonly alias?: string;
  /** What `from module import` takes, `*` included; absent for `import module`. */
  readonly names?: readonly PythonImportedName[];
}

/** The structure of a Python text: all definitions and imports at any depth, in order of lines. */
export interface PythonModule {
  readonly docstring?: string;
  readonly classes: readonly PythonClass[];
  readonly functions: readonly PythonFunction[];
  readonly imports: readonly PythonImport[];
}

function pyAst(): PyAst {
  return require('py-ast');
}

// py-ast has one value for the literal `...` and for the string '...'; only strings have quotes.
const DOTS = '\uE000';

/** An expression in normal form: one spelling of white space, quotes and numbers. */
function text(node: Ast): string {
  const { unparse, walk } = pyAst();
  for (const part of walk(node)) {
    if (part.nodeType === 'Constant' && part.quote_style !== undefined) {
      part.quote_style = isBytes(part) ? "b'" : "'";
      if (part.value === '...') {
        part.value = DOTS;
      }
    }
  }
  return unparse(node).replaceAll(DOTS, '...');
}

function isBytes({ quote_style = '' }: Node<'Constant'>): boolean {
  return /b/i.test(quote_style);
}

/** What `inspect.cleandoc` of Python does to a docstring. */
function cleanDocstring(docstring: string): string {
  const [first = '', ...rest] = docstring.replace(/\t/g, '        ').split('\n');
  const indents = rest.filter((line) => line.trim()).map((line) => line.search(/\S/));
  const margin = Math.min(...indents);
  return [first.trimStart(), ...rest.map((line) => line.slice(margin))]
    .join('\n')
    .replace(/^\n+|\s+$/g, '');
}

function docstringOf(body: readonly Ast[]): { docstring?: string } {
  const [first] = body;
  if (first?.nodeType !== 'Expr' || first.value.nodeType !== 'Constant') {
    return {};
  }
  const { value, quote_style } = first.value;
  const isText = typeof value === 'string' && quote_style !== undefined && !isBytes(first.value);
  return isText ? { docstring: cleanDocstring(value) } : {};
}

function parametersOf({ args }: FunctionNode): PythonParameter[] {
  const parameter = (
    { arg: name, annotation }: Node<'Arg'>,
    kind: PythonParameterKind,
    value?: Ast | null,
  ): PythonParameter => ({
    name,
    kind,
    ...(value ? { default: text(value) } : {}),
    ...(annotation ? { annotation: text(annotation) } : {}),
  });
  const { posonlyargs, defaults } = args;
  const positional = [...posonlyargs, ...args.args];
  const firstDefault = positional.length - defaults.length;
  const found = positional.map((one, index) =>
    parameter(
      one,
      index < posonlyargs.length ? 'positional-only' : 'positional-or-keyword',
      defaults[index - firstDefault],
    ),
  );
  if (args.vararg) {
    found.push(parameter(args.vararg, 'var-positional'));
  }
  found.push(
    ...args.kwonlyargs.map((one, index) => parameter(one, 'keyword-only', args.kw_defaults[index])),
  );
  if (args.kwarg) {
    found.push(parameter(args.kwarg, 'var-keyword'));
  }
  return found;
}

function definitionOf(node: FunctionNode | Node<'ClassDef'>, scope: readonly string[]) {
  return {
    name: node.name,
    qualifiedName: [...scope, node.name].join('.'),
    line: node.lineno,
    decorators: node.decorator_list.map(text),
    ...docstringOf(node.body),
  };
}

function functionOf(node: FunctionNode, scope: readonly string[]): PythonFunction {
  return {
    ...definitionOf(node, scope),
    async: node.nodeType === 'AsyncFunctionDef',
    parameters: parametersOf(node),
    ...(node.returns ? { returns: text(node.returns) } : {}),
  };
}

function importedName({ name, asname }: Node<'Alias'>): PythonImportedName {
  return asname ? { name, alias: asname } : { name };
}

/** Collects definitions and imports; both are statements, so expressions need no visit. */
class Collector {
  readonly classes: PythonClass[] = [];
  readonly functions: PythonFunction[] = [];
  readonly imports: PythonImport[] = [];

  /** Visits statements and returns the functions that belong to the scope itself. */
  visit(statements: readonly Ast[], scope: readonly string[]): PythonFunction[] {
    return statements.flatMap((statement) => this.visitOne(statement, scope));
  }

  private visitOne(node: Ast, scope: readonly string[]): PythonFunction[] {
    switch (node.nodeType) {
      case 'FunctionDef':
      case 'AsyncFunctionDef': {
        const found = functionOf(node, scope);
        this.functions.push(found);
        this.visit(node.body, [...scope, node.name]);
        return [found];
      }
      case 'ClassDef':
        this.visitClass(node, scope);
        return [];
      case 'Import':
        for (const { name, asname } of node.names) {
          const alias = asname ? { alias: asname } : {};
          this.imports.push({ module: name, line: node.lineno, ...alias });
        }
        return [];
      case 'ImportFrom':
        this.imports.push({
          module: '.'.repeat(node.level ?? 0) + (node.module ?? ''),
          line: node.lineno,
          names: node.names.map(importedName),
        });
        return [];
      case 'If':
      case 'For':
      case 'AsyncFor':
      case 'While':
        return this.visit([...node.body, ...node.orelse], scope);
      case 'With':
      case 'AsyncWith':
      case 'ExceptHandler':
        return this.visit(node.body, scope);
      case 'Try':
      case 'TryStar':
        return this.visit(
          [...node.body, ...node.handlers, ...node.orelse, ...node.finalbody],
          scope,
        );
      case 'Match':
        return node.cases.flatMap((one) => this.visit(one.body, scope));
      default:
        return [];
    }
  }

  private visitClass(node: Node<'ClassDef'>, scope: readonly string[]): void {
    const place = this.classes.length;
    const methods = this.visit(node.body, [...scope, node.name]);
    const keywords = node.keywords.map(({ arg, value }) => [arg ?? '**', text(value)]);
    // In front of the classes within it.
    this.classes.splice(place, 0, {
      ...definitionOf(node, scope),
      bases: node.bases.map(text),
      keywords: Object.fromEntries(keywords),
      methods,
    });
  }
}

function parseTree(source: string): Node<'Module'> {
  try {
    return pyAst().parse(source);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(
      `this text is valid Python, but its structure cannot be read (${why}). Known gaps: exception ` +
        'lists without parentheses, backslashes and quotes nested in f-strings, identifiers beyond the BMP.',
      { cause },
    );
  }
}

function read(source: string): PythonModule {
  const problems = checkPythonSyntax(source);
  if (problems.length > 0) {
    throw new PythonSyntaxError(source, problems);
  }
  // A byte order mark is no part of the program.
  const tree = parseTree(source.replace(/^\uFEFF/, ''));
  const collector = new Collector();
  collector.visit(tree.body, []);
  const { classes, functions, imports } = collector;
  return { ...docstringOf(tree.body), classes, functions, imports };
}

// Several matchers in a row look at one text.
const REMEMBERED = 8;
const remembered = new Map<string, PythonModule>();

/**
 * Reads the structure of a Python text, without an interpreter.
 *
 * Expressions are given as text in a normal form: white space, quotes and the spelling of numbers do
 * not matter (`1.0`, `1` and `1e0` are all `1`). See {@link normalizePythonExpression}.
 *
 * @throws PythonSyntaxError if it is not valid Python
 */
export function parsePython(source: string): PythonModule {
  const known = remembered.get(source);
  if (known) {
    return known;
  }
  const parsed = read(source);
  const [oldest] = remembered.keys();
  if (oldest !== undefined && remembered.size >= REMEMBERED) {
    remembered.delete(oldest);
  }
  remembered.set(source, parsed);
  return parsed;
}

/**
 * The normal form of one Python expression, as {@link parsePython} gives it.
 *
 * @throws PythonSyntaxError if the text is not valid Python
 * @throws Error if it is anything but one expression
 */
export function normalizePythonExpression(source: string): string {
  const problems = checkPythonSyntax(source);
  if (problems.length > 0) {
    throw new PythonSyntaxError(source, problems);
  }
  const { body } = parseTree(source);
  const [statement] = body;
  if (body.length !== 1 || statement?.nodeType !== 'Expr') {
    throw new Error(`expected one Python expression, got: ${source}`);
  }
  return text(statement.value);
}
