const MARK = /^\s*# <(\/?)([a-z0-9|]+)>$/;

/**
 * Keeps the lines of a Python source that the given regions call for.
 *
 * A region is what stands between the lines `# <name>` and `# </name>`. It is kept if its name is
 * among `regions`; of a name like `one|other`, one part is enough. Regions may be nested. The lines
 * with the marks are never kept.
 *
 * @param source Python with marks
 * @param regions the regions to keep
 * @throws Error if a mark has no counterpart
 */
export function keepRegions(source: string, regions: ReadonlySet<string>): string {
  const open: { readonly name: string; readonly kept: boolean }[] = [];
  const lines = source.split('\n').filter((line, index) => {
    const mark = MARK.exec(line);
    if (!mark) {
      return open.every(({ kept }) => kept);
    }
    const [, closing, name = ''] = mark;
    if (!closing) {
      open.push({ name, kept: name.split('|').some((part) => regions.has(part)) });
    } else if (open.pop()?.name !== name) {
      throw new Error(`line ${index + 1}: "${line.trim()}" closes no region of that name`);
    }
    return false;
  });
  const unclosed = open.pop();
  if (unclosed) {
    throw new Error(`the region <${unclosed.name}> is not closed`);
  }
  return lines.join('\n').replace(/\n{4,}/g, '\n\n\n');
}
