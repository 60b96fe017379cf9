import type { Timeline } from './model';

/** The entries of a list, earliest first. */
export function byTime<T extends { readonly at: number }>(list: readonly T[]): readonly T[] {
  return list.toSorted((a, b) => a.at - b.at);
}

/** The entries of a list with the time at which each of them ends. */
export function spans<T extends { readonly at: number }>(
  list: readonly T[],
  endedAt: number,
): readonly { readonly value: T; readonly from: number; readonly to: number }[] {
  const sorted = byTime(list);
  return sorted.map((value, index) => ({
    value,
    from: value.at,
    to: sorted[index + 1]?.at ?? Math.max(endedAt, value.at),
  }));
}

/** How long an instance led, or nobody did. */
interface LeaderSpan {
  readonly instanceId: string | undefined;
  readonly from: number;
  readonly to: number;
}

/** Who led from when to when; two reports of the same leader in a row are one. */
export function leaderSpans(timeline: Timeline): readonly LeaderSpan[] {
  const changes = byTime(timeline.leaders).filter(
    ({ instanceId }, index, all) => index === 0 || all[index - 1]?.instanceId !== instanceId,
  );
  return spans(changes, timeline.endedAt).map(({ value, from, to }) => ({
    instanceId: value.instanceId,
    from,
    to,
  }));
}
