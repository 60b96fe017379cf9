import { type ChildProcess, spawn } from 'node:child_process';
import { Socket } from 'node:net';
import { join } from 'node:path';

/** The script that outlives this process for a moment, and cleans up after it. */
const SCRIPT = join(__dirname, '..', '..', 'etcd', 'kill-when-orphaned.sh');

/**
 * Sees to it that no etcd process and no data directory outlives this Node process.
 *
 * While anything is registered, a small shell process waits on a pipe from this process. When this
 * process ends, in whatever way (also by SIGKILL, also inside a Jest worker), the pipe closes, and
 * the shell kills the registered process groups and removes the registered directories.
 */
class OrphanGuard {
  private guard: ChildProcess | undefined;
  private readonly registered = new Set<string>();

  /** Registers a process group, to be killed if this process ends before it is released. */
  addGroup(groupId: number): void {
    this.add(`group ${groupId}`);
  }

  /** Forgets a process group, because it has ended. */
  releaseGroup(groupId: number): void {
    this.release(`group ${groupId}`);
  }

  /**
   * Registers a directory, to be removed if this process ends before it is released.
   *
   * @param path - An absolute path without a line break.
   */
  addDirectory(path: string): void {
    this.add(`directory ${path}`);
  }

  /** Forgets a directory, because it has been removed. */
  releaseDirectory(path: string): void {
    this.release(`directory ${path}`);
  }

  private add(entry: string): void {
    this.registered.add(entry);
    if (this.guard === undefined) {
      this.guard = this.spawnGuard();
      for (const earlier of this.registered) {
        this.guard.stdin?.write(`+${earlier}\n`);
      }
    } else {
      this.guard.stdin?.write(`+${entry}\n`);
    }
  }

  private release(entry: string): void {
    if (!this.registered.delete(entry)) {
      return;
    }
    this.guard?.stdin?.write(`-${entry}\n`);
    if (this.registered.size === 0) {
      this.guard?.stdin?.end();
      this.guard = undefined;
    }
  }

  private spawnGuard(): ChildProcess {
    const guard = spawn('/bin/sh', [SCRIPT], {
      // A group of its own: Ctrl-C in a terminal must not end the guard before its work is done.
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    // Neither the guard nor its pipe keeps this process alive.
    guard.unref();
    if (guard.stdin instanceof Socket) {
      guard.stdin.unref();
    }
    // A guard that somebody killed is replaced at the next registration, which it hears of in full.
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

/** The one guard of this process. */
export const orphanGuard = new OrphanGuard();
