import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  type EtcdCertificates,
  EtcdCluster,
  findPythons,
  resolveEtcd,
  type TlsFiles,
} from '@quorate/test-harness';
import { type Endpoint, EtcdCaller, type StatusReport } from './etcd-caller';
import { testTlsProblems } from './tls-problems';

const HOST = '127.0.21.2';

let cluster: EtcdCluster;
let certificates: EtcdCertificates;
let etcd: EtcdCaller;

beforeAll(async () => {
  cluster = await EtcdCluster.start({ size: 1, baseAddress: HOST, tls: true });
  if (!cluster.certificates) {
    throw new Error('the cluster has no certificates');
  }
  certificates = cluster.certificates;
  etcd = await EtcdCaller.start();
}, 180_000);

afterAll(async () => {
  await etcd?.[Symbol.asyncDispose]();
  await cluster?.stop();
});

const pem = (file: string) => readFileSync(file, 'utf8');
const withCertificate = (files: TlsFiles): Endpoint => ({
  host: HOST,
  tls: {
    ca_pem: pem(certificates.caFile),
    certificate_pem: pem(files.certFile),
    key_pem: pem(files.keyFile),
  },
});

describe.each(findPythons({ onePerMinorVersion: true }))('on Python $version', ({ executable }) => {
  test('a member answers to a client with a certificate, and only to one', async () => {
    await using caller = await EtcdCaller.start({ python: executable });
    const report = await caller.value<StatusReport>(
      withCertificate(certificates.client),
      'status',
      [],
      { with_read: true },
    );
    expect(report.status.leader).toBe(report.member_id);
    expect(report.status.reads).toBe(true);

    const anonymous = { host: HOST, tls: { ca_pem: pem(certificates.caFile) } };
    expect(await caller.call(anonymous, 'status')).toMatchObject({
      error: 'TlsProblem',
      message: expect.stringContaining('asks for a client certificate, and none was given'),
    });
  });
});

test('a change by a client that is not let in was not made, and is not unknown', async () => {
  const anonymous = { host: HOST, tls: { ca_pem: pem(certificates.caFile) } };
  expect(await etcd.call(anonymous, 'remove', ['1'])).toMatchObject({ error: 'TlsProblem' });
});

testTlsProblems('127.0.21.30', () => resolveEtcd());
