import { table } from '../table';

/** Mean over the seeds, and its standard error. */
type Figure = readonly [mean: number, error: number];

/** The figures of one policy at one failure rate. */
interface Figures {
  readonly reached: Figure;
  readonly billed: Figure;
  readonly probes: Figure;
  readonly recovery: Figure;
  readonly served: Figure;
}

/** What simulate.py prints. */
export interface Simulation {
  readonly settings: Readonly<Record<string, number>>;
  /** By policy, and by failure rate in percent. */
  readonly figures: Readonly<Record<string, Readonly<Record<string, Figures>>>>;
  /** By policy, at one rate and with the first seed: seconds, and the calls that had got through. */
  readonly series: Readonly<
    Record<string, readonly (readonly [seconds: number, reached: number])[]>
  >;
}

const COLUMNS: readonly {
  readonly key: keyof Figures;
  readonly title: string;
  readonly digits: number;
  /** Why another may be ahead of ours, where one is. */
  readonly why: string;
}[] = [
  {
    key: 'reached',
    title: 'Calls that reached the dependency',
    digits: 0,
    why:
      'There a shared circuit opens at another moment with each seed, and whoever opens it first by ' +
      'chance spares most.',
  },
  {
    key: 'billed',
    title: 'Billed seconds of Lambda',
    digits: 0,
    why: 'As for the calls: most of the time is that of failures which got through.',
  },
  {
    key: 'probes',
    title: 'Probes',
    digits: 1,
    why:
      'Who has no circuit, or has not opened it, does not probe either: there the fewest probes are ' +
      'those of a policy that lets the failing calls through, as the first table shows.',
  },
  {
    key: 'recovery',
    title: 'Seconds to recover',
    digits: 1,
    why:
      'Who never refuses a call has nothing to recover from, and pays for it in the tables above. ' +
      'Behind a circuit the time is what is left of an opening when the outage ends, up to the reset ' +
      'time: no policy can know earlier without asking.',
  },
];

/** Policies that are compared with each other, and the one of ours that stands for us in all columns. */
const GROUPS = [
  {
    title: 'Of the policies that retry',
    ours: 'ours, with store',
    others: ['by hand', 'tenacity + pybreaker'],
  },
  {
    title: 'Of those that do not',
    ours: 'ours, with store, no retry',
    others: ['no retry', 'Powertools'],
  },
] as const;

/** Tells whether a figure is as small as another, as far as the seeds can tell. */
function isLevel([mean, error]: Figure, [best, bestError]: Figure): boolean {
  return mean <= best * 1.05 + 0.05 || mean - best <= 2 * Math.hypot(error, bestError);
}

/** Returns the rates at which ours is not level with the best of the others, with that best one. */
function behind(
  simulation: Simulation,
  key: keyof Figures,
  { ours, others }: (typeof GROUPS)[number],
): string[] {
  return ratesOf(simulation).flatMap((rate) => {
    const figure = (name: string) => figureOf(simulation, name, rate, key);
    const best = [...others].sort((a, b) => figure(a)[0] - figure(b)[0])[0] ?? '';
    return isLevel(figure(ours), figure(best)) ? [] : [`${rate} % (${best})`];
  });
}

function ratesOf(simulation: Simulation): string[] {
  return Object.keys(Object.values(simulation.figures)[0] ?? {}).sort((a, b) => +a - +b);
}

function figureOf(simulation: Simulation, name: string, rate: string, key: keyof Figures): Figure {
  const figures = simulation.figures[name]?.[rate];
  if (!figures) {
    throw new Error(`the simulation of "${name}" lacks the rate ${rate}`);
  }
  return figures[key];
}

function figureTable(simulation: Simulation, key: keyof Figures, digits: number): string {
  const rates = ratesOf(simulation);
  const rows = Object.keys(simulation.figures).map((name) => [
    name,
    ...rates.map((rate) => figureOf(simulation, name, rate, key)[0].toFixed(digits)),
  ]);
  return table(['', ...rates.map((rate) => `${rate} %`)], rows);
}

/** Says where ours is best or level, group by group, and why it is not where it is not. */
function standing(simulation: Simulation, key: keyof Figures, why: string): string {
  const all = GROUPS.map((group) => ({ ...group, rates: behind(simulation, key, group) }));
  const sentences = all.map(({ title, ours, rates }) =>
    rates.length === 0
      ? `${title}, "${ours}" is best or level at every rate.`
      : `${title}, "${ours}" is best or level but at ${rates.join(', ')}.`,
  );
  return [...sentences, ...(all.some(({ rates }) => rates.length > 0) ? [why] : [])].join(' ');
}

/** Writes the section of the report about the outage. */
export function describeOutage(simulation: Simulation): string {
  const { settings } = simulation;
  const columns = COLUMNS.map(
    ({ key, title, digits, why }) =>
      `### ${title}\n\n${figureTable(simulation, key, digits)}\n\n${standing(simulation, key, why)}`,
  );
  return `## An outage

${settings.environments} environments, ${settings.arrivals} arrivals a second (Poisson), a dependency of which a share of the calls
fails for ${settings.minutes} minutes (a failure takes 1 s, a success 50 ms); ${settings.attempts} attempts, a circuit opens after
${settings.threshold} failures in a row for ${settings.reset} s. Means of ${settings.seeds} seeds; with each, the outage ends in another part of an
opening. The policies are the packages' real code on virtual time. Powertools has no retry: its row
is a breaker alone, over an item in memory with the conditions of its DynamoDB layer, and "ours, with
store, no retry" is the like of it. Calls and probes are those during the outage; "to recover" is
from its end to the last invocation that failed. Level is what is at most 5 % or two standard errors
from the best.

${columns.join('\n\n')}

### Invocations served, in percent

${figureTable(simulation, 'served', 1)}

### How to read it

* At low rates failures in a row are rare, circuits stay closed, and retries serve almost everyone.
  A shared circuit of any kind (Powertools, ours with the store) pays for sparing the dependency with
  invocations that a partial outage would have served: one environment's trip stops all. Where a
  dependency fails in part, share no circuit, or use \`mode="retries-only"\`, which never refuses a
  first attempt.
* Calls that are not made are not served: who spares the dependency most serves fewest. No policy is
  first in both. Which is right depends on what the calls do to a dependency that is ill.
* At full failure the store is what counts: without it, each environment has to find out by itself,
  and probes by itself.
* The budget of ours (10 retries, and one more for ten successes) bounds the retries of a long
  partial outage. tenacity has none: it serves more there, with more calls.
`;
}
