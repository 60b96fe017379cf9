import { readFileSync } from 'node:fs';
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { TlsFiles } from './tls';

/** The gRPC status codes that etcd's answers are told apart by. */
export enum GrpcCode {
  UNKNOWN = 2,
  INVALID_ARGUMENT = 3,
  DEADLINE_EXCEEDED = 4,
  NOT_FOUND = 5,
  PERMISSION_DENIED = 7,
  RESOURCE_EXHAUSTED = 8,
  FAILED_PRECONDITION = 9,
  UNAVAILABLE = 14,
  UNAUTHENTICATED = 16,
}

/** etcd answered with an error. */
export class EtcdError extends Error {
  override readonly name = 'EtcdError';

  constructor(
    /** The gRPC status code. The HTTP status differs between versions of etcd; this does not. */
    readonly code: number,
    /** etcd's own text, such as `etcdserver: unhealthy cluster`. */
    readonly reason: string,
    /** The endpoint that was asked. */
    readonly endpoint: string,
    /** The path that was asked. */
    readonly path: string,
  ) {
    super(`${endpoint}${path} answered: ${reason} (code ${code})`);
  }
}

/** etcd did not answer: whether it did what it was asked to do is not known, except after `refused`. */
export class EtcdNoAnswerError extends Error {
  override readonly name = 'EtcdNoAnswerError';

  constructor(
    /**
     * `refused`: there was no connection, so that the request was never sent. `timeout`: no answer in
     * time. `broken`: the connection ended before the answer, or what came was no answer of etcd.
     */
    readonly kind: 'refused' | 'timeout' | 'broken',
    /** The endpoint that was asked. */
    readonly endpoint: string,
    /** The path that was asked. */
    readonly path: string,
    detail: string,
    options?: ErrorOptions,
  ) {
    super(`${endpoint}${path} gave no answer (${kind}): ${detail}`, options);
  }
}

/** A user of etcd, for when its authentication is on. */
export interface EtcdUser {
  readonly name: string;
  readonly password: string;
}

/** How an {@link EtcdGateway} connects. */
export interface EtcdGatewayProps {
  /**
   * The files of the client's certificate, for `https` endpoints.
   *
   * @default - none
   */
  readonly tls?: TlsFiles;
  /**
   * Who logs in when etcd asks for it.
   *
   * @default - nobody
   */
  readonly user?: EtcdUser;
  /**
   * How long a call may take, in milliseconds. etcd is given nine tenths of it (by `Grpc-Timeout`), so
   * that its own error comes first.
   *
   * @default 5000
   */
  readonly timeoutMs?: number;
}

/** How one call is made. */
export interface EtcdCallOptions {
  /**
   * How long this call may take, in milliseconds.
   *
   * @default - as the gateway was told
   */
  readonly timeoutMs?: number;
}

/** A member as the cluster lists it. Ids are decimal: etcdctl prints the same numbers in hex. */
export interface EtcdMemberInfo {
  /** The id of the member, a decimal of up to 64 bits. */
  readonly id: string;
  /** The name; empty for a member that was never started. */
  readonly name: string;
  /** The URLs for other members. */
  readonly peerUrls: readonly string[];
  /** The URLs for clients; none for a member that was never started. */
  readonly clientUrls: readonly string[];
  /** Whether it is a learner: it receives everything and has no vote. */
  readonly isLearner: boolean;
}

/** What a member says of itself. */
export interface EtcdStatus {
  readonly clusterId: string;
  readonly memberId: string;
  /** The id of the leader that this member knows; `undefined` for none. */
  readonly leader: string | undefined;
  readonly version: string;
  readonly isLearner: boolean;
  readonly raftTerm: number;
  readonly raftIndex: number;
  readonly raftAppliedIndex: number;
  readonly revision: number;
  /** The size of the database file, in bytes. */
  readonly dbSize: number;
  /** Alarms, and "etcdserver: no leader". */
  readonly errors: readonly string[];
}

/** A key with its value. */
export interface EtcdKeyValue {
  readonly key: string;
  readonly value: string;
  /** The revision of the last change of this key. */
  readonly modRevision: number;
}

/** What of a range of keys is read. */
export interface EtcdRangeOptions {
  /** All keys with this prefix. */
  readonly prefix: string;
  /**
   * The first key, for reading on page by page.
   *
   * @default - the prefix
   */
  readonly from?: string;
  /**
   * At most so many keys.
   *
   * @default - all
   */
  readonly limit?: number;
  /**
   * Read what this member has, which may be old, instead of asking the quorum.
   *
   * @default false
   */
  readonly serializable?: boolean;
}

/**
 * Calls beyond so many at once wait for a free connection, within their time. Without a limit a burst
 * would open one connection for each call, and the TLS handshakes would take longer than the calls.
 */
const MAX_CONNECTIONS = 64;

/** How long a login may take, in milliseconds; on a busy machine that is more than a write takes. */
const LOGIN_TIMEOUT_MS = 5_000;

type Json = Record<string, unknown>;

/**
 * A client of the JSON gateway of one etcd endpoint.
 *
 * It asks only this endpoint and never tries again, but after a login that etcd asked for: which
 * failures may be retried, and where, is the caller's business. Connections are kept open; call {@link close} at the end.
 */
export class EtcdGateway {
  private readonly agent: HttpAgent;
  private readonly timeoutMs: number;
  private readonly base: URL;
  private readonly user: EtcdUser | undefined;
  private token: string | undefined;
  private loggingIn: Promise<void> | undefined;

  /**
   * @param endpoint - The client URL of a member, such as `http://127.0.0.2:2379`.
   */
  constructor(
    readonly endpoint: string,
    props: EtcdGatewayProps = {},
  ) {
    this.base = new URL(endpoint);
    this.timeoutMs = props.timeoutMs ?? 5_000;
    this.user = props.user;
    if (this.base.protocol === 'https:') {
      this.agent = new HttpsAgent({
        keepAlive: true,
        maxSockets: MAX_CONNECTIONS,
        ...(props.tls && {
          ca: readFileSync(props.tls.caFile),
          cert: readFileSync(props.tls.certFile),
          key: readFileSync(props.tls.keyFile),
        }),
      });
    } else if (this.base.protocol === 'http:') {
      this.agent = new HttpAgent({ keepAlive: true, maxSockets: MAX_CONNECTIONS });
    } else {
      throw new Error(`'${endpoint}' is not an endpoint: it must begin with http:// or https://`);
    }
  }

  /** Writes a key. Returns the revision of the write. */
  async put(key: string, value: string): Promise<number> {
    const answer = await this.call('/v3/kv/put', { key: encode(key), value: encode(value) });
    return number((answer.header as Json | undefined)?.revision);
  }

  /** Reads a key from the quorum; `undefined` if there is none. */
  async get(key: string): Promise<EtcdKeyValue | undefined> {
    const answer = await this.call('/v3/kv/range', { key: encode(key) });
    return keyValues(answer)[0];
  }

  /** Reads all keys with a prefix, in the order of their bytes. */
  async range(options: EtcdRangeOptions): Promise<EtcdKeyValue[]> {
    const answer = await this.call('/v3/kv/range', {
      key: encode(options.from ?? options.prefix),
      range_end: prefixEnd(options.prefix),
      ...(options.limit !== undefined && { limit: options.limit }),
      ...(options.serializable && { serializable: true }),
    });
    return keyValues(answer);
  }

  /** What the member says of itself. Answered without a quorum, also by a learner. */
  async status(options: EtcdCallOptions = {}): Promise<EtcdStatus> {
    const answer = await this.call('/v3/maintenance/status', {}, options);
    const header = (answer.header ?? {}) as Json;
    return {
      clusterId: text(header.cluster_id),
      memberId: text(header.member_id),
      leader: answer.leader === undefined ? undefined : text(answer.leader),
      version: text(answer.version),
      isLearner: answer.isLearner === true,
      raftTerm: number(answer.raftTerm),
      raftIndex: number(answer.raftIndex),
      raftAppliedIndex: number(answer.raftAppliedIndex),
      revision: number(header.revision),
      dbSize: number(answer.dbSize),
      errors: (answer.errors ?? []) as string[],
    };
  }

  /**
   * The members of the cluster.
   *
   * @param options - `linearizable: false` takes what this member knows, which may be old, and is
   *   answered without a quorum. By default the quorum is asked (from etcd 3.5 on).
   */
  async memberList(options: { readonly linearizable?: boolean } = {}): Promise<EtcdMemberInfo[]> {
    const answer = await this.call('/v3/cluster/member/list', {
      linearizable: options.linearizable ?? true,
    });
    return memberInfos(answer);
  }

  /** Adds a member, as a learner unless told otherwise. Returns it, and all members with it. */
  async memberAdd(
    peerUrl: string,
    options: { readonly learner?: boolean } = {},
  ): Promise<{ readonly member: EtcdMemberInfo; readonly members: EtcdMemberInfo[] }> {
    const answer = await this.call('/v3/cluster/member/add', {
      peerURLs: [peerUrl],
      isLearner: options.learner ?? true,
    });
    return { member: memberInfo(answer.member as Json), members: memberInfos(answer) };
  }

  /** Makes a voter of a learner. */
  async memberPromote(id: string): Promise<void> {
    await this.call('/v3/cluster/member/promote', { ID: id });
  }

  /** Removes a member. */
  async memberRemove(id: string): Promise<void> {
    await this.call('/v3/cluster/member/remove', { ID: id });
  }

  /** Hands the leadership over. Only the leader can do it. */
  async transferLeadership(targetId: string): Promise<void> {
    await this.call('/v3/maintenance/transfer-leadership', { targetID: targetId });
  }

  /**
   * Calls any path of the gateway.
   *
   * @param path - Such as `/v3/kv/put`.
   * @param body - Sent as JSON: keys and values in base64, 64-bit numbers as decimal texts.
   * @returns The answer. Fields that are zero, false or empty are missing in it.
   * @throws EtcdError if etcd answers with an error.
   * @throws EtcdNoAnswerError if there is no answer.
   */
  async call(path: string, body: object, options: EtcdCallOptions = {}): Promise<Json> {
    const { token } = this;
    try {
      return await this.send(path, body, token, options);
    } catch (error) {
      if (!this.user || !this.asksForLogin(error, token)) {
        throw error;
      }
      // Another call may have logged in meanwhile.
      if (this.token === token) {
        await this.logIn(this.user);
      }
    }
    return this.send(path, body, this.token, options);
  }

  /** Closes the connections. */
  close(): void {
    this.agent.destroy();
  }

  /** Logs in once for all calls that wait for it: each login keeps a processor busy for long. */
  private logIn(user: EtcdUser): Promise<void> {
    this.loggingIn ??= this.send('/v3/auth/authenticate', user, undefined, {
      timeoutMs: LOGIN_TIMEOUT_MS,
    })
      .then((answer) => {
        this.token = text(answer.token);
      })
      .finally(() => {
        this.loggingIn = undefined;
      });
    return this.loggingIn;
  }

  private asksForLogin(error: unknown, token: string | undefined): boolean {
    return (
      error instanceof EtcdError &&
      (error.code === GrpcCode.UNAUTHENTICATED ||
        /user name is empty/.test(error.reason) ||
        // What etcd says of a read without a token, over TLS.
        (error.code === GrpcCode.PERMISSION_DENIED && token === undefined))
    );
  }

  private async send(
    path: string,
    body: object,
    token: string | undefined,
    options: EtcdCallOptions,
  ): Promise<Json> {
    const { status, text: answer } = await this.exchange(
      path,
      JSON.stringify(body),
      token,
      options.timeoutMs ?? this.timeoutMs,
    );
    let parsed: unknown;
    try {
      parsed = JSON.parse(answer);
    } catch (error) {
      throw new EtcdNoAnswerError(
        'broken',
        this.endpoint,
        path,
        `HTTP ${status}, not JSON: ${JSON.stringify(answer.slice(0, 200))}`,
        { cause: error },
      );
    }
    const json = parsed as Json;
    if (status !== 200) {
      throw new EtcdError(
        typeof json.code === 'number' ? json.code : GrpcCode.UNKNOWN,
        text(json.message ?? json.error ?? `HTTP ${status}`),
        this.endpoint,
        path,
      );
    }
    return json;
  }

  private exchange(
    path: string,
    body: string,
    token: string | undefined,
    timeoutMs: number,
  ): Promise<{ readonly status: number; readonly text: string }> {
    return new Promise((succeed, fail) => {
      const send = this.base.protocol === 'https:' ? httpsRequest : httpRequest;
      const noAnswer = (error: NodeJS.ErrnoException) => {
        clearTimeout(timer);
        const kind =
          error.code === 'ETIMEDOUT'
            ? 'timeout'
            : error.syscall === 'connect'
              ? 'refused'
              : 'broken';
        fail(new EtcdNoAnswerError(kind, this.endpoint, path, error.message, { cause: error }));
      };
      const request = send(
        new URL(path, this.base),
        {
          method: 'POST',
          agent: this.agent,
          headers: {
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(body),
            'grpc-timeout': `${Math.max(1, Math.floor(timeoutMs * 0.9))}m`,
            ...(token !== undefined && { authorization: token }),
          },
        },
        (response: IncomingMessage) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', noAnswer);
          response.on('end', () => {
            clearTimeout(timer);
            succeed({
              status: response.statusCode ?? 0,
              text: Buffer.concat(chunks).toString('utf8'),
            });
          });
        },
      );
      const timer = setTimeout(() => {
        const error: NodeJS.ErrnoException = new Error(`nothing within ${timeoutMs} ms`);
        error.code = 'ETIMEDOUT';
        request.destroy(error);
      }, timeoutMs);
      request.on('error', noAnswer);
      request.end(body);
    });
  }
}

function encode(value: string): string {
  return Buffer.from(value, 'utf8').toString('base64');
}

function decode(value: unknown): string {
  return Buffer.from(text(value), 'base64').toString('utf8');
}

/** The first key after all keys with the prefix: the prefix with its last byte below 0xff raised. */
function prefixEnd(prefix: string): string {
  const bytes = Buffer.from(prefix, 'utf8');
  // UTF-8 never has a byte 0xff, so that the last byte can always be raised.
  const last = bytes.length - 1;
  if (last < 0) {
    throw new Error('the prefix is empty: name the keys that are to be read');
  }
  bytes[last] = (bytes[last] ?? 0) + 1;
  return bytes.toString('base64');
}

function keyValues(answer: Json): EtcdKeyValue[] {
  return ((answer.kvs ?? []) as Json[]).map((kv) => ({
    key: decode(kv.key),
    value: decode(kv.value),
    modRevision: number(kv.mod_revision),
  }));
}

function memberInfos(answer: Json): EtcdMemberInfo[] {
  return ((answer.members ?? []) as Json[]).map(memberInfo);
}

function memberInfo(member: Json): EtcdMemberInfo {
  return {
    id: text(member.ID),
    name: text(member.name),
    peerUrls: (member.peerURLs ?? []) as string[],
    clientUrls: (member.clientURLs ?? []) as string[],
    isLearner: member.isLearner === true,
  };
}

function text(value: unknown): string {
  return value === undefined || value === null ? '' : String(value);
}

function number(value: unknown): number {
  return value === undefined || value === null ? 0 : Number(value);
}
