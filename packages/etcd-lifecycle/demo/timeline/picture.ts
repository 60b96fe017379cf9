import { element, type Markup, round } from '../markup';
import { flagsMarkup } from './flags';
import { laneMarkup, shortNames } from './lane';
import { layOutLanes } from './lane-layout';
import {
  AXIS_HEIGHT,
  BAND_HEIGHT,
  CHART_HEIGHT,
  LANE_GAP,
  LEFT,
  PLOT_WIDTH,
  WIDTH,
} from './layout';
import { leaderLine } from './leader';
import type { Timeline } from './model';
import { patterns } from './patterns';
import { label } from './shapes';
import { leaderSpans } from './spans';
import { timeAxis } from './time-axis';
import { TimeScale } from './time-scale';
import { gapChart, rateChart } from './write-charts';

const CHART_GAP = 30;

/** The picture: the lanes, and the charts below them, on one axis of time. */
export function picture(timeline: Timeline): Markup {
  const scale = new TimeScale(timeline.startedAt, timeline.endedAt);
  const lanes = layOutLanes(timeline, scale);
  const lanesBottom = lanes.at(-1)?.bottom ?? AXIS_HEIGHT + BAND_HEIGHT;
  const ratesTop = lanesBottom + LANE_GAP + CHART_GAP;
  const gapsTop = ratesTop + CHART_HEIGHT + CHART_GAP;
  const plotBottom = gapsTop + CHART_HEIGHT;
  const names = shortNames(timeline.instances);
  return element(
    'svg',
    {
      class: 'timeline',
      xmlns: 'http://www.w3.org/2000/svg',
      viewBox: `0 0 ${WIDTH} ${round(plotBottom + AXIS_HEIGHT + 10)}`,
      role: 'group',
      'aria-labelledby': 'timeline-title timeline-description',
    },
    element('title', { id: 'timeline-title' }, timeline.title),
    element('desc', { id: 'timeline-description' }, description(timeline, scale)),
    element('defs', {}, patterns()),
    timeAxis(scale, plotBottom),
    lanes.length === 0
      ? label(LEFT + PLOT_WIDTH / 2, AXIS_HEIGHT + 28, 'No instance was seen.', 'note', 'middle')
      : undefined,
    lanes.map((lane) => laneMarkup(lane, timeline, scale, names)),
    leaderLine(lanes, timeline, scale),
    lanes.map((lane) => flagsMarkup(lane.flags, lane.bandTop, scale)),
    rateChart(timeline, scale, ratesTop),
    gapChart(timeline, scale, gapsTop),
  );
}

/** The picture in words. */
function description(timeline: Timeline, scale: TimeScale): string {
  const changes = leaderSpans(timeline).filter((span) => span.instanceId !== undefined);
  return (
    `Instances: ${timeline.instances.length}. Duration: ${scale.text(timeline.endedAt)}. ` +
    `Changes of the leader: ${Math.max(changes.length - 1, 0)}. ` +
    `Actions of the function, listed below the picture: ${timeline.actions.length}.`
  );
}
