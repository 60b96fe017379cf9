import { element, type Markup } from '../markup';
import { MEMBER_HEIGHT } from './layout';
import { label, tooltip } from './shapes';
import { fits } from './text-fit';
import type { TimeScale } from './time-scale';

/** The box of what an instance is in the cluster; nothing if it is not a member. */
export function memberMarkup(
  kind: 'none' | 'learner' | 'voter',
  from: number,
  to: number,
  top: number,
  scale: TimeScale,
): Markup | undefined {
  const x = scale.x(from);
  const width = scale.x(to) - x;
  if (kind === 'none' || width <= 0) {
    return undefined;
  }
  return element(
    'g',
    {},
    tooltip(`${kind} from ${scale.text(from)} to ${scale.text(to)}`),
    element('rect', { class: `member ${kind}`, x, y: top, width, height: MEMBER_HEIGHT }),
    fits(kind, width) ? label(x + 5, top + 12, kind, `word on-${kind}`) : undefined,
  );
}
