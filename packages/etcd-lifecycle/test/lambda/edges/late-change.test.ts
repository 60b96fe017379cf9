import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { EtcdCluster, type EtcdMember } from '@quorate/test-harness';
import { EtcdCaller, type Member, type MemberList } from './etcd-caller';
import { startDriver } from './python-path';

jest.setTimeout(120_000);

/** Where nobody is. */
const SPARE_URL = 'http://127.0.23.9:2380';
/** A version that lists its members linearizably. */
const NEW_VERSION = '3.6.0';

let cluster: EtcdCluster;
let etcd: EtcdCaller;

beforeEach(async () => {
  cluster = await EtcdCluster.start({ baseAddress: '127.0.23.2', spareAddresses: 0 });
  etcd = await EtcdCaller.start();
  // For its first seconds etcd refuses changes at once ("unhealthy cluster"): these are over when it
  // takes one.
  const endpoint = { host: (await cluster.waitForLeader()).address };
  const added = await etcd.patiently<Member>(endpoint, 'add_learner', [SPARE_URL]);
  expect(added).toMatchObject({ learner: true });
  expect(await etcd.patiently(endpoint, 'remove', [(added as Member).id])).toBeNull();
});

afterEach(async () => {
  await etcd?.[Symbol.asyncDispose]();
  await cluster?.stop();
});

async function leaderAndFollowers(): Promise<[EtcdMember, EtcdMember, EtcdMember]> {
  const leader = await cluster.waitForLeader();
  const [first, second] = cluster.members.filter((member) => member !== leader);
  if (!first || !second) {
    throw new Error('the cluster lacks followers');
  }
  return [leader, first, second];
}

// The leader has the change in its log and alone can win the next election, since the only other
// voter that comes back does not: whoever took the time-out for a refusal would be wrong each time.
test('a removal that timed out without a quorum is made when there is one again', async () => {
  const [leader, staying, victim] = await leaderAndFollowers();
  const endpoint = { host: leader.address, timeouts: { change: 1, quorum: 1 } };
  const id = await cluster.idOf(victim);
  const list = () => etcd.call<MemberList>(endpoint, 'member_list', [], { version: NEW_VERSION });

  await Promise.all([staying.pause(), victim.pause()]);
  expect(await etcd.call(endpoint, 'remove', [id])).toMatchObject({ error: 'OutcomeUnknown' });
  expect(await list()).toMatchObject({ error: 'NoQuorum' });

  staying.resume();
  await expect(memberIds(list)).resolves.toEqual(
    [await cluster.idOf(leader), await cluster.idOf(staying)].sort(),
  );
  expect(await etcd.patiently(endpoint, 'remove', [id])).toMatchObject({ error: 'MemberNotFound' });
});

test('a run to whom that happens looks again, removes nobody else and lets the instance go', async () => {
  const [leader, staying, victim] = await leaderAndFollowers();
  await using runner = await startDriver('late_change_driver', { timeoutMs: 60_000 });
  const entries = await runner.call<{ action: string; outcome: string }[]>('scale_in', [
    cluster.members.map(({ name, address }) => ({ id: name, address })),
    victim.name,
    { [staying.name]: staying.pid, [victim.name]: victim.pid },
    staying.name,
  ]);

  const kinds = entries.map(({ action }) => action.replace(/\(.*/, ''));
  expect(entries[0]).toEqual({
    action: `RemoveMember(member_id=${await cluster.idOf(victim)})`,
    outcome: expect.stringMatching(/^unknown: /),
  });
  expect(entries.at(-1)).toMatchObject({
    action: expect.stringContaining(`CompleteHook(instance_id='${victim.name}'`),
    outcome: 'done',
  });
  // What it saw of the list in between may still have had the member: then it was asked for again.
  expect(new Set(kinds)).toEqual(new Set(['RemoveMember', 'CompleteHook']));
  expect(new Set(entries.slice(0, -1).map(({ action }) => action)).size).toBe(1);
  const members = await cluster.gateway(leader).memberList();
  expect(members.map(({ name }) => name).sort()).toEqual([leader.name, staying.name].sort());
});

/** The ids of the members, once a quorum tells them and they are no longer three. */
async function memberIds(list: () => Promise<MemberList | { error: string }>): Promise<string[]> {
  const deadline = performance.now() + 30_000;
  for (;;) {
    const answer = await list();
    const settled = 'members' in answer && answer.members.length < 3;
    if (settled || performance.now() > deadline) {
      return 'members' in answer ? answer.members.map(({ id }) => id).sort() : [answer.error];
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
