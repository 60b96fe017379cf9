import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EtcdGateway, WriteLoad } from '@quorate/test-harness';
import { ClusterObserver } from '../demo/cluster-observer';
import { LocalDeployment } from '../demo/local-deployment';
import { AwsProxy } from './aws-proxy';
import { EventFaults } from './event-faults';
import { FaultInjector } from './fault-injector';
import {
  changeProblems,
  completedHooks,
  goneProblem,
  hookProblems,
  MembershipHistory,
} from './invariants';
import { LinearizabilityChecker, type Verdict } from './linearizability';
import { RegisterClients } from './registers';
import { type FaultKind, planSchedule } from './schedule';

/** How a run is made. */
export interface ChaosRunProps {
  readonly seed: number;
  /** How long faults happen, in minutes. */
  readonly minutes: number;
  /** Writes a second of the load. */
  readonly rate: number;
  /** The address of the first instance. */
  readonly address: string;
  /** Where everything that happened is written. */
  readonly logFile: string;
  /** Told what is going on. */
  readonly progress: (text: string) => void;
  readonly interrupted: AbortSignal;
}

/** What came of a run. */
export interface ChaosResult {
  readonly seed: number;
  readonly minutes: number;
  readonly etcd: string;
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>;
  readonly leftOut: number;
  readonly eventsDisturbed: number;
  readonly requestsDisturbed: number;
  /** Instances that were let go, and instances that came into service. */
  readonly departed: number;
  readonly arrived: number;
  readonly hooksCompleted: number;
  /** Decisions that were carried out, by kind. */
  readonly actions: Readonly<Record<string, number>>;
  readonly memberChanges: number;
  readonly acknowledged: number;
  readonly failedWrites: number;
  readonly lost: number;
  readonly longestGapMs: number;
  readonly registers: Verdict;
  /** Operations on registers whose outcome is not known. */
  readonly unknownOutcomes: number;
  /** How long the cluster took to come to rest after the last fault. */
  readonly settleSeconds: number;
  /** What was wrong, as sentences; none when all went well. */
  readonly problems: readonly string[];
}

const SIZE = 3;
/** Auto Scaling's schedule is compressed: a tick each second stands for one each minute. */
const TICK_SECONDS = 1;
const BOOT_TIMEOUT_SECONDS = 120;
/** Longer than the deadlines below, one after another. */
const SETTLE_TIMEOUT_SECONDS = 180;
const PROGRESS_SECONDS = 10;
const CHECK_MS = 250;
const CLIENTS = 4;
const REGISTERS = 3;

/** The waits of the function, as compressed as the schedule. */
const DEADLINES = {
  QUORATE_LEASE_SECONDS: '3',
  QUORATE_LAUNCH_DEADLINE: '40',
  QUORATE_STALE_GRACE: '5',
  QUORATE_REPLACEMENT_DEADLINE: '90',
};

/** As systemd does with `Restart=always`. */
const RESTARTED_ETCD = 'while true; do "$etcd_binary"; sleep 1; done';

/** Runs the faults of a seed on a whole deployment, and tells whether it kept its promises. */
export async function runChaos(props: ChaosRunProps): Promise<ChaosResult> {
  const checker = await LinearizabilityChecker.resolve();
  const proxies = { compute: await AwsProxy.start(), storage: await AwsProxy.start() };
  try {
    return await runBehind(props, checker, proxies);
  } finally {
    await proxies.compute.stop();
    await proxies.storage.stop();
  }
}

async function runBehind(
  props: ChaosRunProps,
  checker: LinearizabilityChecker,
  proxies: { readonly compute: AwsProxy; readonly storage: AwsProxy },
): Promise<ChaosResult> {
  const log = new RunLog(props.logFile);
  const events = new EventFaults();
  let etcd = '';
  const deployment = await LocalDeployment.start({
    size: SIZE,
    baseAddress: props.address,
    startCommand: RESTARTED_ETCD,
    programs: [join(__dirname, 'instance')],
    eventSink: (bus) => events.wrap(bus),
    environment: {
      ...DEADLINES,
      AWS_ENDPOINT_URL_AUTO_SCALING: proxies.compute.endpoint,
      AWS_ENDPOINT_URL_EC2: proxies.compute.endpoint,
      AWS_ENDPOINT_URL_DYNAMODB: proxies.storage.endpoint,
      AWS_ENDPOINT_URL_SSM: proxies.storage.endpoint,
    },
    onEndpoints: (emulator, autoScaling) => {
      proxies.storage.setTarget(emulator);
      proxies.compute.setTarget(autoScaling);
    },
    onProgress: (step) => {
      etcd ||= /^etcd (\S+)/.exec(step)?.[1] ?? '';
      log.tell('set-up', step);
    },
  });
  const observer = new ClusterObserver(() => deployment.instances());
  const cluster = new Cluster(props, deployment, observer, events, proxies, log);
  try {
    return { ...(await cluster.run(checker)), etcd };
  } catch (error) {
    if (!props.interrupted.aborted) {
      log.tell('error', `${(error as Error).stack}\n${deployment.diagnosis()}`);
    }
    throw error;
  } finally {
    await cluster.stop();
    await observer.stop();
    await deployment.stop();
  }
}

/** Everything that happened in a run, as lines of a file. */
class RunLog {
  private readonly startedAt = Date.now() / 1000;

  constructor(private readonly file: string) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, '');
  }

  tell(kind: string, text: string, at = Date.now() / 1000): void {
    const seconds = (at - this.startedAt).toFixed(2).padStart(8);
    appendFileSync(this.file, `${seconds} ${kind.padEnd(9)} ${text}\n`);
  }
}

class Cluster {
  private readonly history: MembershipHistory;
  private readonly injector: FaultInjector;
  private readonly problems = new Set<string>();
  private readonly questions = new Set<Promise<void>>();
  private readonly timers: NodeJS.Timeout[] = [];
  private load: WriteLoad | undefined;
  private registers: RegisterClients | undefined;
  private memberChanges = 0;

  constructor(
    private readonly props: ChaosRunProps,
    private readonly deployment: LocalDeployment,
    private readonly observer: ClusterObserver,
    private readonly events: EventFaults,
    private readonly proxies: { readonly compute: AwsProxy; readonly storage: AwsProxy },
    private readonly log: RunLog,
  ) {
    this.history = new MembershipHistory(observer.observations);
    this.injector = new FaultInjector({
      deployment,
      events,
      proxies,
      leader: () => observer.leader,
      tell: (kind, text) => log.tell(kind, text),
    });
  }

  async run(checker: LinearizabilityChecker): Promise<Omit<ChaosResult, 'etcd'>> {
    const { props, deployment } = this;
    this.record();
    this.watch();
    // A message whose function was killed comes back after this rather than after 70 s.
    await deployment.setVisibilityTimeout(5);
    deployment.startTicks(TICK_SECONDS);
    await deployment.waitUntilInService(SIZE, BOOT_TIMEOUT_SECONDS, props.interrupted);
    props.progress(`${SIZE} members are in service; faults begin`);

    const endpoints = () => deployment.clientUrls();
    this.load = WriteLoad.start({ endpoints, ratePerSecond: props.rate, giveUpAfterMs: 30_000 });
    this.registers = new RegisterClients({
      endpoints,
      seed: props.seed,
      clients: CLIENTS,
      registers: REGISTERS,
    });
    props.interrupted.addEventListener('abort', () => this.injector.stop());
    this.every(PROGRESS_SECONDS * 1000, () => this.reportProgress());
    await this.injector.run(planSchedule(props.seed, props.minutes * 60));
    props.interrupted.throwIfAborted();
    return this.conclude(checker);
  }

  /** Ends what is still going on. */
  async stop(): Promise<void> {
    this.injector.stop();
    this.timers.forEach(clearInterval);
    await this.registers?.stop();
    await this.load?.stop();
    await Promise.allSettled(this.questions);
    await this.events.settled();
  }

  /** After the last fault: the cluster comes to rest, and everything is there. */
  private async conclude(checker: LinearizabilityChecker): Promise<Omit<ChaosResult, 'etcd'>> {
    const { deployment, props } = this;
    const settledFrom = Date.now();
    props.progress('the last fault is over; the cluster is to come to rest');
    await this.events.settled();
    try {
      await this.waitUntilSettled();
    } catch (error) {
      props.interrupted.throwIfAborted();
      this.problem(`the cluster did not come to rest: ${(error as Error).message}`);
    }
    const settleSeconds = (Date.now() - settledFrom) / 1000;
    await this.registers?.stop();
    const { history = [] } = this.registers ?? {};
    const load = this.load as WriteLoad;
    const report = await load.stop();
    const verification = await load.verify(deployment.clientUrls());
    await Promise.all(this.questions);
    await this.observer.stop();
    this.timers.forEach(clearInterval);
    this.checkMembers();
    const { calls, transitions } = deployment.autoScaling;
    hookProblems(transitions, calls).forEach((text) => {
      this.problem(text);
    });
    if (verification.lost.length > 0) {
      const [first] = verification.lost;
      this.problem(
        `${verification.lost.length} acknowledged writes were lost, for example ` +
          `${first?.write.key} of revision ${first?.write.revision}: ${first?.reason}`,
      );
    }
    if (report.acknowledged.length === 0) {
      this.problem('no write was acknowledged');
    }
    props.progress(`judging ${history.length} operations on ${REGISTERS} registers`);
    const verdict = await checker.judge(history);
    if (verdict.result !== 'linearizable') {
      this.problem(`the registers are not linearizable: ${JSON.stringify(verdict)}`);
      writeFileSync(`${props.logFile}.history.json`, JSON.stringify(history));
    }
    await deployment.journal.stop();
    return {
      seed: props.seed,
      minutes: props.minutes,
      faults: Object.fromEntries(this.injector.injected),
      leftOut: this.injector.leftOut,
      eventsDisturbed: this.events.disturbed,
      requestsDisturbed: this.proxies.compute.disturbed + this.proxies.storage.disturbed,
      departed: transitions.filter(({ to }) => to === 'Terminated').length,
      arrived: transitions.filter(({ to }) => to === 'InService').length,
      hooksCompleted: completedHooks(calls),
      actions: countBy(deployment.journal.records.map(({ kind }) => kind)),
      memberChanges: this.memberChanges,
      acknowledged: report.acknowledged.length,
      failedWrites: report.failed.length,
      lost: verification.lost.length,
      longestGapMs: Math.round(report.longestGapMs),
      registers: verdict,
      unknownOutcomes: history.filter((operation) => operation.return === null).length,
      settleSeconds,
      problems: [...this.problems],
    };
  }

  /** Waits until as many voters as wanted are well, each on an instance in service, and nobody else. */
  private async waitUntilSettled(): Promise<void> {
    const deadline = Date.now() + SETTLE_TIMEOUT_SECONDS * 1000;
    for (let why = await this.unsettled(); why; why = await this.unsettled()) {
      this.props.interrupted.throwIfAborted();
      if (Date.now() > deadline) {
        throw new Error(`${why}, after ${SETTLE_TIMEOUT_SECONDS} s`);
      }
      await sleep(500);
    }
  }

  private async unsettled(): Promise<string | undefined> {
    const instances = this.deployment.instances();
    const odd = instances.filter(({ lifecycleState }) => lifecycleState !== 'InService');
    if (instances.length !== SIZE || odd.length > 0) {
      const states = instances.map((one) => `${one.instanceId} is ${one.lifecycleState}`);
      return states.join(', ');
    }
    for (const instance of instances) {
      const gateway = new EtcdGateway(this.deployment.clientUrl(instance), { timeoutMs: 2000 });
      try {
        const [status, members] = await Promise.all([gateway.status(), gateway.memberList()]);
        const names = members.map(({ name, isLearner }) => `${name}${isLearner ? '?' : ''}`);
        const wanted = instances.map(({ instanceId }) => instanceId);
        if (status.isLearner || !status.leader || names.sort().join() !== wanted.sort().join()) {
          return `${instance.instanceId} takes ${names.join(', ')} for the members`;
        }
      } catch (error) {
        return `${instance.instanceId} does not answer: ${(error as Error).message}`;
      } finally {
        gateway.close();
      }
    }
    return undefined;
  }

  private record(): void {
    const { deployment, observer, log } = this;
    deployment.autoScaling.onTransition((transition) => {
      const { instanceId, privateIpAddress, from, to } = transition;
      log.tell('instance', `${instanceId} at ${privateIpAddress}: ${from ?? 'new'} -> ${to}`);
      if (to === 'Terminating:Proceed') {
        this.askWhether(transition);
      }
    });
    observer.onChange((text) => log.tell('observed', text));
    deployment.journal.onRecord((record) =>
      log.tell(
        'journal',
        `${record.action}: ${record.outcome} | ${record.reason} [${record.arithmetic}]`,
        record.time,
      ),
    );
    deployment.log.onLine((line) => {
      if (line.level !== 'DEBUG') {
        log.tell('function', `${line.level} ${JSON.stringify(line)}`, line.time);
      }
    });
  }

  private watch(): void {
    this.every(CHECK_MS, () => this.checkMembers());
  }

  private every(milliseconds: number, action: () => void): void {
    this.timers.push(setInterval(action, milliseconds));
  }

  private checkMembers(): void {
    for (const { before, after } of this.history.take()) {
      this.memberChanges += 1;
      changeProblems(before, after, this.injector.downInstances).forEach((text) => {
        this.problem(text);
      });
    }
  }

  private askWhether(instance: { instanceId: string; privateIpAddress: string }): void {
    const question = goneProblem(instance, () => this.deployment.clientUrls())
      .then(
        (problem) => problem && this.problem(problem),
        (error: Error) => this.problem(error.message),
      )
      .then(() => {
        this.questions.delete(question);
      });
    this.questions.add(question);
  }

  private problem(text: string): void {
    if (!this.problems.has(text)) {
      this.problems.add(text);
      this.log.tell('PROBLEM', text);
      this.props.progress(`PROBLEM: ${text}`);
    }
  }

  private reportProgress(): void {
    const { acknowledged, longestGapMs } = (this.load as WriteLoad).progress();
    const faults = [...this.injector.injected.values()].reduce((sum, count) => sum + count, 0);
    const gone = this.deployment.autoScaling.transitions.filter(({ to }) => to === 'Terminated');
    this.props.progress(
      `${faults} faults, ${gone.length} instances replaced, ${acknowledged} writes acknowledged, ` +
        `longest gap ${longestGapMs.toFixed(0)} ms, ${this.problems.size} problems`,
    );
  }
}

function countBy(values: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const value of values) {
    counts[value] = (counts[value] ?? 0) + 1;
  }
  return counts;
}
