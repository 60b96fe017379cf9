import { describe, expect, test } from '@jest/globals';
import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { renderTimeline, type Timeline } from '../../demo/timeline';

/** An element of the page, found by a real parser. */
interface Node {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly (Node | string)[];
}

const START = 1_800_000_000;

/** A cluster of two: `i-b` replaces `i-a`, which leads at first, within ten seconds. */
function timeline(changes: Partial<Timeline> = {}): Timeline {
  return {
    title: 'Two members',
    startedAt: START,
    endedAt: START + 10,
    instances: [
      {
        id: 'i-a',
        address: '127.0.0.2',
        states: [
          { at: START, state: 'Pending:Wait' },
          { at: START + 2, state: 'InService' },
          { at: START + 5, state: 'Terminating:Wait' },
          { at: START + 8, state: 'Terminated' },
        ],
        membership: [
          { at: START, kind: 'none' },
          { at: START + 1, kind: 'voter' },
          { at: START + 7, kind: 'none' },
        ],
      },
      {
        id: 'i-b',
        address: '127.0.0.3',
        states: [
          { at: START + 2.5, state: 'Pending:Wait' },
          { at: START + 6, state: 'InService' },
        ],
        membership: [
          { at: START + 3, kind: 'learner' },
          { at: START + 5, kind: 'voter' },
        ],
      },
    ],
    leaders: [
      { at: START + 1, instanceId: 'i-a' },
      { at: START + 6, instanceId: undefined },
      { at: START + 6.5, instanceId: 'i-b' },
    ],
    actions: [
      { at: START + 1, text: 'RecordCluster: it lives' },
      { at: START + 3, text: 'AddLearner: i-b joins as a learner', instanceId: 'i-b' },
      { at: START + 5, text: 'Promote: i-b is in sync', instanceId: 'i-b' },
    ],
    writes: [
      { at: START + 4, acknowledged: 100, failed: 0, longestGapMs: 20 },
      { at: START + 5, acknowledged: 50, failed: 0, longestGapMs: 0 },
      { at: START + 6, acknowledged: 80, failed: 2, longestGapMs: 160 },
    ],
    summary: [{ label: 'Lost writes', value: '0' }],
    ...changes,
  };
}

const EMPTY: Timeline = {
  title: 'Nothing',
  startedAt: START,
  endedAt: START,
  instances: [],
  leaders: [],
  actions: [],
  writes: [],
  summary: [],
};

const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: '',
  parseTagValue: false,
  parseAttributeValue: false,
  processEntities: true,
  htmlEntities: true,
});

function parse(text: string): Node {
  expect(XMLValidator.validate(text)).toBe(true);
  return { name: '', attributes: {}, children: parser.parse(text).map(nodeOf) };
}

function nodeOf(raw: Record<string, unknown>): Node | string {
  if ('#text' in raw) {
    return String(raw['#text']);
  }
  const { ':@': attributes = {}, ...rest } = raw;
  const [name, children] = Object.entries(rest)[0] ?? ['', []];
  return {
    name,
    attributes: attributes as Record<string, string>,
    children: (children as Record<string, unknown>[]).map(nodeOf),
  };
}

function all(node: Node, wanted: (node: Node) => boolean): readonly Node[] {
  return node.children.flatMap((child) =>
    typeof child === 'string' ? [] : [...(wanted(child) ? [child] : []), ...all(child, wanted)],
  );
}

/** The elements of a name that have all of the classes. */
function find(node: Node, name: string, ...classes: readonly string[]): readonly Node[] {
  return all(
    node,
    (candidate) =>
      candidate.name === name &&
      classes.every((one) => (candidate.attributes.class ?? '').split(' ').includes(one)),
  );
}

function only(nodes: readonly Node[]): Node {
  expect(nodes).toHaveLength(1);
  return nodes[0] as Node;
}

function textOf(node: Node): string {
  return node.children.map((child) => (typeof child === 'string' ? child : textOf(child))).join('');
}

function number(node: Node, attribute: string): number {
  const value = Number(node.attributes[attribute]);
  expect(value).not.toBeNaN();
  return value;
}

/** The picture, without the legend's swatches. */
function pictureOf(text: string): Node {
  return only(find(parse(text), 'svg', 'timeline'));
}

/** Turns the picture's coordinates into seconds by two marks of its own time axis. */
function clockOf(picture: Node): (x: number) => number {
  const ticks = find(picture, 'g', 'tick').map((tick) => ({
    x: number(only(find(tick, 'line')), 'x1'),
    seconds: Number(textOf(find(tick, 'text')[0] as Node)),
  }));
  const first = ticks[0];
  const last = ticks.at(-1);
  if (!first || !last || first === last) {
    throw new Error('the time axis has fewer than two marks');
  }
  const perSecond = (last.x - first.x) / (last.seconds - first.seconds);
  return (x) => first.seconds + (x - first.x) / perSecond;
}

/** From which second to which second a box is. */
function spanOf(box: Node, clock: (x: number) => number): readonly [number, number] {
  const x = number(box, 'x');
  return [Number(clock(x).toFixed(2)), Number(clock(x + number(box, 'width')).toFixed(2))];
}

describe('lanes', () => {
  const picture = pictureOf(renderTimeline(timeline()));
  const clock = clockOf(picture);
  const lanes = find(picture, 'g', 'lane', 'instance');

  test('every instance has one, in the order given, below each other', () => {
    expect(lanes.map((lane) => textOf(only(find(lane, 'text', 'name'))))).toEqual(['i-a', 'i-b']);
    expect(lanes.map((lane) => textOf(only(find(lane, 'text', 'address'))))).toEqual([
      '127.0.0.2',
      '127.0.0.3',
    ]);
    const tops = lanes.map((lane) => number(only(find(lane, 'text', 'name')), 'y'));
    expect(tops[1]).toBeGreaterThan(tops[0] as number);
  });

  test('lifecycle states are where their times are, and say what they are', () => {
    const [first, second] = lanes as [Node, Node];
    expect(
      find(first, 'rect', 'state').map((box) => [box.attributes.class, ...spanOf(box, clock)]),
    ).toEqual([
      ['state launching waiting', 0, 2],
      ['state service', 2, 5],
      ['state leaving waiting', 5, 8],
    ]);
    expect(
      find(second, 'rect', 'state').map((box) => [box.attributes.class, ...spanOf(box, clock)]),
    ).toEqual([
      ['state launching waiting', 2.5, 6],
      ['state service', 6, 10],
    ]);
    const words = find(first, 'text', 'word').map(textOf);
    expect(words).toEqual(
      expect.arrayContaining(['Pending:Wait', 'InService', 'Terminating:Wait', 'Terminated']),
    );
  });

  test('membership is inside them: hatched for a learner, solid for a voter, nothing for none', () => {
    const [first, second] = lanes as [Node, Node];
    expect(
      find(first, 'rect', 'member').map((box) => [box.attributes.class, ...spanOf(box, clock)]),
    ).toEqual([['member voter', 1, 7]]);
    expect(
      find(second, 'rect', 'member').map((box) => [box.attributes.class, ...spanOf(box, clock)]),
    ).toEqual([
      ['member learner', 3, 5],
      ['member voter', 5, 10],
    ]);
    const band = find(second, 'rect', 'state')[0] as Node;
    for (const member of find(second, 'rect', 'member')) {
      expect(number(member, 'y')).toBeGreaterThan(number(band, 'y'));
      expect(number(member, 'y') + number(member, 'height')).toBeLessThan(
        number(band, 'y') + number(band, 'height'),
      );
    }
  });

  test('each tells its story to those who cannot see it', () => {
    expect(lanes[1]?.attributes['aria-label']).toBe(
      'Instance i-b at 127.0.0.3: Pending:Wait at 2.5 s, InService at 6.0 s, learner at 3.0 s, ' +
        'voter at 5.0 s, leader from 6.5 s to 10.0 s.',
    );
  });

  test('entries in any order, and before the start or after the end, are drawn in order and cut', () => {
    const cut = pictureOf(
      renderTimeline(
        timeline({
          instances: [
            {
              id: 'i-a',
              address: '127.0.0.2',
              states: [
                { at: START + 30, state: 'Terminating:Wait' },
                { at: START + 4, state: 'InService' },
                { at: START - 30, state: 'Pending:Wait' },
              ],
              membership: [],
            },
          ],
          leaders: [],
          actions: [],
        }),
      ),
    );
    expect(
      find(cut, 'rect', 'state').map((box) => [box.attributes.class, ...spanOf(box, clock)]),
    ).toEqual([
      ['state launching waiting', 0, 4],
      ['state service', 4, 10],
    ]);
  });

  test('ids that begin alike get different names', () => {
    const ids = ['i-00000000000000001', 'i-00000000000000002'];
    const similar = pictureOf(
      renderTimeline(
        timeline({
          instances: ids.map((id) => ({ id, address: '127.0.0.2', states: [], membership: [] })),
          leaders: [],
          actions: [],
        }),
      ),
    );
    const names = find(similar, 'text', 'name').map(textOf);
    expect(names.slice(0, 2)).toEqual(['…0000000001', '…0000000002']);
  });
});

describe('leader', () => {
  test('runs in the lane of whoever leads, with a crown at each beginning', () => {
    const picture = pictureOf(renderTimeline(timeline()));
    const clock = clockOf(picture);
    const bands = find(picture, 'g', 'lane', 'instance').map(
      (lane) => find(lane, 'rect', 'state')[0] as Node,
    );
    const lines = find(picture, 'line', 'leader');
    expect(
      lines.map((line) => [
        Number(clock(number(line, 'x1')).toFixed(2)),
        Number(clock(number(line, 'x2')).toFixed(2)),
      ]),
    ).toEqual([
      [1, 6],
      [6.5, 10],
    ]);
    lines.forEach((line, index) => {
      const band = bands[index] as Node;
      const top = number(band, 'y');
      expect(number(line, 'y1')).toBe(number(line, 'y2'));
      expect(number(line, 'y1')).toBeGreaterThan(top);
      expect(number(line, 'y1')).toBeLessThan(top + number(band, 'height'));
    });
    expect(find(picture, 'path', 'crown')).toHaveLength(2);
  });

  test('a time without a leader shows in the way from lane to lane', () => {
    const moves = (leaders: Timeline['leaders']) =>
      find(pictureOf(renderTimeline(timeline({ leaders }))), 'line', 'leader-move').map(
        (line) => line.attributes.class,
      );
    expect(moves(timeline().leaders)).toEqual(['leader-move none']);
    expect(
      moves([
        { at: START + 1, instanceId: 'i-a' },
        { at: START + 2, instanceId: 'i-a' },
        { at: START + 6, instanceId: 'i-b' },
      ]),
    ).toEqual(['leader-move']);
  });
});

describe('actions', () => {
  test('are flags at their times, numbered as in the list', () => {
    const text = renderTimeline(timeline());
    const picture = pictureOf(text);
    const clock = clockOf(picture);
    const flags = find(picture, 'g', 'flag').map((flag) => [
      textOf(only(find(flag, 'text', 'caption'))),
      Number(clock(number(only(find(flag, 'line', 'pole')), 'x1')).toFixed(2)),
      textOf(only(find(flag, 'title'))),
    ]);
    expect(flags).toEqual([
      ['1 RecordCluster', 1, '1, at 1.0 s: RecordCluster: it lives'],
      ['2 AddLearner', 3, '2, at 3.0 s: AddLearner: i-b joins as a learner'],
      ['3 Promote', 5, '3, at 5.0 s: Promote: i-b is in sync'],
    ]);
    const rows = find(only(find(parse(text), 'table', 'actions')), 'tr').map((row) =>
      find(row, 'td').map(textOf),
    );
    expect(rows.slice(1)).toEqual([
      ['1', '1.0', 'cluster', 'RecordCluster: it lives'],
      ['2', '3.0', 'i-b', 'AddLearner: i-b joins as a learner'],
      ['3', '5.0', 'i-b', 'Promote: i-b is in sync'],
    ]);
  });

  test('close to each other do not run into each other', () => {
    const close = Array.from({ length: 40 }, (_, index) => ({
      at: START + 2 + (index % 4) * 0.02 + Math.floor(index / 4) * 0.45,
      text: `TransferLeadership: number ${index}`,
      instanceId: 'i-a',
    }));
    const picture = pictureOf(renderTimeline(timeline({ actions: close })));
    const flags = find(picture, 'g', 'flag');
    expect(flags).toHaveLength(40);
    // The average letter of a wide sans-serif font, at the captions' size of 11.
    const captions = find(picture, 'text', 'caption').map((caption) => {
      const x = number(caption, 'x');
      return { x, end: x + textOf(caption).length * 6.6, y: number(caption, 'y') };
    });
    const poles = flags.map((flag) => only(find(flag, 'line', 'pole')));
    expect(captions.length).toBeGreaterThan(10);
    for (const one of captions) {
      for (const other of captions) {
        const apart =
          one === other || one.y !== other.y || one.end <= other.x || other.end <= one.x;
        expect(apart).toBe(true);
      }
      for (const pole of poles) {
        const x = number(pole, 'x1');
        const beside = x < one.x || x > one.end;
        const below = number(pole, 'y1') >= one.y;
        expect(beside || below).toBe(true);
      }
    }
  });
});

describe('writes', () => {
  const picture = pictureOf(renderTimeline(timeline()));
  const clock = clockOf(picture);

  test('gaps are bars as high as they are long, against an axis in milliseconds', () => {
    const chart = only(find(picture, 'g', 'chart', 'gaps'));
    const bars = find(chart, 'rect', 'gap');
    expect(bars.map((bar) => Math.round(clock(number(bar, 'x'))))).toEqual([4, 6]);
    const [low, high] = bars.map((bar) => number(bar, 'height')) as [number, number];
    expect(high / low).toBeCloseTo(160 / 20, 1);
    const marks = find(chart, 'text', 'axis').map((mark) => Number(textOf(mark)));
    const heights = find(chart, 'line', 'grid').map((grid) => number(grid, 'y1'));
    const perMs = ((heights[0] as number) - (heights[2] as number)) / (marks[2] as number);
    expect(marks[0]).toBe(0);
    expect(high).toBeCloseTo(160 * perMs, 1);
    expect(textOf(only(find(chart, 'text', 'peak')))).toBe('160 ms');
    expect(chart.attributes['aria-label']).toBe('Write gaps: the longest is 160 ms, at 6.0 s.');
  });

  test('acknowledged writes are an area in writes a second, whatever the length of a slice', () => {
    const half = timeline({
      writes: [
        { at: START + 4, acknowledged: 50, failed: 0, longestGapMs: 0 },
        { at: START + 4.5, acknowledged: 25, failed: 0, longestGapMs: 0 },
        { at: START + 5.5, acknowledged: 50, failed: 0, longestGapMs: 0 },
      ],
    });
    const heightsOf = (node: Node) => {
      const chart = only(find(node, 'g', 'chart', 'rates'));
      const ys = find(chart, 'line', 'grid').map((grid) => number(grid, 'y1'));
      const marks = find(chart, 'text', 'axis').map((mark) => Number(textOf(mark)));
      const perUnit = ((ys[0] as number) - (ys[2] as number)) / (marks[2] as number);
      const path = only(find(chart, 'path', 'rate')).attributes.d ?? '';
      return [...path.matchAll(/V([\d.]+)/g)].map((match) =>
        Math.round(((ys[0] as number) - Number(match[1])) / perUnit),
      );
    };
    expect(heightsOf(picture)).toEqual([100, 50, 80, 0]);
    // The slice that nobody reported is a hole, not a continuation.
    expect(heightsOf(pictureOf(renderTimeline(half)))).toEqual([100, 50, 0, 100, 0]);
  });

  test('failed writes are marked where they failed, and explained in the legend only then', () => {
    const failed = only(find(picture, 'rect', 'failed'));
    expect(spanOf(failed, clock)).toEqual([6, 7]);
    const legendOf = (changes: Partial<Timeline>) =>
      textOf(only(find(parse(renderTimeline(timeline(changes))), 'ul', 'legend')));
    expect(legendOf({})).toContain('failed writes');
    expect(legendOf({ writes: [] })).not.toContain('failed writes');
  });
});

describe('time axis', () => {
  test.each([
    [0.5, 0.1],
    [10, 1],
    [36, 5],
    [60, 5],
    [180, 15],
    [100_000, 7200],
  ])('a timeline of %p s is marked every %p s', (seconds, step) => {
    const picture = pictureOf(renderTimeline({ ...EMPTY, endedAt: START + seconds }));
    const marks = find(picture, 'g', 'tick').map((tick) =>
      Number(textOf(find(tick, 'text')[0] as Node)),
    );
    expect(marks[0]).toBe(0);
    expect(marks[1]).toBe(step);
    expect(marks.at(-1)).toBeLessThanOrEqual(seconds);
    expect(marks.at(-1)).toBeGreaterThan(seconds - step);
  });
});

describe('page', () => {
  test('has the figures above the picture', () => {
    const page = parse(renderTimeline(timeline()));
    const figures = only(find(page, 'dl', 'summary'));
    expect(find(figures, 'dt').map(textOf)).toEqual(['Lost writes']);
    expect(find(figures, 'dd').map(textOf)).toEqual(['0']);
    const body = only(find(page, 'body'));
    const order = body.children.flatMap((child) =>
      typeof child === 'string' ? [] : [child.attributes.class ?? child.name],
    );
    expect(order.indexOf('summary')).toBeLessThan(order.indexOf('scroll'));
  });

  test('the picture is named and described', () => {
    const picture = pictureOf(renderTimeline(timeline()));
    const named = (picture.attributes['aria-labelledby'] ?? '')
      .split(' ')
      .map((id) => textOf(only(all(picture, (node) => node.attributes.id === id))));
    expect(named).toEqual([
      'Two members',
      'Instances: 2. Duration: 10.0 s. Changes of the leader: 1. ' +
        'Actions of the function, listed below the picture: 3.',
    ]);
  });

  test('ids are unique, and every reference has its target in the page itself', () => {
    const text = renderTimeline(timeline());
    const page = parse(text);
    const ids = all(page, (node) => node.attributes.id !== undefined).map(
      (node) => node.attributes.id,
    );
    expect(new Set(ids).size).toBe(ids.length);
    const references = [...text.matchAll(/url\(([^)]*)\)/g)].map((match) => match[1]);
    expect(references.length).toBeGreaterThan(0);
    for (const reference of references) {
      expect(ids.map((id) => `#${id}`)).toContain(reference);
    }
    expect(all(page, (node) => ['script', 'link', 'img', 'iframe'].includes(node.name))).toEqual(
      [],
    );
    expect(
      all(page, ({ attributes }) =>
        ['src', 'href', 'xlink:href', 'style'].some((name) => name in attributes),
      ),
    ).toEqual([]);
  });

  test('the same data gives the same text, and its lists stay as they were', () => {
    const data = timeline();
    const before = structuredClone(data);
    expect(renderTimeline(data)).toBe(renderTimeline(timeline()));
    expect(data).toEqual(before);
  });

  test('hostile text stays text', () => {
    const hostile = `</title><script>alert('x')</script><b onload="y">&amp;`;
    const address = '"><script>1</script>';
    const text = renderTimeline(
      timeline({
        title: hostile,
        instances: [
          {
            id: hostile,
            address,
            states: [{ at: START, state: hostile }],
            membership: [{ at: START, kind: 'voter' }],
          },
        ],
        leaders: [{ at: START, instanceId: hostile }],
        actions: [{ at: START, text: hostile, instanceId: hostile }],
        summary: [{ label: hostile, value: hostile }],
      }),
    );
    const page = parse(text);
    expect(all(page, (node) => ['script', 'b'].includes(node.name))).toEqual([]);
    expect(all(page, (node) => 'onload' in node.attributes)).toEqual([]);
    expect(textOf(only(find(page, 'h1')))).toBe(hostile);
    expect(textOf(only(find(page, 'dt')))).toBe(hostile);
    expect(textOf(only(find(page, 'dd')))).toBe(hostile);
    expect(textOf(find(page, 'td').at(-1) as Node)).toBe(hostile);
  });

  test('what no document may contain is replaced', () => {
    const title = 'a\u0000b\u001b[31mc\ud800d\uffffe\u{1f451}';
    expect(textOf(only(find(parse(renderTimeline(timeline({ title }))), 'h1')))).toBe(
      'a\ufffdb\ufffd[31mc\ufffdd\ufffde\u{1f451}',
    );
  });

  test('a timeline of nothing is a page that says so', () => {
    const page = parse(renderTimeline(EMPTY));
    expect(find(page, 'text', 'note').map(textOf)).toEqual([
      'No instance was seen.',
      'No write was seen.',
      'No write was seen.',
    ]);
    expect(find(page, 'dl', 'summary')).toEqual([]);
    expect(find(page, 'table', 'actions')).toEqual([]);
    expect(renderTimeline(EMPTY)).not.toContain('NaN');
  });
});

describe('bad data', () => {
  const instance = { id: 'i-a', address: '127.0.0.2', states: [], membership: [] };
  test.each<[string, Partial<Timeline>, string]>([
    ['an end before the start', { endedAt: START - 1 }, 'ends (1799999999) before it starts'],
    ['milliseconds', { startedAt: START * 1000 }, 'startedAt is 1800000000000: give seconds'],
    [
      'a time that is no number',
      { instances: [{ ...instance, states: [{ at: Number.NaN, state: 'Pending' }] }], leaders: [] },
      'instances[0].states[0].at is NaN',
    ],
    [
      'writes in milliseconds',
      { writes: [{ at: START * 1000, acknowledged: 1, failed: 0, longestGapMs: 0 }] },
      'writes[0].at is 1800000000000: give seconds',
    ],
    [
      'a negative count',
      { writes: [{ at: START, acknowledged: 1, failed: -1, longestGapMs: 0 }] },
      'writes[0].failed is -1',
    ],
    ['an instance twice', { instances: [instance, instance] }, 'instance i-a is there twice'],
    [
      'a leader that is not there',
      { leaders: [{ at: START, instanceId: 'i-c' }] },
      'leaders[0] names i-c, which is not among the instances',
    ],
    [
      'an action on an instance that is not there',
      { actions: [{ at: START, text: 'x', instanceId: 'i-c' }] },
      'actions[0] names i-c, which is not among the instances',
    ],
  ])('%s is refused', (_, changes, message) => {
    expect(() => renderTimeline(timeline(changes))).toThrow(message);
  });
});
