import { element, Markup } from '../markup';
import { actionList } from './action-list';
import { legend } from './legend';
import { checkTimeline, type Timeline } from './model';
import { picture } from './picture';
import { STYLE } from './style';

/**
 * Draws a timeline.
 *
 * The page needs nothing but itself: no script, no style sheet, font or image from elsewhere. It is
 * both HTML and well-formed XML, and the same timeline always gives the same text.
 *
 * @param timeline - What to draw. Lists may be in any order; what lies before the start or after the
 * end is cut off.
 * @returns The text of an HTML file, in UTF-8.
 * @throws Error if the timeline ends before it starts, if a time is not in seconds, a count is
 * negative, an instance is there twice, or a leader or an action names an instance that is not there.
 */
export function renderTimeline(timeline: Timeline): string {
  checkTimeline(timeline);
  const hasFailures = timeline.writes.some((slice) => slice.failed > 0);
  const page = element(
    'html',
    { lang: 'en', xmlns: 'http://www.w3.org/1999/xhtml' },
    element(
      'head',
      {},
      element('meta', { charset: 'utf-8' }),
      element('meta', {
        'http-equiv': 'Content-Security-Policy',
        content: "default-src 'none'; style-src 'unsafe-inline'",
      }),
      element('meta', { name: 'viewport', content: 'width=device-width, initial-scale=1' }),
      element('title', {}, timeline.title),
      element('style', {}, new Markup(STYLE)),
    ),
    element(
      'body',
      {},
      element('h1', {}, timeline.title),
      summary(timeline),
      element(
        'p',
        { class: 'guide' },
        'Each row is one instance, from its launch to its end: on top its state in the Auto Scaling ' +
          'group, inside it what its etcd is in the cluster. The line with the crown is etcd’s leader. ' +
          'Flags are what the function did, numbered as in the list below. The charts show what a ' +
          'client saw at the same time.',
      ),
      legend(hasFailures),
      // Where the picture is wider than the window, the keyboard can scroll it, too.
      element(
        'div',
        { class: 'scroll', role: 'region', 'aria-label': 'Picture', tabindex: 0 },
        picture(timeline),
      ),
      actionList(timeline),
    ),
  );
  return `<!DOCTYPE html>\n${page.source}`;
}

function summary(timeline: Timeline): Markup | undefined {
  if (timeline.summary.length === 0) {
    return undefined;
  }
  return element(
    'dl',
    { class: 'summary', 'aria-label': 'Summary' },
    timeline.summary.map((figure) =>
      element('div', {}, element('dt', {}, figure.label), element('dd', {}, figure.value)),
    ),
  );
}
