import { readdirSync, readFileSync } from 'node:fs';

interface ProcessStat {
  readonly pid: number;
  readonly name: string;
  readonly parent: number;
  readonly group: number;
}

/** Kills etcd, and nothing else of its machine. Returns whether there was one. */
export function killEtcd(groupId: number): boolean {
  return signal('SIGKILL', etcdOf(groupId));
}

/** Asks etcd, and nothing else of its machine, to end. Returns whether there was one. */
export function stopEtcd(groupId: number): boolean {
  return signal('SIGTERM', etcdOf(groupId));
}

/** Kills the processes that another one has started. Returns whether there was one. */
export function killChildren(parentId: number): boolean {
  return signal(
    'SIGKILL',
    processes().filter(({ parent }) => parent === parentId),
  );
}

function etcdOf(groupId: number): ProcessStat[] {
  return processes().filter(({ group, name }) => group === groupId && name === 'etcd');
}

function signal(name: NodeJS.Signals, receivers: readonly ProcessStat[]): boolean {
  return receivers.map(({ pid }) => ifThere(() => process.kill(pid, name))).some(Boolean);
}

function processes(): ProcessStat[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const stat = ifThere(() => readFileSync(`/proc/${name}/stat`, 'utf8'));
      return stat ? [parse(stat)] : [];
    });
}

/** `pid (name) state parent group ...`; the name may contain anything (proc_pid_stat(5)). */
function parse(stat: string): ProcessStat {
  const open = stat.indexOf('(');
  const close = stat.lastIndexOf(')');
  const [, parent, group] = stat.slice(close + 2).split(' ');
  return {
    pid: Number(stat.slice(0, open)),
    name: stat.slice(open + 1, close),
    parent: Number(parent),
    group: Number(group),
  };
}

/** A process may end while it is looked at. */
function ifThere<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) {
      return undefined;
    }
    throw error;
  }
}
