import { randomUUID } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TemporaryDirectory } from '../process/temporary-directory';
import { waitUntil } from '../wait-until';
import { loopbackAddresses } from './address';
import { resolveEtcd } from './binary';
import { fillDatabase } from './fill-database';
import {
  EtcdError,
  type EtcdGateway,
  type EtcdKeyValue,
  type EtcdMemberInfo,
  type EtcdStatus,
  GrpcCode,
} from './gateway';
import { EtcdMember } from './member';
import { EtcdCertificates, type TlsFiles } from './tls';

/** How a cluster is started. */
export interface EtcdClusterProps {
  /**
   * The number of voters at first.
   *
   * @default 3
   */
  readonly size?: number;
  /**
   * The address of the first member; the others follow on consecutive addresses. Test files that may
   * run at the same time need ranges that do not overlap.
   *
   * @default 127.0.0.2
   */
  readonly baseAddress?: string;
  /**
   * Mutual TLS for clients and peers: `true` makes certificates for the members and the
   * {@link spareAddresses}.
   *
   * @default false
   */
  readonly tls?: boolean | EtcdCertificates;
  /**
   * How many members may be added later: so many further addresses are in the certificates.
   *
   * @default 8
   */
  readonly spareAddresses?: number;
  /**
   * Where the members' data and logs are kept. {@link EtcdCluster.stop} removes what the cluster put there.
   *
   * @default - a new temporary directory
   */
  readonly dataDirectory?: string;
  /**
   * Further flags for every member, such as `--quota-backend-bytes=16777216`.
   *
   * @default - none
   */
  readonly extraFlags?: readonly string[];
  /**
   * The etcd executable.
   *
   * @default - what `resolveEtcd()` finds or builds
   */
  readonly binary?: string;
}

/** How long a helper tries, in milliseconds. */
export interface EtcdTimeout {
  /**
   * @default 20000
   */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 20_000;

/**
 * A cluster of real etcd processes on loopback addresses, each on its own address with the ports 2379
 * and 2380, as instances in a VPC are.
 *
 * Call {@link stop} at the end, also after a failure: it kills every process and removes the data. If
 * this Node process ends before, that happens without it.
 */
export class EtcdCluster {
  /**
   * Starts a cluster and waits until it has a leader. The first run on a machine without etcd builds
   * one, which takes about a minute.
   *
   * @throws Error if it does not come up; nothing is left behind then.
   */
  static async start(props: EtcdClusterProps = {}): Promise<EtcdCluster> {
    const size = props.size ?? 3;
    if (!Number.isInteger(size) || size < 1) {
      throw new Error(`a cluster of ${size} members cannot be: give a whole number from 1 on`);
    }
    const addresses = loopbackAddresses(
      props.baseAddress ?? '127.0.0.2',
      size + (props.spareAddresses ?? 8),
    );
    const binary = props.binary ?? (await resolveEtcd()).path;
    const parent = props.dataDirectory ?? tmpdir();
    await mkdir(parent, { recursive: true });
    const data = TemporaryDirectory.create('quorate-etcd-', parent);

    let certificates: EtcdCertificates | undefined;
    try {
      certificates =
        props.tls === true
          ? await EtcdCertificates.create({ addresses, directory: join(data.path, 'tls') })
          : props.tls || undefined;
    } catch (error) {
      await data.remove();
      throw error;
    }

    const cluster = new EtcdCluster(binary, data, addresses, certificates, props.extraFlags);
    try {
      const names = addresses.slice(0, size).map((_, index) => memberName(index));
      const initialCluster = names
        .map((name, index) => `${name}=${cluster.peerUrl(addresses[index] ?? '')}`)
        .join(',');
      const members = names.map(() => cluster.newMember(initialCluster, 'new'));
      // All are settled before anything else: a member that is just being started cannot be killed.
      const starts = await Promise.allSettled(members.map((member) => member.start()));
      const failed = starts.find((start) => start.status === 'rejected');
      if (failed) {
        throw failed.reason;
      }
      await cluster.waitForLeader();
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  private readonly all: EtcdMember[] = [];
  private readonly ids = new Map<EtcdMember, string>();
  private readonly gateways = new Map<string, EtcdGateway>();
  private readonly token = `quorate-${randomUUID()}`;

  private constructor(
    private readonly binary: string,
    private readonly data: TemporaryDirectory,
    private readonly addresses: readonly string[],
    /** The certificates, if the cluster uses TLS. */
    readonly certificates: EtcdCertificates | undefined,
    private readonly extraFlags: readonly string[] = [],
  ) {}

  /** Where the data, the logs and the certificates are. */
  get directory(): string {
    return this.data.path;
  }

  /** All members that were not removed, whether they run or not, in the order they were made. */
  get members(): readonly EtcdMember[] {
    return this.all;
  }

  /** The client URLs of all members. */
  get endpoints(): readonly string[] {
    return this.all.map((member) => member.clientUrl);
  }

  /** The files that a client needs, if the cluster uses TLS. */
  get clientTls(): TlsFiles | undefined {
    return this.certificates?.client;
  }

  /** A client of a member, kept open until the member is removed or the cluster stopped. */
  gateway(member: EtcdMember): EtcdGateway {
    let gateway = this.gateways.get(member.clientUrl);
    if (!gateway) {
      gateway = member.gateway();
      this.gateways.set(member.clientUrl, gateway);
    }
    return gateway;
  }

  /** The leader that the members agree on at this moment; `undefined` if there is none. */
  async leader(): Promise<EtcdMember | undefined> {
    const asked = this.all.filter((member) => member.running && !member.paused);
    const statuses = await Promise.all(
      asked.map(async (member): Promise<[EtcdMember, EtcdStatus] | undefined> => {
        try {
          return [member, await this.gateway(member).status({ timeoutMs: 1_000 })];
        } catch {
          // A member that does not answer leads nothing that a client could use.
          return undefined;
        }
      }),
    );
    const answers = statuses.filter((answer) => answer !== undefined);
    for (const [member, status] of answers) {
      this.ids.set(member, status.memberId);
    }
    // A member that was cut off still knows the leader of an older term.
    const term = Math.max(...answers.map(([, status]) => status.raftTerm));
    return answers.find(
      ([, status]) => status.raftTerm === term && status.leader === status.memberId,
    )?.[0];
  }

  /** Waits until there is a leader. */
  waitForLeader(options: EtcdTimeout = {}): Promise<EtcdMember> {
    return waitUntil('a leader of the cluster', () => this.leader(), {
      timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
      retryable: () => false,
      detail: () =>
        this.all
          .map((member) => [`${member.name}, ${member.logFile}:`, ...member.logTail(5)].join('\n'))
          .join('\n'),
    });
  }

  /** The members as the quorum lists them. */
  memberList(): Promise<EtcdMemberInfo[]> {
    return this.atLeader((gateway) => gateway.memberList());
  }

  /** Writes a key, at the leader. Returns the revision. */
  put(key: string, value: string): Promise<number> {
    return this.atLeader((gateway) => gateway.put(key, value));
  }

  /** Reads a key from the quorum. */
  get(key: string): Promise<EtcdKeyValue | undefined> {
    return this.atLeader((gateway) => gateway.get(key));
  }

  /**
   * Fills the database with random data until its file has at least this size.
   *
   * @returns The size of the leader's database, in bytes.
   */
  fill(bytes: number): Promise<number> {
    return this.atLeader((gateway) => fillDatabase(gateway, bytes));
  }

  /**
   * Adds a learner on the next free address and starts it.
   *
   * etcd refuses any change for up to 5 s after the last one; it is asked again until then.
   *
   * @returns The new member, which answers a status request.
   */
  async addLearner(options: EtcdTimeout = {}): Promise<EtcdMember> {
    const address = this.nextAddress();
    const name = this.nextName();
    const { member, members } = await this.change('add a learner', options, (gateway) =>
      gateway.memberAdd(this.peerUrl(address)),
    );
    // A member that was never started has no name of its own yet.
    const initialCluster = members
      .flatMap((info) =>
        info.peerUrls.map((url) => `${info.id === member.id ? name : info.name}=${url}`),
      )
      .join(',');
    const learner = this.newMember(initialCluster, 'existing');
    this.ids.set(learner, member.id);
    await learner.start(options);
    return learner;
  }

  /**
   * Makes a voter of a learner, as soon as it is in sync with the leader.
   *
   * The leader answers before the learner has heard of it: this waits for the learner too, if it runs.
   */
  async promote(member: EtcdMember, options: EtcdTimeout = {}): Promise<void> {
    const id = await this.idOf(member);
    await this.change(`promote ${member.name}`, options, (gateway) => gateway.memberPromote(id));
    if (member.running && !member.paused) {
      await waitUntil(
        `${member.name} to know that it is a voter`,
        async () => !(await this.gateway(member).status()).isLearner || undefined,
        { timeoutMs: options.timeoutMs ?? TIMEOUT_MS },
      );
    }
  }

  /**
   * Removes a member, running or not, and waits until its process has ended. Its data is deleted.
   *
   * The leader hands over first: its removal would cost an election.
   */
  async remove(member: EtcdMember, options: EtcdTimeout = {}): Promise<void> {
    const id = await this.idOf(member);
    if ((await this.waitForLeader(options)) === member) {
      const successor = await this.successorOf(member);
      if (successor) {
        await this.transferLeadership(successor, options);
      }
    }
    await this.change(`remove ${member.name}`, options, (gateway) => gateway.memberRemove(id));
    this.all.splice(this.all.indexOf(member), 1);
    this.ids.delete(member);
    this.gateways.get(member.clientUrl)?.close();
    this.gateways.delete(member.clientUrl);
    if (member.paused) {
      await member.kill();
    } else if (member.running) {
      // etcd ends by itself, with exit code 0, when it learns that its member was removed. One that
      // cannot learn it any more is no use either.
      await member.waitForExit(5_000).catch(() => member.kill());
    }
    await rm(member.dataDirectory, { recursive: true, force: true });
  }

  /** Moves the leadership to a member, and waits until it leads. */
  async transferLeadership(member: EtcdMember, options: EtcdTimeout = {}): Promise<void> {
    const id = await this.idOf(member);
    await waitUntil(
      `${member.name} to become the leader`,
      async () => {
        const leader = await this.leader();
        if (leader === member) {
          return true;
        }
        if (leader) {
          await this.gateway(leader).transferLeadership(id);
        }
        return undefined;
      },
      { timeoutMs: options.timeoutMs ?? TIMEOUT_MS, retryable: passes },
    );
  }

  /** The id of a member, a decimal. */
  async idOf(member: EtcdMember): Promise<string> {
    const known = this.ids.get(member);
    if (known !== undefined) {
      return known;
    }
    const info = (await this.memberList()).find(({ peerUrls }) =>
      peerUrls.includes(member.peerUrl),
    );
    if (!info) {
      throw new Error(`${member.name} (${member.peerUrl}) is not a member of the cluster`);
    }
    this.ids.set(member, info.id);
    return info.id;
  }

  /** Kills every process and removes all data. It may be called more than once. */
  async stop(): Promise<void> {
    for (const gateway of this.gateways.values()) {
      gateway.close();
    }
    this.gateways.clear();
    try {
      await Promise.all([...this.started].map((member) => member.kill()));
    } finally {
      await this.data.remove();
    }
  }

  /** {@link stop}, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** Every member that was ever made, also those removed since. */
  private readonly started = new Set<EtcdMember>();

  private newMember(initialCluster: string, initialClusterState: 'new' | 'existing'): EtcdMember {
    const address = this.nextAddress();
    const name = this.nextName();
    const member = new EtcdMember({
      binary: this.binary,
      name,
      address,
      dataDirectory: join(this.directory, name),
      initialCluster,
      initialClusterState,
      initialClusterToken: this.token,
      certificates: this.certificates,
      extraFlags: this.extraFlags,
    });
    this.started.add(member);
    this.all.push(member);
    return member;
  }

  /** Addresses and names are never used twice: a late packet for an old member finds nobody. */
  private nextAddress(): string {
    const address = this.addresses[this.started.size];
    if (address === undefined) {
      throw new Error(
        `all ${this.addresses.length} addresses of the cluster were used: start it with more spareAddresses`,
      );
    }
    return address;
  }

  private nextName(): string {
    return memberName(this.started.size);
  }

  private peerUrl(address: string): string {
    return `${this.certificates ? 'https' : 'http'}://${address}:2380`;
  }

  /** The voter, other than the member, that has applied the most. */
  private async successorOf(member: EtcdMember): Promise<EtcdMember | undefined> {
    const candidates = await Promise.all(
      this.all
        .filter((other) => other !== member && other.running && !other.paused)
        .map(async (other) => ({ other, status: await this.gateway(other).status() })),
    );
    return candidates
      .filter(({ status }) => !status.isLearner)
      .sort((a, b) => b.status.raftAppliedIndex - a.status.raftAppliedIndex)[0]?.other;
  }

  private async atLeader<T>(operation: (gateway: EtcdGateway) => Promise<T>): Promise<T> {
    return operation(this.gateway(await this.waitForLeader()));
  }

  /** A change of the membership, again as long as etcd refuses it for a reason that passes. */
  private change<T>(
    what: string,
    options: EtcdTimeout,
    operation: (gateway: EtcdGateway) => Promise<T>,
  ): Promise<T> {
    return waitUntil(`etcd to ${what}`, async () => ({ result: await this.atLeader(operation) }), {
      timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
      intervalMs: 100,
      retryable: passes,
    }).then(({ result }) => result);
  }
}

/** Whether etcd refused for a reason that passes with time, having changed nothing. */
function passes(error: unknown): boolean {
  if (!(error instanceof EtcdError)) {
    return false;
  }
  switch (error.code) {
    // "unhealthy cluster" (up to 5 s after a change), "no leader", "rpc not supported for learner".
    case GrpcCode.UNAVAILABLE:
      return true;
    // Not so: "too many learner members in cluster", "Peer URLs already exists".
    case GrpcCode.FAILED_PRECONDITION:
      return /in sync with leader|not leader/.test(error.reason);
    case GrpcCode.UNKNOWN:
      return /raft proposal dropped/.test(error.reason);
    default:
      return false;
  }
}

function memberName(index: number): string {
  return `m${index + 1}`;
}
