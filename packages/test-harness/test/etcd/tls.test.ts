import { execFile } from 'node:child_process';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import {
  EtcdCertificates,
  EtcdCluster,
  EtcdGateway,
  EtcdMember,
  EtcdNoAnswerError,
  ExtendedKeyUsage,
  resolveEtcd,
} from '../../src/etcd';

// A machine that runs these for the first time builds etcd first.
jest.setTimeout(240_000);

const run = promisify(execFile);

describe('a cluster with mutual TLS', () => {
  let cluster: EtcdCluster;

  beforeAll(async () => {
    cluster = await EtcdCluster.start({ baseAddress: '127.0.11.2', tls: true, spareAddresses: 1 });
  });

  afterAll(async () => {
    await cluster.stop();
  });

  test('serves clients that have a certificate, and members that join', async () => {
    await cluster.put('secret', 'kept');
    const learner = await cluster.addLearner();
    await cluster.promote(learner);
    expect(learner.clientUrl).toBe('https://127.0.11.5:2379');
    expect(await cluster.gateway(learner).get('secret')).toMatchObject({ value: 'kept' });
  });

  test('turns away a client without a certificate, and one whose certificate has expired', async () => {
    const certificates = cluster.certificates;
    if (!certificates) {
      throw new Error('the cluster has no certificates');
    }
    const expired = await certificates.issue({
      name: 'expired',
      extendedKeyUsages: [ExtendedKeyUsage.CLIENT_AUTH],
      notAfter: new Date(Date.now() - 60_000),
    });
    const endpoint = cluster.endpoints[0] ?? '';
    for (const tls of [undefined, expired]) {
      const gateway = new EtcdGateway(endpoint, { tls });
      const refusal = await gateway.status().catch((error: unknown) => error);
      gateway.close();
      expect(refusal).toBeInstanceOf(EtcdNoAnswerError);
    }
  });

  test("passes the strict verification of Python's ssl", async () => {
    const tls = cluster.clientTls;
    const script = `
import json, ssl, sys, urllib.request
ca, cert, key, url = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
context.verify_flags |= ssl.VERIFY_X509_STRICT
context.load_cert_chain(cert, key)
opener = urllib.request.build_opener(
    urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
)
with opener.open(url + "/health", timeout=10) as answer:
    print(json.load(answer)["health"])
`;
    const { stdout } = await run('python3', [
      '-c',
      script,
      tls?.caFile ?? '',
      tls?.certFile ?? '',
      tls?.keyFile ?? '',
      cluster.endpoints[0] ?? '',
    ]);
    expect(stdout.trim()).toBe('true');
  });

  test('breaks at the gateway if the servers may not act as clients', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'quorate-eku-'));
    const certificates = await EtcdCertificates.create({
      addresses: ['127.0.11.20'],
      directory: join(directory, 'tls'),
      serverExtendedKeyUsages: [ExtendedKeyUsage.SERVER_AUTH],
    });
    const member = new EtcdMember({
      binary: (await resolveEtcd()).path,
      name: 'alone',
      address: '127.0.11.20',
      dataDirectory: join(directory, 'data'),
      initialCluster: 'alone=https://127.0.11.20:2380',
      initialClusterState: 'new',
      certificates,
    });
    try {
      await expect(member.start({ timeoutMs: 3_000 })).rejects.toThrow(/waited 3000 ms in vain/);
      expect(member.running).toBe(false);
    } finally {
      await member.kill();
      await rm(directory, { recursive: true, force: true });
    }
  });

  test('private keys are readable by their owner only, also when they are issued again', async () => {
    const certificates = cluster.certificates;
    if (!certificates) {
      throw new Error('the cluster has no certificates');
    }
    const options = { name: 'again', extendedKeyUsages: [ExtendedKeyUsage.CLIENT_AUTH] };
    await certificates.issue(options);
    const again = await certificates.issue(options);
    for (const { keyFile } of [certificates.server, certificates.client, again]) {
      expect((await stat(keyFile)).mode & 0o777).toBe(0o600);
    }
  });
});
