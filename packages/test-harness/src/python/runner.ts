import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, fstatSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { orphanGuard } from '../process/orphan-guard';
import { signalGroup } from '../process/process-group';
import { resolvePython } from './interpreters';
import { assertJson, type JsonValue } from './json';
import { PythonError } from './python-error';

/** How an interpreter is started. */
export interface PythonProcessOptions {
  /**
   * The interpreter, a path or a name on `PATH`. It may be as old as Python 3.8.
   * @default the one that `defaultPython()` returns
   */
  readonly python?: string;
  /**
   * Environment variables on top of this process's own; `undefined` removes one. The interpreter
   * runs isolated (`python -I`), so `PYTHON*` variables have no effect: use {@link pythonPath}.
   */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /**
   * How long the start, and each call, may take, in milliseconds. Then the interpreter is killed.
   * @default 10000
   */
  readonly timeoutMs?: number;
  /** Directories to put in front of `sys.path`. */
  readonly pythonPath?: readonly string[];
}

/** What a {@link PythonRunner} loads: exactly one of `source` and `directory`. */
export interface PythonRunnerOptions extends PythonProcessOptions {
  /** The text of one module. In tracebacks it is called `<source>`. */
  readonly source?: string;
  /** A directory of modules and packages. It is put in front of `sys.path`. */
  readonly directory?: string;
  /**
   * With `source`: the module's `__name__`, by default `source`. With `directory`: the module to
   * import, where functions are looked up; without it, calls name a function as `module:function`.
   */
  readonly module?: string;
}

/** How a script ended. */
export interface PythonRunResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

interface Answer {
  readonly value?: JsonValue;
  readonly error?: {
    readonly type: string;
    readonly message: string;
    readonly traceback: string;
  };
}

type Setup = {
  readonly mode: 'calls' | 'main';
  readonly source: string | null;
  readonly module: string | null;
  readonly path: readonly string[];
};

const DEFAULT_TIMEOUT_MS = 10_000;
const LONGEST_TIMEOUT_MS = 2_147_483_647;
const CLOSE_GRACE_MS = 2_000;
const WORKER = join(__dirname, '..', '..', 'python', 'runner_worker.py');

/** A file without a name, which the child writes and this process reads at any moment. */
class Capture {
  readonly fd: number;
  private final: string | undefined;

  constructor() {
    const directory = mkdtempSync(join(tmpdir(), 'python-runner-'));
    try {
      this.fd = openSync(join(directory, 'output'), 'a+');
    } finally {
      // Nameless from here on, so nothing is left behind however this process ends.
      rmSync(directory, { recursive: true });
    }
  }

  text(): string {
    if (this.final !== undefined) {
      return this.final;
    }
    const buffer = Buffer.alloc(fstatSync(this.fd).size);
    const length = readSync(this.fd, buffer, 0, buffer.length, 0);
    return buffer.toString('utf8', 0, length);
  }

  close(): void {
    if (this.final === undefined) {
      this.final = this.text();
      closeSync(this.fd);
    }
  }
}

/** Lines of a socket, for one reader that waits for one line at a time. */
class LineReader {
  private readonly waiting: string[] = [];
  private partial: string[] = [];
  private closed = false;
  private wake: (() => void) | undefined;

  constructor(socket: Socket) {
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      const [first = '', ...rest] = text.split('\n');
      this.partial.push(first);
      for (const piece of rest) {
        this.waiting.push(this.partial.join(''));
        this.partial = [piece];
      }
      this.wake?.();
    });
    // Writing to an interpreter that has ended is an error here; how it ended is told by its exit.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.closed = true;
      this.wake?.();
    });
  }

  /** The next line, or `undefined` once the socket is closed. */
  async next(): Promise<string | undefined> {
    while (this.waiting.length === 0 && !this.closed) {
      await new Promise<void>((done) => {
        this.wake = done;
      });
    }
    return this.waiting.shift();
  }
}

/** One interpreter with its captured output and the socket of the protocol. */
class PythonProcess {
  static async spawn(options: PythonProcessOptions): Promise<PythonProcess> {
    const { executable } = resolvePython(options.python);
    const stdout = new Capture();
    const stderr = new Capture();
    const child = spawn(executable, ['-I', '-B', '-u', '-X', 'utf8', WORKER], {
      // The leader of a process group, so that what the code under test starts can be ended too.
      detached: true,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', stdout.fd, stderr.fd, 'pipe'],
    });
    const started = new PythonProcess(child, stdout, stderr);
    await new Promise<void>((done, fail) => {
      child.once('spawn', done);
      child.once('error', (cause) => {
        started.captured();
        fail(new Error(`Python interpreter '${executable}' cannot be started`, { cause }));
      });
    });
    return started;
  }

  readonly exited: Promise<void>;
  readonly socket: Socket;
  readonly lines: LineReader;
  private alive = true;

  private constructor(
    readonly child: ChildProcess,
    private readonly stdoutCapture: Capture,
    private readonly stderrCapture: Capture,
  ) {
    if (child.pid !== undefined) {
      orphanGuard.addGroup(child.pid);
    }
    this.socket = child.stdio[3] as Socket;
    this.lines = new LineReader(this.socket);
    this.exited = new Promise((done) => {
      child.once('exit', () => {
        this.killGroup();
        this.alive = false;
        orphanGuard.releaseGroup(child.pid as number);
        this.captured();
        // A process that the code forked and that left the group may hold the other end open.
        this.socket.destroy();
        done();
      });
    });
  }

  get isAlive(): boolean {
    return this.alive;
  }

  get stdout(): string {
    return this.stdoutCapture.text();
  }

  get stderr(): string {
    return this.stderrCapture.text();
  }

  /** How it ended, as in `with code 3` or `by signal SIGSEGV`. */
  get ending(): string {
    const { exitCode, signalCode } = this.child;
    return signalCode ? `by signal ${signalCode}` : `with code ${exitCode}`;
  }

  send(message: Setup | JsonValue): void {
    this.socket.write(`${JSON.stringify(message)}\n`);
  }

  kill(): void {
    if (this.alive) {
      this.killGroup();
    }
  }

  /** An idle interpreter does not keep this process running; one that owes an answer does. */
  keepsProcessRunning(yes: boolean): void {
    if (yes) {
      this.child.ref();
      this.socket.ref();
    } else {
      this.child.unref();
      this.socket.unref();
    }
  }

  captured(): void {
    this.stdoutCapture.close();
    this.stderrCapture.close();
  }

  private killGroup(): void {
    if (this.child.pid !== undefined) {
      signalGroup(this.child.pid, 'SIGKILL');
    }
  }
}

function timeoutOf(options: PythonProcessOptions): number {
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  if (!(timeoutMs > 0 && timeoutMs <= LONGEST_TIMEOUT_MS)) {
    throw new RangeError(`timeoutMs must be from 1 to ${LONGEST_TIMEOUT_MS}, got ${timeoutMs}`);
  }
  return timeoutMs;
}

function existingDirectory(path: string, option: string): string {
  const absolute = resolve(path);
  if (!existsSync(absolute)) {
    throw new Error(`${option} names a directory that does not exist: ${absolute}`);
  }
  return absolute;
}

function setupOf(options: PythonRunnerOptions): Setup {
  const { source, directory } = options;
  if ((source === undefined) === (directory === undefined)) {
    throw new Error("PythonRunner.start() takes exactly one of 'source' and 'directory'");
  }
  const path = pathOf(options);
  if (directory !== undefined) {
    path.unshift(existingDirectory(directory, 'directory'));
  }
  return {
    mode: 'calls',
    source: source ?? null,
    module: options.module ?? (source === undefined ? null : 'source'),
    path,
  };
}

function pathOf(options: PythonProcessOptions): string[] {
  return (options.pythonPath ?? []).map((entry) => existingDirectory(entry, 'pythonPath'));
}

/**
 * Python code in a real interpreter, whose functions can be called with JSON.
 *
 * The interpreter lives until {@link close}, a time-out, or the end of this process (also a sudden
 * one), and takes what it has started with it. What the code prints is captured apart from the
 * protocol. POSIX systems only.
 *
 * ```ts
 * await using runner = await PythonRunner.start({ source: 'def double(n): return 2 * n' });
 * expect(await runner.call('double', [21])).toBe(42);
 * ```
 */
export class PythonRunner {
  /**
   * Starts an interpreter and loads the module.
   *
   * @throws PythonError if the module raises while it is loaded, or takes too long
   */
  static async start(options: PythonRunnerOptions): Promise<PythonRunner> {
    const setup = setupOf(options);
    const timeoutMs = timeoutOf(options);
    const interpreter = await PythonProcess.spawn(options);
    const runner = new PythonRunner(interpreter, timeoutMs);
    try {
      await runner.request(setup, 'loading the module');
    } catch (error) {
      await runner.close();
      throw error;
    }
    return runner;
  }

  /**
   * Runs a source text once, as a script (`__name__ == '__main__'`), and waits for its end. An
   * exception in it is no error here: see `exitCode` and `stderr`.
   *
   * @throws PythonError if it takes too long, or is ended by a signal
   */
  static async run(source: string, options: PythonProcessOptions = {}): Promise<PythonRunResult> {
    const setup: Setup = { mode: 'main', source, module: null, path: pathOf(options) };
    const timeoutMs = timeoutOf(options);
    const interpreter = await PythonProcess.spawn(options);
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      interpreter.kill();
    }, timeoutMs);
    interpreter.send(setup);
    await interpreter.exited;
    clearTimeout(timer);
    const { stdout, stderr } = interpreter;
    if (timedOut) {
      throw new PythonError({
        summary: `Python took longer than ${timeoutMs} ms for the script and was killed`,
        stderr,
      });
    }
    if (interpreter.child.exitCode === null) {
      throw new PythonError({ summary: `Python was ended ${interpreter.ending}`, stderr });
    }
    return { stdout, stderr, exitCode: interpreter.child.exitCode };
  }

  private queue: Promise<unknown> = Promise.resolve();
  private stopped: string | undefined;
  private busy = false;

  private constructor(
    private readonly interpreter: PythonProcess,
    private readonly timeoutMs: number,
  ) {}

  /** The process id of the interpreter. */
  get pid(): number {
    return this.interpreter.child.pid as number;
  }

  /** All that the code, and the processes it started, have written to standard output so far. */
  get stdout(): string {
    return this.interpreter.stdout;
  }

  /** All that the code, and the processes it started, have written to standard error so far. */
  get stderr(): string {
    return this.interpreter.stderr;
  }

  /**
   * Calls a function and returns its value. Calls are served one after the other, in order, by one
   * interpreter, so module state lasts. What an `async def` returns is awaited in Python.
   *
   * @param name a function of the module, a dotted path (`Class.method`), or `module:function`
   * @param args positional arguments
   * @param kwargs keyword arguments
   * @throws PythonError if the function raises, does not exist, returns what JSON cannot carry,
   *   takes longer than `timeoutMs`, or ends the interpreter
   * @throws TypeError if an argument cannot be written as JSON
   */
  async call<T = JsonValue>(
    name: string,
    args: readonly unknown[] = [],
    kwargs: Readonly<Record<string, unknown>> = {},
  ): Promise<T> {
    assertJson(args, 'args');
    assertJson(kwargs, 'kwargs');
    const turn = this.queue.then(() =>
      this.request({ function: name, args, kwargs }, `the call of '${name}'`),
    );
    // The next call takes its turn whether this one succeeds or not; the caller gets the error.
    this.queue = turn.catch(() => undefined);
    return (await turn) as T;
  }

  /** Stops the interpreter, and a call that still runs. May be called again. */
  async close(): Promise<void> {
    this.stopped ??= 'the runner was closed';
    const { interpreter } = this;
    if (!interpreter.isAlive) {
      return;
    }
    interpreter.keepsProcessRunning(true);
    if (this.busy) {
      interpreter.kill();
    } else {
      interpreter.socket.end();
    }
    const timer = setTimeout(() => interpreter.kill(), CLOSE_GRACE_MS);
    await interpreter.exited;
    clearTimeout(timer);
  }

  /** {@link close}, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  private async request(message: Setup | JsonValue, what: string): Promise<JsonValue> {
    if (this.stopped !== undefined) {
      throw new PythonError({
        summary: `Python cannot serve ${what}: ${this.stopped}. Start a new PythonRunner.`,
      });
    }
    this.busy = true;
    this.interpreter.keepsProcessRunning(true);
    try {
      this.interpreter.send(message);
      return await this.answer(what);
    } finally {
      this.busy = false;
      this.interpreter.keepsProcessRunning(false);
    }
  }

  private async answer(what: string): Promise<JsonValue> {
    const timer = setTimeout(() => {
      this.stopped ??= `${what} took longer than ${this.timeoutMs} ms, so the interpreter was killed`;
      this.interpreter.kill();
    }, this.timeoutMs);
    const line = await this.interpreter.lines.next();
    clearTimeout(timer);
    if (line === undefined) {
      await this.interpreter.exited;
      const { stderr, ending } = this.interpreter;
      const reason = this.stopped;
      this.stopped ??= `it ended ${ending} during ${what}`;
      throw new PythonError({
        summary: `Python did not finish ${what}: ${reason ?? `it ended ${ending}`}`,
        stderr,
      });
    }
    const { error, value } = JSON.parse(line) as Answer;
    if (error) {
      throw new PythonError({
        summary: `${error.type}: ${error.message}`,
        exceptionType: error.type,
        exceptionMessage: error.message,
        traceback: error.traceback,
      });
    }
    return value ?? null;
  }
}
