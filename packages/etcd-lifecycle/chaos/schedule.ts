import { between, choose, type Random, seededRandom } from './random';

/** What is done to a member, at most to one at a time. */
export const MEMBER_FAULTS = ['crash', 'stop', 'pause', 'kill', 'wipe', 'lose'] as const;

/** What is done to everything around the members. */
export const SURROUNDING_FAULTS = [
  'kill-function',
  'events-lost',
  'events-doubled',
  'events-late',
  'aws-throttled',
  'aws-errors',
  'aws-slow',
  'aws-unreachable',
] as const;

export type MemberFaultKind = (typeof MEMBER_FAULTS)[number];
export type SurroundingFaultKind = (typeof SURROUNDING_FAULTS)[number];
export type FaultKind = 'replace' | MemberFaultKind | SurroundingFaultKind;

/** Every kind, in the order in which reports list them. */
export const FAULT_KINDS: readonly FaultKind[] = [
  'replace',
  ...MEMBER_FAULTS,
  ...SURROUNDING_FAULTS,
];

/** Which instance is meant: it is chosen when the time has come, by what it is then. */
export interface Target {
  /** `newcomer`: one that is being launched. Where there is none such, any is taken. */
  readonly role: 'leader' | 'follower' | 'newcomer';
  /** Which of several, from 0 (included) to 1 (excluded). */
  readonly pick: number;
}

interface Planned {
  /** Seconds since the start. */
  readonly at: number;
  /** How long it lasts, in seconds. */
  readonly seconds: number;
}

/** An instance is terminated by its group, as a new version of its image would have it. */
export interface Replacement extends Planned {
  readonly kind: 'replace';
  readonly target: Target;
}

/**
 * A member fails.
 *
 * - `crash`: etcd is killed, and started again by its machine a second later.
 * - `stop`: etcd is asked to end (SIGTERM), hands over if it leads, and is started again by its
 *   machine a second after its end.
 * - `pause`: the machine hangs (SIGSTOP) and goes on.
 * - `kill`: the machine stands still for good; a health check terminates it at the end of the fault.
 * - `wipe`: the same, and its disk is empty.
 * - `lose`: the machine vanishes, and its group notices at once.
 */
export interface MemberFault extends Planned {
  readonly kind: MemberFaultKind;
  readonly target: Target;
}

/** The function is killed. */
export interface FunctionFault extends Planned {
  readonly kind: 'kill-function';
  /** At which request that changes something it is killed: 1 is the next one. */
  readonly request: number;
  /** Before the request is carried out, or after that and before its answer. */
  readonly moment: 'before' | 'after';
}

/** Events of the group do not arrive, arrive twice, or late and so out of order. */
export interface EventFault extends Planned {
  readonly kind: 'events-lost' | 'events-doubled' | 'events-late';
}

/** AWS answers the function with errors, or slowly, or not at all. */
export interface AwsFault extends Planned {
  readonly kind: 'aws-throttled' | 'aws-errors' | 'aws-slow' | 'aws-unreachable';
  /** Auto Scaling and EC2, or DynamoDB and SSM. */
  readonly service: 'compute' | 'storage';
}

export type Fault = Replacement | MemberFault | FunctionFault | EventFault | AwsFault;

/** The faults of one run: three tracks at the same time, each in the order of time. */
export interface Schedule {
  readonly seed: number;
  readonly seconds: number;
  readonly replacements: readonly Replacement[];
  /** One ends, with time for the cluster to recover, before the next begins. */
  readonly members: readonly MemberFault[];
  readonly surroundings: readonly (FunctionFault | EventFault | AwsFault)[];
}

/** What the cluster has to recover from a fault of a member, in seconds. */
export const RECOVERY_SECONDS = 12;

/**
 * Plans the faults of a run. A pure function: the same seed gives the same faults, and a longer run
 * begins with those of a shorter one.
 *
 * @param seed - Any whole number.
 * @param seconds - How long the run is.
 */
export function planSchedule(seed: number, seconds: number): Schedule {
  return {
    seed,
    seconds,
    replacements: track(seed, 'replacements', seconds, planReplacement),
    members: track(seed, 'members', seconds, planMemberFault),
    surroundings: track(seed, 'surroundings', seconds, planSurroundingFault),
  };
}

/** One line for each fault, in the order of time. */
export function describeSchedule(schedule: Schedule): string {
  return [...schedule.replacements, ...schedule.members, ...schedule.surroundings]
    .sort((a, b) => a.at - b.at)
    .map((fault) => `${fault.at.toFixed(1).padStart(7)} s  ${describeFault(fault)}`)
    .join('\n');
}

/** What a fault is, in a few words. */
export function describeFault(fault: Fault): string {
  const length = fault.seconds > 0 ? ` for ${fault.seconds} s` : '';
  switch (fault.kind) {
    case 'kill-function':
      return `kill-function ${fault.moment} its change ${fault.request}`;
    case 'events-lost':
    case 'events-doubled':
    case 'events-late':
      return `${fault.kind}${length}`;
    case 'aws-throttled':
    case 'aws-errors':
    case 'aws-slow':
    case 'aws-unreachable':
      return `${fault.kind} (${fault.service})${length}`;
    default:
      return `${fault.kind} ${fault.target.role}${length}`;
  }
}

type Plan<T> = (random: Random, at: number) => { readonly fault: T; readonly next: number };

function track<T extends Planned>(
  seed: number,
  name: string,
  seconds: number,
  plan: Plan<T>,
): readonly T[] {
  const random = seededRandom(seed, name);
  const faults: T[] = [];
  for (let at = between(random, 1, 6); at < seconds; ) {
    const { fault, next } = plan(random, at);
    // Whatever would outlast the run is left out: what begins also ends.
    if (at + fault.seconds <= seconds) {
      faults.push(fault);
    }
    at = Math.round(next * 10) / 10;
  }
  return faults;
}

function planReplacement(random: Random, at: number) {
  const role = choose(random, ['leader', 'follower', 'follower', 'newcomer'] as const);
  const fault: Replacement = { at, kind: 'replace', seconds: 0, target: targetOf(random, role) };
  return { fault, next: at + between(random, 8, 24) };
}

function planMemberFault(random: Random, at: number) {
  const kind = choose(random, [...MEMBER_FAULTS, 'crash', 'pause', 'pause'] as const);
  const role = choose(random, ['leader', 'follower', 'follower', 'newcomer'] as const);
  const seconds = {
    crash: () => 1,
    // It takes up to 1.3 s to end (measured on etcd 3.5.30), and another second to be started.
    stop: () => 3,
    // A hung member counts as connected for more than 20 s (measured on etcd 3.5.30).
    pause: () => between(random, 2, 28),
    kill: () => between(random, 1, 8),
    wipe: () => between(random, 1, 8),
    lose: () => 0,
  }[kind]();
  const fault: MemberFault = { at, kind, seconds, target: targetOf(random, role) };
  return { fault, next: at + seconds + RECOVERY_SECONDS + between(random, 0, 8) };
}

function planSurroundingFault(random: Random, at: number) {
  const kind = choose(random, [...SURROUNDING_FAULTS, 'kill-function', 'kill-function'] as const);
  const fault = surroundingFault(random, at, kind);
  return { fault, next: at + fault.seconds + between(random, 3, 10) };
}

function surroundingFault(random: Random, at: number, kind: SurroundingFaultKind) {
  switch (kind) {
    case 'kill-function': {
      const moment = choose(random, ['before', 'after'] as const);
      return { at, kind, seconds: 0, moment, request: 1 + Math.floor(random() * 6) };
    }
    case 'events-lost':
    case 'events-doubled':
    case 'events-late':
      return { at, kind, seconds: between(random, 3, 15) };
    default: {
      const service = choose(random, ['compute', 'storage'] as const);
      return { at, kind, seconds: between(random, 2, 12), service };
    }
  }
}

function targetOf(random: Random, role: Target['role']): Target {
  return { role, pick: random() };
}
