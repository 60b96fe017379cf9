import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import {
  CreateBucketCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  EtcdCluster,
  EtcdMember,
  Etcdutl,
  Ministack,
  type PythonRunner,
  resolveEtcd,
} from '@quorate/test-harness';
import { createFunctionTable } from '../../../demo/function-table';
import { MeddlingProxy } from './meddling-proxy';
import { startDriver } from './python-path';

const TABLE = 'quorate';
const BUCKET = 'backups';
const PREFIX = 'etcd';
const PROXIED = '127.0.50.100';
const RESTORED = '127.0.50.101';
const KEYS = 200;

interface Taken {
  readonly result: string;
  readonly detail: string;
  readonly snapshot: { key: string; revision: number; size: number; taken: number } | null;
  readonly failure: string | null;
  readonly cluster_id: string;
  readonly member_id: string;
  readonly version: string;
}

let cluster: EtcdCluster;
let ministack: Ministack;
let s3: S3Client;
let etcdutl: Etcdutl;
/** In front of a member, and in front of S3. */
let etcdProxy: MeddlingProxy;
let s3Proxy: MeddlingProxy;
let python: PythonRunner;

beforeAll(async () => {
  [cluster, ministack, etcdutl] = await Promise.all([
    EtcdCluster.start({ baseAddress: '127.0.50.2', size: 1 }),
    Ministack.start(),
    Etcdutl.resolve(),
  ]);
  const [member] = cluster.members;
  etcdProxy = await MeddlingProxy.start(member?.clientUrl ?? '', { host: PROXIED, port: 2379 });
  s3Proxy = await MeddlingProxy.start(ministack.endpoint, { host: '127.0.0.1', port: 0 });
  s3 = new S3Client({ ...ministack.clientConfig(), forcePathStyle: true });
  await s3.send(new CreateBucketCommand({ Bucket: BUCKET }));
  python = await start(`http://127.0.0.1:${s3Proxy.port}`);
  const dynamodb = new DynamoDBClient(ministack.clientConfig());
  await createFunctionTable(dynamodb, TABLE);
  dynamodb.destroy();
  for (let number = 0; number < KEYS; number++) {
    await cluster.put(`/key/${number}`, `value ${number}`);
  }
}, 180_000);

afterAll(async () => {
  await python?.close();
  await s3Proxy?.[Symbol.asyncDispose]();
  await etcdProxy?.[Symbol.asyncDispose]();
  s3?.destroy();
  await ministack?.stop();
  await cluster?.stop();
});

function start(s3Endpoint: string): Promise<PythonRunner> {
  return startDriver('snapshot_driver', {
    python: ministack.python,
    env: { ...ministack.env(), AWS_ENDPOINT_URL_S3: s3Endpoint },
    timeoutMs: 60_000,
  });
}

const member = () => cluster.members[0] as EtcdMember;

function take(options: { host?: string; prefix?: string } & Record<string, unknown> = {}) {
  const { host, prefix, ...others } = options;
  return python.call<Taken>(
    'take',
    [TABLE, BUCKET, prefix ?? PREFIX, host ?? member().address],
    others as Record<string, number>,
  );
}

/** The keys of all objects, and the unfinished uploads. */
async function stored(prefix: string): Promise<{ keys: string[]; unfinished: number }> {
  const { Contents = [] } = await s3.send(
    new ListObjectsV2Command({ Bucket: BUCKET, Prefix: `${prefix}/` }),
  );
  const { Uploads = [] } = await s3.send(new ListMultipartUploadsCommand({ Bucket: BUCKET }));
  return { keys: Contents.map(({ Key }) => Key ?? ''), unfinished: Uploads.length };
}

async function download(key: string): Promise<string> {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: BUCKET, Key: key }));
  const file = join(cluster.directory, 'downloaded.db');
  await writeFile(file, (await Body?.transformToByteArray()) ?? '');
  return file;
}

describe('a snapshot', () => {
  let taken: Taken;

  beforeAll(async () => {
    taken = await take();
  }, 60_000);

  test('is stored under the cluster, the time and the revision, and recorded', async () => {
    expect(taken).toMatchObject({ result: 'done', failure: null });
    const time = new Date((taken.snapshot?.taken ?? 0) * 1000).toISOString();
    const basic = time.replace(/\.\d+/, '').replace(/[-:]/g, '');
    expect(taken.snapshot?.key).toBe(`etcd/main/${basic}-${KEYS + 1}.db`);
    expect(taken.snapshot?.revision).toBe(KEYS + 1);
    expect(taken.detail).toContain(`s3://${BUCKET}/${taken.snapshot?.key}`);
    expect(await stored(PREFIX)).toEqual({ keys: [taken.snapshot?.key], unfinished: 0 });
  });

  test('tells of itself what a recovery needs to know', async () => {
    const { Metadata, ContentLength } = await s3.send(
      new HeadObjectCommand({ Bucket: BUCKET, Key: taken.snapshot?.key }),
    );
    expect(ContentLength).toBe(taken.snapshot?.size);
    expect(Metadata).toEqual({
      cluster: 'main',
      'cluster-id': taken.cluster_id,
      'member-id': taken.member_id,
      revision: String(KEYS + 1),
      'etcd-version': taken.version,
      taken: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/),
    });
  });

  test('is one that etcdutl takes, and an etcd that is made of it has every key', async () => {
    const file = await download(taken.snapshot?.key ?? '');
    expect(await etcdutl.snapshotStatus(file)).toMatchObject({ revision: KEYS + 1 });

    const directory = join(cluster.directory, 'restored');
    const initialCluster = `restored=http://${RESTORED}:2380`;
    await etcdutl.restore(file, directory, [
      '--name=restored',
      `--initial-cluster=${initialCluster}`,
      `--initial-advertise-peer-urls=http://${RESTORED}:2380`,
    ]);
    const restored = new EtcdMember({
      binary: (await resolveEtcd()).path,
      name: 'restored',
      address: RESTORED,
      dataDirectory: directory,
      initialCluster,
      initialClusterState: 'existing',
    });
    try {
      await restored.start();
      const gateway = restored.gateway();
      const found = await gateway.range({ prefix: '/key/' });
      gateway.close();
      const expected = Array.from({ length: KEYS }, (_, n) => [`/key/${n}`, `value ${n}`]);
      expect(new Map(found.map(({ key, value }) => [key, value]))).toEqual(new Map(expected as []));
    } finally {
      await restored.kill();
    }
  }, 60_000);
});

describe('what is not whole is not stored', () => {
  const cases: [string, (body: Buffer) => Buffer | undefined, RegExp][] = [
    ['a stream that breaks off', () => undefined, /127\.0\.50\.100:2379: the stream broke off/],
    ['one that ends early', (body) => stream(lines(body).slice(0, -2)), /cut short/],
    ['one without its hash', (body) => stream(lines(body).slice(0, -1)), /its SHA-256 is missing/],
    [
      'one with a bit that is wrong',
      (body) => changeBlob(body, 0, (blob) => blob.writeUInt8(blob.readUInt8(5000) ^ 1, 5000)),
      /damaged on its way/,
    ],
    [
      'one with another hash',
      (body) => changeBlob(body, -1, (blob) => blob.writeUInt8(blob.readUInt8(0) ^ 1, 0)),
      /damaged on its way: its SHA-256 is [0-9a-f]{64}, and etcd said [0-9a-f]{64}/,
    ],
    [
      'one that etcd ends with an error',
      (body) =>
        stream([
          ...lines(body).slice(0, 1),
          '{"error":{"code":14,"message":"etcdserver: server stopped"}}',
        ]),
      /etcdserver: server stopped \(code 14\)/,
    ],
    ['something else than a snapshot', () => stream(['<html>']), /is none of etcd's: b'<html>/],
  ];

  test.each(cases)('%s', async (_, change, reason) => {
    etcdProxy.meddling = {
      change: (body, call) => (call.url?.endsWith('/snapshot') ? change(body) : body),
    };
    const prefix = `refused-${_.replace(/ /g, '-')}`;
    const taken = await take({ host: PROXIED, prefix });
    etcdProxy.meddling = {};

    expect(taken.result).toBe('failed');
    expect(taken.detail).toMatch(reason);
    expect(taken.failure).toBe(taken.detail);
    expect(await stored(prefix)).toEqual({ keys: [], unfinished: 0 });
  });
});

describe('a bucket that does not take it', () => {
  const ERROR = (code: string) =>
    `<Error><Code>${code}</Code><Message>as S3 says</Message></Error>`;

  test.each([
    ['that is not there', undefined, 'no-such-bucket', /NoSuchBucket/],
    ['that refuses parts', /^PUT .*partNumber/, BUCKET, /AccessDenied.*UploadPart/],
    ['that does not complete', /^POST .*uploadId/, BUCKET, /AccessDenied.*CompleteMultipart/],
  ])('%s', async (_, refused, bucket, reason) => {
    s3Proxy.meddling = {
      answer: (call) =>
        refused?.test(`${call.method} ${call.url}`)
          ? { status: 403, body: ERROR('AccessDenied') }
          : undefined,
    };
    const taken = await python.call<Taken>('take', [TABLE, bucket, 'denied', member().address]);
    s3Proxy.meddling = {};

    expect(taken.result).toBe('failed');
    expect(taken.detail).toMatch(reason);
    expect(await stored('denied')).toEqual({ keys: [], unfinished: 0 });
  });

  test('a failure that passes is tried again', async () => {
    let failures = 2;
    s3Proxy.meddling = {
      answer: (call) =>
        call.method === 'PUT' && failures-- > 0
          ? { status: 503, body: ERROR('SlowDown') }
          : undefined,
    };
    const taken = await take({ prefix: 'patient' });
    s3Proxy.meddling = {};

    expect(taken.result).toBe('done');
    expect(failures).toBeLessThan(0);
  });

  test('an upload that cannot even be aborted leaves no object', async () => {
    s3Proxy.meddling = {
      answer: (call) =>
        /^(PUT|DELETE) .*uploadId/.test(`${call.method} ${call.url}`)
          ? { status: 403, body: ERROR('AccessDenied') }
          : undefined,
    };
    const taken = await take({ prefix: 'stuck' });
    s3Proxy.meddling = {};

    expect(taken.detail).toMatch(/AccessDenied.*UploadPart/);
    expect((await stored('stuck')).keys).toEqual([]);
  });
});

describe('retention', () => {
  const KEPT = [
    'kept/main/20260101T000000Z-5.db',
    'kept/main/20260102T000000Z-10.db',
    'kept/main/20260103T000000Z-9.db',
  ];
  const NOT_OURS = [
    'kept/main/manual.db',
    'kept/main/20250101T000000Z-5.db.bak',
    'kept/main/deeper/20250101T000000Z-5.db',
    'kept/main-2/20250101T000000Z-5.db',
    'kept/20250101T000000Z-5.db',
  ];
  const put = (Key: string) => s3.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body: 'x' }));

  test('deletes all but the newest of this cluster, and nothing that it did not write', async () => {
    await Promise.all([...KEPT, ...NOT_OURS].map(put));
    expect(await python.call('prune', [BUCKET, '/kept/', 2])).toEqual([KEPT[0]]);
    expect((await stored('kept')).keys.sort()).toEqual([...KEPT.slice(1), ...NOT_OURS].sort());
    expect(await python.call('prune', [BUCKET, 'kept', 2])).toEqual([]);
  });

  test('comes with each snapshot', async () => {
    const taken = await take({ prefix: 'kept', keep: 2 });
    const keys = (await stored('kept')).keys.filter((key) => !NOT_OURS.includes(key));
    expect(keys).toEqual([KEPT[2], taken.snapshot?.key]);
  });

  test('reads a list of several pages to its end', async () => {
    // More than the 1000 that S3 tells at once, and that it deletes at once.
    const keys = Array.from(
      { length: 2100 },
      (_, n) => `many/main/20260101T${String(n).padStart(6, '0')}Z-1.db`,
    );
    for (let at = 0; at < keys.length; at += 50) {
      await Promise.all(keys.slice(at, at + 50).map(put));
    }
    s3Proxy.calls.length = 0;
    const deleted = await python.call<string[]>('prune', [BUCKET, 'many', 3]);
    expect(deleted).toEqual(keys.slice(0, -3));
    expect((await stored('many')).keys).toEqual(keys.slice(-3));
    expect(s3Proxy.calls.map((call) => call.slice(0, 3))).toEqual([
      'GET',
      'GET',
      'GET',
      'POS',
      'POS',
      'POS',
    ]);
  }, 60_000);
});

test('is streamed over mutual TLS as well', async () => {
  await using secured = await EtcdCluster.start({ baseAddress: '127.0.51.2', size: 1, tls: true });
  const { caFile = '', certFile = '', keyFile = '' } = secured.clientTls ?? {};
  const [ca_pem, certificate_pem, key_pem] = await Promise.all(
    [caFile, certFile, keyFile].map((file) => readFile(file, 'utf8')),
  );
  const [{ address = '' } = {}] = secured.members;
  const taken = await python.call<Taken>('take', [TABLE, BUCKET, 'secured', address], {
    tls: { ca_pem, certificate_pem, key_pem } as Record<string, string>,
  });
  expect(taken.result).toBe('done');
  expect(await stored('secured')).toMatchObject({ keys: [taken.snapshot?.key] });
}, 60_000);

test('a database of 100 MB goes through in parts, in little memory', async () => {
  const size = await cluster.fill(100e6);
  const fresh = await start(ministack.endpoint);
  const before = await fresh.call<number>('peak_memory');
  const taken = await fresh.call<Taken>('take', [TABLE, BUCKET, 'large', member().address]);
  const after = await fresh.call<number>('peak_memory');
  await fresh.close();

  expect(taken.result).toBe('done');
  expect(taken.snapshot?.size).toBeGreaterThan(0.9 * size);
  // Clients of AWS and a few parts of 8 MiB; it took 40 MB when it was measured.
  expect(after - before).toBeLessThan(80e6);
  const file = await download(taken.snapshot?.key ?? '');
  expect(await etcdutl.snapshotStatus(file)).toMatchObject({ revision: taken.snapshot?.revision });
}, 120_000);

test('one that does not fit into the time of the run is given up, and says so', async () => {
  await cluster.fill(100e6);
  const taken = await take({ prefix: 'late', seconds: 20.2 });

  expect(taken.result).toBe('failed');
  expect(taken.detail).toMatch(/\d+ of \d+ bytes were stored in \d+ s.*give it a timeout of at/);
  expect(await stored('late')).toMatchObject({ keys: [] });
}, 120_000);

function lines(body: Buffer): string[] {
  return body.toString().trimEnd().split('\n');
}

function stream(all: readonly string[]): Buffer {
  return Buffer.from(all.map((line) => `${line}\n`).join(''));
}

/** The stream with one of its pieces changed. */
function changeBlob(body: Buffer, index: number, change: (blob: Buffer) => void): Buffer {
  const all = lines(body);
  const at = all.at(index) ?? '';
  const message = JSON.parse(at);
  const blob = Buffer.from(message.result.blob, 'base64');
  change(blob);
  message.result.blob = blob.toString('base64');
  all[all.lastIndexOf(at)] = JSON.stringify(message);
  return stream(all);
}
