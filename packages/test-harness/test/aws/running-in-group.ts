import { execFileSync } from 'node:child_process';

/** Ids of the processes of a group that run, as `ps` sees it; one that is only not reaped is left out. */
export function runningInGroup(groupId: number): number[] {
  return execFileSync('ps', ['-A', '-o', 'pid=,pgid=,stat='], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, group, state]) => Number(group) === groupId && !state?.startsWith('Z'))
    .map(([pid]) => Number(pid));
}
