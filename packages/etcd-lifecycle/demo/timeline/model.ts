/** What happened to an instance of the group. */
export interface TimelineInstance {
  /** The instance's id; unique among the instances. */
  readonly id: string;
  readonly address: string;
  /**
   * Its lifecycle states in the Auto Scaling group, from its launch on. Each lasts until the next one;
   * `Terminated` is the last if it has ended.
   */
  readonly states: readonly { readonly at: number; readonly state: string }[];
  /** What its etcd is in the cluster. Each kind lasts until the next one. */
  readonly membership: readonly {
    readonly at: number;
    readonly kind: 'none' | 'learner' | 'voter';
  }[];
}

/** What a run of the demo has seen. All times are in seconds since the epoch. */
export interface Timeline {
  readonly title: string;
  readonly startedAt: number;
  readonly endedAt: number;
  /** One lane each, in this order. */
  readonly instances: readonly TimelineInstance[];
  /** Who leads the cluster from a time on; `undefined` is nobody. */
  readonly leaders: readonly { readonly at: number; readonly instanceId: string | undefined }[];
  /**
   * What the function did. The words before the first colon and space are the short label in the
   * picture; the whole text is shown on hovering over it, and in the list below the picture.
   */
  readonly actions: readonly {
    readonly at: number;
    readonly text: string;
    /** The instance it was about; without it, the cluster as a whole. */
    readonly instanceId?: string;
  }[];
  /**
   * What the writer saw, in slices of equal length that begin at these times: writes acknowledged and
   * given up in the slice, and the longest time without an acknowledgement in it.
   */
  readonly writes: readonly {
    readonly at: number;
    readonly acknowledged: number;
    readonly failed: number;
    readonly longestGapMs: number;
  }[];
  /** The figures above the picture. */
  readonly summary: readonly { readonly label: string; readonly value: string }[];
}

/** From here on, a time in seconds would be after the year 5000: it is in milliseconds. */
const LATEST_SECONDS = 1e11;

/**
 * Refuses data that cannot be drawn.
 *
 * @throws Error as {@link renderTimeline} says.
 */
export function checkTimeline(timeline: Timeline): void {
  const { startedAt, endedAt, instances, leaders, actions, writes } = timeline;
  checkTime('startedAt', startedAt);
  checkTime('endedAt', endedAt);
  if (endedAt < startedAt) {
    throw new Error(
      `the timeline ends (${endedAt}) before it starts (${startedAt}): swap startedAt and endedAt`,
    );
  }
  const ids = new Set<string>();
  instances.forEach((instance, index) => {
    if (ids.has(instance.id)) {
      throw new Error(`instance ${instance.id} is there twice: merge its states into one`);
    }
    ids.add(instance.id);
    checkTimes(`instances[${index}].states`, instance.states);
    checkTimes(`instances[${index}].membership`, instance.membership);
  });
  checkTimes('leaders', leaders);
  checkTimes('actions', actions);
  checkTimes('writes', writes);
  for (const [name, list] of Object.entries({ leaders, actions })) {
    list.forEach(({ instanceId }, index) => {
      if (instanceId !== undefined && !ids.has(instanceId)) {
        throw new Error(
          `${name}[${index}] names ${instanceId}, which is not among the instances: add it there`,
        );
      }
    });
  }
  writes.forEach((slice, index) => {
    for (const name of ['acknowledged', 'failed', 'longestGapMs'] as const) {
      if (!Number.isFinite(slice[name]) || slice[name] < 0) {
        throw new Error(`writes[${index}].${name} is ${slice[name]}: give a number from 0 on`);
      }
    }
  });
}

function checkTimes(name: string, list: readonly { readonly at: number }[]): void {
  list.forEach(({ at }, index) => {
    checkTime(`${name}[${index}].at`, at);
  });
}

function checkTime(name: string, value: number): void {
  if (!Number.isFinite(value) || Math.abs(value) >= LATEST_SECONDS) {
    throw new Error(`${name} is ${value}: give seconds (not milliseconds) since the epoch`);
  }
}
