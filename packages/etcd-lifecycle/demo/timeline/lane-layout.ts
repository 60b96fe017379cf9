import { type Flag, flagsHeight, placeFlags } from './flags';
import { AXIS_HEIGHT, BAND_HEIGHT, LANE_GAP } from './layout';
import type { Timeline, TimelineInstance } from './model';
import { byTime } from './spans';
import type { TimeScale } from './time-scale';

/** A row of the picture: the flags, and below them the band. */
export interface Lane {
  /** Without it, the lane is of the cluster as a whole. */
  readonly instance: TimelineInstance | undefined;
  readonly flags: readonly Flag[];
  readonly bandTop: number;
  readonly bottom: number;
}

/** Gives each instance a lane, as high as its flags need it, and the cluster one if it has actions. */
export function layOutLanes(timeline: Timeline, scale: TimeScale): readonly Lane[] {
  const numbered = byTime(timeline.actions).map((action, index) => ({
    ...action,
    number: index + 1,
  }));
  const ofCluster = numbered.filter((action) => action.instanceId === undefined);
  const lanes: Lane[] = [];
  let top = AXIS_HEIGHT;
  const add = (instance: TimelineInstance | undefined, actions: typeof numbered) => {
    const flags = placeFlags(actions, scale);
    const bandTop = top + flagsHeight(flags) + 3;
    const bottom = bandTop + (instance ? BAND_HEIGHT : 4);
    lanes.push({ instance, flags, bandTop, bottom });
    top = bottom + LANE_GAP;
  };
  if (ofCluster.length > 0) {
    add(undefined, ofCluster);
  }
  for (const instance of timeline.instances) {
    add(
      instance,
      numbered.filter((action) => action.instanceId === instance.id),
    );
  }
  return lanes;
}
