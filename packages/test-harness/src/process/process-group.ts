import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fstatSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { hasCode } from '../error-code';
import { waitUntil } from '../wait-until';
import { logLines } from './log-lines';
import { orphanGuard } from './orphan-guard';

/** How to start a {@link ProcessGroup}. */
export interface ProcessGroupProps {
  /** The executable, looked up on the PATH of `environment` if it is not a path. */
  readonly command: string;

  /** Its arguments. Default: none. */
  readonly args?: readonly string[];

  /** The whole environment of the process; nothing is inherited from Node. */
  readonly environment: Readonly<Record<string, string | undefined>>;

  /** Working directory. Default: that of Node. */
  readonly cwd?: string;

  /** File to which standard output and standard error are appended. */
  readonly logFile: string;
}

/** How a process ended. */
export interface ProcessExit {
  /** The exit code; `null` if a signal ended it. */
  readonly code: number | null;
  /** The signal that ended it, or `null`. */
  readonly signal: NodeJS.Signals | null;
}

/** How many lines of the log an error quotes: the first, where a wrong option is named, and the last. */
const FIRST_LINES = 2;
const LAST_LINES = 18;

/** How long a killed group may take to be gone, in seconds. */
const KILL_TIMEOUT_SECONDS = 10;
const PAUSE_TIMEOUT_MS = 5000;

/**
 * A child process in a process group of its own, so that it can be signalled together with
 * everything that it has started.
 *
 * The group does not outlive Node, however Node ends, and does not keep it from ending.
 */
export class ProcessGroup {
  /**
   * Starts the process.
   *
   * @throws Error if the executable cannot be started.
   */
  static async start(props: ProcessGroupProps): Promise<ProcessGroup> {
    const log = openSync(props.logFile, 'a');
    try {
      const logOffset = fstatSync(log).size;
      const child = spawn(props.command, [...(props.args ?? [])], {
        cwd: props.cwd,
        env: { ...props.environment },
        detached: true,
        stdio: ['ignore', log, log],
      });
      if (child.pid === undefined) {
        const [error] = (await once(child, 'error')) as [Error];
        throw new Error(`Cannot start ${props.command}: ${error.message}`, { cause: error });
      }
      return new ProcessGroup(child, child.pid, props.logFile, logOffset);
    } finally {
      closeSync(log);
    }
  }

  /** How the first process ended, as soon as it has. */
  readonly exited: Promise<ProcessExit>;

  private lastExit: ProcessExit | undefined;
  private lastMember: number;
  private gone = false;

  private constructor(
    child: ChildProcess,
    /** Process id of the first process, which is also the id of the group. */
    readonly pid: number,
    /** File with the output of the group. */
    readonly logFile: string,
    /** Where in the log the output of this group begins. */
    private readonly logOffset: number,
  ) {
    orphanGuard.addGroup(pid);
    this.lastMember = pid;
    // It does not keep Node from ending: the guard cleans up after it.
    child.unref();
    this.exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.lastExit = { code, signal };
        this.look();
        resolve(this.lastExit);
      });
    });
  }

  /** How the first process ended; undefined while it runs. */
  get exit(): ProcessExit | undefined {
    return this.lastExit;
  }

  /** Exit code or signal name of the first process; undefined while it runs. */
  get exitStatus(): number | string | undefined {
    return this.lastExit?.code ?? this.lastExit?.signal ?? undefined;
  }

  /** Whether any process of the group runs, or how the first one ended is not known yet. */
  get alive(): boolean {
    this.look();
    return !this.gone;
  }

  /**
   * Sends a signal to each process of the group.
   *
   * @returns false if the group has no process left.
   */
  signal(signal: NodeJS.Signals): boolean {
    // The id of a group that is gone may be that of another by now.
    return !this.gone && signalGroup(this.pid, signal);
  }

  /**
   * Stops each process of the group without ending it (SIGSTOP), and waits until none runs any more:
   * the signal takes a moment to reach every thread. Where there is no `/proc`, it does not wait.
   *
   * @returns false if the group has no process left.
   */
  async pause(): Promise<boolean> {
    if (!this.signal('SIGSTOP')) {
      return false;
    }
    await waitUntil(
      `process group ${this.pid} to stand still`,
      async () => groupStates(this.pid).every((state) => state === 'T') || undefined,
      { timeoutMs: PAUSE_TIMEOUT_MS },
    );
    return true;
  }

  /**
   * Waits until the first process answers.
   *
   * @param name - What to call it in errors.
   * @param url - Where it answers.
   * @param attempt - Asks it; throws, or gives `undefined`, as long as there is no answer.
   * @param timeoutMs - How long to wait, in milliseconds.
   * @throws Error with lines of its output if the process ends before, or does not answer in time.
   */
  async waitUntilAnswering<T>(
    name: string,
    url: string,
    attempt: () => Promise<T | undefined>,
    timeoutMs: number,
  ): Promise<T> {
    return waitUntil(
      `an answer of ${name} at ${url}`,
      async () => {
        if (this.lastExit) {
          const how = describeExit(this.lastExit);
          throw new EarlyEndError(`${name} ${how} before it answered.\n${this.outputForError()}`);
        }
        return attempt();
      },
      {
        timeoutMs,
        retryable: (error) => !(error instanceof EarlyEndError),
        detail: () => this.outputForError(),
      },
    );
  }

  /**
   * Ends the group and waits until it is gone. It may be called more than once.
   *
   * @param graceSeconds seconds between SIGTERM and SIGKILL; 0 sends SIGKILL at once.
   * @throws Error if a process survives SIGKILL for 10 s.
   */
  async stop(graceSeconds = 0): Promise<void> {
    if (graceSeconds > 0 && this.signal('SIGTERM')) {
      await this.waitUntilGone(graceSeconds);
    }
    this.signal('SIGKILL');
    if (!(await this.waitUntilGone(KILL_TIMEOUT_SECONDS))) {
      throw new Error(
        `Process group ${this.pid} is still there ${KILL_TIMEOUT_SECONDS} s after SIGKILL`,
      );
    }
  }

  /** The last lines of the output. */
  lastOutput(lines = 20): string {
    return logLines(this.logFile, this.logOffset).slice(-lines).join('\n');
  }

  /** The first and last lines of the output, for error messages. */
  outputForError(): string {
    const lines = logLines(this.logFile, this.logOffset);
    const shown =
      lines.length > FIRST_LINES + LAST_LINES
        ? [...lines.slice(0, FIRST_LINES), '...', ...lines.slice(-LAST_LINES)]
        : lines;
    return [`From its log, ${this.logFile}:`, ...(shown.length ? shown : ['(empty)'])].join('\n');
  }

  /** Finds out whether a process is left; if none is, none can come either. */
  private look(): void {
    if (this.gone || this.lastExit === undefined) {
      return;
    }
    // One look is enough as long as the process that was found the last time is still there.
    if (isRunningMember(this.lastMember, this.pid)) {
      return;
    }
    const member = findMember(this.pid);
    if (member === undefined) {
      this.gone = true;
      orphanGuard.releaseGroup(this.pid);
    } else {
      this.lastMember = member;
    }
  }

  private async waitUntilGone(seconds: number): Promise<boolean> {
    const deadline = performance.now() + seconds * 1000;
    while (this.alive) {
      if (performance.now() > deadline) {
        return false;
      }
      await sleep(10);
    }
    return true;
  }
}

class EarlyEndError extends Error {}

function describeExit({ code, signal }: ProcessExit): string {
  return signal ? `was ended by ${signal}` : `ended with exit code ${code}`;
}

/**
 * Sends a signal to each process of a group.
 *
 * @returns false if there is no such group.
 */
export function signalGroup(groupId: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-groupId, signal);
  } catch (error) {
    if (hasCode(error, 'ESRCH')) {
      return false;
    }
    throw error;
  }
}

/** A process of a group that runs, or the first one if it cannot be told which; undefined if none. */
function findMember(groupId: number): number | undefined {
  if (process.platform !== 'linux') {
    return signalGroup(groupId, 0) ? groupId : undefined;
  }
  return processIds().find((pid) => isRunningMember(pid, groupId));
}

function processIds(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/**
 * Whether a process belongs to a group and runs. One that has ended but was not reaped yet does not
 * run: orphans are reaped by init, which may take its time, but hold no file, port or address.
 */
function isRunningMember(pid: number, groupId: number): boolean {
  const { state, group } = readStat(`/proc/${pid}/stat`);
  return group === groupId && !['Z', 'X'].includes(state);
}

/** The states of all threads of the group's processes, as proc_pid_stat(5) names them. */
function groupStates(groupId: number): string[] {
  if (process.platform !== 'linux') {
    return [];
  }
  return processIds()
    .filter((pid) => isRunningMember(pid, groupId))
    .flatMap((pid) =>
      orIfGone(() => readdirSync(`/proc/${pid}/task`), []).map(
        (thread) => `/proc/${pid}/task/${thread}/stat`,
      ),
    )
    .map((file) => readStat(file).state)
    .filter((state) => state !== '');
}

/** State and group of a process or thread; an empty state if it is gone. */
function readStat(file: string): { state: string; group: number } {
  const stat = orIfGone(() => readFileSync(file, 'utf8'), '');
  // pid (name) state parent group ...; the name may contain anything (proc_pid_stat(5)).
  const [state = '', , group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { state, group: Number(group) };
}

function orIfGone<T>(read: () => T, gone: T): T {
  try {
    return read();
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ESRCH')) {
      return gone;
    }
    throw error;
  }
}
