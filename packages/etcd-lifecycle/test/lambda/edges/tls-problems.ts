import { createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  type EtcdBinary,
  EtcdCertificates,
  EtcdCluster,
  EtcdMember,
  ExtendedKeyUsage,
  loopbackAddresses,
  type TlsFiles,
} from '@quorate/test-harness';
import { type Endpoint, EtcdCaller } from './etcd-caller';

const HOUR_MS = 3_600_000;
/** Is in no certificate; the address of a server of these tests. */
const UNNAMED_HOST = '127.0.0.1';

/**
 * Tests that the client names what is wrong with the TLS of either side.
 *
 * @param baseAddress - Where members run: there and at the next four addresses.
 * @param resolve - Which etcd it is.
 */
export function testTlsProblems(baseAddress: string, resolve: () => Promise<EtcdBinary>): void {
  const [host, serverAuthHost, expiredHost, misnamedHost, otherHost] = loopbackAddresses(
    baseAddress,
    5,
  ) as [string, string, string, string, string];
  let binary: string;
  let cluster: EtcdCluster;
  let certificates: EtcdCertificates;
  let otherAuthority: EtcdCertificates;
  let etcd: EtcdCaller;

  beforeAll(async () => {
    binary = (await resolve()).path;
    certificates = await EtcdCertificates.create({ addresses: [host] });
    otherAuthority = await EtcdCertificates.create({ addresses: [host] });
    cluster = await EtcdCluster.start({
      size: 1,
      spareAddresses: 0,
      baseAddress,
      tls: certificates,
      binary,
    });
    etcd = await EtcdCaller.start();
  }, 180_000);

  afterAll(async () => {
    await etcd?.[Symbol.asyncDispose]();
    await cluster?.stop();
    await certificates?.remove();
    await otherAuthority?.remove();
  });

  const pem = (file: string) => readFileSync(file, 'utf8');
  const withCertificate = (files: TlsFiles): Endpoint => ({
    host,
    tls: {
      ca_pem: pem(certificates.caFile),
      certificate_pem: pem(files.certFile),
      key_pem: pem(files.keyFile),
    },
  });

  describe('what is wrong is named', () => {
    async function problem(endpoint: Endpoint): Promise<string> {
      const answer = await etcd.call(endpoint, 'status');
      expect(answer).toMatchObject({ error: 'TlsProblem' });
      return (answer as { message: string }).message;
    }

    test('no client certificate', async () => {
      expect(await problem({ host, tls: { ca_pem: pem(certificates.caFile) } })).toContain(
        'asks for a client certificate, and none was given',
      );
    });

    test('another authority for the server', async () => {
      const endpoint = withCertificate(certificates.client);
      const tls = { ...endpoint.tls, ca_pem: pem(otherAuthority.caFile) };
      expect(await problem({ ...endpoint, tls })).toContain('not signed by the given authority');
    });

    test('another authority for the client', async () => {
      expect(await problem(withCertificate(otherAuthority.client))).toMatch(
        /does not trust the authority|refuses the client certificate/,
      );
    });

    test('a client certificate that has expired', async () => {
      const expired = await certificates.issue({
        name: 'expired',
        extendedKeyUsages: [ExtendedKeyUsage.CLIENT_AUTH],
        notAfter: new Date(Date.now() - HOUR_MS),
      });
      expect(await problem(withCertificate(expired))).toContain(
        'the client certificate has expired',
      );
    });

    test('a client certificate for another use than that of a client', async () => {
      const serving = await certificates.issue({
        name: 'serving',
        extendedKeyUsages: [ExtendedKeyUsage.SERVER_AUTH],
      });
      expect(await problem(withCertificate(serving))).toContain(
        'the client certificate lacks the extended key usage clientAuth',
      );
    });

    test('a client certificate that is no certificate, or not of this key', async () => {
      const endpoint = withCertificate(certificates.client);
      for (const change of [
        { certificate_pem: 'none' },
        { key_pem: pem(otherAuthority.client.keyFile) },
      ]) {
        expect(
          await problem({ ...endpoint, tls: { ca_pem: '', ...endpoint.tls, ...change } }),
        ).toContain('belong together');
      }
    });

    test('a private key that is encrypted, which nobody is asked to decrypt', async () => {
      const endpoint = withCertificate(certificates.client);
      const key_pem = createPrivateKey(pem(certificates.client.keyFile))
        .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' })
        .toString();
      expect(
        await problem({ ...endpoint, tls: { ca_pem: '', ...endpoint.tls, key_pem } }),
      ).toContain('must not be encrypted');
    });

    test('plain HTTP to a server that speaks TLS, which says nothing', async () => {
      expect(await etcd.call({ host }, 'status')).toMatchObject({
        error: 'Unreachable',
        message: expect.stringContaining('if the server speaks TLS, give TLS material'),
      });
    });

    test('TLS to a server that speaks plain HTTP', async () => {
      const server = await new Promise<Server>((resolve) => {
        const started = createServer().listen(0, UNNAMED_HOST, () => resolve(started));
      });
      try {
        const { port } = server.address() as AddressInfo;
        const endpoint = { ...withCertificate(certificates.client), host: UNNAMED_HOST, port };
        expect(await problem(endpoint)).toContain('does not speak TLS on this port');
      } finally {
        server.close();
      }
    });
  });

  describe('a server', () => {
    /** Starts a member on its own that may not answer, and asks it until it accepts connections. */
    async function statusOfMemberWith(
      address: string,
      props: Partial<Parameters<typeof EtcdCertificates.create>[0]>,
    ): Promise<unknown> {
      const own = await EtcdCertificates.create({ addresses: [address], ...props });
      const member = new EtcdMember({
        binary,
        name: 'm',
        address,
        dataDirectory: join(own.directory, 'm'),
        initialCluster: `m=https://${address}:2380`,
        initialClusterState: 'new',
        certificates: own,
      });
      const client = await own.issue({
        name: 'valid-client',
        extendedKeyUsages: [ExtendedKeyUsage.CLIENT_AUTH],
      });
      const endpoint: Endpoint = {
        host: address,
        tls: {
          ca_pem: pem(own.caFile),
          certificate_pem: pem(client.certFile),
          key_pem: pem(client.keyFile),
        },
      };
      try {
        await member.start({ timeoutMs: 0 });
        const deadline = performance.now() + 20_000;
        for (;;) {
          const answer = await etcd.call(endpoint, 'status');
          const waiting = 'error' in (answer as object) && /refused/i.test(JSON.stringify(answer));
          if (!waiting || performance.now() > deadline) {
            return answer;
          }
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
      } finally {
        await member.kill();
        await own.remove();
      }
    }

    test('whose certificate lacks clientAuth, which its own gateway needs', async () => {
      expect(
        await statusOfMemberWith(serverAuthHost, {
          serverExtendedKeyUsages: [ExtendedKeyUsage.SERVER_AUTH],
        }),
      ).toMatchObject({
        error: 'TlsProblem',
        message: expect.stringContaining('lacks the extended key usage clientAuth'),
      });
    }, 30_000);

    test('whose certificate has expired', async () => {
      expect(
        await statusOfMemberWith(expiredHost, { notAfter: new Date(Date.now() - HOUR_MS) }),
      ).toMatchObject({
        error: 'TlsProblem',
        message: expect.stringContaining('has expired'),
      });
    }, 30_000);

    test('whose certificate does not name its address', async () => {
      expect(await statusOfMemberWith(misnamedHost, { addresses: [otherHost] })).toMatchObject({
        error: 'TlsProblem',
        message: expect.stringContaining(`does not name ${misnamedHost}`),
      });
    }, 30_000);
  });
}
