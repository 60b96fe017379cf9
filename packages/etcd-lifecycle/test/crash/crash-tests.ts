import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { WriteLoad } from '@quorate/test-harness';
import { CrashBench, CrashCluster, type SeedRecord } from './crash-cluster';
import type { CrashPoint } from './function-host';
import type { Scenario } from './scenario';
import { SCENARIOS } from './scenarios';
import { crashPoints, listedSideEffects, RECORDING, writeSideEffects } from './side-effects';

const WRITES_PER_SECOND = 25;

/** The tests of one scenario: the function is killed before and after each of its side effects. */
export function testCrashes(name: string): void {
  jest.setTimeout(300_000);
  const scenario = SCENARIOS.get(name);
  if (!scenario) {
    throw new Error(`there is no scenario ${name}; there are: ${[...SCENARIOS.keys()].join(', ')}`);
  }
  const stage = new Stage(scenario);

  beforeAll(() => stage.open());
  afterAll(() => stage.close());

  if (RECORDING) {
    test('the side effects are written down', async () => {
      writeSideEffects(scenario.name, [...new Set(await stage.play(undefined))]);
    });
    return;
  }

  test('each side effect has a number', async () => {
    const listed = listedSideEffects(scenario.name);
    const found = new Set(await stage.play(undefined));
    // One without a number: `npx projen test:crash:record` gives it one.
    expect([...found].filter((effect) => !listed.includes(effect))).toEqual([]);
    expect(listed.filter((effect) => !found.has(effect))).toEqual([]);
  });

  describe('it ends the same when the function is killed', () => {
    test.each(crashPoints(scenario.name))('$moment #$number: $point', async (crash) => {
      await stage.play(crash);
    });
  });
}

/** Where a scenario is played again and again, each time with a cluster of its own. */
class Stage {
  private bench: CrashBench | undefined;
  private runs = 0;

  constructor(private readonly scenario: Scenario) {}

  async open(): Promise<void> {
    this.bench = await CrashBench.start();
  }

  async close(): Promise<void> {
    await this.bench?.[Symbol.asyncDispose]();
  }

  /**
   * Plays the scenario, and checks how it ends.
   *
   * @param crash - Where the function is killed; nowhere if undefined.
   * @returns The names of the side effects, in their order.
   */
  async play(crash: CrashPoint | undefined): Promise<string[]> {
    this.runs += 1;
    const cluster = this.newCluster();
    try {
      if (this.scenario.from > 0) {
        cluster.newcomer = 'one of those before';
        await cluster.settle(this.scenario.from);
      }
      await this.scenario.prepare(cluster);
      return await this.playOn(cluster, crash);
    } finally {
      await cluster.end();
    }
  }

  private async playOn(cluster: CrashCluster, crash: CrashPoint | undefined): Promise<string[]> {
    let effects: string[];
    const before = (await cluster.records()).seed;
    const load = WriteLoad.start({
      endpoints: () => cluster.clientUrls(),
      ratePerSecond: WRITES_PER_SECOND,
    });
    try {
      cluster.begin(this.scenario.from > 0 ? 'now' : 'creation');
      cluster.crash = crash;
      await this.scenario.run(cluster);
      // The point was reached, and the function really died there.
      expect(cluster.deaths).toBe(crash ? 1 : 0);
      effects = [...cluster.effects];
      await this.scenario.afterwards?.(cluster);
    } finally {
      await load.stop();
    }
    await this.expectOneEnd(cluster, before);
    const { lost, checked } = await load.verify(cluster.clientUrls());
    expect(lost).toEqual([]);
    expect(checked).toBeGreaterThan(0);
    return effects;
  }

  /** Whatever happened on the way, this is how a scenario ends. */
  private async expectOneEnd(cluster: CrashCluster, before: SeedRecord): Promise<void> {
    const ids = cluster
      .instances()
      .map((one) => one.instanceId)
      .sort();
    expect(ids).toHaveLength(this.scenario.to);

    const members = await cluster.members();
    expect(members.map(({ name, isLearner }) => ({ name, isLearner })).sort(byName)).toEqual(
      ids.map((name) => ({ name, isLearner: false })),
    );
    const leader = await cluster.status(await cluster.leader());

    const { seed, members: recorded, waiting, handOvers } = await cluster.records();
    expect(seed.clusterId).toBe(leader?.clusterId);
    if (this.scenario.from > 0 && !this.scenario.madeAnew) {
      expect(seed).toEqual(before);
    } else {
      expect(seed.clusterId).not.toBe(before.clusterId);
      expect(ids).toContain(seed.instanceId);
    }
    // Nothing is left of what is gone, or no longer needed.
    expect(waiting).toEqual([]);
    expect(handOvers).toEqual([]);
    await expect(cluster.joinParameters()).resolves.toEqual([]);
    // Each member that joined is recorded; the first one never joined.
    expect(recorded).toEqual(
      Object.fromEntries(
        members.filter((one) => one.name !== seed.instanceId).map(({ name, id }) => [name, id]),
      ),
    );

    for (const { instanceId, hook, results } of cluster.completions()) {
      const abandoned =
        hook === 'launch' &&
        this.scenario.abandoned?.includes(cluster.names.get(instanceId) ?? '') === true;
      expect({ instanceId, hook, results }).toEqual({
        instanceId,
        hook,
        results: [abandoned ? 'ABANDON' : 'CONTINUE'],
      });
    }
    expect(cluster.completions().length > 0).toBe(!this.scenario.still);
    await this.scenario.expectEnd?.(cluster);
  }

  /**
   * A new one for each run: in the same one, etcd would send newcomers a snapshot as soon as its log
   * has 100 entries, and many would start 7 s late for that (see `STARTING_SECONDS` in `plan.py`).
   */
  private newCluster(): CrashCluster {
    if (!this.bench) {
      throw new Error('the stage is not open');
    }
    const { name, from, to, baseAddress, environment } = this.scenario;
    const [network = '', host = ''] = baseAddress.split(/\.(?=\d+$)/);
    return new CrashCluster(this.bench, `${name}-${this.runs}`, {
      size: from || to,
      baseAddress: `${network}.${Number(host) + this.runs}`,
      environment,
    });
  }
}

function byName(one: { readonly name: string }, other: { readonly name: string }): number {
  return one.name < other.name ? -1 : 1;
}
