import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { EtcdCluster, EtcdMember, type EtcdRelease, resolveEtcd } from '@quorate/test-harness';
import { releases } from './releases';

jest.setTimeout(180_000);

/** How many addresses each release has. */
const ADDRESSES = 4;
/** A snapshot after each few writes: a start takes the promotion from there, and not from the log. */
const EXTRA_FLAGS = ['--snapshot-count=5'];
const WRITES = 30;
const ELECTION_TIMEOUT_MS = 30_000;

/**
 * As what the data of a release is started next: that of the old ones as one that is new enough. The
 * change logs tell of voters of 3.5.16 that come back as learners on 3.6; on 3.6.16 none does.
 */
const NEXT: Readonly<Partial<Record<EtcdRelease, EtcdRelease>>> = {
  '3.4-debian': '3.5',
  '3.5-debian': '3.6',
  '3.5': '3.6',
  '3.6': '3.7',
};

describe.each(releases())('a learner that etcd $release has promoted', ({ release, index }) => {
  const members: EtcdMember[] = [];
  let cluster: EtcdCluster;

  beforeAll(async () => {
    cluster = await EtcdCluster.start({
      size: 2,
      baseAddress: `127.0.53.${2 + index * ADDRESSES}`,
      spareAddresses: 1,
      binary: (await resolveEtcd({ release })).path,
      extraFlags: EXTRA_FLAGS,
    });
    await cluster.promote(await cluster.addLearner());
    members.push(...cluster.members);
    for (let time = 0; time < WRITES; time++) {
      await cluster.put('/key', String(time));
    }
  });

  afterAll(async () => {
    await Promise.all(members.map((member) => member.kill()));
    await cluster?.stop();
  });

  /** Stops each member, one after another, and starts it on its data as that release. */
  async function startAllAs(next: EtcdRelease): Promise<void> {
    const { path: binary } = await resolveEtcd({ release: next });
    for (const [position, member] of members.entries()) {
      await member.stop();
      // Two of three are left: without the vote of the promoted one they would be no quorum.
      await write(members[(position + 1) % members.length] as EtcdMember);
      const { name, address, dataDirectory, peerUrl } = member;
      const anew = new EtcdMember({
        ...{ binary, name, address, dataDirectory, extraFlags: EXTRA_FLAGS },
        initialCluster: `${name}=${peerUrl}`,
        initialClusterState: 'existing',
      });
      members[position] = anew;
      await anew.start();
    }
  }

  async function write(member: EtcdMember): Promise<void> {
    const gateway = member.gateway();
    const deadline = performance.now() + ELECTION_TIMEOUT_MS;
    try {
      for (let written = false; !written; ) {
        written = await gateway.put('/key', 'while one is down').then(
          () => true,
          async (error: Error) => {
            if (performance.now() > deadline) {
              throw error;
            }
            // Where the one that was stopped led, the election may not be over.
            return sleep(200, false);
          },
        );
      }
    } finally {
      gateway.close();
    }
  }

  /** What each member says by itself, of itself and of all. */
  async function learners(): Promise<unknown[]> {
    return Promise.all(
      members.map(async (member) => {
        const gateway = member.gateway();
        try {
          const { isLearner, version } = await gateway.status();
          const list = await gateway.memberList({ linearizable: false });
          return { isLearner, version, listed: list.map((one) => one.isLearner) };
        } finally {
          gateway.close();
        }
      }),
    );
  }

  async function expectVoters(as: EtcdRelease): Promise<void> {
    const { version } = await resolveEtcd({ release: as });
    const voter = { isLearner: false, version, listed: [false, false, false] };
    expect(await learners()).toEqual([voter, voter, voter]);
  }

  test('votes on after every member was started again', async () => {
    await startAllAs(release);
    await expectVoters(release);
  });

  const next = NEXT[release];
  if (next) {
    test(`votes on after every member was upgraded to ${next}`, async () => {
      await startAllAs(next);
      await expectVoters(next);
    });
  }
});
