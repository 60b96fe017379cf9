import { execFileSync } from 'node:child_process';
import { waitUntil } from '../../src/wait-until';

interface RunningProcess {
  readonly pid: number;
  readonly groupId: number;
}

/** The processes that run, as `ps` sees them; one that has ended and is only not reaped is left out. */
function runningProcesses(): RunningProcess[] {
  return execFileSync('ps', ['-A', '-o', 'pid=,pgid=,stat='], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , state]) => !state?.startsWith('Z'))
    .map(([pid, groupId]) => ({ pid: Number(pid), groupId: Number(groupId) }));
}

/** Ids of the processes of a group that run. */
export function runningInGroup(groupId: number): number[] {
  return runningProcesses()
    .filter((one) => one.groupId === groupId)
    .map(({ pid }) => pid);
}

/** Whether a process runs. */
export function isRunning(pid: number): boolean {
  return runningProcesses().some((one) => one.pid === pid);
}

/** Waits until something holds. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  await waitUntil(what, () => condition() || undefined, { timeoutMs: 10_000, intervalMs: 20 });
}
