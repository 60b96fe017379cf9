/** Size of the words in the bands, as the style has it. */
const WORD_SIZE = 11.5;

/** A cautious guess at the width of a text, so that neighbours do not run into each other. */
export function widthOf(text: string, size: number): number {
  return [...text].reduce(
    (width, character) => width + size * (character > '\u2e7f' ? 1.1 : 0.6),
    0,
  );
}

/** Whether a word has room in a box. */
export function fits(text: string, width: number): boolean {
  return widthOf(text, WORD_SIZE) + 8 <= width;
}

/** A text of at most so many characters. */
export function shorten(text: string, length: number): string {
  const characters = [...text];
  return characters.length <= length ? text : `${characters.slice(0, length - 1).join('')}…`;
}
