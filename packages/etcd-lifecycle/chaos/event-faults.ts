import { setTimeout as sleep } from 'node:timers/promises';
import type { EventSink, ServiceEvent } from '@quorate/test-harness';
import type { EventFault } from './schedule';

/** Long enough for events that follow to arrive before, in milliseconds. */
const LATE_MS = 6000;

/** Stands between the group and the event bus: loses events, doubles them, or holds them up. */
export class EventFaults {
  /** How many events it has lost, doubled or held up. */
  public disturbed = 0;
  private mode: EventFault['kind'] | undefined;
  private readonly late = new Set<Promise<void>>();
  private readonly failures: unknown[] = [];

  /**
   * @param lateMs - How late an event arrives when it is late, in milliseconds.
   */
  constructor(private readonly lateMs = LATE_MS) {}

  /** Disturbs from now on as told; undefined: no more. */
  public disturb(mode: EventFault['kind'] | undefined): void {
    this.mode = mode;
  }

  /** What takes the events in front of the bus. */
  public wrap(bus: EventSink): EventSink {
    return async (event) => {
      const { mode } = this;
      this.disturbed += mode ? 1 : 0;
      if (mode === 'events-lost') {
        return;
      }
      if (mode === 'events-late') {
        this.holdUp(bus, event);
        return;
      }
      await bus(event);
      if (mode === 'events-doubled') {
        await bus(event);
      }
    };
  }

  /**
   * Waits for the events that are held up.
   *
   * @throws AggregateError if some could not be delivered.
   */
  public async settled(): Promise<void> {
    await Promise.all(this.late);
    if (this.failures.length > 0) {
      throw new AggregateError(this.failures.splice(0), 'events that were late were not delivered');
    }
  }

  private holdUp(bus: EventSink, event: ServiceEvent): void {
    const delivery = sleep(this.lateMs)
      .then(() => bus(event))
      .catch((error: unknown) => {
        this.failures.push(error);
      })
      .finally(() => this.late.delete(delivery));
    this.late.add(delivery);
  }
}
