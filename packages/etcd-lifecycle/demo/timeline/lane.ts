import { element, type Markup } from '../markup';
import type { Lane } from './lane-layout';
import { LEFT, PLOT_WIDTH, STATE_HEIGHT } from './layout';
import { stateMarkup } from './lifecycle-state';
import { memberMarkup } from './membership';
import type { Timeline, TimelineInstance } from './model';
import { label, line, tooltip } from './shapes';
import { byTime, leaderSpans, spans } from './spans';
import { shorten } from './text-fit';
import type { TimeScale } from './time-scale';

/** The band of a lane: the states of its instance, and its membership inside them. */
export function laneMarkup(
  lane: Lane,
  timeline: Timeline,
  scale: TimeScale,
  names: ReadonlyMap<string, string>,
): Markup {
  const { instance, bandTop, bottom } = lane;
  if (!instance) {
    return element(
      'g',
      { class: 'lane cluster' },
      label(14, bandTop, 'cluster', 'name'),
      line('grid', LEFT, bottom, LEFT + PLOT_WIDTH, bottom),
    );
  }
  return element(
    'g',
    { class: 'lane instance', role: 'img', 'aria-label': story(instance, timeline, scale) },
    element(
      'g',
      {},
      tooltip(`${instance.id} at ${instance.address}`),
      label(14, bandTop + 20, names.get(instance.id) ?? instance.id, 'name'),
      label(14, bandTop + 37, shorten(instance.address, 19), 'address'),
    ),
    line('grid', LEFT, bottom, LEFT + PLOT_WIDTH, bottom),
    spans(instance.states, timeline.endedAt).map(({ value, from, to }) =>
      stateMarkup(value.state, from, to, bandTop, scale),
    ),
    spans(instance.membership, timeline.endedAt).map(({ value, from, to }) =>
      memberMarkup(value.kind, from, to, bandTop + STATE_HEIGHT, scale),
    ),
  );
}

/** Names of the instances that fit beside their lanes. */
export function shortNames(instances: readonly TimelineInstance[]): ReadonlyMap<string, string> {
  const ids = instances.map((instance) => instance.id);
  const ways: readonly ((id: string) => string)[] = [
    (id) => shorten(id, 11),
    (id) => ([...id].length <= 11 ? id : `…${[...id].slice(-10).join('')}`),
  ];
  const way = ways.find((candidate) => new Set(ids.map(candidate)).size === ids.length);
  return new Map(ids.map((id) => [id, way?.(id) ?? shorten(id, 19)]));
}

/** A lane in words. */
function story(instance: TimelineInstance, timeline: Timeline, scale: TimeScale): string {
  const states = byTime(instance.states).map(({ at, state }) => `${state} at ${scale.text(at)}`);
  const membership = byTime(instance.membership).map(
    ({ at, kind }) => `${kind === 'none' ? 'no member' : kind} at ${scale.text(at)}`,
  );
  const leading = leaderSpans(timeline)
    .filter((span) => span.instanceId === instance.id)
    .map(({ from, to }) => `leader from ${scale.text(from)} to ${scale.text(to)}`);
  return `Instance ${instance.id} at ${instance.address}: ${[...states, ...membership, ...leading].join(', ')}.`;
}
