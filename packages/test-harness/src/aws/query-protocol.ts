import type { XMLBuilder } from 'fast-xml-parser';
import { ServiceError } from './service-error';

/**
 * A request of the AWS query protocol: an action and flat parameters such as
 * `InstanceIds.member.1`, form-encoded.
 *
 * It remembers which parameters were read, so that one that nobody reads is an error instead of
 * being ignored.
 */
export class QueryRequest {
  /** Parses the body of a POST request. */
  static parse(body: string): QueryRequest {
    return new QueryRequest(new URLSearchParams(body));
  }

  /** Name of the operation. */
  readonly action: string;

  /** Version of the API, which also tells the service. */
  readonly version: string;

  private readonly unread: Set<string>;

  private constructor(private readonly parameters: URLSearchParams) {
    this.action = parameters.get('Action') ?? '';
    this.version = parameters.get('Version') ?? '';
    this.unread = new Set(parameters.keys());
    this.unread.delete('Action');
    this.unread.delete('Version');
  }

  /** The parameters as they came. */
  toObject(): Record<string, string> {
    return Object.fromEntries(this.parameters);
  }

  /** A parameter; undefined if it is absent. */
  string(name: string): string | undefined {
    this.unread.delete(name);
    return this.parameters.get(name) ?? undefined;
  }

  /** @throws ServiceError (ValidationError) if the parameter is absent. */
  requiredString(name: string): string {
    const value = this.string(name);
    if (value === undefined || value === '') {
      const member = name.charAt(0).toLowerCase() + name.slice(1);
      throw new ServiceError(
        'ValidationError',
        `1 validation error detected: Value null at '${member}' failed to satisfy constraint: ` +
          'Member must not be null',
      );
    }
    return value;
  }

  /** @throws ServiceError (ValidationError) if the parameter is not a whole number. */
  integer(name: string): number | undefined {
    const value = this.string(name);
    if (value !== undefined && !/^-?\d+$/.test(value)) {
      throw new ServiceError('ValidationError', `${name} is not a whole number: ${value}`);
    }
    return value === undefined ? undefined : Number(value);
  }

  /** @throws ServiceError (ValidationError) if the parameter is absent or not a whole number. */
  requiredInteger(name: string): number {
    this.requiredString(name);
    return this.integer(name) as number;
  }

  /** @throws ServiceError (ValidationError) if the parameter is neither true nor false. */
  boolean(name: string): boolean | undefined {
    const value = this.string(name);
    if (value !== undefined && value !== 'true' && value !== 'false') {
      throw new ServiceError('ValidationError', `${name} is neither true nor false: ${value}`);
    }
    return value === undefined ? undefined : value === 'true';
  }

  /**
   * A list, in its order.
   *
   * @param prefix what stands before the numbers, for example `InstanceIds.member` or `InstanceId`.
   */
  list(prefix: string): string[] {
    const values: string[] = [];
    for (let index = 1; this.parameters.has(`${prefix}.${index}`); index += 1) {
      values.push(this.string(`${prefix}.${index}`) ?? '');
    }
    return values;
  }

  /** @throws ServiceError if the request has a parameter that was not read. */
  rejectUnread(): void {
    if (this.unread.size > 0) {
      throw new ServiceError(
        'ValidationError',
        `The local ${this.action} does not implement ${[...this.unread].sort().join(', ')}`,
      );
    }
  }
}

/**
 * The operation that a request names.
 *
 * @param operations the operations of a service by their names.
 * @param otherwise what the service says of an action that it does not have.
 * @throws ServiceError (InvalidAction) if there is no such operation.
 */
export function findOperation<T>(
  operations: Readonly<Record<string, T>>,
  action: string,
  otherwise: string,
): T {
  const operation = Object.hasOwn(operations, action) ? operations[action] : undefined;
  if (operation === undefined) {
    throw new ServiceError('InvalidAction', otherwise);
  }
  return operation;
}

/** Content of an XML element: text, child elements by name, or undefined for no element. */
export type XmlValue =
  | string
  | number
  | boolean
  | undefined
  | readonly XmlValue[]
  | { readonly [name: string]: XmlValue };

let builder: XMLBuilder | undefined;

function xmlBuilder(): XMLBuilder {
  if (!builder) {
    // Loaded at the first answer.
    const library: typeof import('fast-xml-parser') = require('fast-xml-parser');
    builder = new library.XMLBuilder({
      ignoreAttributes: false,
      attributeNamePrefix: '@',
      suppressBooleanAttributes: false,
    });
  }
  return builder;
}

/** Writes an XML document; special characters are escaped, and undefined elements left out. */
export function writeXml(root: string, namespace: string | undefined, content: XmlValue): string {
  const children = prune(content);
  return (
    '<?xml version="1.0" encoding="UTF-8"?>\n' +
    xmlBuilder().build({
      [root]: {
        ...(namespace === undefined ? {} : { '@xmlns': namespace }),
        ...(typeof children === 'object' ? children : {}),
      },
    })
  );
}

function prune(value: XmlValue): unknown {
  if (Array.isArray(value)) {
    return value.map(prune);
  }
  if (typeof value === 'object') {
    return Object.fromEntries(
      Object.entries(value)
        .filter(([, child]) => child !== undefined)
        .map(([name, child]) => [name, prune(child as XmlValue)]),
    );
  }
  return value;
}

/** A part of a list, as the service pages it. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly nextToken?: string;
}

/**
 * The page of a list that a token names.
 *
 * @param token what the page before gave; undefined for the first page.
 * @throws ServiceError (InvalidNextToken) if the token is not one that this function gave.
 */
export function paginate<T>(items: readonly T[], size: number, token: string | undefined): Page<T> {
  const start = token === undefined ? 0 : Number(token);
  if (!Number.isInteger(start) || start < 0 || start > items.length) {
    throw new ServiceError('InvalidNextToken', `Invalid next token: ${token}`);
  }
  const end = start + Math.max(1, size);
  return {
    items: items.slice(start, end),
    ...(end < items.length ? { nextToken: String(end) } : {}),
  };
}
