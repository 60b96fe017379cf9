import { LEFT, PLOT_WIDTH } from './layout';

const MAX_TICKS = 14;
const TICK_STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];

/** Places times on the horizontal axis. */
export class TimeScale {
  private readonly duration: number;

  public constructor(
    public readonly startedAt: number,
    public readonly endedAt: number,
  ) {
    this.duration = Math.max(endedAt - startedAt, 1e-3);
  }

  /** Where a time is; what is outside of the timeline is at its edge. */
  public x(at: number): number {
    const share = (at - this.startedAt) / this.duration;
    return LEFT + Math.min(Math.max(share, 0), 1) * PLOT_WIDTH;
  }

  /** Seconds since the start, as people read them. */
  public text(at: number): string {
    return `${(at - this.startedAt).toFixed(1)} s`;
  }

  /** The seconds to mark on the axis. */
  public ticks(): readonly number[] {
    const step =
      TICK_STEPS.find((candidate) => this.duration / candidate <= MAX_TICKS) ??
      3600 * Math.ceil(this.duration / 3600 / MAX_TICKS);
    const count = Math.floor(this.duration / step + 1e-9) + 1;
    return Array.from({ length: count }, (_, index) => Number((index * step).toFixed(1)));
  }
}
