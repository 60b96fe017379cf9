import { withShortNames } from './python-names';

/** A token of Python. Strings are one token, f-strings included. */
export interface Token {
  readonly kind: 'name' | 'number' | 'string' | 'operator';
  readonly text: string;
  /** What stands in the source between the token before it, in the same logical line, and it. */
  readonly gap: string;
  /** Its place in the logical line. */
  readonly index: number;
}

/** A statement, or the head of a compound one, with its line breaks resolved. */
export interface LogicalLine {
  /** Levels of indentation, of four spaces each. */
  readonly depth: number;
  readonly tokens: readonly Token[];
  /** The comment behind it that type checkers read, or nothing. */
  readonly pragma: string;
}

const TOKEN = new RegExp(
  [
    /(?<space>[ \t]+|\\\n|#[^\n]*)/,
    /(?<string>[rbfuRBFU]{0,2}(?:"""[\s\S]*?"""|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'))/,
    /(?<name>[A-Za-z_]\w*)/,
    /(?<number>\d[\w.]*(?:(?<=e)[+-]\d+)?)/,
    /(?<operator>\*\*=?|->|:=|\.\.\.|[!=<>]=|<<|>>|\/\/|[-+*/%&|^=<>~@.,:;()[\]{}])/,
    /(?<newline>\n)/,
  ]
    .map((part) => part.source)
    .join('|'),
  'y',
);

/**
 * Splits Python into its logical lines. Understands what ruff formats: indentation by four spaces,
 * no triple single quotes. Comments are left out, but for those that type checkers read.
 *
 * @throws Error at text that is no token
 */
export function readLogicalLines(source: string): LogicalLine[] {
  const lines: LogicalLine[] = [];
  let tokens: Token[] = [];
  let depth = 0;
  let brackets = 0;
  let gap = '';
  let pragma = '';
  for (TOKEN.lastIndex = 0; TOKEN.lastIndex < source.length; ) {
    const start = TOKEN.lastIndex;
    const groups = TOKEN.exec(source)?.groups;
    if (!groups) {
      throw new Error(`not understood: ${JSON.stringify(source.slice(start, start + 40))}`);
    }
    const [kind, text] = Object.entries(groups).find(([, value]) => value !== undefined) as [
      string,
      string,
    ];
    if (kind === 'newline' && brackets === 0) {
      if (tokens.length > 0) {
        lines.push({ depth, tokens, pragma });
      }
      tokens = [];
      gap = '';
      pragma = '';
    } else if (kind === 'space' || kind === 'newline') {
      pragma = text.startsWith('# type: ignore') ? `  ${text}` : pragma;
      gap += text.startsWith('#') ? '' : text;
    } else {
      if (tokens.length === 0) {
        depth = gap.length / 4;
        gap = '';
      }
      brackets += '([{'.includes(text) ? 1 : ')]}'.includes(text) ? -1 : 0;
      tokens.push({ kind: kind as Token['kind'], text, gap, index: tokens.length });
      gap = '';
    }
  }
  return lines;
}

/** Writes lines as they were, less what was taken out of them. */
export function writeReadably(lines: readonly LogicalLine[]): string {
  let last = '';
  const written = lines.map(({ depth, tokens, pragma }) => {
    const first = tokens[0]?.text ?? '';
    const begins = ['def', 'class', 'async', '@'].includes(first) && last !== '@';
    const blank = begins ? '\n'.repeat(depth === 0 ? 2 : 1) : '';
    last = first;
    const text = tokens.map((token, index) => {
      const follows = token.index === (tokens[index - 1]?.index ?? -1) + 1;
      const between = follows
        ? token.gap.replace(/[ \t]+\n/g, '\n')
        : token.text === '='
          ? ' '
          : '';
      return `${index === 0 ? '' : between}${token.text}`;
    });
    return `${blank}${' '.repeat(4 * depth)}${text.join('')}${pragma}\n`;
  });
  return written.join('').trimStart();
}

/** Leaves out docstrings; a body that consisted of nothing else becomes `...`. */
export function withoutDocstrings(lines: readonly LogicalLine[]): LogicalLine[] {
  return lines.flatMap((line, index) => {
    if (line.tokens.length !== 1 || line.tokens[0]?.kind !== 'string') {
      return [line];
    }
    const more = lines[index + 1]?.depth === line.depth || line.depth === 0;
    const ellipsis = { kind: 'operator', text: '...', gap: '', index: 0 } as const;
    return more ? [] : [{ ...line, tokens: [ellipsis] }];
  });
}

/** Leaves out annotations, and what stands under `if TYPE_CHECKING:`. */
export function withoutTypes(lines: readonly LogicalLine[]): LogicalLine[] {
  let under: number | undefined;
  return lines.flatMap((line) => {
    if (under !== undefined && line.depth > under) {
      return [];
    }
    const words = line.tokens.map(({ text }) => text);
    under = words.join(' ') === 'if TYPE_CHECKING :' ? line.depth : undefined;
    const superfluous = under !== undefined || words[0] === 'TYPE_CHECKING';
    if (superfluous || words.slice(0, 2).join(' ') === 'from __future__') {
      return [];
    }
    const tokens = words.includes('def')
      ? withoutSignatureTypes(line.tokens)
      : withoutVariableType(line.tokens);
    return tokens.length > 0 ? [{ ...line, tokens, pragma: '' }] : [];
  });
}

function withoutSignatureTypes(tokens: readonly Token[]): Token[] {
  const isDefinition = tokens[0]?.text === 'def' || tokens[1]?.text === 'def';
  if (!isDefinition) {
    return [...tokens];
  }
  let depth = 0;
  let skipping = false;
  let returns = false;
  return tokens.filter(({ text }, index) => {
    const closes = ')]}'.includes(text);
    depth += '([{'.includes(text) ? 1 : closes ? -1 : 0;
    returns ||= depth === 0 && text === '->';
    if (returns) {
      return index === tokens.length - 1;
    }
    const ends = (depth === 0 && closes) || (depth === 1 && (text === ',' || text === '='));
    skipping = skipping ? !ends : depth === 1 && text === ':';
    return !skipping;
  });
}

function withoutVariableType(tokens: readonly Token[]): Token[] {
  const colon = tokens.findIndex(({ text }) => text === ':');
  const target = tokens.slice(0, colon);
  const isTarget =
    colon > 0 &&
    colon < tokens.length - 1 &&
    target.every(({ kind, text }, index) => (index % 2 ? text === '.' : kind === 'name')) &&
    target[0]?.text !== 'lambda';
  if (!isTarget) {
    return [...tokens];
  }
  const equals = tokens.findIndex(({ text }) => text === '=');
  return equals < 0 ? [] : [...target, ...tokens.slice(equals)];
}

const BLOCKS = new Set([
  ...['async', 'class', 'def', 'for', 'if', 'elif', 'else', 'try', 'except', 'finally'],
  ...['while', 'with'],
]);

/** Words before a bracket that do not call anything. */
const KEYWORDS = new Set(['and', 'else', 'if', 'in', 'is', 'lambda', 'not', 'or', 'return']);

/**
 * Writes lines in as few bytes as is reasonable: one space a level, no others that are not needed,
 * simple statements of one block side by side, and short names for what nobody outside can name.
 */
export function writeCompactly(original: readonly LogicalLine[]): string {
  const lines = withShortNames(original);
  let text = '';
  let last: { depth: number; isSimple: boolean; opens: boolean } | undefined;
  lines.forEach((line, index) => {
    const shorter = withoutInnerBrackets(
      withoutBrackets(dropTrailingCommas(withoutNone(line.tokens))),
    );
    const written = joinTokens(joinStrings(shorter.map(withShortNumber)));
    const first = line.tokens[0]?.text ?? '';
    const isSimple = !BLOCKS.has(first) && first !== '@';
    const isSequel = last?.isSimple && isSimple && last.depth === line.depth;
    if (isSequel && first === 'import' && lines[index - 1]?.tokens[0]?.text === 'import') {
      text += `,${written.slice('import '.length)}`;
    } else if (isSequel) {
      text += `;${written}`;
    } else if (last?.opens && isSimple && isWholeBody(lines, index)) {
      text += written;
      // What follows stands at an outer level.
      last = { depth: line.depth, isSimple, opens: false };
      return;
    } else {
      text += `${text ? '\n' : ''}${' '.repeat(line.depth)}${written}`;
    }
    const opens = !isSimple && first !== '@' && line.tokens.at(-1)?.text === ':';
    last = { depth: line.depth, isSimple, opens };
  });
  return `${text}\n`;
}

/** Whether the body that begins at a line holds simple statements only. */
function isWholeBody(lines: readonly LogicalLine[], start: number): boolean {
  const depth = lines[start]?.depth ?? 0;
  for (let index = start; index < lines.length; index += 1) {
    const line = lines[index] as LogicalLine;
    if (line.depth < depth) {
      return true;
    }
    const first = line.tokens[0]?.text ?? '';
    if (line.depth > depth || BLOCKS.has(first) || first === '@') {
      return false;
    }
  }
  return true;
}

function dropTrailingCommas(tokens: readonly Token[]): Token[] {
  return tokens.filter((token, index) => {
    const next = tokens[index + 1]?.text;
    if (token.text !== ',' || next === undefined || !')]}'.includes(next)) {
      return true;
    }
    // The comma of a tuple with one element stays.
    let depth = 0;
    for (let before = index - 1; before >= 0; before -= 1) {
      const { text } = tokens[before] as Token;
      depth += ')]}'.includes(text) ? 1 : '([{'.includes(text) ? -1 : 0;
      if (depth < 0) {
        const caller = tokens[before - 1];
        const isCall = caller?.kind === 'name' && !KEYWORDS.has(caller.text);
        return text === '(' && !isCall && caller?.text !== ')';
      }
      if (depth === 0 && text === ',') {
        return false;
      }
    }
    return true;
  });
}

/** Writes `return` for `return None`. */
function withoutNone(tokens: readonly Token[]): readonly Token[] {
  const isNone = tokens.length === 2 && tokens[0]?.text === 'return' && tokens[1]?.text === 'None';
  return isNone ? tokens.slice(0, 1) : tokens;
}

/** Leaves out brackets around all that is assigned or returned, and around a whole condition. */
function withoutBrackets(tokens: readonly Token[]): readonly Token[] {
  let depth = 0;
  const depths = tokens.map(({ text }) => {
    depth += '([{'.includes(text) ? 1 : ')]}'.includes(text) ? -1 : 0;
    return depth;
  });
  const before = tokens.findLastIndex(({ text }, place) => text === '=' && depths[place] === 0);
  const isCondition = ['if', 'elif', 'while'].includes(tokens[0]?.text ?? '');
  const start = isCondition || tokens[0]?.text === 'return' ? 1 : before + 1;
  const end = tokens.length - (isCondition ? 2 : 1);
  const inner = tokens.slice(start + 1, end);
  const isWhole =
    depths.indexOf(0, start) === end && (!isCondition || tokens[end + 1]?.text === ':');
  const isNeeded = inner.some(
    ({ text }, place) =>
      depths[start + 1 + place] === 1 && [':=', 'for', 'yield', '*'].includes(text),
  );
  return start > 0 && tokens[start]?.text === '(' && inner.length > 0 && isWhole && !isNeeded
    ? [...tokens.slice(0, start), ...inner, ...tokens.slice(end + 1)]
    : tokens;
}

/** Leaves out the brackets of `one or (two and three)`: `and` binds before `or`. */
function withoutInnerBrackets(tokens: readonly Token[]): readonly Token[] {
  const superfluous = new Set<number>();
  const open: { readonly place: number; isChain: boolean }[] = [];
  tokens.forEach(({ text }, place) => {
    if ('([{'.includes(text)) {
      open.push({ place, isChain: text === '(' && tokens[place - 1]?.text === 'or' });
    } else if (')]}'.includes(text)) {
      const last = open.pop();
      if (last?.isChain && [')', ':', 'or', undefined].includes(tokens[place + 1]?.text)) {
        superfluous.add(last.place).add(place);
      }
    } else if ([',', ':=', 'for', 'if', 'lambda', 'or', 'yield'].includes(text)) {
      const last = open.at(-1);
      if (last) {
        last.isChain = false;
      }
    }
  });
  return tokens.filter((_, place) => !superfluous.has(place));
}

/** Writes a decimal number without underscores, and without a zero before or behind the point. */
function withShortNumber(token: Token): Token {
  if (token.kind !== 'number' || !/^[\d_]+(?:\.\d+)?$/.test(token.text)) {
    return token;
  }
  const plain = token.text.replace(/_/g, '');
  return { ...token, text: plain.replace(/\.0$/, '.').replace(/^0\.(?=\d)/, '.') };
}

const SIMPLE_STRING = /^(f?)"([^"\\]*)"$/;

/** Makes one string of those that stand side by side, where that needs no look at escapes. */
function joinStrings(tokens: readonly Token[]): Token[] {
  const joined: Token[] = [];
  for (const token of tokens) {
    const before = joined.at(-1);
    const [one, other] = [SIMPLE_STRING.exec(before?.text ?? ''), SIMPLE_STRING.exec(token.text)];
    if (before && one && other) {
      const isFormatted = one[1] === 'f' || other[1] === 'f';
      const [head, tail] = [one, other].map(([, prefix, text = '']) =>
        isFormatted && prefix === '' ? text.replace(/[{}]/g, '$&$&') : text,
      );
      joined.pop();
      joined.push({ ...before, text: `${isFormatted ? 'f' : ''}"${head}${tail}"` });
    } else {
      joined.push(token);
    }
  }
  return joined;
}

function joinTokens(tokens: readonly Token[]): string {
  return tokens
    .map(({ kind, text }, index) => {
      const before = tokens[index - 1];
      const isWord = kind !== 'operator';
      // A quotation mark ends a word; the prefix of a string does not.
      const isQuoted = before?.kind === 'string' || (kind === 'string' && /^["']/.test(text));
      const needsSpace = before !== undefined && before.kind !== 'operator' && isWord && !isQuoted;
      return needsSpace ? ` ${text}` : text;
    })
    .join('');
}
