import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { type EtcdBinary, EtcdCluster, type EtcdMember, resolveEtcd } from '@quorate/test-harness';
import { testAuthentication } from '../lambda/edges/authentication';
import {
  EtcdCaller,
  type EtcdFailure,
  type MemberList,
  type StatusReport,
} from '../lambda/edges/etcd-caller';
import { testTlsProblems } from '../lambda/edges/tls-problems';
import { releases } from './releases';

jest.setTimeout(180_000);

/** How many addresses each release has, and where each part of its tests begins among them. */
const ADDRESSES = 20;
const AUTHENTICATION = 4;
const TLS_PROBLEMS = 8;

describe.each(releases())('etcd $release', ({ release, index }) => {
  const address = (offset: number) => `127.0.54.${100 + index * ADDRESSES + offset}`;
  const etcd = (): Promise<EtcdBinary> => resolveEtcd({ release });

  describe('authentication:', () => testAuthentication(address(AUTHENTICATION), etcd));

  describe('TLS:', () => testTlsProblems(address(TLS_PROBLEMS), etcd));

  describe('answers:', () => {
    let cluster: EtcdCluster;
    let caller: EtcdCaller;
    let version: string;

    beforeAll(async () => {
      const binary = await etcd();
      version = binary.version;
      cluster = await EtcdCluster.start({
        baseAddress: address(0),
        spareAddresses: 0,
        binary: binary.path,
      });
      caller = await EtcdCaller.start();
    });

    afterAll(async () => {
      await caller?.[Symbol.asyncDispose]();
      await cluster?.stop();
    });

    const at = (member: EtcdMember) => ({ host: member.address });

    test('a member tells its version', async () => {
      for (const member of cluster.members) {
        const report = await caller.value<StatusReport>(at(member), 'status');
        expect(report.status.version).toBe(version);
      }
    });

    test('a refusal means the same whatever its HTTP status is', async () => {
      const leader = await cluster.waitForLeader();
      const id = await cluster.idOf(leader);
      expect(await caller.patiently(at(leader), 'promote', [id])).toMatchObject({
        error: 'NotALearner',
        code: 9,
      });
      const answer = await fetch(`${leader.clientUrl}/v3/cluster/member/promote`, {
        method: 'POST',
        body: JSON.stringify({ ID: id }),
      });
      expect(answer.status).toBe(release === '3.4-debian' ? 412 : 400);
    });

    describe('without a quorum', () => {
      let survivor: EtcdMember;

      beforeAll(async () => {
        const leader = await cluster.waitForLeader();
        const others = cluster.members.filter((member) => member !== leader);
        survivor = others[0] as EtcdMember;
        await Promise.all([leader, ...others.slice(1)].map((member) => member.kill()));
      });

      const list = (asked: string): Promise<MemberList | EtcdFailure> =>
        caller.call({ ...at(survivor), timeouts: { quorum: 2 } }, 'member_list', [], {
          version: asked,
        });

      test('there is no list of members', async () => {
        expect(await list(version)).toMatchObject({ error: 'NoQuorum' });
      });

      test('asked as a newer one is, 3.4 alone gives an old list', async () => {
        // It ignores the field that asks for a quorum, which is why a read comes first.
        const answer = await list('3.6.0');
        if (release === '3.4-debian') {
          expect((answer as MemberList).members).toHaveLength(3);
        } else {
          expect(answer).toMatchObject({ error: 'NoQuorum' });
        }
      });

      test('a member still tells its state', async () => {
        const report = await caller.value<StatusReport>(at(survivor), 'status', [], {
          with_read: true,
        });
        expect(report.status.reads).toBe(false);
      });
    });
  });
});
