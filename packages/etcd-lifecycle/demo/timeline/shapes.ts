import { element, type Markup, round } from '../markup';

/** What is shown on hovering over the element that this is in. */
export function tooltip(text: string): Markup {
  return element('title', {}, text);
}

/** A line of text that begins, has its middle or ends at the given point of its baseline. */
export function label(
  x: number,
  y: number,
  content: string,
  className: string,
  anchor?: 'middle' | 'end',
): Markup {
  return element('text', { class: className, x, y, 'text-anchor': anchor }, content);
}

/** A straight line. */
export function line(className: string, x1: number, y1: number, x2: number, y2: number): Markup {
  return element('line', { class: className, x1, y1, x2, y2 });
}

/** A crown that stands on the given point, by its lower left corner. */
export function crown(x: number, y: number): Markup {
  return element('path', {
    class: 'crown',
    d: `M${round(x + 1.5)} ${round(y)}l-1.5 -8.5l4.5 3.5l3.5 -5.5l3.5 5.5l4.5 -3.5l-1.5 8.5z`,
  });
}
