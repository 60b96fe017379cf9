import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  type EtcdBinary,
  EtcdCertificates,
  EtcdCluster,
  type EtcdGateway,
  ExtendedKeyUsage,
  loopbackAddresses,
  type TlsFiles,
} from '@quorate/test-harness';
import { type Endpoint, EtcdCaller, type StatusReport } from './etcd-caller';

/** The user that may do everything. */
export const ROOT = { username: 'root', password: 'a long password' };
/** A user that may do nothing. */
export const LOW = { username: 'low', password: 'another password' };
const NOBODY = '12345';
/** For a version that lists its members linearizably, and for one that does not. */
const NEW_VERSION = '3.6.0';
const OLD_VERSION = '3.4.0';

/** Makes the users of these tests, and turns authentication on. */
export async function enableAuthentication(gateway: EtcdGateway): Promise<void> {
  for (const { username, password } of [ROOT, LOW]) {
    await gateway.call('/v3/auth/user/add', { name: username, password });
  }
  await gateway.call('/v3/auth/role/add', { name: 'root' });
  await gateway.call('/v3/auth/user/grant', { user: ROOT.username, role: 'root' });
  await gateway.call('/v3/auth/enable', {});
}

/**
 * Tests how the client logs in to a cluster of one with mutual TLS and etcd's authentication.
 *
 * @param address - Where the member runs.
 * @param etcd - Which etcd it is.
 */
export function testAuthentication(address: string, etcd: () => Promise<EtcdBinary>): void {
  let cluster: EtcdCluster;
  let certificates: EtcdCertificates;
  let caller: EtcdCaller;

  beforeAll(async () => {
    certificates = await EtcdCertificates.create({ addresses: loopbackAddresses(address, 4) });
    cluster = await EtcdCluster.start({
      size: 1,
      spareAddresses: 0,
      baseAddress: address,
      tls: certificates,
      binary: (await etcd()).path,
    });
    caller = await EtcdCaller.start();
  }, 180_000);

  afterAll(async () => {
    await caller?.[Symbol.asyncDispose]();
    await cluster?.stop();
    await certificates?.remove();
  });

  const pem = (file: string) => readFileSync(file, 'utf8');
  const as = (user?: typeof ROOT, files: TlsFiles = certificates.client): Endpoint => ({
    host: address,
    tls: {
      ca_pem: pem(files.caFile),
      certificate_pem: pem(files.certFile),
      key_pem: pem(files.keyFile),
    },
    ...(user && { user }),
  });
  const gateway = () => {
    const [member] = cluster.members;
    if (!member) {
      throw new Error('the cluster has no member');
    }
    return member.gateway({ user: { name: ROOT.username, password: ROOT.password } });
  };

  test('a user is no hindrance while authentication is off', async () => {
    expect(await caller.value(as(ROOT), 'linearizable_read')).toBeNull();
    expect(await caller.call(as(ROOT), 'remove', [NOBODY])).toMatchObject({
      error: 'MemberNotFound',
    });
  });

  describe('turned on', () => {
    beforeAll(async () => {
      const open = gateway();
      await enableAuthentication(open);
      open.close();
    });

    test('the user with the role root reads and changes everything', async () => {
      const report = await caller.value<StatusReport>(as(ROOT), 'status', [], { with_read: true });
      expect(report.status.reads).toBe(true);
      for (const version of [NEW_VERSION, OLD_VERSION]) {
        expect(await caller.value(as(ROOT), 'member_list', [], { version })).toMatchObject({
          member_id: report.member_id,
        });
      }
      expect(await caller.value(as(ROOT), 'alarms')).toEqual([]);
      for (const method of ['remove', 'promote']) {
        expect(await caller.call(as(ROOT), method, [NOBODY])).toMatchObject({
          error: 'MemberNotFound',
        });
      }
      expect(await caller.call(as(ROOT), 'transfer_leadership', [NOBODY])).toMatchObject({
        error: 'BadTransferee',
      });
    });

    test('a member is added, which tells itself without a login, and is removed', async () => {
      const url = `https://${loopbackAddresses(address, 2)[1]}:2380`;
      const added = await caller.patiently<{ id: string }>(as(ROOT), 'add_learner', [url]);
      expect(added).toMatchObject({ learner: true });
      expect(await caller.patiently(as(ROOT), 'remove', [(added as { id: string }).id])).toBeNull();
    });

    test('a snapshot is streamed to the user, also when etcd has dropped its tokens', async () => {
      const size = async () => Number(await caller.snapshotSize(as(ROOT)));
      expect(await size()).toBeGreaterThan(16_384);
      const admin = gateway();
      await admin.call('/v3/auth/user/changepw', { name: ROOT.username, password: ROOT.password });
      admin.close();
      expect(await size()).toBeGreaterThan(16_384);
    });

    test('nobody else gets one, and the error tells what helps', async () => {
      expect(await caller.snapshotSize(as())).toMatchObject({
        message: expect.stringContaining('this client has no user'),
      });
      expect(await caller.snapshotSize(as(LOW))).toMatchObject({
        error: 'NotAuthorized',
        message: expect.stringContaining("grant the user 'low' the role root"),
      });
    });

    test('a session whose tokens etcd has dropped goes on with a new one', async () => {
      expect(await caller.value(as(ROOT), 'linearizable_read')).toBeNull();
      const admin = gateway();
      // etcd drops all tokens of a user whose password is set, be it to the same.
      await admin.call('/v3/auth/user/changepw', { name: ROOT.username, password: ROOT.password });
      admin.close();
      expect(await caller.value(as(ROOT), 'linearizable_read')).toBeNull();
      expect(await caller.call(as(ROOT), 'remove', [NOBODY])).toMatchObject({
        error: 'MemberNotFound',
      });
    });

    describe.each([
      ['a read', 'linearizable_read', []],
      ['a change', 'remove', [NOBODY]],
    ])('%s is refused, and the error tells what helps,', (_, method, args) => {
      async function refusal(endpoint: Endpoint, error: string): Promise<string> {
        const answer = await caller.call(endpoint, method, args);
        expect(answer).toMatchObject({ error });
        return (answer as { message: string }).message;
      }

      test('to a client without a user', async () => {
        expect(
          await refusal(as(), method === 'remove' ? 'NotLoggedIn' : 'NotAuthorized'),
        ).toContain(
          "etcd's authentication is on, and this client has no user: give it one that has the role " +
            'root',
        );
      });

      test('to a user with a wrong password', async () => {
        const message = await refusal(as({ ...ROOT, password: 'wrong' }), 'NotAuthorized');
        expect(message).toContain(
          "logs in as 'root': check the name and the password that it was given",
        );
        expect(message).not.toContain('wrong');
      });

      test('to a user that does not exist', async () => {
        const endpoint = as({ ...ROOT, username: 'toor' });
        expect(await refusal(endpoint, 'NotAuthorized')).toContain("logs in as 'toor': check");
      });

      test('to a user without the role root', async () => {
        expect(await refusal(as(LOW), 'NotAuthorized')).toContain(
          "grant the user 'low' the role root",
        );
      });

      test('to a client certificate with a common name, whatever it is', async () => {
        const named = await certificates.issue({
          name: 'named',
          commonName: ROOT.username,
          extendedKeyUsages: [ExtendedKeyUsage.CLIENT_AUTH],
        });
        expect(await refusal(as(ROOT, named), 'TlsProblem')).toContain(
          'the client certificate has a common name (CN)',
        );
      });
    });

    test('the state of a member is told to everybody, as old members did too', async () => {
      expect(await caller.value<StatusReport>(as(), 'status')).toMatchObject({ learner: false });
    });
  });
}
