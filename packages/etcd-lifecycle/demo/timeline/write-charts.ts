import { element, type Markup, round } from '../markup';
import { CHART_HEIGHT, LEFT, PLOT_WIDTH } from './layout';
import type { Timeline } from './model';
import { label, tooltip } from './shapes';
import type { TimeScale } from './time-scale';
import { ValueAxis } from './value-axis';
import { slicesOf } from './write-slices';

/** Acknowledged writes as an area, and failed ones as bars. */
export function rateChart(timeline: Timeline, scale: TimeScale, top: number): Markup {
  const slices = slicesOf(timeline, scale);
  const most = Math.max(0, ...slices.map((slice) => Math.max(slice.rate, slice.failedRate)));
  const axis = new ValueAxis(top, most, 10);
  const area = slices.map(({ x, width, rate }, index) => {
    const before = slices[index - 1];
    const joined = before !== undefined && Math.abs(before.x + before.width - x) < 0.01;
    const after = slices[index + 1];
    const goesOn = after !== undefined && Math.abs(x + width - after.x) < 0.01;
    const start = joined ? '' : `M${round(x)} ${round(axis.bottom)}`;
    const end = goesOn ? '' : `V${round(axis.bottom)}Z`;
    return `${start}V${round(axis.y(rate))}H${round(x + width)}${end}`;
  });
  const failures = slices
    .filter((slice) => slice.failed > 0)
    .map(({ x, width, failed, failedRate, from, to }) => {
      const height = Math.max(axis.bottom - axis.y(failedRate), 4);
      return element(
        'g',
        {},
        tooltip(`${failed} failed writes from ${scale.text(from)} to ${scale.text(to)}`),
        element('rect', { class: 'failed', x, y: axis.bottom - height, width, height }),
      );
    });
  const acknowledged = timeline.writes.reduce((sum, slice) => sum + slice.acknowledged, 0);
  const failed = timeline.writes.reduce((sum, slice) => sum + slice.failed, 0);
  return element(
    'g',
    {
      class: 'chart rates',
      role: 'img',
      'aria-label': `Writes: ${acknowledged} acknowledged, ${failed} failed; up to ${round(most)} a second.`,
    },
    axis.markup('writes', 'acknowledged, 1/s'),
    slices.length === 0 ? emptyChart(axis) : element('path', { class: 'rate', d: area.join('') }),
    failures,
  );
}

/** A bar for the longest time without an acknowledgement in each slice. */
export function gapChart(timeline: Timeline, scale: TimeScale, top: number): Markup {
  const slices = slicesOf(timeline, scale);
  const most = Math.max(0, ...slices.map((slice) => slice.gapMs));
  const axis = new ValueAxis(top, most, 100);
  const bars = slices
    .filter((slice) => slice.gapMs > 0)
    .map(({ x, width, gapMs, from, to }) =>
      element(
        'g',
        {},
        tooltip(
          `up to ${round(gapMs)} ms without an acknowledgement, ${scale.text(from)} to ${scale.text(to)}`,
        ),
        element('rect', {
          class: 'gap',
          x,
          y: axis.y(gapMs),
          width: width > 3 ? width - 0.5 : width,
          height: axis.bottom - axis.y(gapMs),
        }),
      ),
    );
  const longest = slices.find((slice) => slice.gapMs === most && most > 0);
  return element(
    'g',
    {
      class: 'chart gaps',
      role: 'img',
      'aria-label': longest
        ? `Write gaps: the longest is ${round(most)} ms, at ${scale.text(longest.from)}.`
        : 'Write gaps: none.',
    },
    axis.markup('write gap', 'longest, ms'),
    slices.length === 0 ? emptyChart(axis) : undefined,
    bars,
    longest
      ? label(longest.x + longest.width + 4, axis.y(most) + 9, `${Math.round(most)} ms`, 'peak')
      : undefined,
  );
}

function emptyChart(axis: ValueAxis): Markup {
  return label(
    LEFT + PLOT_WIDTH / 2,
    axis.bottom - CHART_HEIGHT / 2 + 4,
    'No write was seen.',
    'note',
    'middle',
  );
}
