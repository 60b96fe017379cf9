import type { Timeline } from './model';
import { byTime } from './spans';
import type { TimeScale } from './time-scale';

/** A slice of time, and what the writer saw in it; rates are in writes a second. */
export interface Slice {
  readonly from: number;
  readonly to: number;
  readonly x: number;
  readonly width: number;
  readonly rate: number;
  readonly failed: number;
  readonly failedRate: number;
  readonly gapMs: number;
}

/** The slices that are in the plot, earliest first. */
export function slicesOf(timeline: Timeline, scale: TimeScale): readonly Slice[] {
  const sorted = byTime(timeline.writes);
  const distances = sorted
    .slice(1)
    .map((slice, index) => slice.at - (sorted[index]?.at ?? slice.at))
    .filter((distance) => distance > 0);
  const first = sorted[0]?.at ?? timeline.startedAt;
  // With one slice only, nothing but the end of the timeline tells its length.
  const seconds =
    distances.length > 0 ? Math.min(...distances) : Math.max(timeline.endedAt - first, 1e-3);
  return sorted
    .map((slice) => {
      const to = slice.at + seconds;
      const x = scale.x(slice.at);
      return {
        from: slice.at,
        to,
        x,
        width: scale.x(to) - x,
        rate: slice.acknowledged / seconds,
        failed: slice.failed,
        failedRate: slice.failed / seconds,
        gapMs: slice.longestGapMs,
      };
    })
    .filter((slice) => slice.width > 0);
}
