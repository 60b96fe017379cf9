import { mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { delimiter, dirname, join } from 'node:path';
import { ProcessGroup } from '../process/process-group';
import { TemporaryDirectory } from '../process/temporary-directory';
import { resolvePython } from '../python/interpreters';

const SERVER_SCRIPT = join(__dirname, '..', '..', 'python', 'ministack_server.py');

/** How to start a {@link Ministack}. */
export interface MinistackProps {
  /**
   * A Python interpreter with the packages `ministack` and `boto3`. Lambda functions of any
   * `python3.x` runtime run on it too.
   *
   * Default: the one that `defaultPython()` returns.
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
 * A local emulator of AWS (ministack, from PyPI), as a child process that listens on
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
    const python = resolvePython(props.python).executable;
    const region = props.region ?? 'us-east-1';
    const port = props.port ?? (await freePort());
    const files = TemporaryDirectory.create('ministack-');
    const directory = files.path;
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
      const ministack = new Ministack(processes, files, port, region, python);
      await ministack.waitUntilReady(props.startTimeoutSeconds ?? 60);
      return ministack;
    } catch (error) {
      await processes?.stop();
      await files.remove();
      throw error;
    }
  }

  /** URL of every service. */
  readonly endpoint: string;

  /** Account that owns every resource. */
  readonly accountId = '000000000000';

  private constructor(
    private readonly processes: ProcessGroup,
    private readonly files: TemporaryDirectory,
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
    await this.files.remove();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  private async waitUntilReady(seconds: number): Promise<void> {
    try {
      await this.processes.waitUntilAnswering(
        'ministack',
        this.endpoint,
        async () => {
          const response = await fetch(`${this.endpoint}/_ministack/health`);
          const { edition } = (await response.json()) as { edition?: string };
          if (edition !== this.files.path) {
            throw new Error(`Another server answers on ${this.endpoint}`);
          }
          return true;
        },
        seconds * 1000,
      );
    } catch (error) {
      const hint = `Is the package 'ministack' installed for ${this.python}?`;
      throw this.processes.exit
        ? new Error(`${(error as Error).message}\n${hint}`, { cause: error })
        : error;
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
