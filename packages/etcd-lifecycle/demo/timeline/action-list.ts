import { element, type Markup } from '../markup';
import type { Timeline } from './model';
import { byTime } from './spans';

/** What the function did, as a table; the flags in the picture have the same numbers. */
export function actionList(timeline: Timeline): Markup {
  const rows = byTime(timeline.actions).map((action, index) =>
    element(
      'tr',
      {},
      element('td', { class: 'number' }, `${index + 1}`),
      element('td', { class: 'number' }, (action.at - timeline.startedAt).toFixed(1)),
      element('td', { class: 'id' }, action.instanceId ?? 'cluster'),
      element('td', {}, action.text),
    ),
  );
  const heading = element('h2', {}, 'What the function did');
  if (rows.length === 0) {
    return element('section', {}, heading, element('p', {}, 'Nothing.'));
  }
  return element(
    'section',
    {},
    heading,
    element(
      'table',
      { class: 'actions' },
      element(
        'thead',
        {},
        element(
          'tr',
          {},
          ['#', 'seconds', 'instance', 'action'].map((name) =>
            element('th', { scope: 'col' }, name),
          ),
        ),
      ),
      element('tbody', {}, rows),
    ),
  );
}
