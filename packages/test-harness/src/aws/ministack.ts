import { mkdirSync, mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ProcessGroup } from './process-group';
import { findPython } from './python-executable';

const SERVER_SCRIPT = join(__dirname, '..', '..', 'python', 'botocore_ministack_server.py');

/** How to start a {@link Ministack}. */
export interface MinistackProps {
  /**
   * A Python interpreter with the packages `ministack` and `boto3`. Lambda functions of any
   * `python3.x` runtime run on it too.
   *
   * Default: environment variable `QUORATE_PYTHON`, else the nearest `.venv/bin/python`.
   */
  readonly python?: string;

  /** Port on 127.0.0.1. Default: a free one. */
  readonly port?: number;

  /** Region of everything that is created. Default: us-east-1. */
  readonly region?: string;

  /**
   * Additional environment variables of the server, which every Lambda function inherits: for
   * example `AWS_ENDPOINT_URL_AUTO_SCALING`. A function's own environment wins. Default: none.
   */
  readonly environment?: Readonly<Record<string, string>>;

  /** Seconds to wait for the first answer. Default: 60. */
  readonly startTimeoutSeconds?: number;
}

/**
 * A local emulator of AWS (https://pypi.org/project/ministack/), as a child process that listens on
 * 127.0.0.1 only and keeps what it writes in a temporary directory of its own.
 *
 * It ends with {@link stop}, or when Node ends, for whatever reason, together with the Lambda
 * functions that it runs.
 */
export class Ministack implements AsyncDisposable {
  /**
   * Starts the emulator and waits until it answers.
   *
   * @throws Error with the last lines of its log if it ends or does not answer in time.
   */
  static async start(props: MinistackProps = {}): Promise<Ministack> {
    const python = findPython(props.python);
    const region = props.region ?? 'us-east-1';
    const port = props.port ?? (await freePort());
    const directory = mkdtempSync(join(tmpdir(), 'ministack-'));
    const temporary = join(directory, 'tmp');
    const home = join(directory, 'home');
    mkdirSync(temporary);
    mkdirSync(home);
    let processes: ProcessGroup | undefined;
    try {
      processes = await ProcessGroup.start({
        command: python,
        args: [SERVER_SCRIPT, 'aws.autoscaling'],
        cwd: directory,
        logFile: join(directory, 'ministack.log'),
        removeOnNodeDeath: directory,
        environment: {
          PATH: [dirname(python), process.env.PATH ?? '/usr/bin:/bin'].join(delimiter),
          LANG: 'C.UTF-8',
          PYTHONUNBUFFERED: '1',
          ...props.environment,
          HOME: home,
          TMPDIR: temporary,
          STATE_DIR: join(directory, 'state'),
          S3_DATA_DIR: join(directory, 's3'),
          BIND_HOST: '127.0.0.1',
          GATEWAY_PORT: String(port),
          MINISTACK_HOST: '127.0.0.1',
          MINISTACK_REGION: region,
          // Comes back in the answer about its health: proof that it is this process that answers.
          MINISTACK_EDITION: directory,
          AWS_DEFAULT_REGION: region,
        },
      });
      const ministack = new Ministack(processes, directory, port, region, python);
      await ministack.waitUntilReady(props.startTimeoutSeconds ?? 60);
      return ministack;
    } catch (error) {
      await processes?.stop();
      await rm(directory, { recursive: true, force: true });
      throw error;
    }
  }

  /** URL of every service. */
  readonly endpoint: string;

  /** Account that owns every resource. */
  readonly accountId = '000000000000';

  private constructor(
    private readonly processes: ProcessGroup,
    private readonly directory: string,
    /** Port on 127.0.0.1. */
    readonly port: number,
    /** Region of every resource. */
    readonly region: string,
    /** The interpreter that runs the emulator and the Lambda functions. */
    readonly python: string,
  ) {
    this.endpoint = `http://127.0.0.1:${port}`;
  }

  /** File with the emulator's output and that of its Lambda functions; removed by {@link stop}. */
  get logFile(): string {
    return this.processes.logFile;
  }

  /** Process id of the emulator, and of its process group. */
  get pid(): number {
    return this.processes.pid;
  }

  /** The last lines of the log. */
  lastOutput(lines?: number): string {
    return this.processes.lastOutput(lines);
  }

  /** Environment variables for the AWS command line and boto3. */
  env(): Record<string, string> {
    return {
      AWS_ENDPOINT_URL: this.endpoint,
      AWS_REGION: this.region,
      AWS_DEFAULT_REGION: this.region,
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
    };
  }

  /** Options for the constructor of a client of the AWS SDK for JavaScript. */
  clientConfig(): {
    endpoint: string;
    region: string;
    credentials: { accessKeyId: string; secretAccessKey: string };
  } {
    return {
      endpoint: this.endpoint,
      region: this.region,
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    };
  }

  /** Removes everything that was created in the emulator. */
  async reset(): Promise<void> {
    const response = await fetch(`${this.endpoint}/_ministack/reset`, { method: 'POST' });
    if (!response.ok) {
      throw new Error(`ministack did not reset: HTTP ${response.status} ${await response.text()}`);
    }
  }

  /** Ends the emulator with its Lambda functions and removes its files. */
  async stop(): Promise<void> {
    // Nothing of its state is kept, so there is nothing to be gained by a gentle end.
    await this.processes.stop();
    await rm(this.directory, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  private async waitUntilReady(seconds: number): Promise<void> {
    const deadline = performance.now() + seconds * 1000;
    let lastError: unknown;
    for (;;) {
      if (this.processes.exitStatus !== undefined) {
        throw new Error(
          `ministack ended (${this.processes.exitStatus}) before it answered. Is the package ` +
            `'ministack' installed for ${this.python}? Its output:\n${this.lastOutput()}`,
        );
      }
      try {
        const response = await fetch(`${this.endpoint}/_ministack/health`);
        const { edition } = (await response.json()) as { edition?: string };
        if (edition === this.directory) {
          return;
        }
        lastError = new Error(`Another server answers on ${this.endpoint}`);
      } catch (error) {
        lastError = error;
      }
      if (performance.now() > deadline) {
        throw new Error(
          `ministack did not answer on ${this.endpoint} within ${seconds} s. Its output:\n` +
            this.lastOutput(),
          { cause: lastError },
        );
      }
      await sleep(50);
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  if (address === null || typeof address === 'string') {
    throw new Error('The operating system gave no port on 127.0.0.1');
  }
  return address.port;
}
