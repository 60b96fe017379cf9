import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  EtcdError,
  EtcdGateway,
  type EtcdKeyValue,
  EtcdNoAnswerError,
  type EtcdUser,
  GrpcCode,
} from './gateway';
import type { TlsFiles } from './tls';
import {
  type AcknowledgedWrite,
  type FailedWrite,
  type WriteReport,
  writeReport,
} from './write-report';

/** How a write load works. */
export interface WriteLoadProps {
  /**
   * The client URLs to write to. Asked again for every attempt, so that members may come and go.
   */
  readonly endpoints: () => readonly string[];
  /**
   * Writes a second. They are due at fixed times, whether or not earlier ones have been answered: a
   * pause of etcd shows as latency and is not hidden by a writer that waits. More than the cluster can
   * take ends in time-outs: with three members on two cores, that is some hundred a second.
   *
   * @default 100
   */
  readonly ratePerSecond?: number;
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
   * How long one attempt may take, in milliseconds, before the same write is sent to the next endpoint.
   *
   * A put that is in flight through a follower while the leadership moves can be lost without an
   * answer, and etcd itself gives up only after 7 s (measured on etcd 3.5.30): this time-out is then the
   * length of the pause that a client sees.
   *
   * @default 1000
   */
  readonly attemptTimeoutMs?: number;
  /**
   * How long one write is tried, in milliseconds, before it is given up.
   *
   * @default 15000
   */
  readonly giveUpAfterMs?: number;
}

/** What a load has seen so far. */
export interface WriteProgress {
  readonly acknowledged: number;
  readonly failed: number;
  readonly retried: number;
  /** Writes that are due and neither acknowledged nor given up. */
  readonly inFlight: number;
  /** The time since the last acknowledgement, in milliseconds. */
  readonly currentGapMs: number;
  /** The longest time without an acknowledgement, the current one included, in milliseconds. */
  readonly longestGapMs: number;
  /** The endpoint that is written to. */
  readonly endpoint: string | undefined;
  /** The error of the last failed attempt. */
  readonly lastError: string | undefined;
}

/** An acknowledged write that is not there. */
export interface LostWrite {
  readonly write: AcknowledgedWrite;
  /**
   * `absent`: the key is not there. `different`: it has another value. `older`: it has the value, from
   * a revision before the acknowledged one, so that history was rewritten.
   */
  readonly reason: 'absent' | 'different' | 'older';
}

/** What {@link WriteLoad.verify} has found. */
export interface WriteVerification {
  /** How many acknowledged writes were looked for. */
  readonly checked: number;
  /** Those that are not there. */
  readonly lost: readonly LostWrite[];
}

/** The pause before all endpoints are tried once more, in milliseconds. */
const ROUND_PAUSE_MS = 50;
/** How many keys are read back at once. */
const PAGE = 500;

/**
 * A writer that puts keys at a steady rate, moves on to another endpoint when one fails, and remembers
 * every acknowledgement.
 *
 * Every write has a key and a value of its own, and an attempt that is made again carries the same ones,
 * so that it does not matter if an earlier attempt was carried out after all.
 */
export class WriteLoad {
  /** Starts to write. Call {@link stop} at the end. */
  static start(props: WriteLoadProps): WriteLoad {
    const rate = props.ratePerSecond ?? 100;
    if (!(rate > 0 && rate <= 1_000)) {
      throw new Error(`a rate of ${rate} writes a second cannot be: give one above 0, up to 1000`);
    }
    const load = new WriteLoad(props, rate);
    load.schedule();
    return load;
  }

  /** What the keys of this load begin with. */
  readonly keyPrefix = `/quorate/write-load/${randomUUID()}/`;

  private readonly startedAt = now();
  private readonly acknowledged: AcknowledgedWrite[] = [];
  private readonly failed: FailedWrite[] = [];
  private readonly gateways = new Map<string, EtcdGateway>();
  private readonly inFlight = new Set<Promise<void>>();
  private readonly attemptTimeoutMs: number;
  private readonly giveUpAfterMs: number;
  private retried = 0;
  private issued = 0;
  private preferred: string | undefined;
  private lastAcknowledgedAt = this.startedAt;
  private longestGapMs = 0;
  private lastError: string | undefined;
  private timer: NodeJS.Timeout | undefined;
  private stopping: Promise<WriteReport> | undefined;

  private constructor(
    private readonly props: WriteLoadProps,
    private readonly rate: number,
  ) {
    this.attemptTimeoutMs = props.attemptTimeoutMs ?? 1_000;
    this.giveUpAfterMs = props.giveUpAfterMs ?? 15_000;
  }

  /** What it has seen so far. */
  progress(): WriteProgress {
    const currentGapMs = now() - this.lastAcknowledgedAt;
    return {
      acknowledged: this.acknowledged.length,
      failed: this.failed.length,
      retried: this.retried,
      inFlight: this.inFlight.size,
      currentGapMs,
      longestGapMs: Math.max(this.longestGapMs, currentGapMs),
      endpoint: this.preferred,
      lastError: this.lastError,
    };
  }

  /**
   * Stops writing, waits until the writes in flight are acknowledged or given up, and reports.
   *
   * @returns The same report, however often it is called.
   */
  stop(): Promise<WriteReport> {
    this.stopping ??= this.finish();
    return this.stopping;
  }

  /**
   * Reads all acknowledged writes back, from the quorum.
   *
   * @param endpoints - The client URLs to read from; the first that answers is taken.
   * @returns Those that are not there. Writes that were given up are not looked for.
   * @throws Error if no endpoint answers.
   */
  async verify(endpoints: readonly string[] = this.props.endpoints()): Promise<WriteVerification> {
    const writes = [...this.acknowledged];
    const found = new Map<string, EtcdKeyValue>();
    let from: string | undefined = this.keyPrefix;
    while (from !== undefined) {
      const page: EtcdKeyValue[] = await this.readPage(endpoints, from);
      for (const entry of page) {
        found.set(entry.key, entry);
      }
      const last: string | undefined = page.length < PAGE ? undefined : page.at(-1)?.key;
      // The smallest key after the last one.
      from = last === undefined ? undefined : `${last}\0`;
    }
    const lost = writes.flatMap((write): LostWrite[] => {
      const entry = found.get(write.key);
      if (!entry) {
        return [{ write, reason: 'absent' }];
      }
      if (entry.value !== write.value) {
        return [{ write, reason: 'different' }];
      }
      // A later revision is fine: an earlier attempt was carried out after the acknowledged one.
      return entry.modRevision < write.revision ? [{ write, reason: 'older' }] : [];
    });
    return { checked: writes.length, lost };
  }

  private async readPage(endpoints: readonly string[], from: string): Promise<EtcdKeyValue[]> {
    const errors: string[] = [];
    // Two rounds: a read that meets a change of the leader fails once.
    for (const endpoint of [...endpoints, ...endpoints]) {
      const gateway = new EtcdGateway(endpoint, { tls: this.props.tls, user: this.props.user });
      try {
        return await gateway.range({ prefix: this.keyPrefix, from, limit: PAGE });
      } catch (error) {
        errors.push((error as Error).message);
      } finally {
        gateway.close();
      }
    }
    throw new Error(
      `the writes cannot be verified, for no endpoint answers:\n${errors.join('\n') || '(there is no endpoint)'}`,
    );
  }

  private schedule(): void {
    this.timer = setTimeout(
      () => {
        // All that are due at this moment: a timer that fires late must not lower the rate. The moment
        // is fixed before: on a busy machine more would fall due while these are sent, without end.
        for (const moment = now(); this.nextDueAt() <= moment; this.issued += 1) {
          const write = this.write(this.issued, this.nextDueAt()).finally(() =>
            this.inFlight.delete(write),
          );
          this.inFlight.add(write);
        }
        this.schedule();
      },
      Math.max(0, this.nextDueAt() - now()),
    );
  }

  private nextDueAt(): number {
    return this.startedAt + (this.issued * 1000) / this.rate;
  }

  private async finish(): Promise<WriteReport> {
    clearTimeout(this.timer);
    const endedAt = now();
    await Promise.all(this.inFlight);
    for (const gateway of this.gateways.values()) {
      gateway.close();
    }
    this.gateways.clear();
    return writeReport({
      startedAt: this.startedAt,
      endedAt,
      acknowledged: this.acknowledged,
      failed: this.failed,
      retried: this.retried,
    });
  }

  private async write(sequence: number, dueAt: number): Promise<void> {
    const key = `${this.keyPrefix}${String(sequence).padStart(10, '0')}`;
    const value = `${sequence}:${randomUUID()}`;
    let endpoint = this.endpoint();
    let error: Error | undefined;
    let unknown = false;
    for (let attempts = 1; ; attempts += 1) {
      error = new Error('there is no endpoint to write to');
      if (endpoint !== undefined) {
        try {
          const revision = await this.gateway(endpoint).put(key, value);
          this.acknowledge({ key, value, revision, dueAt, acknowledgedAt: now(), attempts });
          return;
        } catch (caught) {
          error = caught as Error;
          unknown ||= mayHaveBeenWritten(caught);
        }
      }
      this.lastError = error.message;
      if (now() - dueAt >= this.giveUpAfterMs) {
        this.failed.push({
          key,
          dueAt,
          failedAt: now(),
          attempts,
          error: error.message,
          outcome: unknown ? 'unknown' : 'not written',
        });
        return;
      }
      this.retried += 1;
      if (attempts % Math.max(1, this.props.endpoints().length) === 0) {
        await sleep(ROUND_PAUSE_MS);
      }
      endpoint = this.endpointAfter(endpoint);
    }
  }

  private acknowledge(write: AcknowledgedWrite): void {
    this.acknowledged.push(write);
    const gap = write.acknowledgedAt - this.lastAcknowledgedAt;
    this.longestGapMs = Math.max(this.longestGapMs, gap);
    this.lastAcknowledgedAt = write.acknowledgedAt;
  }

  /** The endpoint that all writes go to as long as it works and is still listed. */
  private endpoint(): string | undefined {
    const endpoints = this.props.endpoints();
    if (this.preferred === undefined || !endpoints.includes(this.preferred)) {
      this.preferred = endpoints[0];
    }
    return this.preferred;
  }

  /**
   * Where a write goes on after it has failed at an endpoint. The first one to fail there moves all
   * others along; those that fail later follow to where these have gone.
   */
  private endpointAfter(failed: string | undefined): string | undefined {
    const current = this.endpoint();
    if (failed === undefined || current !== failed) {
      return current;
    }
    const endpoints = this.props.endpoints();
    this.preferred = endpoints[(endpoints.indexOf(failed) + 1) % endpoints.length];
    return this.preferred;
  }

  private gateway(endpoint: string): EtcdGateway {
    let gateway = this.gateways.get(endpoint);
    if (!gateway) {
      gateway = new EtcdGateway(endpoint, {
        tls: this.props.tls,
        user: this.props.user,
        timeoutMs: this.attemptTimeoutMs,
      });
      this.gateways.set(endpoint, gateway);
    }
    return gateway;
  }
}

/** Whether a put may have been, or may yet be, carried out although it was answered with this. */
function mayHaveBeenWritten(error: unknown): boolean {
  if (error instanceof EtcdNoAnswerError) {
    return error.kind !== 'refused';
  }
  if (error instanceof EtcdError) {
    const refused: number[] = [
      GrpcCode.INVALID_ARGUMENT,
      GrpcCode.NOT_FOUND,
      GrpcCode.RESOURCE_EXHAUSTED,
      GrpcCode.FAILED_PRECONDITION,
      GrpcCode.UNAUTHENTICATED,
    ];
    return !refused.includes(error.code);
  }
  return false;
}

/** Milliseconds since the epoch, by a clock that never goes back. */
function now(): number {
  return performance.timeOrigin + performance.now();
}
