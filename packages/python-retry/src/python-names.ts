import type { LogicalLine, Token } from './python-lines';

/**
 * Gives short names to what nobody outside the module can name: what begins with an underscore, the
 * attributes and fields of private classes, and the local variables of functions. Names of other
 * attributes, of other keyword arguments and of the parameters of public functions stay.
 */
export function withShortNames(lines: readonly LogicalLine[]): LogicalLine[] {
  const units = functionsOf(lines);
  const facts = { globals: globalsOf(lines), keywords: keywordsOf(lines) };
  const attributes = privateAttributes(lines);
  const indices = linesOfPrivateClasses(lines);
  const inside = new Set(lines.filter((_, index) => indices.has(index)));
  const members: Members = { attributes, fields: privateFields(lines, inside), inside };
  const privates = privateNames(lines, members);
  const renamed = lines.map((line) => renamePrivates(line, privates, members));
  for (const unit of units) {
    const locals = localNames(lines.slice(unit.start, unit.end), unit, facts);
    for (let index = unit.start; index < unit.end; index += 1) {
      renamed[index] = renameLocals(renamed[index] as LogicalLine, locals);
    }
  }
  return renamed;
}

/** A function or method that is not inside of another, with the functions in it. */
interface FunctionUnit {
  readonly start: number;
  readonly end: number;
  /** Whether callers outside the module know the names of its parameters. */
  readonly isPublic: boolean;
}

interface ModuleFacts {
  readonly globals: ReadonlySet<string>;
  /** All names by which arguments are passed in the module. */
  readonly keywords: ReadonlySet<string>;
}

const isName = (token: Token | undefined): token is Token => token?.kind === 'name';
const textAt = (tokens: readonly Token[], place: number) => tokens[place]?.text ?? '';
const isPrivate = (name: string) => name.startsWith('_') && !name.startsWith('__');
const definedName = ({ tokens }: LogicalLine) =>
  tokens[tokens[0]?.text === 'async' ? 2 : 1]?.text ?? '';
const isDefinition = ({ tokens }: LogicalLine) =>
  tokens[0]?.text === 'def' || (tokens[0]?.text === 'async' && tokens[1]?.text === 'def');

function functionsOf(lines: readonly LogicalLine[]): FunctionUnit[] {
  const units: FunctionUnit[] = [];
  let className = '';
  for (let start = 0; start < lines.length; start += 1) {
    const line = lines[start] as LogicalLine;
    if (line.depth === 0) {
      className = line.tokens[0]?.text === 'class' ? (line.tokens[1]?.text ?? '') : '';
    }
    if (isDefinition(line)) {
      const after = lines.findIndex(({ depth }, index) => index > start && depth <= line.depth);
      const end = after < 0 ? lines.length : after;
      const name = definedName(line);
      const isPublic = !isPrivate(name) && !isPrivate(className);
      units.push({ start, end, isPublic });
      start = end - 1;
    }
  }
  return units;
}

function globalsOf(lines: readonly LogicalLine[]): Set<string> {
  const names = new Set<string>();
  for (const line of lines.filter(({ depth }) => depth === 0)) {
    const first = line.tokens[0]?.text ?? '';
    if (first === 'class' || isDefinition(line)) {
      names.add(definedName(line));
    } else if (first === 'import' || first === 'from') {
      for (const { text } of line.tokens) {
        names.add(text);
      }
    } else {
      for (const name of boundNames(line)) {
        names.add(name);
      }
    }
  }
  return names;
}

function keywordsOf(lines: readonly LogicalLine[]): Set<string> {
  return new Set(
    lines.flatMap((line) =>
      [...keywordPlaces(line)].map((place) => (line.tokens[place] as Token).text),
    ),
  );
}

/** Where in a line a name is that of an argument, not of a variable. */
function keywordPlaces(line: LogicalLine): Set<number> {
  const places = new Set<number>();
  const open: string[] = [];
  line.tokens.forEach((token, place) => {
    if ('([{'.includes(token.text)) {
      open.push(token.text);
    } else if (')]}'.includes(token.text)) {
      open.pop();
    } else if (isName(token) && line.tokens[place + 1]?.text === '=' && open.at(-1) === '(') {
      if (!(isDefinition(line) && open.length === 1)) {
        places.add(place);
      }
    }
  });
  return places;
}

/** What short names may be given to beside what begins with an underscore. */
interface Members {
  readonly attributes: ReadonlySet<string>;
  readonly fields: ReadonlySet<string>;
  /** The lines in the bodies of private classes. */
  readonly inside: ReadonlySet<LogicalLine>;
}

/** Where in a line the name of a member stands, not that of a variable. */
function memberPlaces(line: LogicalLine, { attributes, fields, inside }: Members): Set<number> {
  const keywords = keywordPlaces(line);
  const places = new Set<number>();
  line.tokens.forEach(({ text }, place) => {
    const isAttribute = ['.', 'def'].includes(textAt(line.tokens, place - 1));
    const isTarget =
      inside.has(line) && line.depth === 1 && place === 0 && textAt(line.tokens, 1) === '=';
    const isField = fields.has(text) && (isAttribute || isTarget || keywords.has(place));
    if (isField || (attributes.has(text) && isAttribute)) {
      places.add(place);
    }
  });
  return places;
}

interface Parameter {
  readonly name: string;
  /** '', '*' or '**'. */
  readonly stars: string;
}

function parametersOf(line: LogicalLine): Parameter[] {
  const found: Parameter[] = [];
  let depth = 0;
  line.tokens.forEach((token, place) => {
    depth += '([{'.includes(token.text) ? 1 : ')]}'.includes(token.text) ? -1 : 0;
    const before = line.tokens[place - 1]?.text ?? '';
    if (depth === 1 && isName(token) && ['(', ',', '*', '**'].includes(before)) {
      found.push({ name: token.text, stars: before.startsWith('*') ? before : '' });
    }
  });
  return found;
}

/** The names that a statement binds, but for parameters, imports and definitions. */
function boundNames({ tokens }: LogicalLine): string[] {
  const found: string[] = [];
  const head = tokens[0]?.text ?? '';
  if (['import', 'from', 'def', 'async', 'class', '@'].includes(head)) {
    return found;
  }
  let depth = 0;
  const depths = tokens.map(({ text }) => {
    depth += '([{'.includes(text) ? 1 : ')]}'.includes(text) ? -1 : 0;
    return depth;
  });
  const lastEquals = tokens.findLastIndex(({ text }, place) => text === '=' && depths[place] === 0);
  // As in `_, (start, end) = moments[0]`.
  const isNested = tokens
    .slice(0, lastEquals)
    .every(({ kind, text }) => kind === 'name' || [',', '(', ')', '='].includes(text));
  let inTarget = false;
  tokens.forEach((token, place) => {
    inTarget = token.text === 'for' || (inTarget && token.text !== 'in');
    if (!isName(token) || token.text === 'for' || token.text === 'lambda') {
      return;
    }
    const before = tokens[place - 1]?.text ?? '';
    const after = tokens[place + 1]?.text ?? '';
    const isWhole = before !== '.' && !['.', '(', '['].includes(after);
    const isAssigned = place < lastEquals && (depths[place] === 0 || isNested);
    if (isWhole && (isAssigned || inTarget || before === 'as' || after === ':=')) {
      found.push(token.text);
    }
  });
  return found;
}

function localNames(
  lines: readonly LogicalLine[],
  { isPublic }: FunctionUnit,
  { globals, keywords }: ModuleFacts,
): Map<string, string> {
  const bound = new Set(lines.flatMap(boundNames));
  const fixed = new Set([...globals]);
  lines.forEach((line, index) => {
    if (!isDefinition(line)) {
      return;
    }
    const parameters = parametersOf(line);
    // Any name may arrive in `**kwargs`: it must not meet a parameter that got it as a short name.
    const takesAny = parameters.some(({ stars }) => stars === '**');
    parameters.forEach(({ name, stars }, place) => {
      const isReceiver = place === 0 && name === 'self';
      const isByPlace = isReceiver && line.tokens.some(({ text }) => text === '/');
      const isInternal = index === 0 && !isPublic && !keywords.has(name);
      if (stars !== '' || isByPlace || (!takesAny && (isReceiver || isInternal))) {
        bound.add(name);
      } else {
        fixed.add(name);
      }
    });
  });
  const tokens = lines.flatMap((line) => line.tokens);
  tokens.forEach(({ text }, place) => {
    if (text === 'nonlocal' || text === 'global') {
      fixed.add(tokens[place + 1]?.text ?? '');
    }
  });
  const uses = new Map<string, number>();
  const taken = new Set<string>([...globals]);
  for (const { kind, text } of tokens) {
    for (const name of kind === 'string' ? (text.match(/\w+/g) ?? []) : [text]) {
      taken.add(name);
      if (bound.has(name) && !fixed.has(name) && !name.startsWith('_')) {
        uses.set(name, (uses.get(name) ?? 0) + 1);
      }
    }
  }
  return assignNames(uses, taken, (next) => {
    const letter = LETTERS[next % LETTERS.length] as string;
    return next < LETTERS.length ? letter : `${letter}${Math.floor(next / LETTERS.length)}`;
  });
}

/** Without those that are a prefix of a string. */
const LETTERS = [...'acdeghijklmnopqstvwxyzACDEGHIJKLMNOPQSTVWXYZ'];

function privateNames(lines: readonly LogicalLine[], members: Members): Map<string, string> {
  const uses = new Map<string, number>();
  const taken = new Set<string>();
  for (const line of lines) {
    const places = memberPlaces(line, members);
    line.tokens.forEach(({ kind, text }, place) => {
      if (kind === 'name' && (/^_[A-Za-z]/.test(text) || places.has(place))) {
        uses.set(text, (uses.get(text) ?? 0) + 1);
      }
      taken.add(text);
    });
  }
  return assignNames(uses, taken, (next) => `_${next.toString(36)}`);
}

/**
 * The attributes and methods of private classes that are used in no other place than on `self` in
 * such a class, or on a variable that is given an object of one. A class with a base is left alone,
 * and so is a name that some text holds, for it may be looked up by that.
 */
function privateAttributes(lines: readonly LogicalLine[]): Set<string> {
  const inPrivate = linesOfPrivateClasses(lines);
  const found = new Set<string>();
  const owners = new Set<string>();
  lines.forEach((line, index) => {
    const { tokens } = line;
    if (
      textAt(tokens, 1) === '=' &&
      /^_[A-Z]/.test(textAt(tokens, 2)) &&
      textAt(tokens, 3) === '('
    ) {
      owners.add(textAt(tokens, 0));
    }
    if (inPrivate.has(index) && line.depth === 1 && isDefinition(line)) {
      found.add(definedName(line));
    } else if (inPrivate.has(index) && textAt(tokens, 0) === 'self' && textAt(tokens, 3) === '=') {
      found.add(textAt(tokens, 2));
    }
  });
  const exclude = (name: string) => found.delete(name);
  lines.forEach(({ tokens, depth }, index) => {
    tokens.forEach(({ kind, text }, place) => {
      if (kind === 'string') {
        const fields = /^[rR]?[fF]/.test(text) ? text.match(/(\w+)\.(\w+)/g) : null;
        for (const [object = '', name = ''] of (fields ?? []).map((one) => one.split('.'))) {
          if (!(owners.has(object) || (object === 'self' && inPrivate.has(index)))) {
            exclude(name);
          }
        }
        exclude(text.slice(1, -1));
      } else if (textAt(tokens, place - 1) === '.') {
        const object = textAt(tokens, place - 2);
        const isAlone = textAt(tokens, place - 3) !== '.';
        if (!isAlone || !(owners.has(object) || (object === 'self' && inPrivate.has(index)))) {
          exclude(text);
        }
      } else if (textAt(tokens, place - 1) === 'def' && depth === 1 && !inPrivate.has(index)) {
        exclude(text);
      } else if (depth === 1 && place === 0 && textAt(tokens, 1) === '=') {
        exclude(text);
      }
    });
  });
  return new Set([...found].filter((name) => !name.startsWith('_')));
}

/**
 * The fields of private classes whose objects are made of `**` fields: what the body of the class
 * sets. They have short names as attributes of whatever object and as keyword arguments, so a name
 * that anything else of the module has is left alone, and one that some text holds.
 */
function privateFields(
  lines: readonly LogicalLine[],
  inside: ReadonlySet<LogicalLine>,
): Set<string> {
  const found = new Set<string>();
  for (const line of lines) {
    const { tokens, depth } = line;
    if (inside.has(line) && depth === 1 && textAt(tokens, 1) === '=') {
      found.add(textAt(tokens, 0));
    }
  }
  for (const line of lines) {
    const { tokens } = line;
    const places = memberPlaces(line, { attributes: new Set(), fields: found, inside });
    const isPublicClass = line.depth > 0 && !inside.has(line);
    tokens.forEach(({ kind, text }, place) => {
      const isDefined = ['def', 'class', 'import'].includes(textAt(tokens, place - 1));
      const isOnSelf = textAt(tokens, place - 2) === 'self' && textAt(tokens, place - 3) !== '.';
      if (kind === 'string') {
        found.delete(text.slice(1, -1));
      } else if (isDefined || (isPublicClass && isOnSelf && places.has(place))) {
        found.delete(text);
      } else if (isDefinition(line) && parametersOf(line).some(({ name }) => name === text)) {
        found.delete(text);
      }
    });
  }
  return found;
}

function linesOfPrivateClasses(lines: readonly LogicalLine[]): Set<number> {
  const found = new Set<number>();
  let isInside = false;
  lines.forEach(({ tokens, depth }, index) => {
    if (depth === 0) {
      isInside =
        textAt(tokens, 0) === 'class' && isPrivate(textAt(tokens, 1)) && textAt(tokens, 2) === ':';
    } else if (isInside) {
      found.add(index);
    }
  });
  return found;
}

/** Gives the shortest names to what is used most. */
function assignNames(
  uses: ReadonlyMap<string, number>,
  taken: ReadonlySet<string>,
  nth: (next: number) => string,
): Map<string, string> {
  const byUse = [...uses].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  let next = 0;
  return new Map(
    byUse.map(([name]) => {
      let short: string;
      do {
        short = nth(next);
        next += 1;
      } while (taken.has(short));
      return [name, short];
    }),
  );
}

function renamePrivates(
  line: LogicalLine,
  names: ReadonlyMap<string, string>,
  members: Members,
): LogicalLine {
  const places = memberPlaces(line, members);
  const tokens = line.tokens.map((token, place) => {
    if (token.kind === 'string') {
      return { ...token, text: renameFields(token.text, /\b_\w+|(?<=\.)[A-Za-z]\w*/g, names) };
    }
    const isRenamed = places.has(place) || token.text.startsWith('_');
    return { ...token, text: (isRenamed && names.get(token.text)) || token.text };
  });
  return { ...line, tokens };
}

function renameLocals(line: LogicalLine, names: ReadonlyMap<string, string>): LogicalLine {
  const arguments_ = keywordPlaces(line);
  const tokens = line.tokens.map((token, place) => {
    if (token.kind === 'string') {
      return { ...token, text: renameFields(token.text, /(?<![\w.!])[A-Za-z]\w*/g, names) };
    }
    const stays = arguments_.has(place) || ['.', 'def'].includes(textAt(line.tokens, place - 1));
    return { ...token, text: stays ? token.text : (names.get(token.text) ?? token.text) };
  });
  return { ...line, tokens };
}

/** Renames in the replacement fields of an f-string, but not in the strings inside of them. */
function renameFields(text: string, name: RegExp, names: ReadonlyMap<string, string>): string {
  if (!/^[rR]?[fF]/.test(text)) {
    return text;
  }
  const inField = new RegExp(`'[^']*'|"[^"]*"|${name.source}`, 'g');
  return text.replace(/\{\{|\}\}|\{([^{}]*)\}/g, (field) =>
    field.length === 2 ? field : field.replace(inField, (found) => names.get(found) ?? found),
  );
}
