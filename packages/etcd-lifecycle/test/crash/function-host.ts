import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const PACKAGES = join(__dirname, '..', '..', '..');
const PYTHON_PATH = [
  join(PACKAGES, 'etcd-lifecycle', 'lambda'),
  join(PACKAGES, 'python-retry', 'python'),
];

/** Whether the function dies before a side effect, or after it but before it has heard of it. */
export type Moment = 'before' | 'after';

/** Where the function is to die. */
export interface CrashPoint {
  /** The name of a side effect. */
  readonly point: string;
  readonly moment: Moment;
}

/** One invocation of the function. */
export interface Invocation {
  /** What it is called with. */
  readonly event: object;
  /** The function's environment variables, besides those of the host. */
  readonly environment: Readonly<Record<string, string>>;
  /** The parts that instances, addresses and member ids play in the scenario. */
  readonly names: Readonly<Record<string, string>>;
  /** The part of whatever has no name yet. */
  readonly newcomer: string;
  /** The addresses of members that hang, whose time-outs are not waited out. */
  readonly hanging: readonly string[];
  readonly crash?: CrashPoint;
}

/** How an invocation ended. */
export interface InvocationResult {
  readonly ended: 'returned' | 'raised' | 'killed';
  /** What the function answered, if it returned. */
  readonly answer?: unknown;
  /** The traceback of an invocation that raised. */
  readonly error?: string;
  /** The names of its side effects, in their order. */
  readonly effects: readonly string[];
  /** What left the process without being a known read or a known side effect. */
  readonly unknown: readonly string[];
}

interface Told {
  readonly effect?: string;
  readonly unknown?: string;
  readonly context?: string;
  readonly answer?: unknown;
  readonly error?: string;
}

/** Runs the real handler, one process for each invocation, without an emulator of Lambda between. */
export class FunctionHost implements AsyncDisposable {
  /** The last change that any invocation made: renewals of the lease are told apart by it. */
  private context = 'the start';
  private readonly answers: AsyncIterator<string>;
  private readonly exited: Promise<void>;

  /**
   * @param python - An interpreter with boto3.
   * @param environment - Environment variables of each invocation.
   * @param logFile - Takes what the function logs.
   */
  static start(
    python: string,
    environment: Readonly<Record<string, string>>,
    logFile: string,
  ): FunctionHost {
    const log = openSync(logFile, 'a');
    try {
      return new FunctionHost(
        // It ends when its standard input does, hence with this process.
        spawn(python, ['-B', join(__dirname, 'function_host.py')], {
          env: { PATH: process.env.PATH, ...environment, PYTHONPATH: PYTHON_PATH.join(':') },
          stdio: ['pipe', 'pipe', log],
        }),
      );
    } finally {
      closeSync(log);
    }
  }

  private constructor(private readonly host: ChildProcess) {
    if (!host.stdout) {
      throw new Error('the host of the function has no standard output');
    }
    this.answers = createInterface({ input: host.stdout })[Symbol.asyncIterator]();
    this.exited = new Promise((resolve, reject) => {
      host.once('exit', () => resolve());
      host.once('error', reject);
    });
  }

  /** Forgets what earlier invocations did: a new scenario begins. */
  begin(): void {
    this.context = 'the start';
  }

  /** Invokes the function and waits until it has ended. */
  async invoke(invocation: Invocation): Promise<InvocationResult> {
    const { crash, ...rest } = invocation;
    this.host.stdin?.write(`${JSON.stringify({ ...rest, ...crash, context: this.context })}\n`);
    const answer = await this.answers.next();
    if (answer.done) {
      throw new Error('the host of the function has ended: see its log');
    }
    const { ended, records } = JSON.parse(answer.value) as {
      ended: InvocationResult['ended'];
      records: Told[];
    };
    this.context = records.findLast((one) => one.context)?.context ?? this.context;
    return {
      ended,
      answer: records.at(-1)?.answer,
      error: records.find((one) => one.error)?.error,
      effects: records.flatMap((one) => one.effect ?? []),
      unknown: records.flatMap((one) => one.unknown ?? []),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.host.stdin?.end();
    await this.exited;
  }
}
