import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { EtcdCluster, type EtcdMember } from '@quorate/test-harness';
import { EtcdCaller, type Member, type MemberList, type StatusReport } from './etcd-caller';

const NOBODY = '12345';

let cluster: EtcdCluster;
let etcd: EtcdCaller;

beforeAll(async () => {
  cluster = await EtcdCluster.start({ baseAddress: '127.0.20.2' });
  etcd = await EtcdCaller.start();
}, 180_000);

afterAll(async () => {
  await etcd?.[Symbol.asyncDispose]();
  await cluster?.stop();
});

const at = (member: EtcdMember) => ({ host: member.address });

async function leaderAndFollowers(): Promise<[EtcdMember, EtcdMember[]]> {
  const leader = await cluster.waitForLeader();
  return [leader, cluster.members.filter((member) => member !== leader)];
}

function follower(followers: EtcdMember[]): EtcdMember {
  const [first] = followers;
  if (!first) {
    throw new Error('the cluster has no follower');
  }
  return first;
}

describe('what a healthy cluster answers', () => {
  test('a member tells its own state, and who leads', async () => {
    const leader = await cluster.waitForLeader();
    const leaderId = await cluster.idOf(leader);

    for (const member of cluster.members) {
      const report = await etcd.value<StatusReport>(at(member), 'status');
      expect(report.member_id).toBe(await cluster.idOf(member));
      expect(report.learner).toBe(false);
      expect(report.status.leader).toBe(leaderId);
      expect(report.status.version).toMatch(/^3\.\d+\.\d+$/);
      expect(report.status.reads).toBeNull();
      for (const number of ['raft_term', 'raft_index', 'applied_index', 'db_size'] as const) {
        expect(BigInt(report.status[number])).toBeGreaterThan(0n);
      }
    }
  });

  test('a member reads linearizably, when it is asked to', async () => {
    const [, followers] = await leaderAndFollowers();
    const report = await etcd.value<StatusReport>(at(follower(followers)), 'status', [], {
      with_read: true,
    });
    expect(report.status.reads).toBe(true);
  });

  test.each(['3.6.16', '3.4.23', ''])('the members, as asked of version "%s"', async (version) => {
    const [, followers] = await leaderAndFollowers();
    const asked = follower(followers);
    const report = await etcd.value<StatusReport>(at(asked), 'status');
    const list = await etcd.value<MemberList>(at(asked), 'member_list', [], { version });

    expect(list.cluster_id).toBe(report.cluster_id);
    expect(list.member_id).toBe(report.member_id);
    const members = await Promise.all(
      cluster.members.map(async (member) => ({
        id: await cluster.idOf(member),
        name: member.name,
        host: member.address,
        peer_urls: [member.peerUrl],
        learner: false,
        status: null,
        alarmed: false,
      })),
    );
    const byId = (one: Member, other: Member) => (one.id < other.id ? -1 : 1);
    expect([...list.members].sort(byId)).toEqual([...members].sort(byId));
  });

  test('an alarm is told with the member that it stands for', async () => {
    const [leader, followers] = await leaderAndFollowers();
    const member = follower(followers);
    const memberID = await cluster.idOf(member);
    const setAlarm = async (action: string) => {
      const answer = await fetch(`${leader.clientUrl}/v3/maintenance/alarm`, {
        method: 'POST',
        body: JSON.stringify({ action, memberID, alarm: 'NOSPACE' }),
      });
      expect(answer.status).toBe(200);
    };

    const told = async () => {
      const { complaints } = await etcd.value<StatusReport>(at(leader), 'status');
      return { alarms: await etcd.value(at(leader), 'alarms'), complains: complaints.length > 0 };
    };
    expect(await told()).toEqual({ alarms: [], complains: false });
    await setAlarm('ACTIVATE');
    expect(await told()).toEqual({ alarms: [memberID], complains: true });
    await setAlarm('DEACTIVATE');
    expect(await told()).toEqual({ alarms: [], complains: false });
  });
});

describe('refused changes', () => {
  test.each(['remove', 'promote'])('to %s a member that is not there', async (method) => {
    const leader = await cluster.waitForLeader();
    expect(await etcd.patiently(at(leader), method, [NOBODY])).toMatchObject({
      error: 'MemberNotFound',
      code: 5,
    });
  });

  test('to promote a voter', async () => {
    const [leader, followers] = await leaderAndFollowers();
    const id = await cluster.idOf(follower(followers));
    expect(await etcd.patiently(at(leader), 'promote', [id])).toMatchObject({
      error: 'NotALearner',
      code: 9,
    });
  });

  test('to add an address that is there', async () => {
    const [leader, followers] = await leaderAndFollowers();
    const url = follower(followers).peerUrl;
    expect(await etcd.patiently(at(leader), 'add_learner', [url])).toMatchObject({
      error: 'PeerUrlExists',
      code: 9,
    });
  });

  test('to add what is no URL', async () => {
    const leader = await cluster.waitForLeader();
    expect(await etcd.call(at(leader), 'add_learner', ['127.0.20.99'])).toMatchObject({
      error: 'EtcdError',
      code: 3,
    });
  });

  test('to transfer the leadership as a follower, or to nobody', async () => {
    const [leader, followers] = await leaderAndFollowers();
    const id = await cluster.idOf(follower(followers));
    expect(await etcd.call(at(follower(followers)), 'transfer_leadership', [id])).toMatchObject({
      error: 'NotLeader',
    });
    expect(await etcd.call(at(leader), 'transfer_leadership', [NOBODY])).toMatchObject({
      error: 'BadTransferee',
    });
  });
});

test('the leadership moves to the target', async () => {
  const [leader, followers] = await leaderAndFollowers();
  const target = follower(followers);
  const id = await cluster.idOf(target);
  expect(await etcd.value(at(leader), 'transfer_leadership', [id])).toBeNull();
  expect((await etcd.value<StatusReport>(at(target), 'status')).status.leader).toBe(id);
});

describe('a learner that does not start', () => {
  const host = '127.0.20.99';
  const url = `http://${host}:2380`;
  let learner: Member;

  test('is added without a name', async () => {
    const leader = await cluster.waitForLeader();
    learner = (await etcd.patiently<Member>(at(leader), 'add_learner', [url])) as Member;
    expect(learner).toMatchObject({ name: '', host, learner: true });
    const list = await etcd.value<MemberList>(at(leader), 'member_list', [], { version: '3.6.0' });
    expect(list.members).toContainEqual(learner);
  });

  test('is not added twice', async () => {
    const leader = await cluster.waitForLeader();
    expect(await etcd.call(at(leader), 'add_learner', [url])).toMatchObject({
      error: 'PeerUrlExists',
    });
  });

  test('leaves no room for another', async () => {
    const leader = await cluster.waitForLeader();
    const other = 'http://127.0.20.98:2380';
    expect(await etcd.call(at(leader), 'add_learner', [other])).toMatchObject({
      error: 'TooManyLearners',
    });
  });

  test('is not promoted, and does not lead', async () => {
    const leader = await cluster.waitForLeader();
    expect(await etcd.call(at(leader), 'promote', [learner.id])).toMatchObject({
      error: 'LearnerNotReady',
    });
    expect(await etcd.call(at(leader), 'transfer_leadership', [learner.id])).toMatchObject({
      error: 'BadTransferee',
    });
  });

  test('is removed once', async () => {
    const leader = await cluster.waitForLeader();
    expect(await etcd.patiently(at(leader), 'remove', [learner.id])).toBeNull();
    expect(await etcd.call(at(leader), 'remove', [learner.id])).toMatchObject({
      error: 'MemberNotFound',
    });
  });

  test('is not added again within the second in which it was added and removed', async () => {
    const leader = await cluster.waitForLeader();
    // The three changes may fall into two seconds on a slow machine, where etcd allows the last.
    let last: unknown;
    for (let attempt = 0; attempt < 10; attempt++) {
      await new Promise((resolve) => setTimeout(resolve, 1010 - (Date.now() % 1000)));
      const added = await etcd.value<Member>(at(leader), 'add_learner', [url]);
      await etcd.value(at(leader), 'remove', [added.id]);
      last = await etcd.call<Member>(at(leader), 'add_learner', [url]);
      if ((last as Partial<Member>).id === undefined) {
        break;
      }
      await etcd.value(at(leader), 'remove', [(last as Member).id]);
    }
    expect(last).toMatchObject({ error: 'RecentlyRemoved', code: 5 });
  }, 30_000);
});

test('a learner tells its status and nothing else, and is promoted when it is in sync', async () => {
  const learner = await cluster.addLearner();
  const leader = await cluster.waitForLeader();
  const report = await etcd.value<StatusReport>(at(learner), 'status', [], { with_read: true });
  expect(report.learner).toBe(true);
  expect(report.status.reads).toBe(false);
  expect(await etcd.call(at(learner), 'member_list', [], { version: '3.6.0' })).toMatchObject({
    error: 'AskedLearner',
  });

  expect(await etcd.patiently(at(leader), 'promote', [report.member_id])).toBeNull();
  const list = await etcd.value<MemberList>(at(leader), 'member_list', [], { version: '3.6.0' });
  expect(list.members.find(({ id }) => id === report.member_id)).toMatchObject({
    name: learner.name,
    learner: false,
  });
  expect(await etcd.patiently(at(leader), 'remove', [report.member_id])).toBeNull();
  expect((await learner.waitForExit()).code).toBe(0);
}, 30_000);

test('a member that hangs is unreachable, and what it was asked to change is unknown', async () => {
  const [leader, followers] = await leaderAndFollowers();
  const hung = follower(followers);
  await hung.pause();
  try {
    expect(await etcd.call(at(hung), 'status')).toMatchObject({
      error: 'Unreachable',
      message: expect.stringContaining('no answer in time'),
    });
    const impatient = { ...at(hung), timeouts: { change: 1 } };
    expect(await etcd.call(impatient, 'remove', [NOBODY])).toMatchObject({
      error: 'OutcomeUnknown',
    });
    expect(await etcd.value(at(leader), 'linearizable_read')).toBeNull();
  } finally {
    hung.resume();
  }
});

test('a process that is gone is unreachable, also for a change, since nothing was sent', async () => {
  const endpoint = { host: '127.0.20.200' };
  for (const [method, args] of [
    ['status', []],
    ['remove', [NOBODY]],
  ] as const) {
    expect(await etcd.call(endpoint, method, args)).toMatchObject({ error: 'Refused' });
  }
});

describe('without a quorum', () => {
  let survivor: EtcdMember;
  let survivorId: string;

  beforeAll(async () => {
    const [, followers] = await leaderAndFollowers();
    survivor = follower(followers);
    survivorId = await cluster.idOf(survivor);
    const others = cluster.members.filter((member) => member !== survivor && member.running);
    await Promise.all(others.map((member) => member.kill()));
  });

  test('the list of members has no answer, in the time that etcd itself takes', async () => {
    expect(await etcd.call(at(survivor), 'member_list', [], { version: '3.6.0' })).toMatchObject({
      error: 'NoQuorum',
    });
  }, 20_000);

  test('the status is told, without a leader, and no read succeeds', async () => {
    const report = await etcd.value<StatusReport>(at(survivor), 'status', [], { with_read: true });
    expect(report.member_id).toBe(survivorId);
    expect(report.status.leader).toBe('0');
    expect(report.status.reads).toBe(false);
  });

  test.each(['linearizable_read', 'alarms'])('%s has no answer', async (method) => {
    const impatient = { ...at(survivor), timeouts: { quorum: 1 } };
    expect(await etcd.call(impatient, method)).toMatchObject({ error: 'NoQuorum' });
  });

  test('the outcome of a change is unknown: it may apply when there is a quorum again', async () => {
    const impatient = { ...at(survivor), timeouts: { change: 1 } };
    const gone = cluster.members.find((member) => !member.running) as EtcdMember;
    expect(await etcd.call(impatient, 'remove', [await cluster.idOf(gone)])).toMatchObject({
      error: 'OutcomeUnknown',
    });
  });
});
