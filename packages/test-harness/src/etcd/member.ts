import { mkdir, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { hasCode } from '../error-code';
import { logLines } from '../process/log-lines';
import { type ProcessExit, ProcessGroup } from '../process/process-group';
import { environmentForEtcd } from './executable';
import { EtcdGateway, type EtcdGatewayProps } from './gateway';
import type { EtcdCertificates } from './tls';

/** How the process of a member ended. */
export type EtcdExit = ProcessExit;

/** How a member is run. */
export interface EtcdMemberProps {
  /** The path of the etcd executable. */
  readonly binary: string;
  /** The name of the member. */
  readonly name: string;
  /** The IP address of the member, for its clients and its peers. */
  readonly address: string;
  /** Where etcd keeps its data. It is made if it is missing. */
  readonly dataDirectory: string;
  /**
   * The file that etcd's log is appended to.
   *
   * @default - the data directory's name with ".log" appended
   */
  readonly logFile?: string;
  /** All members, this one too, as `name=peer URL` pairs joined by commas. */
  readonly initialCluster: string;
  /** Whether the cluster is new, or exists and has been told of this member. */
  readonly initialClusterState: 'new' | 'existing';
  /**
   * The token that keeps clusters apart.
   *
   * @default - etcd's own
   */
  readonly initialClusterToken?: string;
  /**
   * The certificates for mutual TLS on both ports.
   *
   * @default - no TLS
   */
  readonly certificates?: EtcdCertificates;
  /**
   * The port for clients.
   *
   * @default 2379
   */
  readonly clientPort?: number;
  /**
   * The port for other members.
   *
   * @default 2380
   */
  readonly peerPort?: number;
  /**
   * Further flags, such as `--snapshot-count=500`. A flag given here wins over the same flag of ours.
   *
   * @default - none
   */
  readonly extraFlags?: readonly string[];
}

/** How long a start may take, in milliseconds. */
const START_TIMEOUT_MS = 30_000;

/** How long etcd may take to hand over its leadership and stop, in milliseconds; it took 0.7 to 1.3 s. */
const STOP_TIMEOUT_MS = 15_000;

/**
 * One real etcd process.
 *
 * The process leads a process group of its own, which is killed when this Node process ends, however it
 * ends. A stopped or killed member can be started again with the data it has.
 */
export class EtcdMember {
  /** The name of the member. */
  readonly name: string;
  /** The IP address of the member. */
  readonly address: string;
  /** The URL for clients. */
  readonly clientUrl: string;
  /** The URL for other members. */
  readonly peerUrl: string;
  /** Where etcd keeps its data. */
  readonly dataDirectory: string;
  /** The file with etcd's log. */
  readonly logFile: string;
  /** The certificates, if the member uses TLS. */
  readonly certificates: EtcdCertificates | undefined;

  private readonly clientPort: number;
  private readonly peerPort: number;
  /** The last process that was started. */
  private group: ProcessGroup | undefined;
  private wasPaused = false;

  constructor(private readonly props: EtcdMemberProps) {
    const scheme = props.certificates ? 'https' : 'http';
    this.clientPort = props.clientPort ?? 2379;
    this.peerPort = props.peerPort ?? 2380;
    this.name = props.name;
    this.address = props.address;
    this.clientUrl = `${scheme}://${props.address}:${this.clientPort}`;
    this.peerUrl = `${scheme}://${props.address}:${this.peerPort}`;
    this.dataDirectory = props.dataDirectory;
    this.logFile = props.logFile ?? `${props.dataDirectory}.log`;
    this.certificates = props.certificates;
  }

  /** The id of the running process; `undefined` if there is none. */
  get pid(): number | undefined {
    return this.running ? this.group?.pid : undefined;
  }

  /** Whether the process runs; a paused one does. */
  get running(): boolean {
    return this.group !== undefined && this.group.exit === undefined;
  }

  /** Whether the process is paused by {@link pause}. */
  get paused(): boolean {
    return this.running && this.wasPaused;
  }

  /** How the last process ended; `undefined` while one runs, or before the first one. */
  get exit(): EtcdExit | undefined {
    return this.group?.exit;
  }

  /** The flags that etcd is started with. */
  get flags(): readonly string[] {
    const certificates = this.props.certificates;
    return [
      `--name=${this.name}`,
      `--data-dir=${this.dataDirectory}`,
      `--listen-client-urls=${this.clientUrl}`,
      `--advertise-client-urls=${this.clientUrl}`,
      `--listen-peer-urls=${this.peerUrl}`,
      `--initial-advertise-peer-urls=${this.peerUrl}`,
      `--initial-cluster=${this.props.initialCluster}`,
      `--initial-cluster-state=${this.props.initialClusterState}`,
      ...(this.props.initialClusterToken
        ? [`--initial-cluster-token=${this.props.initialClusterToken}`]
        : []),
      ...(certificates
        ? [
            '--client-cert-auth',
            `--trusted-ca-file=${certificates.server.caFile}`,
            `--cert-file=${certificates.server.certFile}`,
            `--key-file=${certificates.server.keyFile}`,
            '--peer-client-cert-auth',
            `--peer-trusted-ca-file=${certificates.server.caFile}`,
            `--peer-cert-file=${certificates.server.certFile}`,
            `--peer-key-file=${certificates.server.keyFile}`,
          ]
        : []),
      // The last one counts.
      ...(this.props.extraFlags ?? []),
    ];
  }

  /**
   * Starts the process and waits until it answers a status request. A member of a new cluster does so
   * when the quorum runs: start such members together.
   *
   * @param options - `timeoutMs`: how long to wait, 30 s by default; 0 to not wait at all.
   * @throws Error if the address is taken, if the process ends early (with its exit code and the last
   *   lines of its log), or if it does not answer in time; the process is killed then.
   */
  async start(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    if (this.running) {
      throw new Error(`etcd member ${this.name} runs already, as process ${this.pid}`);
    }
    // An answer of somebody else's etcd on the same address would be taken for this one's.
    for (const port of [this.clientPort, this.peerPort]) {
      if (await accepts(this.address, port)) {
        throw new Error(
          `cannot start etcd member ${this.name}: ${this.address}:${port} is in use by another process; stop that, or choose another address`,
        );
      }
    }
    await mkdir(this.dataDirectory, { recursive: true, mode: 0o700 });
    await mkdir(dirname(this.logFile), { recursive: true });
    this.group = await ProcessGroup.start({
      command: this.props.binary,
      args: this.flags,
      environment: environmentForEtcd(process.env),
      logFile: this.logFile,
    });
    this.wasPaused = false;

    const timeoutMs = options.timeoutMs ?? START_TIMEOUT_MS;
    if (timeoutMs > 0) {
      await this.waitUntilAnswering(timeoutMs);
    }
  }

  /**
   * Waits until the process answers a status request.
   *
   * @throws Error as {@link start} does.
   */
  async waitUntilAnswering(timeoutMs: number = START_TIMEOUT_MS): Promise<void> {
    const group = this.startedGroup();
    const gateway = this.gateway({ timeoutMs: 1_000 });
    try {
      await group.waitUntilAnswering(
        `etcd member ${this.name}`,
        this.clientUrl,
        () => gateway.status(),
        timeoutMs,
      );
    } catch (error) {
      await this.kill();
      throw error;
    } finally {
      gateway.close();
    }
  }

  /**
   * Stops the process as a service manager would (SIGTERM): a leader hands over first.
   *
   * @returns How it ended; for a process that had ended before, how it ended then.
   * @throws Error if it does not stop within 15 s; it is killed then.
   */
  async stop(): Promise<EtcdExit> {
    this.resume();
    this.signal('SIGTERM');
    try {
      return await this.waitForExit(STOP_TIMEOUT_MS);
    } catch (error) {
      await this.kill();
      throw error;
    }
  }

  /**
   * Kills the process (SIGKILL), also while it is paused. Nothing happens if none runs.
   *
   * @returns How it ended; `undefined` if it was never started.
   */
  async kill(): Promise<EtcdExit | undefined> {
    await this.group?.stop();
    return this.exit;
  }

  /** Pauses the process (SIGSTOP): its connections stay open, and nothing is answered. */
  async pause(): Promise<void> {
    this.wasPaused = (await this.group?.pause()) ?? false;
  }

  /** Lets a paused process go on (SIGCONT). */
  resume(): void {
    if (this.wasPaused && this.signal('SIGCONT')) {
      this.wasPaused = false;
    }
  }

  /**
   * Waits for the process to end, for example because its member was removed.
   *
   * @throws Error if it still runs at the time-out, or was never started.
   */
  async waitForExit(timeoutMs: number = STOP_TIMEOUT_MS): Promise<EtcdExit> {
    const group = this.startedGroup();
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<never>((_, fail) => {
      timer = setTimeout(
        () =>
          fail(
            new Error(
              `etcd member ${this.name} (process ${this.pid}) did not end within ${timeoutMs} ms\n${group.outputForError()}`,
            ),
          ),
        timeoutMs,
      );
    });
    try {
      return await Promise.race([group.exited, timeout]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** The size of the database file, in bytes; 0 before there is one. */
  async dataSize(): Promise<number> {
    try {
      return (await stat(join(this.dataDirectory, 'member', 'snap', 'db'))).size;
    } catch (error) {
      if (hasCode(error, 'ENOENT')) {
        return 0;
      }
      throw error;
    }
  }

  /** The last lines of the log, oldest first. */
  logTail(lines = 12): string[] {
    return logLines(this.logFile).slice(-lines);
  }

  /** A client of this member, with the client's certificate if the member uses TLS. Close it after use. */
  gateway(props: Omit<EtcdGatewayProps, 'tls'> = {}): EtcdGateway {
    return new EtcdGateway(this.clientUrl, { ...props, tls: this.certificates?.client });
  }

  private startedGroup(): ProcessGroup {
    if (!this.group) {
      throw new Error(`etcd member ${this.name} was never started`);
    }
    return this.group;
  }

  private signal(signal: NodeJS.Signals): boolean {
    return this.group?.signal(signal) ?? false;
  }
}

/** Whether something on this machine accepts connections at the address. */
function accepts(address: string, port: number): Promise<boolean> {
  return new Promise((settle) => {
    const socket = connect({ host: address, port });
    socket.once('connect', () => {
      socket.destroy();
      settle(true);
    });
    socket.once('error', () => settle(false));
  });
}
