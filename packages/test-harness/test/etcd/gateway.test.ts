import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { EtcdCluster, EtcdGateway, type EtcdMember } from '../../src/etcd';

// A machine that runs these for the first time builds etcd first.
jest.setTimeout(240_000);

const USER = { name: 'root', password: 'a long password' };

let cluster: EtcdCluster;
let member: EtcdMember;
let gateway: EtcdGateway;

beforeAll(async () => {
  cluster = await EtcdCluster.start({ size: 1, baseAddress: '127.0.12.90' });
  member = cluster.members[0] as EtcdMember;
  gateway = new EtcdGateway(member.clientUrl, { user: USER });
  await gateway.call('/v3/auth/user/add', USER);
  await gateway.call('/v3/auth/role/add', { name: 'root' });
  await gateway.call('/v3/auth/user/grant', { user: USER.name, role: 'root' });
  await gateway.call('/v3/auth/enable', {});
});

afterAll(async () => {
  gateway?.close();
  await cluster?.stop();
});

/** How often etcd was asked for a login. */
async function logins(): Promise<number> {
  const metrics = await (await fetch(`${member.clientUrl}/metrics`)).text();
  const counted = metrics.matchAll(
    /^grpc_server_handled_total\{.*grpc_method="Authenticate".*\} (\d+)$/gm,
  );
  return [...counted].reduce((sum, [, count]) => sum + Number(count), 0);
}

test('calls that want a login at the same time share one', async () => {
  const putAll = () =>
    Promise.all(Array.from({ length: 20 }, (_, index) => gateway.put(`key-${index}`, 'value')));

  await putAll();
  expect(await logins()).toBe(1);

  // etcd drops all tokens of a user whose password is set, be it to the same.
  await gateway.call('/v3/auth/user/changepw', USER);
  await putAll();
  expect(await logins()).toBe(2);
});
