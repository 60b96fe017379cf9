import { setTimeout as sleep } from 'node:timers/promises';
import {
  EtcdGateway,
  type EtcdGatewayProps,
  type EtcdMemberInfo,
  type LocalInstance,
} from '@quorate/test-harness';

/** What an instance's member is. */
export type Membership = 'none' | 'learner' | 'voter';

/** A change that was seen from outside. */
export interface Observation {
  /** Seconds since the epoch. */
  readonly at: number;
  readonly instanceId: string;
  readonly membership: Membership;
}

const POLL_MS = 100;
const TIMEOUT_MS = 500;

/**
 * Watches the cluster as any client could: who is a member, and who leads.
 *
 * It asks members of instances that stay only: one that is just being removed may crash on a question
 * about its status (etcd 3.4 and 3.5).
 */
export class ClusterObserver {
  /** Each change of an instance's membership, oldest first. */
  public readonly observations: Observation[] = [];

  /** Each change of the leader, oldest first; undefined while there is none. */
  public readonly leaders: { at: number; instanceId: string | undefined }[] = [];

  private readonly memberships = new Map<string, Membership>();
  private readonly listeners = new Set<(text: string) => void>();
  private readonly abort = new AbortController();
  private readonly watching: Promise<void>;

  /**
   * @param client - How to connect; plain HTTP by default.
   */
  constructor(
    private readonly instances: () => LocalInstance[],
    private readonly client: Omit<EtcdGatewayProps, 'timeoutMs'> = {},
  ) {
    this.watching = this.watch();
  }

  /** Calls back with a sentence for each change from now on. */
  public onChange(listener: (text: string) => void): void {
    this.listeners.add(listener);
  }

  /** The instance whose member led last. */
  public get leader(): string | undefined {
    return this.leaders.at(-1)?.instanceId;
  }

  /** Ends the watching. */
  public async stop(): Promise<void> {
    this.abort.abort();
    await this.watching;
  }

  private async watch(): Promise<void> {
    while (!this.abort.signal.aborted) {
      await this.look();
      await sleep(POLL_MS, undefined, { signal: this.abort.signal }).catch(() => undefined);
    }
  }

  private async look(): Promise<void> {
    const staying = this.instances().filter((one) => one.lifecycleState === 'InService');
    const others = this.instances().filter((one) => one.lifecycleState.startsWith('Pending'));
    for (const instance of [...staying, ...others]) {
      const scheme = this.client.tls ? 'https' : 'http';
      const gateway = new EtcdGateway(`${scheme}://${instance.privateIpAddress}:2379`, {
        ...this.client,
        timeoutMs: TIMEOUT_MS,
      });
      try {
        const [members, status] = await Promise.all([gateway.memberList(), gateway.status()]);
        if (!status.isLearner) {
          this.record(members, status.leader);
          return;
        }
      } catch {
        // It is starting, ending or between two leaders: another member, or the next look, tells.
      } finally {
        gateway.close();
      }
    }
  }

  private record(members: readonly EtcdMemberInfo[], leaderId: string | undefined): void {
    const at = Date.now() / 1000;
    const seen = new Map(members.map((member) => [this.instanceOf(member), member]));
    for (const id of new Set([...seen.keys(), ...this.memberships.keys()])) {
      const member = seen.get(id);
      const membership = member ? (member.isLearner ? 'learner' : 'voter') : 'none';
      if ((this.memberships.get(id) ?? 'none') !== membership) {
        this.memberships.set(id, membership);
        this.observations.push({ at, instanceId: id, membership });
        this.tell(membership === 'none' ? `${id} is no member` : `${id} is a ${membership}`);
      }
    }
    const leader = members.find((member) => member.id === leaderId);
    const instanceId = leader && this.instanceOf(leader);
    if (this.leaders.length === 0 || this.leader !== instanceId) {
      this.leaders.push({ at, instanceId });
      this.tell(instanceId ? `${instanceId} leads` : 'nobody leads');
    }
  }

  /** A member that has not started has no name yet, but it has the address of its instance. */
  private instanceOf(member: EtcdMemberInfo): string {
    const host = new URL(member.peerUrls[0] ?? 'http://none').hostname;
    const instance = this.instances().find((one) => one.privateIpAddress === host);
    return member.name || (instance?.instanceId ?? host);
  }

  private tell(text: string): void {
    this.listeners.forEach((listener) => {
      listener(text);
    });
  }
}
