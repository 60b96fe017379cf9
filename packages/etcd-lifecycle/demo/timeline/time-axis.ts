import { element, type Markup } from '../markup';
import { AXIS_HEIGHT, LEFT } from './layout';
import { label, line } from './shapes';
import type { TimeScale } from './time-scale';

/** The seconds since the start, above and below the plot, with a line between them. */
export function timeAxis(scale: TimeScale, plotBottom: number): Markup {
  const ticks = scale.ticks().map((seconds) => {
    const x = scale.x(scale.startedAt + seconds);
    return element(
      'g',
      { class: 'tick' },
      line('grid', x, AXIS_HEIGHT - 6, x, plotBottom),
      label(x, AXIS_HEIGHT - 11, `${seconds}`, 'axis', 'middle'),
      label(x, plotBottom + 15, `${seconds}`, 'axis', 'middle'),
    );
  });
  const caption = 'seconds since the start';
  return element(
    'g',
    { class: 'time-axis', 'aria-hidden': 'true' },
    ticks,
    label(LEFT - 14, AXIS_HEIGHT - 11, caption, 'axis', 'end'),
    label(LEFT - 14, plotBottom + 15, caption, 'axis', 'end'),
  );
}
