import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** How to start a {@link ProcessGroup}. */
export interface ProcessGroupProps {
  /** The executable, looked up on the PATH of `environment` if it is not a path. */
  readonly command: string;

  /** Its arguments. Default: none. */
  readonly args?: readonly string[];

  /** The whole environment of the process; nothing is inherited from Node. */
  readonly environment: Readonly<Record<string, string>>;

  /** Working directory. Default: that of Node. */
  readonly cwd?: string;

  /** File to which standard output and standard error are appended. */
  readonly logFile: string;

  /** A directory to remove should Node die before {@link ProcessGroup.stop} was called. Default: none. */
  readonly removeOnNodeDeath?: string;
}

/**
 * A child process in a process group of its own, so that it can be signalled together with
 * everything that it has started.
 *
 * The group does not outlive Node, however Node ends: a guard process waits on a pipe that only Node
 * holds open, and kills the group when that pipe closes. Exit handlers would miss SIGKILL, and do
 * not run in Jest's sandbox.
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
      const child = spawn(props.command, [...(props.args ?? [])], {
        cwd: props.cwd,
        env: { ...props.environment },
        detached: true,
        stdio: ['ignore', log, log],
      });
      await new Promise<void>((resolve, reject) => {
        child.once('spawn', resolve);
        child.once('error', (error) =>
          reject(new Error(`Cannot start ${props.command}: ${error.message}`, { cause: error })),
        );
      });
      return new ProcessGroup(child, props);
    } finally {
      closeSync(log);
    }
  }

  /** Process id of the first process, which is also the id of the group. */
  readonly pid: number;

  /** File with the output of the group. */
  readonly logFile: string;

  private lastMember: number;
  private readonly guard: ChildProcess;
  private readonly exited: Promise<void>;

  private constructor(
    private readonly child: ChildProcess,
    props: ProcessGroupProps,
  ) {
    this.pid = child.pid as number;
    this.lastMember = this.pid;
    this.logFile = props.logFile;
    const directory = props.removeOnNodeDeath ?? '';
    this.guard = spawn(
      '/bin/sh',
      [
        '-c',
        'read -r _; kill -s KILL -- "-$1" 2>/dev/null; [ -z "$2" ] || rm -rf -- "$2"',
        'process-group-guard',
        String(this.pid),
        directory,
      ],
      { cwd: '/', detached: true, stdio: ['pipe', 'ignore', 'ignore'] },
    );
    // Neither process should keep Node from ending: the guard cleans up after it.
    child.unref();
    this.guard.unref();
    (this.guard.stdin as unknown as { unref?: () => void } | null)?.unref?.();
    this.exited = new Promise((resolve) => {
      const settle = () => resolve();
      child.once('exit', settle);
      if (child.exitCode !== null || child.signalCode !== null) {
        settle();
      }
    });
  }

  /** Exit code or signal name of the first process; undefined while it runs. */
  get exitStatus(): number | string | undefined {
    return this.child.exitCode ?? this.child.signalCode ?? undefined;
  }

  /** Whether any process of the group runs. */
  get alive(): boolean {
    // One look is enough as long as the process that was found the last time is still there.
    if (!isRunningMember(this.lastMember, this.pid)) {
      const member = findRunningMember(this.pid);
      if (member === undefined) {
        return false;
      }
      this.lastMember = member;
    }
    return true;
  }

  /**
   * Sends a signal to each process of the group.
   *
   * @returns false if the group has no process left.
   */
  signal(signal: NodeJS.Signals): boolean {
    try {
      process.kill(-this.pid, signal);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ESRCH') {
        return false;
      }
      throw error;
    }
  }

  /**
   * Ends the group and waits until it is gone.
   *
   * @param graceSeconds seconds between SIGTERM and SIGKILL; 0 sends SIGKILL at once.
   * @throws Error if a process survives SIGKILL for 10 s.
   */
  async stop(graceSeconds = 0): Promise<void> {
    if (graceSeconds > 0 && this.signal('SIGTERM')) {
      await this.waitUntilGone(graceSeconds);
    }
    this.signal('SIGKILL');
    if (!(await this.waitUntilGone(10))) {
      throw new Error(`Process group ${this.pid} is still there 10 s after SIGKILL`);
    }
    await this.exited;
    this.guard.kill('SIGKILL');
  }

  /** The last lines of the output, for error messages. */
  lastOutput(lines = 20): string {
    return readFileSync(this.logFile, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
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

/** The first process of a group that runs; undefined if none does. */
function findRunningMember(groupId: number): number | undefined {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .find((pid) => isRunningMember(pid, groupId));
}

/**
 * Whether a process belongs to a group and runs. One that has ended but was not reaped yet does not
 * run: orphans are reaped by init, which may take its time, but hold no file, port or address.
 */
function isRunningMember(pid: number, groupId: number): boolean {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) {
      return false;
    }
    throw error;
  }
  // pid (name) state parent group ...; the name may contain anything (proc_pid_stat(5)).
  const [state = '', , group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(group) === groupId && !['Z', 'X'].includes(state);
}
