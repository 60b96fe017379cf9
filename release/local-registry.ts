import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { ProcessGroup } from '../packages/test-harness/src/process/process-group';
import { plainEnvironment, ROOT } from './pack';

const START_TIMEOUT_MS = 60_000;
const VERDACCIO = join(ROOT, 'node_modules', 'verdaccio', 'bin', 'verdaccio');

/** What the registry tells of a package. */
export interface PublishedPackage {
  readonly 'dist-tags': Readonly<Record<string, string>>;
  readonly versions: Readonly<
    Record<
      string,
      {
        readonly dependencies?: Readonly<Record<string, string>>;
        readonly dist: { readonly tarball: string };
      }
    >
  >;
}

/** A registry on the loopback interface, empty at first, that asks no other. */
export class LocalRegistry {
  /** Starts it, and waits until it answers. */
  static async start(directory: string): Promise<LocalRegistry> {
    mkdirSync(directory, { recursive: true });
    const port = await freePort();
    const config = join(directory, 'config.yaml');
    // JSON is YAML as well.
    writeFileSync(
      config,
      JSON.stringify({
        storage: join(directory, 'storage'),
        auth: { htpasswd: { file: join(directory, 'htpasswd'), algorithm: 'bcrypt', rounds: 4 } },
        packages: { '**': { access: '$all', publish: '$authenticated' } },
        web: { enable: false },
        log: { type: 'stdout', format: 'json', level: 'warn' },
      }),
    );
    const url = `http://127.0.0.1:${port}/`;
    const group = await ProcessGroup.start({
      command: process.execPath,
      args: [VERDACCIO, '--config', config, '--listen', `127.0.0.1:${port}`],
      environment: plainEnvironment(),
      logFile: join(directory, 'log'),
    });
    try {
      await group.waitUntilAnswering(
        'the local registry',
        url,
        async () => ((await fetch(new URL('-/ping', url))).ok ? true : undefined),
        START_TIMEOUT_MS,
      );
    } catch (error) {
      await group.stop();
      throw error;
    }
    return new LocalRegistry(url, group);
  }

  private constructor(
    /** Where it answers. */
    readonly url: string,
    private readonly group: ProcessGroup,
  ) {}

  /** Adds a user, and returns the lines of an `.npmrc` with which npm publishes as this user. */
  async addUser(name: string): Promise<string> {
    const response = await fetch(new URL(`-/user/org.couchdb.user:${name}`, this.url), {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name, password: `${name} of this machine` }),
    });
    const { token } = (await response.json()) as { readonly token?: string };
    if (!token) {
      throw new Error(`the local registry gave no token: HTTP ${response.status}`);
    }
    return `//${new URL(this.url).host}/:_authToken=${token}\n`;
  }

  /** What it tells of a package, or undefined if it has none of this name. */
  async find(name: string): Promise<PublishedPackage | undefined> {
    const response = await fetch(new URL(name.replace('/', '%2f'), this.url));
    return response.ok ? ((await response.json()) as PublishedPackage) : undefined;
  }

  async stop(): Promise<void> {
    await this.group.stop();
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') {
    throw new Error('there is no free port');
  }
  return address.port;
}
