import { element, type Markup } from '../markup';
import type { Lane } from './lane-layout';
import type { Timeline } from './model';
import { crown, label, line, tooltip } from './shapes';
import { leaderSpans } from './spans';
import { fits } from './text-fit';
import type { TimeScale } from './time-scale';

/** The line that runs in the lane of whoever leads, with a crown where each begins to lead. */
export function leaderLine(lanes: readonly Lane[], timeline: Timeline, scale: TimeScale): Markup {
  const segments = leaderSpans(timeline).flatMap(({ instanceId, from, to }) => {
    const lane = lanes.find(({ instance }) => instance && instance.id === instanceId);
    return lane ? [{ lane, from, to, x1: scale.x(from), x2: scale.x(to), y: lane.bottom - 3 }] : [];
  });
  const moves = segments.slice(1).map((next, index) => {
    const last = segments[index] ?? next;
    return element(
      'g',
      {},
      tooltip(
        next.from > last.to
          ? `no leader from ${scale.text(last.to)} to ${scale.text(next.from)}`
          : `the leadership moves at ${scale.text(next.from)}`,
      ),
      line(`leader-move${next.from > last.to ? ' none' : ''}`, last.x2, last.y, next.x1, next.y),
    );
  });
  const stays = segments.map(({ lane, from, to, x1, x2, y }) =>
    element(
      'g',
      {},
      tooltip(`${lane.instance?.id} leads from ${scale.text(from)} to ${scale.text(to)}`),
      line('leader', x1, y, x2, y),
      crown(x1 + 3, y - 2.5),
      fits('leader', x2 - x1 - 20) ? label(x1 + 23, y - 3.5, 'leader', 'word leads') : undefined,
    ),
  );
  return element('g', { class: 'leaders', 'aria-hidden': 'true' }, moves, stays);
}
