/** What happened to an instance of the group. */
export interface TimelineInstance {
  /** The instance's id; unique among the instances. */
  readonly id: string;
  readonly address: string;
  /**
   * Its lifecycle states in the Auto Scaling group, from its launch on. Each lasts until the next one;
   * `Terminated` is the last if it has ended.
   */
  readonly states: readonly { readonly at: number; readonly state: string }[];
  /** What its etcd is in the cluster. Each kind lasts until the next one. */
  readonly membership: readonly {
    readonly at: number;
    readonly kind: 'none' | 'learner' | 'voter';
  }[];
}

/** What a run of the demo has seen. All times are in seconds since the epoch. */
export interface Timeline {
  readonly title: string;
  readonly startedAt: number;
  readonly endedAt: number;
  /** One lane each, in this order. */
  readonly instances: readonly TimelineInstance[];
  /** Who leads the cluster from a time on; `undefined` is nobody. */
  readonly leaders: readonly { readonly at: number; readonly instanceId: string | undefined }[];
  /**
   * What the function did. The words before the first colon and space are the short label in the
   * picture; the whole text is shown on hovering over it, and in the list below the picture.
   */
  readonly actions: readonly {
    readonly at: number;
    readonly text: string;
    /** The instance it was about; without it, the cluster as a whole. */
    readonly instanceId?: string;
  }[];
  /**
   * What the writer saw, in slices of equal length that begin at these times: writes acknowledged and
   * given up in the slice, and the longest time without an acknowledgement in it.
   */
  readonly writes: readonly {
    readonly at: number;
    readonly acknowledged: number;
    readonly failed: number;
    readonly longestGapMs: number;
  }[];
  /** The figures above the picture. */
  readonly summary: readonly { readonly label: string; readonly value: string }[];
}

// Lengths are in units of the picture's own coordinates: CSS pixels where it is shown at full width.
const WIDTH = 1280;
const LEFT = 150;
const RIGHT = 110;
const PLOT_WIDTH = WIDTH - LEFT - RIGHT;
const AXIS_HEIGHT = 30;
const FLAG_HEIGHT = 13;
const MAX_FLAG_ROWS = 4;
const STATE_HEIGHT = 17;
const MEMBER_HEIGHT = 16;
const LEADER_HEIGHT = 19;
const BAND_HEIGHT = STATE_HEIGHT + MEMBER_HEIGHT + LEADER_HEIGHT;
const LANE_GAP = 14;
const CHART_HEIGHT = 84;
const CHART_GAP = 30;
const MAX_TICKS = 14;
const TICK_STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];
const WORD_SIZE = 11.5;
const FLAG_SIZE = 11;

/** From here on, a time in seconds would be after the year 5000: it is in milliseconds. */
const LATEST_SECONDS = 1e11;

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
  validate(timeline);
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

// --- Input -------------------------------------------------------------------------------------

function validate(timeline: Timeline): void {
  const { startedAt, endedAt, instances, leaders, actions, writes } = timeline;
  checkTime('startedAt', startedAt);
  checkTime('endedAt', endedAt);
  if (endedAt < startedAt) {
    throw new Error(
      `the timeline ends (${endedAt}) before it starts (${startedAt}): swap startedAt and endedAt`,
    );
  }
  const ids = new Set<string>();
  instances.forEach((instance, index) => {
    if (ids.has(instance.id)) {
      throw new Error(`instance ${instance.id} is there twice: merge its states into one`);
    }
    ids.add(instance.id);
    checkTimes(`instances[${index}].states`, instance.states);
    checkTimes(`instances[${index}].membership`, instance.membership);
  });
  checkTimes('leaders', leaders);
  checkTimes('actions', actions);
  checkTimes('writes', writes);
  for (const [name, list] of Object.entries({ leaders, actions })) {
    list.forEach(({ instanceId }, index) => {
      if (instanceId !== undefined && !ids.has(instanceId)) {
        throw new Error(
          `${name}[${index}] names ${instanceId}, which is not among the instances: add it there`,
        );
      }
    });
  }
  writes.forEach((slice, index) => {
    for (const name of ['acknowledged', 'failed', 'longestGapMs'] as const) {
      if (!Number.isFinite(slice[name]) || slice[name] < 0) {
        throw new Error(`writes[${index}].${name} is ${slice[name]}: give a number from 0 on`);
      }
    }
  });
}

function checkTimes(name: string, list: readonly { readonly at: number }[]): void {
  list.forEach(({ at }, index) => {
    checkTime(`${name}[${index}].at`, at);
  });
}

function checkTime(name: string, value: number): void {
  if (!Number.isFinite(value) || Math.abs(value) >= LATEST_SECONDS) {
    throw new Error(`${name} is ${value}: give seconds (not milliseconds) since the epoch`);
  }
}

function byTime<T extends { readonly at: number }>(list: readonly T[]): readonly T[] {
  return list.toSorted((a, b) => a.at - b.at);
}

/** The entries of a list with the time at which each of them ends. */
function spans<T extends { readonly at: number }>(
  list: readonly T[],
  endedAt: number,
): readonly { readonly value: T; readonly from: number; readonly to: number }[] {
  const sorted = byTime(list);
  return sorted.map((value, index) => ({
    value,
    from: value.at,
    to: sorted[index + 1]?.at ?? Math.max(endedAt, value.at),
  }));
}

// --- Markup ------------------------------------------------------------------------------------

/** Text that is markup already; a plain string that becomes part of an element is escaped. */
class Markup {
  public constructor(public readonly source: string) {}
}

type Child = Markup | string | undefined | readonly Child[];

function element(
  name: string,
  attributes: Readonly<Record<string, string | number | undefined>>,
  ...children: readonly Child[]
): Markup {
  const opening = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(
      ([key, value]) =>
        ` ${key}="${escaped(typeof value === 'number' ? round(value) : `${value}`)}"`,
    )
    .join('');
  // HTML closes no element by '/>' but those that never have content.
  return name === 'meta'
    ? new Markup(`<${name}${opening}/>\n`)
    : new Markup(`<${name}${opening}>${children.map(markupOf).join('')}</${name}>\n`);
}

function markupOf(child: Child): string {
  if (child === undefined) {
    return '';
  }
  if (child instanceof Markup) {
    return child.source;
  }
  return typeof child === 'string' ? escaped(child) : child.map(markupOf).join('');
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escaped(text: string): string {
  return text
    .replace(/[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu, '\ufffd')
    .replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}

function round(value: number): string {
  return `${Number(value.toFixed(2))}`;
}

function tooltip(text: string): Markup {
  return element('title', {}, text);
}

function label(
  x: number,
  y: number,
  content: string,
  className: string,
  anchor?: 'middle' | 'end',
): Markup {
  return element('text', { class: className, x, y, 'text-anchor': anchor }, content);
}

function line(className: string, x1: number, y1: number, x2: number, y2: number): Markup {
  return element('line', { class: className, x1, y1, x2, y2 });
}

/** A cautious guess at the width of a text, so that neighbours do not run into each other. */
function widthOf(text: string, size: number): number {
  return [...text].reduce(
    (width, character) => width + size * (character > '\u2e7f' ? 1.1 : 0.6),
    0,
  );
}

function shorten(text: string, length: number): string {
  const characters = [...text];
  return characters.length <= length ? text : `${characters.slice(0, length - 1).join('')}…`;
}

// --- Picture -----------------------------------------------------------------------------------

/** Places times on the horizontal axis. */
class TimeScale {
  private readonly duration: number;

  public constructor(
    public readonly startedAt: number,
    public readonly endedAt: number,
  ) {
    this.duration = Math.max(endedAt - startedAt, 1e-3);
  }

  public x(at: number): number {
    const share = (at - this.startedAt) / this.duration;
    return LEFT + Math.min(Math.max(share, 0), 1) * PLOT_WIDTH;
  }

  /** Seconds since the start, as people read them. */
  public text(at: number): string {
    return `${(at - this.startedAt).toFixed(1)} s`;
  }

  /** The seconds to mark on the axis. */
  public ticks(): readonly number[] {
    const step =
      TICK_STEPS.find((candidate) => this.duration / candidate <= MAX_TICKS) ??
      3600 * Math.ceil(this.duration / 3600 / MAX_TICKS);
    const count = Math.floor(this.duration / step + 1e-9) + 1;
    return Array.from({ length: count }, (_, index) => Number((index * step).toFixed(1)));
  }
}

interface Flag {
  readonly number: number;
  readonly at: number;
  readonly text: string;
  readonly x: number;
  readonly caption: string;
  /** Counted from the band upward; undefined if there is no room for a caption. */
  readonly row: number | undefined;
}

interface Lane {
  readonly instance: TimelineInstance | undefined;
  readonly flags: readonly Flag[];
  readonly flagsTop: number;
  readonly bandTop: number;
  readonly bottom: number;
}

function picture(timeline: Timeline): Markup {
  const scale = new TimeScale(timeline.startedAt, timeline.endedAt);
  const lanes = layOutLanes(timeline, scale);
  const lanesBottom = lanes.at(-1)?.bottom ?? AXIS_HEIGHT + BAND_HEIGHT;
  const ratesTop = lanesBottom + LANE_GAP + CHART_GAP;
  const gapsTop = ratesTop + CHART_HEIGHT + CHART_GAP;
  const plotBottom = gapsTop + CHART_HEIGHT;
  const names = shortNames(timeline.instances);
  return element(
    'svg',
    {
      class: 'timeline',
      xmlns: 'http://www.w3.org/2000/svg',
      viewBox: `0 0 ${WIDTH} ${round(plotBottom + AXIS_HEIGHT + 10)}`,
      role: 'group',
      'aria-labelledby': 'timeline-title timeline-description',
    },
    element('title', { id: 'timeline-title' }, timeline.title),
    element('desc', { id: 'timeline-description' }, description(timeline, scale)),
    element('defs', {}, patterns()),
    timeAxis(scale, plotBottom),
    lanes.length === 0
      ? label(LEFT + PLOT_WIDTH / 2, AXIS_HEIGHT + 28, 'No instance was seen.', 'note', 'middle')
      : undefined,
    lanes.map((lane) => laneMarkup(lane, timeline, scale, names)),
    leaderLine(lanes, timeline, scale),
    lanes.map((lane) => flagsMarkup(lane, scale)),
    rateChart(timeline, scale, ratesTop),
    gapChart(timeline, scale, gapsTop),
  );
}

function description(timeline: Timeline, scale: TimeScale): string {
  const changes = leaderSpans(timeline).filter((span) => span.instanceId !== undefined);
  return (
    `Instances: ${timeline.instances.length}. Duration: ${scale.text(timeline.endedAt)}. ` +
    `Changes of the leader: ${Math.max(changes.length - 1, 0)}. ` +
    `Actions of the function, listed below the picture: ${timeline.actions.length}.`
  );
}

function timeAxis(scale: TimeScale, plotBottom: number): Markup {
  const ticks = scale.ticks().map((seconds) => {
    const x = scale.x(scale.startedAt + seconds);
    return element(
      'g',
      { class: 'tick' },
      line('grid', x, AXIS_HEIGHT - 6, x, plotBottom),
      label(x, AXIS_HEIGHT - 11, `${seconds}`, 'axis', 'middle'),
      label(x, plotBottom + 15, `${seconds}`, 'axis', 'middle'),
    );
  });
  const caption = 'seconds since the start';
  return element(
    'g',
    { class: 'time-axis', 'aria-hidden': 'true' },
    ticks,
    label(LEFT - 14, AXIS_HEIGHT - 11, caption, 'axis', 'end'),
    label(LEFT - 14, plotBottom + 15, caption, 'axis', 'end'),
  );
}

// --- Lanes -------------------------------------------------------------------------------------

function layOutLanes(timeline: Timeline, scale: TimeScale): readonly Lane[] {
  const numbered = byTime(timeline.actions).map((action, index) => ({
    ...action,
    number: index + 1,
  }));
  const ofCluster = numbered.filter((action) => action.instanceId === undefined);
  const lanes: Lane[] = [];
  let top = AXIS_HEIGHT;
  const add = (instance: TimelineInstance | undefined, actions: typeof numbered) => {
    const flags = placeFlags(actions, scale);
    const rows = Math.max(0, ...flags.map((flag) => (flag.row ?? 0) + 1));
    const bandTop = top + rows * FLAG_HEIGHT + 3;
    const bottom = bandTop + (instance ? BAND_HEIGHT : 4);
    lanes.push({ instance, flags, flagsTop: top, bandTop, bottom });
    top = bottom + LANE_GAP;
  };
  if (ofCluster.length > 0) {
    add(undefined, ofCluster);
  }
  for (const instance of timeline.instances) {
    add(
      instance,
      numbered.filter((action) => action.instanceId === instance.id),
    );
  }
  return lanes;
}

/**
 * Gives each action a row for its caption. From the last to the first, each goes just above all that
 * begin below its caption, so that neither a caption nor the pole of a flag crosses another caption.
 */
function placeFlags(
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

/** Names of the instances that fit beside their lanes. */
function shortNames(instances: readonly TimelineInstance[]): ReadonlyMap<string, string> {
  const ids = instances.map((instance) => instance.id);
  const ways: readonly ((id: string) => string)[] = [
    (id) => shorten(id, 11),
    (id) => ([...id].length <= 11 ? id : `…${[...id].slice(-10).join('')}`),
  ];
  const way = ways.find((candidate) => new Set(ids.map(candidate)).size === ids.length);
  return new Map(ids.map((id) => [id, way?.(id) ?? shorten(id, 19)]));
}

function laneMarkup(
  lane: Lane,
  timeline: Timeline,
  scale: TimeScale,
  names: ReadonlyMap<string, string>,
): Markup {
  const { instance, bandTop, bottom } = lane;
  if (!instance) {
    return element(
      'g',
      { class: 'lane cluster' },
      label(14, bandTop, 'cluster', 'name'),
      line('grid', LEFT, bottom, LEFT + PLOT_WIDTH, bottom),
    );
  }
  return element(
    'g',
    { class: 'lane instance', role: 'img', 'aria-label': story(instance, timeline, scale) },
    element(
      'g',
      {},
      tooltip(`${instance.id} at ${instance.address}`),
      label(14, bandTop + 20, names.get(instance.id) ?? instance.id, 'name'),
      label(14, bandTop + 37, shorten(instance.address, 19), 'address'),
    ),
    line('grid', LEFT, bottom, LEFT + PLOT_WIDTH, bottom),
    spans(instance.states, timeline.endedAt).map(({ value, from, to }) =>
      stateMarkup(value.state, from, to, bandTop, scale),
    ),
    spans(instance.membership, timeline.endedAt).map(({ value, from, to }) =>
      memberMarkup(value.kind, from, to, bandTop + STATE_HEIGHT, scale),
    ),
  );
}

/** A lane in words. */
function story(instance: TimelineInstance, timeline: Timeline, scale: TimeScale): string {
  const states = byTime(instance.states).map(({ at, state }) => `${state} at ${scale.text(at)}`);
  const membership = byTime(instance.membership).map(
    ({ at, kind }) => `${kind === 'none' ? 'no member' : kind} at ${scale.text(at)}`,
  );
  const leading = leaderSpans(timeline)
    .filter((span) => span.instanceId === instance.id)
    .map(({ from, to }) => `leader from ${scale.text(from)} to ${scale.text(to)}`);
  return `Instance ${instance.id} at ${instance.address}: ${[...states, ...membership, ...leading].join(', ')}.`;
}

type Phase = 'launching' | 'service' | 'leaving' | 'other';

function phaseOf(state: string): Phase {
  if (/(^|:)Pending/.test(state)) {
    return 'launching';
  }
  if (/(^|:)Terminating/.test(state)) {
    return 'leaving';
  }
  return state === 'InService' ? 'service' : 'other';
}

function stateMarkup(
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

function fits(text: string, width: number): boolean {
  return widthOf(text, WORD_SIZE) + 8 <= width;
}

function memberMarkup(
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

// --- Leader ------------------------------------------------------------------------------------

interface LeaderSpan {
  readonly instanceId: string | undefined;
  readonly from: number;
  readonly to: number;
}

/** Who led from when to when; two reports of the same leader in a row are one. */
function leaderSpans(timeline: Timeline): readonly LeaderSpan[] {
  const changes = byTime(timeline.leaders).filter(
    ({ instanceId }, index, all) => index === 0 || all[index - 1]?.instanceId !== instanceId,
  );
  return spans(changes, timeline.endedAt).map(({ value, from, to }) => ({
    instanceId: value.instanceId,
    from,
    to,
  }));
}

function leaderLine(lanes: readonly Lane[], timeline: Timeline, scale: TimeScale): Markup {
  const segments = leaderSpans(timeline).flatMap(({ instanceId, from, to }) => {
    const lane = lanes.find(({ instance }) => instance && instance.id === instanceId);
    return lane ? [{ lane, from, to, x1: scale.x(from), x2: scale.x(to), y: lane.bottom - 3 }] : [];
  });
  const moves = segments.slice(1).map((next, index) => {
    const last = segments[index] ?? next;
    return element(
      'g',
      {},
      tooltip(
        next.from > last.to
          ? `no leader from ${scale.text(last.to)} to ${scale.text(next.from)}`
          : `the leadership moves at ${scale.text(next.from)}`,
      ),
      line(`leader-move${next.from > last.to ? ' none' : ''}`, last.x2, last.y, next.x1, next.y),
    );
  });
  const stays = segments.map(({ lane, from, to, x1, x2, y }) =>
    element(
      'g',
      {},
      tooltip(`${lane.instance?.id} leads from ${scale.text(from)} to ${scale.text(to)}`),
      line('leader', x1, y, x2, y),
      crown(x1 + 3, y - 2.5),
      fits('leader', x2 - x1 - 20) ? label(x1 + 23, y - 3.5, 'leader', 'word leads') : undefined,
    ),
  );
  return element('g', { class: 'leaders', 'aria-hidden': 'true' }, moves, stays);
}

/** A crown that stands on the given point, by its lower left corner. */
function crown(x: number, y: number): Markup {
  return element('path', {
    class: 'crown',
    d: `M${round(x + 1.5)} ${round(y)}l-1.5 -8.5l4.5 3.5l3.5 -5.5l3.5 5.5l4.5 -3.5l-1.5 8.5z`,
  });
}

function flagsMarkup(lane: Lane, scale: TimeScale): Markup {
  const flags = lane.flags.map((flag) => {
    const bottom = lane.bandTop - 3 - (flag.row ?? 0) * FLAG_HEIGHT;
    const top = flag.row === undefined ? lane.bandTop - 1 : bottom - FLAG_HEIGHT + 2;
    return element(
      'g',
      { class: 'flag' },
      tooltip(`${flag.number}, at ${scale.text(flag.at)}: ${flag.text}`),
      line('pole', flag.x, top, flag.x, lane.bandTop + 4),
      flag.caption ? label(flag.x + 4, bottom - 1, flag.caption, 'caption') : undefined,
    );
  });
  return element('g', { class: 'flags', 'aria-hidden': 'true' }, flags);
}

// --- Charts ------------------------------------------------------------------------------------

interface Slice {
  readonly from: number;
  readonly to: number;
  readonly x: number;
  readonly width: number;
  readonly rate: number;
  readonly failed: number;
  readonly failedRate: number;
  readonly gapMs: number;
}

function slicesOf(timeline: Timeline, scale: TimeScale): readonly Slice[] {
  const sorted = byTime(timeline.writes);
  const distances = sorted
    .slice(1)
    .map((slice, index) => slice.at - (sorted[index]?.at ?? slice.at))
    .filter((distance) => distance > 0);
  const first = sorted[0]?.at ?? timeline.startedAt;
  // With one slice only, nothing but the end of the timeline tells its length.
  const seconds =
    distances.length > 0 ? Math.min(...distances) : Math.max(timeline.endedAt - first, 1e-3);
  return sorted
    .map((slice) => {
      const to = slice.at + seconds;
      const x = scale.x(slice.at);
      return {
        from: slice.at,
        to,
        x,
        width: scale.x(to) - x,
        rate: slice.acknowledged / seconds,
        failed: slice.failed,
        failedRate: slice.failed / seconds,
        gapMs: slice.longestGapMs,
      };
    })
    .filter((slice) => slice.width > 0);
}

function rateChart(timeline: Timeline, scale: TimeScale, top: number): Markup {
  const slices = slicesOf(timeline, scale);
  const most = Math.max(0, ...slices.map((slice) => Math.max(slice.rate, slice.failedRate)));
  const axis = new ValueAxis(top, most, 10);
  const area = slices.map(({ x, width, rate }, index) => {
    const before = slices[index - 1];
    const joined = before !== undefined && Math.abs(before.x + before.width - x) < 0.01;
    const after = slices[index + 1];
    const goesOn = after !== undefined && Math.abs(x + width - after.x) < 0.01;
    const start = joined ? '' : `M${round(x)} ${round(axis.bottom)}`;
    const end = goesOn ? '' : `V${round(axis.bottom)}Z`;
    return `${start}V${round(axis.y(rate))}H${round(x + width)}${end}`;
  });
  const failures = slices
    .filter((slice) => slice.failed > 0)
    .map(({ x, width, failed, failedRate, from, to }) => {
      const height = Math.max(axis.bottom - axis.y(failedRate), 4);
      return element(
        'g',
        {},
        tooltip(`${failed} failed writes from ${scale.text(from)} to ${scale.text(to)}`),
        element('rect', { class: 'failed', x, y: axis.bottom - height, width, height }),
      );
    });
  const acknowledged = timeline.writes.reduce((sum, slice) => sum + slice.acknowledged, 0);
  const failed = timeline.writes.reduce((sum, slice) => sum + slice.failed, 0);
  return element(
    'g',
    {
      class: 'chart rates',
      role: 'img',
      'aria-label': `Writes: ${acknowledged} acknowledged, ${failed} failed; up to ${round(most)} a second.`,
    },
    axis.markup('writes', 'acknowledged, 1/s'),
    slices.length === 0 ? emptyChart(axis) : element('path', { class: 'rate', d: area.join('') }),
    failures,
  );
}

function gapChart(timeline: Timeline, scale: TimeScale, top: number): Markup {
  const slices = slicesOf(timeline, scale);
  const most = Math.max(0, ...slices.map((slice) => slice.gapMs));
  const axis = new ValueAxis(top, most, 100);
  const bars = slices
    .filter((slice) => slice.gapMs > 0)
    .map(({ x, width, gapMs, from, to }) =>
      element(
        'g',
        {},
        tooltip(
          `up to ${round(gapMs)} ms without an acknowledgement, ${scale.text(from)} to ${scale.text(to)}`,
        ),
        element('rect', {
          class: 'gap',
          x,
          y: axis.y(gapMs),
          width: width > 3 ? width - 0.5 : width,
          height: axis.bottom - axis.y(gapMs),
        }),
      ),
    );
  const longest = slices.find((slice) => slice.gapMs === most && most > 0);
  return element(
    'g',
    {
      class: 'chart gaps',
      role: 'img',
      'aria-label': longest
        ? `Write gaps: the longest is ${round(most)} ms, at ${scale.text(longest.from)}.`
        : 'Write gaps: none.',
    },
    axis.markup('write gap', 'longest, ms'),
    slices.length === 0 ? emptyChart(axis) : undefined,
    bars,
    longest
      ? label(longest.x + longest.width + 4, axis.y(most) + 9, `${Math.round(most)} ms`, 'peak')
      : undefined,
  );
}

function emptyChart(axis: ValueAxis): Markup {
  return label(
    LEFT + PLOT_WIDTH / 2,
    axis.bottom - CHART_HEIGHT / 2 + 4,
    'No write was seen.',
    'note',
    'middle',
  );
}

/** The vertical axis of a chart: from zero to a round number above the highest value. */
class ValueAxis {
  public readonly bottom: number;
  private readonly highest: number;

  public constructor(
    private readonly top: number,
    most: number,
    least: number,
  ) {
    this.bottom = top + CHART_HEIGHT;
    const wanted = Math.max(most * 1.05, least);
    const power = 10 ** Math.floor(Math.log10(wanted));
    const factor = [1, 1.2, 1.6, 2, 3, 4, 5, 6, 8].find((candidate) => candidate * power >= wanted);
    this.highest = (factor ?? 10) * power;
  }

  public y(value: number): number {
    return this.bottom - (value / this.highest) * CHART_HEIGHT;
  }

  public markup(name: string, unit: string): Markup {
    const middle = this.top + CHART_HEIGHT / 2;
    return element(
      'g',
      { class: 'value-axis', 'aria-hidden': 'true' },
      label(14, middle - 2, name, 'name'),
      label(14, middle + 14, unit, 'address'),
      [0, this.highest / 2, this.highest].map((value) => [
        line('grid', LEFT, this.y(value), LEFT + PLOT_WIDTH, this.y(value)),
        label(LEFT - 8, this.y(value) + 4, round(value), 'axis', 'end'),
      ]),
    );
  }
}

// --- Around the picture ------------------------------------------------------------------------

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

function patterns(): readonly Markup[] {
  const stripes = (id: string, className: string, size: number, angle: number) =>
    element(
      'pattern',
      {
        id,
        width: size,
        height: size,
        patternUnits: 'userSpaceOnUse',
        patternTransform: `rotate(${angle})`,
      },
      element('rect', { class: className, width: size / 2, height: size }),
    );
  return [
    stripes('launching-stripes', 'launching-stripe', 9, 45),
    stripes('leaving-stripes', 'leaving-stripe', 9, -45),
    stripes('learner-hatch', 'learner-hatch', 5, 45),
  ];
}

function legend(hasFailures: boolean): Markup {
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

function actionList(timeline: Timeline): Markup {
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

// Hues of Okabe and Ito's palette, which colour-blind people can tell apart; shape and word tell the
// same as each colour does.
const STYLE = `
:root {
  color-scheme: light dark;
  --page: #ffffff; --ink: #1b1f24; --muted: #57606a; --grid: #dde2e7;
  --launching: #fff6d6; --launching-stripe: #ffe08a; --launching-edge: #b97f00;
  --service: #dff0ea; --service-edge: #5fa58d;
  --leaving: #fae8f2; --leaving-stripe: #efc3da; --leaving-edge: #a85784;
  --other: #e9ecef; --other-edge: #8b949e;
  --member: #0072b2; --hatch: #0072b2; --on-learner: #003f66;
  --crown: #f0c000; --rate: #009e73; --gap: #d55e00;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --page: #0d1117; --ink: #e6edf3; --muted: #9aa4af; --grid: #262d36;
    --launching: #2e2506; --launching-stripe: #57430a; --launching-edge: #e69f00;
    --service: #10312a; --service-edge: #2f8a70;
    --leaving: #341b2b; --leaving-stripe: #613350; --leaving-edge: #cc79a7;
    --other: #21262d; --other-edge: #8b949e;
    --member: #0072b2; --hatch: #56b4e9; --on-learner: #ffffff;
    --crown: #f5cc1b; --rate: #00a679; --gap: #ee7a2a;
  }
}
body {
  margin: 1.5rem auto; padding: 0 1.5rem; max-width: 84rem;
  background: var(--page); color: var(--ink);
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", "Liberation Sans", Arial, sans-serif;
}
h1 { font-size: 1.5rem; margin: 0 0 0.8rem; }
h2 { font-size: 1.1rem; margin: 1.5rem 0 0.5rem; }
table { border-collapse: collapse; }
th, td { text-align: left; vertical-align: top; padding: 0.15rem 1.2rem 0.15rem 0; overflow-wrap: anywhere; }
th { font-weight: 400; color: var(--muted); }
.summary { display: flex; flex-wrap: wrap; gap: 0.6rem; margin: 0 0 1rem; }
.summary div { border: 1px solid var(--grid); border-radius: 6px; padding: 0.4rem 0.9rem; }
dt { color: var(--muted); font-size: 0.87rem; }
dd { margin: 0; font-size: 1.15rem; font-weight: 600; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.actions { font-size: 0.87rem; }
.actions tr { border-bottom: 1px solid var(--grid); break-inside: avoid; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.id { white-space: nowrap; font-family: ui-monospace, "Liberation Mono", monospace; font-size: 0.92em; }
.guide { max-width: 70rem; color: var(--muted); margin: 0.9rem 0; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 0.3rem 1.3rem; padding: 0; margin: 0 0 0.8rem; font-size: 0.87rem; }
.legend li { display: flex; align-items: center; gap: 0.4rem; }
.scroll { overflow-x: auto; }
.timeline { display: block; width: 100%; min-width: 56rem; height: auto; }
svg text { fill: var(--ink); font-size: 11.5px; }
svg .name { font-weight: 600; font-size: 13px; }
svg .address, svg .axis { fill: var(--muted); font-size: 11.5px; }
svg .note { fill: var(--muted); font-size: 13px; }
svg .muted { fill: var(--muted); }
svg .caption, svg .peak, svg .end .word { paint-order: stroke; stroke: var(--page); stroke-width: 3px; stroke-linejoin: round; }
svg .caption { font-size: 11px; }
svg .peak { font-weight: 600; }
.grid { stroke: var(--grid); }
.state { stroke-width: 1; }
.state.launching { fill: var(--launching); stroke: var(--launching-edge); }
.state.service { fill: var(--service); stroke: var(--service-edge); }
.state.leaving { fill: var(--leaving); stroke: var(--leaving-edge); }
.state.other { fill: var(--other); stroke: var(--other-edge); }
.state.waiting { stroke-dasharray: 4 2; }
.launching-stripe { fill: var(--launching-stripe); }
.leaving-stripe { fill: var(--leaving-stripe); }
.member { stroke: var(--member); fill: var(--member); }
.member.learner { fill: url(#learner-hatch); stroke: var(--hatch); }
.learner-hatch { fill: var(--hatch); }
svg .on-voter { fill: #ffffff; font-weight: 600; }
svg .on-learner { fill: var(--on-learner); font-weight: 600; paint-order: stroke; stroke: var(--page); stroke-width: 4px; stroke-linejoin: round; }
.cross { stroke: var(--muted); stroke-width: 2; fill: none; }
.leader { stroke: var(--ink); stroke-width: 3.5; }
.leader-move { stroke: var(--ink); stroke-width: 1.75; }
.leader-move.none { stroke-dasharray: 3 3; }
.crown { fill: var(--crown); stroke: var(--ink); stroke-width: 1; stroke-linejoin: round; }
svg .leads { font-weight: 600; }
.pole { stroke: var(--ink); stroke-width: 1; }
.rate { fill: var(--rate); }
.gap { fill: var(--gap); }
.failed { fill: var(--ink); }
@page { size: A4 portrait; margin: 10mm; }
@media print {
  body { margin: 0; padding: 0; max-width: none; font-size: 10pt; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .timeline { min-width: 0; max-height: 190mm; break-inside: avoid; }
  h2 { break-after: avoid; }
  .scroll { overflow: visible; }
}
`;
