import { type Child, element, type Markup } from '../markup';
import type { Phase } from './lifecycle-state';
import { crown, line } from './shapes';

/** What the colours and shapes of the picture mean. */
export function legend(hasFailures: boolean): Markup {
  const box = { x: 1, y: 1, width: 28, height: 14 };
  const striped = (phase: Phase) => [
    element('rect', { class: `state ${phase} waiting`, ...box }),
    element('rect', { class: 'stripes', fill: `url(#${phase}-stripes)`, ...box }),
  ];
  const entries: readonly (readonly [string, Child])[] = [
    ['launching, held by the launch hook', striped('launching')],
    ['in service', element('rect', { class: 'state service', ...box })],
    ['terminating, held by the terminate hook', striped('leaving')],
    ['learner', element('rect', { class: 'member learner', ...box })],
    ['voter', element('rect', { class: 'member voter', ...box })],
    ['leader', [line('leader', 1, 13, 29, 13), crown(7, 11)]],
    ['action of the function', line('pole', 15, 1, 15, 15)],
    ['acknowledged writes', element('rect', { class: 'rate', ...box })],
    ['longest time without one', element('rect', { class: 'gap', ...box })],
    ...(hasFailures
      ? [['failed writes', element('rect', { class: 'failed', ...box })] as const]
      : []),
  ];
  return element(
    'ul',
    { class: 'legend', 'aria-label': 'Legend' },
    entries.map(([text, swatch]) =>
      element(
        'li',
        {},
        element(
          'svg',
          {
            xmlns: 'http://www.w3.org/2000/svg',
            viewBox: '0 0 30 16',
            width: 30,
            height: 16,
            'aria-hidden': 'true',
          },
          swatch,
        ),
        element('span', {}, text),
      ),
    ),
  );
}
