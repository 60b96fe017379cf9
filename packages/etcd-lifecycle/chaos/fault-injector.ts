import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EtcdGateway, type LocalInstance } from '@quorate/test-harness';
import type { LocalDeployment } from '../demo/local-deployment';
import type { AwsProxy } from './aws-proxy';
import type { EventFaults } from './event-faults';
import { killChildren, killEtcd, stopEtcd } from './processes';
import {
  type AwsFault,
  describeFault,
  type EventFault,
  type Fault,
  type FaultKind,
  type FunctionFault,
  type MemberFault,
  type Replacement,
  type Schedule,
  type Target,
} from './schedule';

/** What faults are done with. */
export interface FaultInjectorProps {
  readonly deployment: LocalDeployment;
  readonly events: EventFaults;
  readonly proxies: Readonly<Record<AwsFault['service'], AwsProxy>>;
  /** The instance whose member leads, if one does. */
  readonly leader: () => string | undefined;
  readonly tell: (kind: string, text: string) => void;
}

/** How long a fault of a member waits for a cluster that can bear it, in milliseconds. */
const PATIENCE_MS = 20_000;
const PATIENCE_POLL_MS = 500;
const STATUS_TIMEOUT_MS = 800;
/** As many instances as the group has may be on their way out at the same time. */
const MOST_LEAVING = 3;
/** How long a function to be killed may take to come to the request at which it is killed. */
const KILL_TIMEOUT_MS = 8000;

/**
 * Carries out a schedule. A fault of a member waits until the cluster has a majority without that
 * member, and is left out if it waits for too long: a fault must not take the quorum by itself.
 */
export class FaultInjector {
  /** How many faults of each kind were carried out. */
  public readonly injected = new Map<FaultKind, number>();
  /** How many found no instance, or no cluster that could bear them, and were left out. */
  public leftOut = 0;

  private readonly down = new Set<string>();
  private readonly abort = new AbortController();
  private startedAt = 0;

  constructor(private readonly props: FaultInjectorProps) {}

  /** Instances whose members are known not to answer. */
  public get downInstances(): ReadonlySet<string> {
    return this.down;
  }

  /** Carries out a schedule to its end, or until {@link stop}; then everything works again. */
  public async run(schedule: Schedule): Promise<void> {
    this.startedAt = performance.now();
    await Promise.all([
      this.inOrder(schedule.replacements, (fault) => this.replace(fault)),
      this.inOrder(schedule.members, (fault) => this.failMember(fault)),
      this.inOrder(schedule.surroundings, (fault) => this.disturb(fault)),
    ]);
  }

  /** Lets {@link run} end soon. */
  public stop(): void {
    this.abort.abort();
  }

  private async inOrder<T extends Fault>(
    faults: readonly T[],
    carryOut: (fault: T) => Promise<void>,
  ): Promise<void> {
    for (const fault of faults) {
      await this.pause(this.startedAt + fault.at * 1000 - performance.now());
      if (this.abort.signal.aborted) {
        return;
      }
      await carryOut(fault);
    }
  }

  private async pause(milliseconds: number): Promise<void> {
    await sleep(Math.max(0, milliseconds), undefined, { signal: this.abort.signal }).catch(
      () => undefined,
    );
  }

  private count(fault: Fault, text = ''): void {
    this.injected.set(fault.kind, (this.injected.get(fault.kind) ?? 0) + 1);
    this.props.tell('fault', `${describeFault(fault)}${text}`);
  }

  private leaveOut(fault: Fault, why: string): void {
    this.leftOut += 1;
    this.props.tell('fault', `left out: ${describeFault(fault)}: ${why}`);
  }

  private async replace(fault: Replacement): Promise<void> {
    const leaving = this.instances().filter((one) => one.lifecycleState.startsWith('Term'));
    if (leaving.length >= MOST_LEAVING) {
      this.leaveOut(fault, `${leaving.length} instances are on their way out already`);
      return;
    }
    const instance = this.choose(fault.target, (one) => !one.lifecycleState.startsWith('Term'));
    if (!instance) {
      this.leaveOut(fault, 'no instance that stays');
      return;
    }
    this.count(fault, `: ${instance.instanceId}`);
    this.props.deployment.autoScaling.terminateInstance(instance.instanceId);
  }

  private async failMember(fault: MemberFault): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    let instance: LocalInstance | undefined;
    for (;;) {
      instance = this.choose(
        fault.target,
        (one) => one.processesAlive && !one.lifecycleState.startsWith('Terminating:P'),
      );
      if (instance && (await this.bears(instance))) {
        break;
      }
      if (performance.now() > deadline || this.abort.signal.aborted) {
        this.leaveOut(fault, 'the cluster could not bear it');
        return;
      }
      await this.pause(PATIENCE_POLL_MS);
    }
    this.count(fault, `: ${instance.instanceId} at ${instance.privateIpAddress}`);
    const { instanceId } = instance;
    this.down.add(instanceId);
    if (fault.kind === 'crash' || fault.kind === 'stop' || fault.kind === 'pause') {
      await this.failForAWhile(fault, instance);
      this.down.delete(instanceId);
    } else {
      // It never comes back.
      await this.failForGood(fault, instance);
    }
  }

  private async failForAWhile(fault: MemberFault, instance: LocalInstance): Promise<void> {
    const { autoScaling } = this.props.deployment;
    if (fault.kind !== 'pause') {
      const end = fault.kind === 'crash' ? killEtcd : stopEtcd;
      end(instance.pid ?? -1);
      await this.pause(fault.seconds * 1000);
      return;
    }
    await autoScaling.pauseInstance(instance.instanceId);
    await this.pause(fault.seconds * 1000);
    autoScaling.resumeInstance(instance.instanceId);
  }

  private async failForGood(fault: MemberFault, instance: LocalInstance): Promise<void> {
    const { autoScaling } = this.props.deployment;
    autoScaling.killInstanceProcesses(instance.instanceId);
    if (fault.kind === 'wipe' && instance.rootDirectory) {
      rmSync(join(instance.rootDirectory, 'data'), { recursive: true, force: true });
    }
    await this.pause(fault.seconds * 1000);
    if (this.instances().some(({ instanceId }) => instanceId === instance.instanceId)) {
      // A health check terminates what no longer answers; what was lost, the group itself notices.
      if (fault.kind === 'lose') {
        autoScaling.loseInstance(instance.instanceId);
      } else {
        autoScaling.terminateInstance(instance.instanceId);
      }
    }
  }

  private async disturb(fault: FunctionFault | EventFault | AwsFault): Promise<void> {
    this.count(fault);
    if (fault.kind === 'kill-function') {
      await this.killFunction(fault);
    } else if ('service' in fault) {
      const proxy = this.props.proxies[fault.service];
      proxy.fail(fault.kind);
      await this.pause(fault.seconds * 1000);
      proxy.fail(undefined);
    } else {
      this.props.events.disturb(fault.kind);
      await this.pause(fault.seconds * 1000);
      this.props.events.disturb(undefined);
    }
  }

  private async killFunction(fault: FunctionFault): Promise<void> {
    const proxies = Object.values(this.props.proxies);
    let requests = 0;
    const killed = new AbortController();
    const kill = () => {
      if (!killed.signal.aborted && killChildren(this.props.deployment.emulatorPid)) {
        killed.abort();
      }
    };
    const interference = {
      before: () => {
        requests += 1;
        if (fault.moment === 'before' && requests >= fault.request) {
          kill();
        }
      },
      after: () => {
        if (fault.moment === 'after' && requests >= fault.request) {
          kill();
        }
      },
    };
    for (const proxy of proxies) {
      proxy.interference = interference;
    }
    const signal = AbortSignal.any([this.abort.signal, killed.signal]);
    await sleep(KILL_TIMEOUT_MS, undefined, { signal }).catch(() => undefined);
    for (const proxy of proxies) {
      proxy.interference = undefined;
    }
    kill();
  }

  private instances(): LocalInstance[] {
    return this.props.deployment.instances();
  }

  private choose(
    target: Target,
    suits: (instance: LocalInstance) => boolean,
  ): LocalInstance | undefined {
    const fit = this.instances().filter((one) => suits(one) && !this.down.has(one.instanceId));
    const leader = this.props.leader();
    const roles: Record<Target['role'], (instance: LocalInstance) => boolean> = {
      leader: (one) => one.instanceId === leader,
      follower: (one) => one.instanceId !== leader && !one.lifecycleState.startsWith('Pending'),
      newcomer: (one) => one.lifecycleState.startsWith('Pending'),
    };
    const wanted = fit.filter(roles[target.role]);
    const from = wanted.length > 0 ? wanted : fit;
    return from[Math.floor(target.pick * from.length)];
  }

  /** Whether a majority of the voters is well, and would be without this one. */
  private async bears(instance: LocalInstance): Promise<boolean> {
    const running = this.instances().filter(
      (one) => one.processesAlive && !this.down.has(one.instanceId),
    );
    const answers = await Promise.all(running.map((one) => this.ask(one)));
    const members = answers.find((answer) => answer.members.length > 0)?.members ?? [];
    const voters = members.filter(({ isLearner }) => !isLearner).length;
    const well = answers.filter(({ voter, id }) => voter && id !== instance.instanceId).length;
    // As if the newcomer had its vote already: it may get it at any moment.
    const arriving = members.length > voters ? 1 : 0;
    return voters > 1 && well > (voters + arriving) / 2;
  }

  private async ask(instance: LocalInstance) {
    const gateway = new EtcdGateway(this.props.deployment.clientUrl(instance), {
      timeoutMs: STATUS_TIMEOUT_MS,
    });
    try {
      const [status, members] = await Promise.all([gateway.status(), gateway.memberList()]);
      const voter = !status.isLearner && status.leader !== undefined;
      return { id: instance.instanceId, voter, members };
    } catch {
      return { id: instance.instanceId, voter: false, members: [] };
    } finally {
      gateway.close();
    }
  }
}
