import { element, type Markup, round } from '../markup';
import { BAND_HEIGHT } from './layout';
import { label, tooltip } from './shapes';
import { fits } from './text-fit';
import type { TimeScale } from './time-scale';

/** What a state looks like. */
export type Phase = 'launching' | 'service' | 'leaving' | 'other';

function phaseOf(state: string): Phase {
  if (/(^|:)Pending/.test(state)) {
    return 'launching';
  }
  if (/(^|:)Terminating/.test(state)) {
    return 'leaving';
  }
  return state === 'InService' ? 'service' : 'other';
}

/** The box of a lifecycle state, or a cross where the instance has ended. */
export function stateMarkup(
  state: string,
  from: number,
  to: number,
  top: number,
  scale: TimeScale,
): Markup | undefined {
  const x = scale.x(from);
  if (state === 'Terminated') {
    return element(
      'g',
      { class: 'end' },
      tooltip(`Terminated at ${scale.text(from)}`),
      element('path', { class: 'cross', d: `M${round(x + 4)} ${round(top + 5)}l8 8m0 -8l-8 8` }),
      label(x + 17, top + 13, 'Terminated', 'word muted'),
    );
  }
  const width = scale.x(to) - x;
  if (width <= 0) {
    return undefined;
  }
  const phase = phaseOf(state);
  const waiting = state.endsWith(':Wait');
  const box = { x, y: top, width, height: BAND_HEIGHT };
  const word = [state, state.split(':', 1).join('')].find((text) => fits(text, width));
  return element(
    'g',
    {},
    tooltip(`${state} from ${scale.text(from)} to ${scale.text(to)}`),
    element('rect', { class: `state ${phase}${waiting ? ' waiting' : ''}`, ...box }),
    waiting
      ? element('rect', { class: 'stripes', fill: `url(#${phase}-stripes)`, ...box })
      : undefined,
    word ? label(x + 5, top + 13, word, `word ${phase}`) : undefined,
  );
}
