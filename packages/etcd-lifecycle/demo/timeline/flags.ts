import { element, type Markup } from '../markup';
import { label, line, tooltip } from './shapes';
import { shorten, widthOf } from './text-fit';
import type { TimeScale } from './time-scale';

/** Of a row of flags. */
const FLAG_HEIGHT = 13;
/** Size of the captions, as the style has it. */
const FLAG_SIZE = 11;
const MAX_FLAG_ROWS = 4;

/** An action of the function, and where its flag stands. */
export interface Flag {
  /** As in the list of actions. */
  readonly number: number;
  readonly at: number;
  readonly text: string;
  readonly x: number;
  readonly caption: string;
  /** Counted from the band upward; undefined if there is no room for a caption. */
  readonly row: number | undefined;
}

/**
 * Gives each action a row for its caption. From the last to the first, each goes just above all that
 * begin below its caption, so that neither a caption nor the pole of a flag crosses another caption.
 */
export function placeFlags(
  actions: readonly { readonly at: number; readonly text: string; readonly number: number }[],
  scale: TimeScale,
): readonly Flag[] {
  const placed: Flag[] = [];
  for (const action of actions.toReversed()) {
    const x = scale.x(action.at);
    const captions = [`${action.number} ${shortLabel(action.text)}`, `${action.number}`];
    const options = captions.map((caption) => ({ caption, row: rowFor(x, caption, placed) }));
    const best = options.find((option) => option.row < MAX_FLAG_ROWS);
    placed.push({ ...action, x, caption: best?.caption ?? '', row: best?.row });
  }
  return placed.toReversed();
}

function rowFor(x: number, caption: string, placed: readonly Flag[]): number {
  const end = x + widthOf(caption, FLAG_SIZE) + 10;
  return Math.max(
    0,
    ...placed
      .filter((flag) => flag.x < end && flag.row !== undefined)
      .map((flag) => (flag.row ?? 0) + 1),
  );
}

function shortLabel(text: string): string {
  return shorten(text.split(': ', 1).join('').trim(), 18);
}

/** The height of the rows that the flags take up. */
export function flagsHeight(flags: readonly Flag[]): number {
  return FLAG_HEIGHT * Math.max(0, ...flags.map((flag) => (flag.row ?? 0) + 1));
}

/** The flags of a lane, which stand on its band. */
export function flagsMarkup(flags: readonly Flag[], bandTop: number, scale: TimeScale): Markup {
  const markup = flags.map((flag) => {
    const bottom = bandTop - 3 - (flag.row ?? 0) * FLAG_HEIGHT;
    const top = flag.row === undefined ? bandTop - 1 : bottom - FLAG_HEIGHT + 2;
    return element(
      'g',
      { class: 'flag' },
      tooltip(`${flag.number}, at ${scale.text(flag.at)}: ${flag.text}`),
      line('pole', flag.x, top, flag.x, bandTop + 4),
      flag.caption ? label(flag.x + 4, bottom - 1, flag.caption, 'caption') : undefined,
    );
  });
  return element('g', { class: 'flags', 'aria-hidden': 'true' }, markup);
}
