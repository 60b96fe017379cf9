import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { environmentForEtcd } from './executable';
import { EtcdGateway, type EtcdGatewayProps } from './gateway';
import { orphanGuard } from './orphan-guard';
import type { EtcdCertificates } from './tls';
import { waitUntil } from './wait-until';

/** How a process ended. */
export interface EtcdExit {
  /** The exit code; `null` if a signal ended it. */
  readonly code: number | null;
  /** The signal that ended it, or `null`. */
  readonly signal: NodeJS.Signals | null;
}

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

/** How many lines of the log an error quotes. */
const LOG_HEAD_LINES = 2;
const LOG_TAIL_LINES = 12;

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
  private child: ChildProcess | undefined;
  private ended: Promise<EtcdExit> | undefined;
  private lastExit: EtcdExit | undefined;
  private wasPaused = false;
  /** Where in the log the present process began. */
  private logOffset = 0;

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
    return this.child?.pid;
  }

  /** Whether the process runs; a paused one does. */
  get running(): boolean {
    return this.child !== undefined;
  }

  /** Whether the process is paused by {@link pause}. */
  get paused(): boolean {
    return this.wasPaused;
  }

  /** How the last process ended; `undefined` while one runs, or before the first one. */
  get exit(): EtcdExit | undefined {
    return this.lastExit;
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
    if (this.child) {
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
    this.spawnProcess();

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
    const gateway = this.gateway({ timeoutMs: 1_000 });
    try {
      await waitUntil(
        `an answer of etcd member ${this.name} at ${this.clientUrl}`,
        async () => {
          if (!this.child) {
            throw new EarlyEndError(
              `etcd member ${this.name} ${describe(this.lastExit)} before it answered.`,
            );
          }
          return gateway.status();
        },
        { timeoutMs, retryable: (error) => !(error instanceof EarlyEndError) },
      );
    } catch (error) {
      await this.kill();
      throw new Error(`${(error as Error).message}\n${this.logForError()}`, { cause: error });
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
    this.signal('SIGKILL');
    await this.ended;
    return this.lastExit;
  }

  /** Pauses the process (SIGSTOP): its connections stay open, and nothing is answered. */
  pause(): void {
    if (this.signal('SIGSTOP')) {
      this.wasPaused = true;
    }
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
    if (!this.ended) {
      throw new Error(`etcd member ${this.name} was never started`);
    }
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<never>((_, fail) => {
      timer = setTimeout(
        () =>
          fail(
            new Error(
              `etcd member ${this.name} (process ${this.pid}) did not end within ${timeoutMs} ms\n${this.logForError()}`,
            ),
          ),
        timeoutMs,
      );
    });
    try {
      return await Promise.race([this.ended, timeout]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** The size of the database file, in bytes; 0 before there is one. */
  async dataSize(): Promise<number> {
    try {
      return (await stat(join(this.dataDirectory, 'member', 'snap', 'db'))).size;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
        return 0;
      }
      throw error;
    }
  }

  /** The last lines of the log, oldest first. */
  logTail(lines: number = LOG_TAIL_LINES): string[] {
    return readLog(this.logFile).slice(-lines);
  }

  /** A client of this member, with the client's certificate if the member uses TLS. Close it after use. */
  gateway(props: Omit<EtcdGatewayProps, 'tls'> = {}): EtcdGateway {
    return new EtcdGateway(this.clientUrl, { ...props, tls: this.certificates?.client });
  }

  private spawnProcess(): void {
    const log = openSync(this.logFile, 'a');
    this.logOffset = fstatSync(log).size;
    let child: ChildProcess;
    try {
      child = spawn(this.props.binary, this.flags, {
        detached: true,
        env: environmentForEtcd(process.env),
        stdio: ['ignore', log, log],
      });
    } finally {
      closeSync(log);
    }
    this.child = child;
    this.lastExit = undefined;
    this.wasPaused = false;
    const { pid } = child;
    if (pid !== undefined) {
      orphanGuard.addGroup(pid);
    }
    this.ended = new Promise((settle) => {
      const end = (exit: EtcdExit) => {
        if (pid !== undefined) {
          orphanGuard.releaseGroup(pid);
        }
        this.child = undefined;
        this.wasPaused = false;
        this.lastExit = exit;
        settle(exit);
      };
      child.once('exit', (code, signal) => end({ code, signal }));
      // Node reports an executable that cannot be started here, and then no exit.
      child.once('error', () => pid === undefined && end({ code: 127, signal: null }));
    });
  }

  private signal(signal: NodeJS.Signals): boolean {
    if (this.child?.pid === undefined) {
      return false;
    }
    try {
      return process.kill(-this.child.pid, signal);
    } catch (error) {
      // The process has just ended, and Node has not yet said so.
      if ((error as NodeJS.ErrnoException).code === 'ESRCH') {
        return false;
      }
      throw error;
    }
  }

  /** The first lines of the log since the start, where a wrong flag is named, and the last ones. */
  private logForError(): string {
    const lines = readLog(this.logFile, this.logOffset);
    const shown =
      lines.length > LOG_HEAD_LINES + LOG_TAIL_LINES
        ? [...lines.slice(0, LOG_HEAD_LINES), '...', ...lines.slice(-LOG_TAIL_LINES)]
        : lines;
    return [`From its log, ${this.logFile}:`, ...(shown.length ? shown : ['(empty)'])].join('\n');
  }
}

class EarlyEndError extends Error {}

function describe(exit: EtcdExit | undefined): string {
  if (!exit) {
    return 'was not running';
  }
  return exit.signal ? `was ended by ${exit.signal}` : `ended with exit code ${exit.code}`;
}

function readLog(file: string, offset = 0): string[] {
  let content: Buffer;
  try {
    content = readFileSync(file);
  } catch (error) {
    // Never started, or already removed.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return [];
    }
    throw error;
  }
  return content
    .subarray(offset)
    .toString('utf8')
    .split('\n')
    .filter((line) => line.trim() !== '');
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
