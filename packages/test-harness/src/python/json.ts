/** A value that JSON can carry. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/**
 * Refuses what `JSON.stringify` would silently change: `undefined`, `NaN`, functions, class
 * instances and the like.
 *
 * @param path how to name the value in the error
 * @throws TypeError naming the first offending part
 */
export function assertJson(value: unknown, path: string): asserts value is JsonValue {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') {
    return;
  }
  if (typeof value === 'number' && Number.isFinite(value)) {
    return;
  }
  if (Array.isArray(value)) {
    value.forEach((item, index) => {
      assertJson(item, `${path}[${index}]`);
    });
    return;
  }
  if (typeof value === 'object' && isPlain(value)) {
    for (const [key, item] of Object.entries(value)) {
      assertJson(item, `${path}.${key}`);
    }
    return;
  }
  const what =
    typeof value === 'object' ? value.constructor.name : `${typeof value} ${String(value)}`;
  throw new TypeError(`${path} cannot be sent to Python as JSON: it is ${what}`);
}

/** Whether an object is a literal, of this realm or another (jest runs tests in a realm of its own). */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
