import { type ChildProcess, spawn } from 'node:child_process';
import { Socket } from 'node:net';

/**
 * What outlives this process for a moment, and cleans up after it.
 *
 * Each line of its input is a command that replaces the one before. The last whole line is run when
 * the pipe closes, which the kernel does however this process ends. A handler in this process would
 * not do: SIGKILL runs none, and in Jest's sandbox `process` is a copy whose "exit" listeners never
 * run.
 */
const SCRIPT = `
trap '' HUP INT TERM
cleanup=:
while IFS= read -r line; do cleanup=$line; done
eval "$cleanup"
`;

/**
 * Sees to it that no registered process group and no registered directory outlives this Node process,
 * in whatever way it ends (also by SIGKILL, also inside a Jest worker).
 *
 * While anything is registered, a small shell process waits on a pipe that only this process holds
 * open. All groups are killed before any directory is removed, for they may still write there.
 */
class OrphanGuard {
  private guard: ChildProcess | undefined;
  private readonly groups = new Set<number>();
  private readonly directories = new Set<string>();

  /** Registers a process group, to be killed if this process ends before it is released. */
  addGroup(groupId: number): void {
    this.groups.add(groupId);
    this.tell();
  }

  /** Forgets a process group, because it has ended. */
  releaseGroup(groupId: number): void {
    if (this.groups.delete(groupId)) {
      this.tell();
    }
  }

  /**
   * Registers a directory, to be removed if this process ends before it is released.
   *
   * @param path - An absolute path.
   * @throws Error if the path has a line break.
   */
  addDirectory(path: string): void {
    if (path.includes('\n')) {
      throw new Error(`cannot guard a directory whose path has a line break: ${path}`);
    }
    this.directories.add(path);
    this.tell();
  }

  /** Forgets a directory, because it has been removed. */
  releaseDirectory(path: string): void {
    if (this.directories.delete(path)) {
      this.tell();
    }
  }

  private tell(): void {
    this.guard ??= this.spawnGuard();
    this.guard.stdin?.write(`${this.cleanup()}\n`);
    if (this.groups.size === 0 && this.directories.size === 0) {
      this.guard.stdin?.end();
      this.guard = undefined;
    }
  }

  private cleanup(): string {
    const commands: string[] = [];
    if (this.groups.size > 0) {
      commands.push(`kill -s KILL -- ${[...this.groups].map((id) => `-${id}`).join(' ')}`);
    }
    if (this.directories.size > 0) {
      const remove = `rm -rf -- ${[...this.directories].map(quoted).join(' ')}`;
      // A process that was just killed may finish writing a file that it had begun.
      commands.push(`${remove} || { sleep 1; ${remove}; }`);
    }
    return commands.join('; ') || ':';
  }

  private spawnGuard(): ChildProcess {
    const guard = spawn('/bin/sh', ['-c', SCRIPT, 'orphan-guard'], {
      // No directory is kept from being removed or unmounted.
      cwd: '/',
      // A group of its own: Ctrl-C in a terminal must not end the guard before its work is done.
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    // Neither the guard nor its pipe keeps this process alive.
    guard.unref();
    if (guard.stdin instanceof Socket) {
      guard.stdin.unref();
    }
    // A guard that somebody killed is replaced at the next change, and hears of everything then.
    const lost = () => {
      if (this.guard === guard) {
        this.guard = undefined;
      }
    };
    guard.on('exit', lost);
    guard.on('error', lost);
    guard.stdin?.on('error', lost);
    return guard;
  }
}

/** A word of the shell that stands for exactly this text. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** The one guard of this process. */
export const orphanGuard = new OrphanGuard();
