import { setTimeout as sleep } from 'node:timers/promises';
import { EtcdGateway, EtcdNoAnswerError } from '@quorate/test-harness';
import { between, choose, type Random, seededRandom } from './random';

/** What a client did to a register, and what it knows of the outcome. Times are in microseconds. */
export interface RegisterOperation {
  readonly client: number;
  readonly register: string;
  readonly kind: 'put' | 'get' | 'cas';
  /** What `cas` expected to find; null otherwise. */
  readonly expected: string | null;
  /** What was written or read; null for a register without a value. */
  readonly value: string | null;
  readonly call: number;
  /** Null for a write of which nobody knows whether it happened. */
  readonly return: number | null;
}

/** How the clients work. */
export interface RegisterClientsProps {
  /** The client URLs; asked again for each operation. */
  readonly endpoints: () => readonly string[];
  readonly seed: number;
  /** How many clients work at the same time. */
  readonly clients: number;
  /** How many registers they share. */
  readonly registers: number;
}

/** Short, so that a client that has met a hung member soon goes on, with an outcome unknown. */
const TIMEOUT_MS = 1200;
const PREFIX = '/quorate/registers/';

/**
 * Clients that put, get and compare-and-swap a few shared registers at the same time, each through
 * another member each time, and keep the history of it. No operation is tried again.
 */
export class RegisterClients {
  /** Every operation that may matter: a read without an answer, or a write never sent, says nothing. */
  public readonly history: RegisterOperation[] = [];

  private readonly gateways = new Map<string, EtcdGateway>();
  private readonly abort = new AbortController();
  private readonly working: Promise<unknown>;
  private written = 0;
  /** A client that does not know how its write ended is done: another number goes on in its place. */
  private lastClient = 0;

  constructor(private readonly props: RegisterClientsProps) {
    this.working = Promise.all(
      Array.from({ length: props.clients }, (_, index) =>
        this.work(seededRandom(props.seed, `client ${index}`)),
      ),
    );
  }

  /** Lets the operations in flight end, and ends the clients. */
  public async stop(): Promise<void> {
    this.abort.abort();
    await this.working;
    for (const gateway of this.gateways.values()) {
      gateway.close();
    }
    this.gateways.clear();
  }

  private async work(random: Random): Promise<void> {
    let client = this.nextClient();
    const known = new Map<string, string>();
    while (!this.abort.signal.aborted) {
      const endpoints = this.props.endpoints();
      if (endpoints.length > 0) {
        const register = `r${Math.floor(random() * this.props.registers)}`;
        const last = known.get(register);
        const kind = choose(random, ['put', 'get', 'get', 'cas'] as const);
        const operation = await this.operate(
          this.gateway(choose(random, endpoints)),
          { client, register },
          kind === 'cas' && last === undefined ? 'get' : kind,
          last ?? null,
        );
        if (operation) {
          this.history.push(operation);
          if (operation.return === null) {
            client = this.nextClient();
          } else if (operation.value !== null) {
            known.set(register, operation.value);
          }
        }
      }
      const pause = between(random, 50, 200);
      await sleep(pause, undefined, { signal: this.abort.signal }).catch(() => undefined);
    }
  }

  private async operate(
    gateway: EtcdGateway,
    who: { readonly client: number; readonly register: string },
    kind: RegisterOperation['kind'],
    last: string | null,
  ): Promise<RegisterOperation | undefined> {
    this.written += 1;
    const written = `${who.client}.${this.written}`;
    const key = `${PREFIX}${who.register}`;
    const call = microseconds();
    const of = (changes: Partial<RegisterOperation>): RegisterOperation => ({
      ...who,
      kind,
      expected: kind === 'cas' ? last : null,
      value: written,
      call,
      return: microseconds(),
      ...changes,
    });
    try {
      if (kind === 'get') {
        const found = await gateway.get(key);
        return of({ value: found?.value ?? null });
      }
      if (kind === 'put') {
        await gateway.put(key, written);
        return of({});
      }
      const swap = await compareAndSwap(gateway, key, last ?? '', written);
      // One that found something else has read it.
      return swap.succeeded ? of({}) : of({ kind: 'get', expected: null, value: swap.found });
    } catch (error) {
      const neverSent = error instanceof EtcdNoAnswerError && error.kind === 'refused';
      return kind === 'get' || neverSent ? undefined : of({ return: null });
    }
  }

  private gateway(endpoint: string): EtcdGateway {
    let gateway = this.gateways.get(endpoint);
    if (!gateway) {
      gateway = new EtcdGateway(endpoint, { timeoutMs: TIMEOUT_MS });
      this.gateways.set(endpoint, gateway);
    }
    return gateway;
  }

  private nextClient(): number {
    this.lastClient += 1;
    return this.lastClient;
  }
}

async function compareAndSwap(
  gateway: EtcdGateway,
  key: string,
  expected: string,
  value: string,
): Promise<{ readonly succeeded: boolean; readonly found: string | null }> {
  const answer = (await gateway.call('/v3/kv/txn', {
    compare: [{ key: base64(key), target: 'VALUE', result: 'EQUAL', value: base64(expected) }],
    success: [{ requestPut: { key: base64(key), value: base64(value) } }],
    failure: [{ requestRange: { key: base64(key) } }],
  })) as {
    succeeded?: boolean;
    responses?: { response_range?: { kvs?: { value?: string }[] } }[];
  };
  const found = answer.responses?.[0]?.response_range?.kvs?.[0];
  return {
    succeeded: answer.succeeded === true,
    found: found ? Buffer.from(found.value ?? '', 'base64').toString('utf8') : null,
  };
}

function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}

/** A clock that never goes back. */
function microseconds(): number {
  return Math.round(performance.now() * 1000);
}
