import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { EtcdCertificates, ExtendedKeyUsage, PythonRunner } from '@quorate/test-harness';
import { LAMBDA_PATH } from './python-path';

const AUTHORITY_END = new Date('2050-01-02T03:04:05Z');

let python: PythonRunner;
beforeAll(async () => {
  python = await PythonRunner.start({
    module: 'etcd_lifecycle.certificate',
    directory: LAMBDA_PATH[0],
    pythonPath: LAMBDA_PATH,
  });
});
afterAll(() => python?.[Symbol.asyncDispose]());

const made: EtcdCertificates[] = [];
afterAll(() => Promise.all(made.map((one) => one.remove())));

async function create(notAfter: Date): Promise<EtcdCertificates> {
  const certificates = await EtcdCertificates.create({ addresses: ['127.0.0.1'], notAfter });
  made.push(certificates);
  return certificates;
}

const end = (pem: string) => python.call('earliest_end', [pem]);

/** The last second of validity, as Node tells it. */
function endByNode(pem: string): number {
  return Date.parse(new X509Certificate(pem).validTo) / 1000;
}

// Up to 2049 a certificate has years of two digits, then of four.
test.each([new Date('2031-12-31T23:59:59Z'), new Date('2049-12-31T23:59:59Z'), AUTHORITY_END])(
  'the end of a certificate that ends at %p',
  async (notAfter) => {
    const certificates = await create(notAfter);
    const pem = readFileSync(certificates.client.certFile, 'utf8');
    expect(await end(pem)).toBe(notAfter.getTime() / 1000);
    expect(endByNode(pem)).toBe(notAfter.getTime() / 1000);
  },
);

test('the first end of several certificates counts', async () => {
  const notAfter = new Date('2049-12-31T23:59:59Z');
  const certificates = await create(notAfter);
  const [authority, client] = [certificates.caFile, certificates.client.certFile].map((file) =>
    readFileSync(file, 'utf8'),
  ) as [string, string];
  const first = endByNode(authority);
  expect(first).toBeLessThan(endByNode(client));
  expect(await end(`the client:\n${client}\nits authority:\n${authority}`)).toBe(first);
});

test.each([
  [[ExtendedKeyUsage.CLIENT_AUTH], true],
  [[ExtendedKeyUsage.SERVER_AUTH, ExtendedKeyUsage.CLIENT_AUTH], true],
  [[ExtendedKeyUsage.SERVER_AUTH], false],
])('whether a certificate for %j is one for clients', async (extendedKeyUsages, expected) => {
  const certificates = await create(AUTHORITY_END);
  const { certFile } = await certificates.issue({ name: 'one', extendedKeyUsages });
  expect(await python.call('is_for_clients', [readFileSync(certFile, 'utf8')])).toBe(expected);
});

test('a certificate without extended key usages is for clients too, as for any use', async () => {
  const { caFile } = await create(AUTHORITY_END);
  const pem = readFileSync(caFile, 'utf8');
  expect(new X509Certificate(pem).keyUsage).toBeUndefined();
  expect(await python.call('is_for_clients', [pem])).toBe(true);
});

test.each([
  ['', 'there is no certificate in PEM form'],
  ['-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----', 'there is no certificate'],
  ['-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----', 'it is no X.509 certificate'],
  ['-----BEGIN CERTIFICATE-----\nMIIBAA==\n-----END CERTIFICATE-----', 'it is cut short'],
])('of %j neither is told', async (text, message) => {
  await expect(end(text)).rejects.toThrow(message);
  await expect(python.call('is_for_clients', [text])).rejects.toThrow(message);
});
