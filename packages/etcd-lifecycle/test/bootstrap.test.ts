import { execFile, execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import {
  EtcdCluster,
  Etcdutl,
  LocalAutoScaling,
  type LocalInstance,
  Ministack,
} from '@quorate/test-harness';
import { type BootstrapOptions, EtcdTls } from '../src';
import { ClusterStack } from './cluster-stack';

const START: BootstrapOptions = {
  dataDirectory: `\${QUORATE_INSTANCE_ROOT}/data`,
  environmentFile: `\${QUORATE_INSTANCE_ROOT}/etcd.env`,
  startCommand: 'env >"$QUORATE_INSTANCE_ROOT"/started',
  pollSeconds: 0.1,
};
const TLS_FILES = {
  caFile: '/etc/etcd/pki/ca.pem',
  certificateFile: '/etc/etcd/pki/member.pem',
  keyFile: '/etc/etcd/pki/member-key.pem',
};
const JOIN = [
  'ETCD_NAME=i-1',
  'ETCD_INITIAL_CLUSTER=i-0=http://127.0.45.1:2380,i-1=http://127.0.45.2:2380',
  'ETCD_INITIAL_CLUSTER_STATE=existing',
  'ETCD_INITIAL_CLUSTER_TOKEN=main',
];

const plainCluster = new ClusterStack().addLifecycle({ tls: EtcdTls.none() });
const tlsCluster = new ClusterStack().addLifecycle({ ports: { client: 12379, peer: 12380 } });

function userData(options: BootstrapOptions, lifecycle = plainCluster): string {
  return lifecycle.bootstrapCommands(options).join('\n');
}

describe('the shell lines can be parsed', () => {
  const scripts: [string, string][] = [
    ['with a start command', userData(START)],
    ['with systemd', userData({})],
    ['with TLS', userData({ tlsFiles: TLS_FILES }, tlsCluster)],
  ];

  test.each(
    ['bash', 'sh'].flatMap((shell) => scripts.map((script) => [shell, ...script] as const)),
  )('by %s, %s', (shell, _title, input) => {
    expect(execFileSync(shell, ['-n'], { input, encoding: 'utf8' })).toBe('');
  });
});

let ministack: Ministack;
let autoScaling: LocalAutoScaling;
let directory: string;
beforeAll(async () => {
  ministack = await Ministack.start();
});
afterAll(async () => {
  await ministack.stop();
});
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'bootstrap-'));
  autoScaling = await LocalAutoScaling.start();
});
afterEach(async () => {
  await autoScaling.stop();
  rmSync(directory, { recursive: true });
});

interface Boot {
  /** The command that runs the user data that follows it. */
  readonly shell?: string;
  readonly environment?: Record<string, string>;
  /** Directories before all others on PATH. */
  readonly path?: string[];
}

/** An instance whose user data runs; its metadata service is that of the Auto Scaling group. */
async function launch(script: string, boot: Boot = {}): Promise<LocalInstance> {
  autoScaling.createGroup({
    name: 'group',
    minSize: 1,
    maxSize: 1,
    baseAddress: '127.0.45.2',
    boot: {
      script: `exec ${boot.shell ?? 'bash -c'} "$user_data"`,
      environment: { ...ministack.env(), user_data: script, ...boot.environment },
      path: [...(boot.path ?? []), dirname(ministack.python)],
    },
  });
  await autoScaling.waitUntil('the user data runs', ([one]) => one?.logFile !== undefined);
  return instance();
}

function instance(): LocalInstance {
  const [one] = autoScaling.instances();
  if (!one) {
    throw new Error('there is no instance');
  }
  return one;
}

function consoleOutput(): string {
  const { logFile } = instance();
  return logFile === undefined ? '' : readFileSync(logFile, 'utf8');
}

async function output(text: string): Promise<void> {
  await autoScaling.waitUntil(`its console shows "${text}"`, () => consoleOutput().includes(text));
}

/** Waits until the user data has come to its end, and returns how. */
async function end(): Promise<number | string | undefined> {
  await autoScaling.waitUntil('the user data ends', ([one]) => one?.bootExitStatus !== undefined);
  return instance().bootExitStatus;
}

/** As the lifecycle function does. */
async function handOver(lines = JOIN): Promise<void> {
  const parameter = {
    Name: `/quorate/main/${instance().instanceId}`,
    Value: `${lines.join('\n')}\n`,
    Type: 'String',
  };
  await promisify(execFile)(
    join(dirname(ministack.python), 'aws'),
    ['ssm', 'put-parameter', '--cli-input-json', JSON.stringify(parameter)],
    { env: { ...process.env, ...ministack.env() } },
  );
}

function inRoot(name: string): string {
  return join(instance().rootDirectory ?? '', name);
}

/** The environment of the start command. */
function started(): Record<string, string> {
  return Object.fromEntries(
    readFileSync(inRoot('started'), 'utf8')
      .split('\n')
      .map((line) => line.split(/=(.*)/s, 2) as [string, string]),
  );
}

describe('an instance', () => {
  test.each(['bash -c', 'bash -euo pipefail -c', 'sh -c', 'sh -eu -c'])(
    'waits for its place, and starts etcd with it (%s)',
    async (shell) => {
      await launch(userData(START), { shell });
      const { instanceId } = instance();
      await output(`quorate: ${instanceId} waits for its place in the cluster`);
      expect(existsSync(inRoot('etcd.env'))).toBe(false);
      await handOver();
      expect(await end()).toBe(0);

      const data = inRoot('data');
      expect(readFileSync(inRoot('etcd.env'), 'utf8').split('\n')).toEqual([
        ...JOIN,
        `ETCD_DATA_DIR="${data}"`,
        'ETCD_LISTEN_PEER_URLS="http://127.0.45.2:2380"',
        'ETCD_LISTEN_CLIENT_URLS="http://127.0.45.2:2379"',
        'ETCD_INITIAL_ADVERTISE_PEER_URLS="http://127.0.45.2:2380"',
        'ETCD_ADVERTISE_CLIENT_URLS="http://127.0.45.2:2379"',
        '',
      ]);
      expect(started()).toMatchObject({
        ETCD_NAME: 'i-1',
        ETCD_INITIAL_CLUSTER: 'i-0=http://127.0.45.1:2380,i-1=http://127.0.45.2:2380',
        ETCD_INITIAL_CLUSTER_STATE: 'existing',
        ETCD_INITIAL_CLUSTER_TOKEN: 'main',
        ETCD_DATA_DIR: data,
        ETCD_LISTEN_PEER_URLS: 'http://127.0.45.2:2380',
        ETCD_LISTEN_CLIENT_URLS: 'http://127.0.45.2:2379',
        ETCD_INITIAL_ADVERTISE_PEER_URLS: 'http://127.0.45.2:2380',
        ETCD_ADVERTISE_CLIENT_URLS: 'http://127.0.45.2:2379',
      });
      expect(statSync(data).mode & 0o777).toBe(0o700);
      expect(consoleOutput().trimEnd().split('\n')).toEqual([
        `quorate: ${instanceId} waits for its place in the cluster`,
        `quorate: ${instanceId} starts etcd`,
      ]);
      expect(existsSync(inRoot('etcd.env.error'))).toBe(false);
    },
  );

  test('of a cluster with TLS has its certificates, and https', async () => {
    const tlsFiles = {
      ...TLS_FILES,
      keyFile: `\${QUORATE_INSTANCE_ROOT}/pki/member key.pem`,
    };
    await launch(userData({ ...START, tlsFiles }, tlsCluster));
    await handOver();
    expect(await end()).toBe(0);
    const settings = readFileSync(inRoot('etcd.env'), 'utf8').trimEnd().split('\n');
    const keyFile = inRoot('pki/member key.pem');
    expect(settings.slice(JOIN.length + 1)).toEqual([
      'ETCD_LISTEN_PEER_URLS="https://127.0.45.2:12380"',
      'ETCD_LISTEN_CLIENT_URLS="https://127.0.45.2:12379"',
      'ETCD_INITIAL_ADVERTISE_PEER_URLS="https://127.0.45.2:12380"',
      'ETCD_ADVERTISE_CLIENT_URLS="https://127.0.45.2:12379"',
      'ETCD_TRUSTED_CA_FILE="/etc/etcd/pki/ca.pem"',
      'ETCD_CERT_FILE="/etc/etcd/pki/member.pem"',
      `ETCD_KEY_FILE="${keyFile}"`,
      'ETCD_CLIENT_CERT_AUTH="true"',
      'ETCD_PEER_TRUSTED_CA_FILE="/etc/etcd/pki/ca.pem"',
      'ETCD_PEER_CERT_FILE="/etc/etcd/pki/member.pem"',
      `ETCD_PEER_KEY_FILE="${keyFile}"`,
      'ETCD_PEER_CLIENT_CERT_AUTH="true"',
    ]);
    expect(started()).toMatchObject({ ETCD_KEY_FILE: keyFile, ETCD_PEER_CLIENT_CERT_AUTH: 'true' });
  });

  test('takes paths as they are: only variables are expanded, and only once', async () => {
    const name = 'a b"c`touch first`d\'e\\f';
    await launch(
      userData({
        ...START,
        dataDirectory: `\${QUORATE_INSTANCE_ROOT}/${name}/\${odd}`,
        environmentFile: `\${QUORATE_INSTANCE_ROOT}/${name}.env`,
      }),
      { environment: { odd: '$HOME $(touch second) "x"' } },
    );
    await handOver();
    expect(await end()).toBe(0);
    const data = join(inRoot(name), '$HOME $(touch second) "x"');
    expect(started().ETCD_DATA_DIR).toBe(data);
    expect(statSync(data).isDirectory()).toBe(true);
    expect(existsSync(inRoot(`${name}.env`))).toBe(true);
    expect(existsSync(inRoot('first'))).toBe(false);
    expect(existsSync(inRoot('second'))).toBe(false);
  });

  test('gives up at once, and says why, without a metadata service', async () => {
    await launch(userData(START), {
      environment: { AWS_EC2_METADATA_SERVICE_ENDPOINT: 'http://127.0.0.1:1' },
    });
    expect(await end()).toBe(1);
    expect(consoleOutput()).toMatch(/^curl: \(7\) /);
    expect(existsSync(inRoot('data'))).toBe(false);
  });

  test('gives up, and says why, when its data directory cannot be made', async () => {
    await launch(userData({ ...START, dataDirectory: '/dev/null/data' }));
    expect(await end()).toBe(1);
    expect(consoleOutput()).toContain('/dev/null');
  });
});

describe('an instance that is to restore a snapshot', () => {
  const BUCKET = 'backups';
  const restoreFrom = (key: string) => [
    'ETCD_NAME=i-1',
    'ETCD_INITIAL_CLUSTER=i-1=http://127.0.45.2:2380',
    'ETCD_INITIAL_CLUSTER_STATE=existing',
    'ETCD_INITIAL_CLUSTER_TOKEN=main@1',
    `QUORATE_SNAPSHOT=s3://${BUCKET}/${key}`,
    'QUORATE_BUMP_REVISION=1000',
  ];
  let tools: string;
  let s3: S3Client;

  beforeAll(async () => {
    tools = dirname((await Etcdutl.resolve()).path);
    s3 = new S3Client({ ...ministack.clientConfig(), forcePathStyle: true });
    await s3.send(new CreateBucketCommand({ Bucket: BUCKET }));
    await s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: 'damaged.db', Body: 'damaged' }));
    await using member = await EtcdCluster.start({ baseAddress: '127.0.45.20', size: 1 });
    await member.put('/key', 'value');
    const [{ clientUrl } = { clientUrl: '' }] = member.members;
    const response = await fetch(`${clientUrl}/v3/maintenance/snapshot`, {
      method: 'POST',
      body: '{}',
    });
    const blobs = (await response.text())
      .trimEnd()
      .split('\n')
      .map((line) => Buffer.from(JSON.parse(line).result.blob ?? '', 'base64'));
    await s3.send(
      new PutObjectCommand({ Bucket: BUCKET, Key: 'good.db', Body: Buffer.concat(blobs) }),
    );
  }, 60_000);
  afterAll(() => s3?.destroy());

  test.each(['bash -euo pipefail -c', 'sh -eu -c'])(
    'has its data before etcd is started (%s)',
    async (shell) => {
      await launch(userData(START), { shell, path: [tools] });
      await handOver(restoreFrom('good.db'));
      expect(await end()).toBe(0);
      expect(readdirSync(inRoot('data'))).toEqual(['member']);
      expect(readdirSync(inRoot('data/member')).sort()).toEqual(['snap', 'wal']);
      expect(consoleOutput()).toContain(`restores s3://${BUCKET}/good.db\n`);
      expect(started().ETCD_INITIAL_CLUSTER_STATE).toBe('existing');
    },
  );

  test.each([
    ['is not there', 'gone.db', /404|Not Found/],
    ['is damaged', 'damaged.db', /expected sha256|invalid|file size/i],
  ])('starts no etcd if that %s, and says so', async (_, key, reason) => {
    await launch(userData(START), { shell: 'sh -eu -c', path: [tools] });
    await handOver(restoreFrom(key));
    expect(await end()).toBe(1);
    expect(consoleOutput()).toMatch(reason);
    expect(consoleOutput()).toContain(
      `quorate: s3://${BUCKET}/${key} was not restored; etcd is not started\n`,
    );
    expect(existsSync(inRoot('data/member'))).toBe(false);
    expect(existsSync(inRoot('started'))).toBe(false);
  });

  test('says so if it has no etcdutl', async () => {
    await launch(userData(START));
    await handOver(restoreFrom('good.db'));
    expect(await end()).toBe(1);
    expect(consoleOutput()).toContain(
      'quorate: there is no etcdutl on PATH, which restores snapshots\n',
    );
    expect(existsSync(inRoot('started'))).toBe(false);
  });
});

describe('while there is no configuration', () => {
  let ssm: Server;
  let answers: [number, object][];
  let asked: unknown[];

  beforeEach(async () => {
    asked = [];
    ssm = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      request.on('end', () => {
        asked.push(JSON.parse(body));
        const [status, answer] = answers.shift() ?? [500, {}];
        response.writeHead(status, { 'Content-Type': 'application/x-amz-json-1.1' });
        response.end(JSON.stringify(answer));
      });
    });
    await new Promise<void>((listening) => ssm.listen(0, '127.0.0.1', listening));
  });
  afterEach(async () => {
    ssm.closeAllConnections();
    await new Promise((closed) => ssm.close(closed));
  });

  test('what is wrong is printed, but not that it is not there yet', async () => {
    const notYet: [number, object] = [400, { __type: 'ParameterNotFound' }];
    answers = [
      notYet,
      [400, { __type: 'AccessDeniedException', message: 'ask your administrator' }],
      notYet,
      [200, { Parameter: { Value: JOIN.join('\n') } }],
    ];
    const { port } = ssm.address() as AddressInfo;
    await launch(userData(START), {
      environment: { AWS_ENDPOINT_URL: `http://127.0.0.1:${port}` },
    });
    expect(await end()).toBe(0);
    const { instanceId } = instance();
    const name = { Name: `/quorate/main/${instanceId}` };
    expect(asked).toEqual([name, name, name, name]);
    expect(started().ETCD_NAME).toBe('i-1');
    expect(consoleOutput().split('\n').filter(Boolean)).toEqual([
      `quorate: ${instanceId} waits for its place in the cluster`,
      expect.stringMatching(/AccessDeniedException.*ask your administrator/),
      `quorate: ${instanceId} starts etcd`,
    ]);
  });
});

describe('with systemd', () => {
  const UNITS = '/etc/systemd/system';

  /** User data whose unit goes to a folder of the instance's own. */
  function redirected(): string {
    const { startCommand: _, ...options } = START;
    const script = userData(options);
    expect(script.split(UNITS)).toHaveLength(2);
    return `mkdir units\n${script.replace(UNITS, `\${QUORATE_INSTANCE_ROOT}/units`)}`;
  }

  function addProgram(name: string, ...lines: string[]): string {
    const file = join(directory, name);
    writeFileSync(file, ['#!/bin/sh', ...lines, ''].join('\n'));
    chmodSync(file, 0o755);
    return file;
  }

  test('etcd is a unit that is started now and at each boot', async () => {
    addProgram('systemctl', 'echo "$*" >>"$QUORATE_INSTANCE_ROOT"/systemctl');
    const etcd = addProgram('etcd');
    await launch(redirected(), { path: [directory] });
    await handOver();
    expect(await end()).toBe(0);

    expect(readFileSync(inRoot('systemctl'), 'utf8')).toBe(
      'daemon-reload\nenable --now etcd.service\n',
    );
    const unit = readFileSync(inRoot('units/etcd.service'), 'utf8');
    expect(unit.trimEnd().split('\n').filter(Boolean)).toEqual([
      '[Unit]',
      'Description=etcd',
      'After=network-online.target',
      'Wants=network-online.target',
      '[Service]',
      'Type=notify',
      `EnvironmentFile=${inRoot('etcd.env')}`,
      `ExecStart=${etcd}`,
      'Restart=on-failure',
      'RestartSec=5',
      'TimeoutStartSec=infinity',
      'LimitNOFILE=65536',
      '[Install]',
      'WantedBy=multi-user.target',
    ]);
  });

  test('an instance without etcd says so, and writes no unit', async () => {
    // A PATH with what the lines need, and surely without etcd.
    const bin = join(directory, 'bin');
    mkdirSync(bin);
    const search = [dirname(ministack.python), ...(process.env.PATH ?? '').split(delimiter)];
    const tools = 'bash aws curl mkdir dirname chmod sleep sed grep cat rm'.split(' ');
    for (const tool of tools) {
      const found = search.map((folder) => join(folder, tool)).find((file) => existsSync(file));
      symlinkSync(found ?? tool, join(bin, tool));
    }
    await launch(redirected(), { environment: { PATH: bin } });
    await handOver();
    expect(await end()).toBe(1);
    expect(consoleOutput()).toContain('quorate: there is no etcd on PATH\n');
    expect(existsSync(inRoot('units/etcd.service'))).toBe(false);
  });
});
