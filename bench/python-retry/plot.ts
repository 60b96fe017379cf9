import type { Simulation } from './outage';

const WIDTH = 800;
const HEIGHT = 380;
const PLOT = { left: 70, right: 560, top: 50, bottom: 320 };
const COLORS = [
  ...['#8a8a8a', '#b35900', '#7a3db8', '#0072b2'],
  ...['#c2185b', '#00796b', '#e08214', '#556b2f'],
];

/** Draws how many calls reached the failing dependency, over time, for each policy. */
export function drawOutage(simulation: Simulation): string {
  const { settings } = simulation;
  const lines = Object.entries(simulation.series).map(([name, series]) => ({ name, series }));
  const seconds = Math.max(...lines.flatMap(({ series }) => series.map(([moment]) => moment)));
  const most = Math.max(10, ...lines.flatMap(({ series }) => series.map(([, reached]) => reached)));
  const top = 10 ** Math.ceil(Math.log10(most));
  const x = (moment: number) => PLOT.left + ((PLOT.right - PLOT.left) * moment) / seconds;
  const y = (reached: number) =>
    PLOT.bottom - ((PLOT.bottom - PLOT.top) * Math.log10(Math.max(1, reached))) / Math.log10(top);
  const ticks = Array.from({ length: Math.log10(top) + 1 }, (_, power) => 10 ** power);
  const labels = placeLabels(lines.map(({ series }) => y(series.at(-1)?.[1] ?? 1)));
  const text = (left: number, at: number, content: string, more = '') =>
    `<text x="${left.toFixed(1)}" y="${at.toFixed(1)}" ${more}>${content}</text>`;
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" font-family="sans-serif" font-size="12" fill="#222" role="img">`,
    '<title>Calls that reached a dependency while it was down</title>',
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    text(
      PLOT.left,
      26,
      'Calls that reached a dependency while it was down',
      'font-size="15" font-weight="bold"',
    ),
    `<rect x="${x(60)}" y="${PLOT.top}" width="${(x(settings.plotted_ends ?? 660) - x(60)).toFixed(1)}" height="${PLOT.bottom - PLOT.top}" fill="#f7e6e6"/>`,
    text(x(70), PLOT.top + 16, `outage, ${settings.plotted} % of the calls fail`, 'fill="#a33"'),
    ...ticks.flatMap((tick) => [
      `<line x1="${PLOT.left}" x2="${PLOT.right}" y1="${y(tick).toFixed(1)}" y2="${y(tick).toFixed(1)}" stroke="#ddd"/>`,
      text(PLOT.left - 8, y(tick) + 4, tick.toLocaleString('en'), 'text-anchor="end"'),
    ]),
    ...[0, 5, 10, 15].map((minute) =>
      text(x(minute * 60), PLOT.bottom + 20, `${minute} min`, 'text-anchor="middle"'),
    ),
    ...lines.flatMap(({ name, series }, index) => {
      const color = COLORS[index % COLORS.length];
      const points = series.map(
        ([moment, reached]) => `${x(moment).toFixed(1)},${y(reached).toFixed(1)}`,
      );
      const total = (series.at(-1)?.[1] ?? 0).toLocaleString('en');
      return [
        `<polyline points="${points.join(' ')}" fill="none" stroke="${color}" stroke-width="${name.startsWith('ours') ? 2.5 : 1.5}"/>`,
        text(PLOT.right + 10, (labels[index] ?? 0) + 4, `${name}: ${total}`, `fill="${color}"`),
      ];
    }),
    text(
      PLOT.left,
      HEIGHT - 16,
      `${settings.environments} environments, ${settings.arrivals} calls a second, ${settings.attempts} attempts; logarithmic scale`,
      'fill="#666"',
    ),
    '</svg>',
  ].join('\n')}\n`;
}

/** Moves labels apart so that they do not overlap. */
function placeLabels(wanted: readonly number[]): number[] {
  const placed = [...wanted];
  const order = wanted.map((_, index) => index).sort((a, b) => (wanted[a] ?? 0) - (wanted[b] ?? 0));
  let last = Number.NEGATIVE_INFINITY;
  for (const index of order) {
    last = Math.max(wanted[index] ?? 0, last + 15);
    placed[index] = last;
  }
  return placed;
}
