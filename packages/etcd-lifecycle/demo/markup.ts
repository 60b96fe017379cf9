/** Text that is markup already; a plain string that becomes part of an element is escaped. */
export class Markup {
  public constructor(public readonly source: string) {}
}

/** What an element may contain; nothing is drawn for `undefined`. */
export type Child = Markup | string | undefined | readonly Child[];

/** An element; numbers among the attributes are rounded, and those that are undefined left out. */
export function element(
  name: string,
  attributes: Readonly<Record<string, string | number | undefined>>,
  ...children: readonly Child[]
): Markup {
  const opening = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(
      ([key, value]) =>
        ` ${key}="${escaped(typeof value === 'number' ? round(value) : `${value}`)}"`,
    )
    .join('');
  // HTML closes no element by '/>' but those that never have content.
  return name === 'meta'
    ? new Markup(`<${name}${opening}/>\n`)
    : new Markup(`<${name}${opening}>${children.map(markupOf).join('')}</${name}>\n`);
}

function markupOf(child: Child): string {
  if (child === undefined) {
    return '';
  }
  if (child instanceof Markup) {
    return child.source;
  }
  return typeof child === 'string' ? escaped(child) : child.map(markupOf).join('');
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text as it stands in markup; what no document may contain is replaced. */
export function escaped(text: string): string {
  return text
    .replace(/[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu, '\ufffd')
    .replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}

/** A number as it stands in markup. */
export function round(value: number): string {
  return `${Number(value.toFixed(2))}`;
}
