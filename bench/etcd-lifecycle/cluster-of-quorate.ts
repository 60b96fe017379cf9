import { LocalDeployment } from '../../packages/etcd-lifecycle/demo/local-deployment';
import { EtcdGateway, fillDatabase, type LocalInstance } from '../../packages/test-harness/src';
import { underLoad, type Writers } from './cluster-by-hand';

/** The schedule of the stack is a minute; here it is compressed, as instances boot in a second. */
const TICK_SECONDS = 0.5;
const SIZE = 3;
const TIMEOUT_SECONDS = 300;

/** A deployed stack with three members in service. */
export async function deploy(baseAddress: string): Promise<LocalDeployment> {
  const deployment = await LocalDeployment.start({ baseAddress });
  try {
    deployment.startTicks(TICK_SECONDS);
    await deployment.waitUntilInService(SIZE, TIMEOUT_SECONDS);
    return deployment;
  } catch (error) {
    console.error(deployment.diagnosis());
    await deployment.stop();
    throw error;
  }
}

/** Terminates the instance whose member leads, under load, and waits for its replacement. */
export async function replaceLeader(deployment: LocalDeployment): Promise<Writers> {
  const leader = await leaderOf(deployment);
  return underLoad(
    // An instance that is about to go is no target of a load balancer any more.
    () => deployment.clientUrls().filter((url) => url !== deployment.clientUrl(leader)),
    () => replace(deployment, leader),
  );
}

/**
 * Has all instances replaced: terminates them, and leaves it to Quorate who goes when.
 *
 * @returns Seconds, from the first termination to the last replacement in service with nothing else
 * left.
 */
export async function replaceAll(deployment: LocalDeployment): Promise<number> {
  const started = performance.now();
  for (const instance of deployment.instances()) {
    deployment.autoScaling.terminateInstance(instance.instanceId);
  }
  await deployment.waitUntilInService(SIZE, TIMEOUT_SECONDS);
  return (performance.now() - started) / 1000;
}

/** The same, but each is terminated only when the one before it has been replaced. */
export async function replaceOneByOne(deployment: LocalDeployment): Promise<number> {
  const started = performance.now();
  for (const instance of deployment.instances()) {
    await replace(deployment, instance);
  }
  return (performance.now() - started) / 1000;
}

/**
 * Grows the group by one, then terminates an instance that need not be replaced: what is left to do
 * is to move the leadership, if it is there, to remove the member and to complete the hook.
 *
 * @returns Milliseconds from the event to the completed hook.
 */
export async function release(deployment: LocalDeployment, leader: boolean): Promise<number> {
  const { autoScaling, groupName } = deployment;
  autoScaling.setDesiredCapacity(groupName, SIZE + 1);
  await deployment.waitUntilInService(SIZE + 1, TIMEOUT_SECONDS);
  const leads = await leaderOf(deployment);
  const victim = deployment
    .instances()
    .find((one) => (one.instanceId === leads.instanceId) === leader);
  if (!victim) {
    throw new Error('there is no such instance');
  }
  // A schedule's run in the midst of it would be waited for; in a minute there is one.
  await deployment.stopTicks();
  const transitions = autoScaling.transitions.length;
  autoScaling.terminateInstance(victim.instanceId, { decrement: true });
  await deployment.waitUntilInService(SIZE, TIMEOUT_SECONDS);
  deployment.startTicks(TICK_SECONDS);
  const at = (state: string) => {
    const found = autoScaling.transitions
      .slice(transitions)
      .find(({ instanceId, to }) => instanceId === victim.instanceId && to === state);
    if (!found) {
      throw new Error(`${victim.instanceId} was never in ${state}`);
    }
    return found.time * 1000;
  };
  return at('Terminating:Proceed') - at('Terminating:Wait');
}

async function replace(deployment: LocalDeployment, instance: LocalInstance): Promise<void> {
  deployment.autoScaling.terminateInstance(instance.instanceId);
  await deployment.waitUntilInService(SIZE, TIMEOUT_SECONDS);
}

async function leaderOf(deployment: LocalDeployment): Promise<LocalInstance> {
  for (const instance of deployment.instances()) {
    const gateway = new EtcdGateway(deployment.clientUrl(instance), { timeoutMs: 5_000 });
    try {
      const status = await gateway.status();
      if (status.leader === status.memberId) {
        return instance;
      }
    } finally {
      gateway.close();
    }
  }
  throw new Error('nobody leads');
}

/** Fills the database of a deployed cluster with random values, up to a size in bytes. */
export async function fill(deployment: LocalDeployment, bytes: number): Promise<void> {
  const gateway = new EtcdGateway(deployment.clientUrl(await leaderOf(deployment)), {
    timeoutMs: 30_000,
  });
  try {
    await fillDatabase(gateway, bytes);
  } finally {
    gateway.close();
  }
}
