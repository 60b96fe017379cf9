/** An action as the function's JSON has it: its kind, and what it concerns. */
export interface Action {
  readonly kind: string;
  readonly [detail: string]: unknown;
}

/** What only the function's loop needs to know. */
const INTERNAL = ['soon'];

/** An action in a line: `Promote member_id=9f3c`. */
export function describeAction({ kind, ...details }: Action): string {
  return [
    kind,
    ...Object.entries(details)
      .filter(([name, value]) => value !== null && !INTERNAL.includes(name))
      .map(([name, value]) => `${name}=${describeDetail(name, value)}`),
  ].join(' ');
}

/**
 * An action of the journal in a line. There it is as Python writes it, with a configuration that is
 * handed over and what is not set: these are left out.
 */
export function describeRecorded(recorded: string): string {
  const [, kind, rest] = /^(\w+)\((.*)\)$/s.exec(recorded) ?? [];
  if (kind === undefined || rest === undefined) {
    return recorded;
  }
  const details = [...withoutNested(rest).matchAll(DETAIL)].map(
    ([, name, single, double, member, number]) => [name, single ?? double ?? member ?? number],
  );
  return describeAction({ kind, ...Object.fromEntries(details) });
}

/** A name with a text in either kind of quotes, a member of an enumeration, or a number. */
const DETAIL = /(\w+)=(?:'([^']*)'|"([^"]*)"|<\w+\.(\w+): [^>]*>|(-?\d[\d.]*))/g;

/** The text without what is in parentheses. */
function withoutNested(text: string): string {
  const less = text.replace(/\w+=\w*\([^()]*\)/g, '');
  return less === text ? text : withoutNested(less);
}

/** Ids of etcd in hexadecimal, as its own tools and the reasons have them. */
function describeDetail(name: string, value: unknown): string {
  if (typeof value !== 'string') {
    return JSON.stringify(value);
  }
  return name.endsWith('_id') && /^\d+$/.test(value) ? BigInt(value).toString(16) : value;
}
