/** Time, and callbacks at a time. */
export interface Clock {
  /** Seconds since the epoch. */
  now(): number;

  /**
   * Calls back once at a time, or as soon as possible if that has passed.
   *
   * @param time seconds since the epoch.
   * @returns a function that cancels the call.
   */
  schedule(time: number, callback: () => void): () => void;
}

/** The longest delay that Node's timers take; a longer one would fire at once. */
const LONGEST_DELAY_MILLISECONDS = 2 ** 31 - 1;

/** The time of the system. Its callbacks do not keep Node from ending. */
export class SystemClock implements Clock {
  now(): number {
    return Date.now() / 1000;
  }

  schedule(time: number, callback: () => void): () => void {
    let timer: NodeJS.Timeout;
    const arm = () => {
      const delay = Math.max(0, time * 1000 - Date.now());
      timer = setTimeout(
        delay > LONGEST_DELAY_MILLISECONDS ? arm : callback,
        Math.min(delay, LONGEST_DELAY_MILLISECONDS),
      );
      timer.unref();
    };
    arm();
    return () => clearTimeout(timer);
  }
}

/** A time that stands still until a test moves it. */
export class ManualClock implements Clock {
  private readonly pending = new Set<{ readonly time: number; readonly callback: () => void }>();

  /** @param time where to start, in seconds since the epoch. Default: 2026-01-01T00:00:00Z. */
  constructor(private time = Date.UTC(2026, 0, 1) / 1000) {}

  now(): number {
    return this.time;
  }

  schedule(time: number, callback: () => void): () => void {
    const entry = { time, callback };
    this.pending.add(entry);
    return () => this.pending.delete(entry);
  }

  /**
   * Moves the time on. What falls due on the way is called in order, each at its own time, also if
   * it was scheduled on the way.
   *
   * @throws RangeError if `seconds` is negative.
   */
  advance(seconds: number): void {
    if (!(seconds >= 0)) {
      throw new RangeError(`Time does not go back: ${seconds} s`);
    }
    const end = this.time + seconds;
    for (;;) {
      const [next] = [...this.pending].sort((a, b) => a.time - b.time);
      if (next === undefined || next.time > end) {
        break;
      }
      this.pending.delete(next);
      this.time = Math.max(this.time, next.time);
      next.callback();
    }
    this.time = end;
  }
}
