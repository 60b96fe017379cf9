import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ProcessGroup } from '../process/process-group';

/** What an instance runs when it boots. */
export interface BootProps {
  /**
   * A Bash script, as the user data of an instance. It runs in the directory that stands for the
   * machine's disk, see `QUORATE_INSTANCE_ROOT`. What it starts in the background goes on when it ends.
   */
  readonly script: string;

  /** Environment variables, besides those that every instance has. Default: none. */
  readonly environment?: Readonly<Record<string, string>>;

  /** Directories to look for programs in before those of Node's PATH. Default: none. */
  readonly path?: readonly string[];

  /** Seconds from SIGTERM to SIGKILL when the instance is terminated; 0: SIGKILL at once. Default: 0. */
  readonly stopGraceSeconds?: number;
}

/** What became of a script that was run on an instance. */
export interface ScriptResult {
  /** The exit code, 128 and more for a signal; undefined if its time was over. */
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** How long a script that has ended may take to be noticed, in milliseconds. */
const SCRIPT_INTERVAL_MS = 10;

/** The processes of an instance. */
export class InstanceProcess {
  /**
   * Runs the boot script in a process group of its own.
   *
   * @param props what to run.
   * @param directory where the instance's files go: its disk, its script, its log.
   * @param environment environment variables that the boot script's own can replace.
   */
  static async boot(
    props: BootProps,
    directory: string,
    environment: Readonly<Record<string, string>>,
  ): Promise<InstanceProcess> {
    const root = join(directory, 'root');
    const temporary = join(directory, 'tmp');
    const script = join(directory, 'user-data.sh');
    mkdirSync(root, { recursive: true });
    mkdirSync(temporary, { recursive: true });
    writeFileSync(script, props.script);
    const ofProcesses = {
      PATH: [...(props.path ?? []), process.env.PATH ?? '/usr/bin:/bin'].join(':'),
      LANG: 'C.UTF-8',
      HOME: root,
      TMPDIR: temporary,
      ...environment,
      ...props.environment,
      QUORATE_INSTANCE_ROOT: root,
    };
    const group = await ProcessGroup.start({
      command: 'bash',
      args: [script],
      cwd: root,
      logFile: join(directory, 'console.log'),
      environment: ofProcesses,
    });
    return new InstanceProcess(group, root, directory, ofProcesses, props.stopGraceSeconds ?? 0);
  }

  private constructor(
    private readonly group: ProcessGroup,
    /** The directory that stands for the machine's disk. */
    readonly rootDirectory: string,
    private readonly directory: string,
    private readonly environment: Readonly<Record<string, string>>,
    private readonly stopGraceSeconds: number,
  ) {}

  private readonly scripts = new Set<ProcessGroup>();
  private scriptCount = 0;
  private paused = false;
  private stopping = false;

  /** Process id of the boot script, and of the group of all that it started. */
  get pid(): number {
    return this.group.pid;
  }

  /** File with the output of the boot script and of what it started. */
  get logFile(): string {
    return this.group.logFile;
  }

  /** Exit code of the boot script, or the signal that ended it; undefined while it runs. */
  get bootExitStatus(): number | string | undefined {
    return this.group.exitStatus;
  }

  /** Whether any process of the instance is left. */
  get alive(): boolean {
    return this.group.alive;
  }

  /** Whether a script could be run now: the instance is there, and does not hang. */
  get takesScripts(): boolean {
    return this.alive && !this.paused;
  }

  /**
   * Runs a script of a POSIX shell as a further process of the instance, as its agent does.
   *
   * @param script its lines.
   * @param seconds how long it may take.
   */
  async run(script: string, seconds: number): Promise<ScriptResult> {
    this.scriptCount += 1;
    const file = join(this.directory, `script-${this.scriptCount}.sh`);
    const [stdout, stderr] = [`${file}.out`, `${file}.err`];
    writeFileSync(file, script);
    // There even if the script ends before its shell has made them.
    for (const output of [stdout, stderr]) {
      writeFileSync(output, '');
    }
    const group = await ProcessGroup.start({
      command: 'sh',
      args: ['-c', 'exec sh "$1" > "$2" 2> "$3"', 'sh', file, stdout, stderr],
      cwd: this.rootDirectory,
      logFile: this.logFile,
      environment: this.environment,
    });
    this.scripts.add(group);
    if (this.stopping) {
      // The instance was ended while the script started.
      await group.stop();
    }
    const end = performance.now() + seconds * 1000;
    while (!group.exit && performance.now() < end) {
      await sleep(SCRIPT_INTERVAL_MS);
    }
    const exit = group.exit;
    await group.stop();
    this.scripts.delete(group);
    return {
      exitCode: exit && (exit.code ?? 128),
      stdout: readFileSync(stdout, 'utf8'),
      stderr: readFileSync(stderr, 'utf8'),
    };
  }

  /** Stops each process of the instance without ending it. */
  async pause(): Promise<boolean> {
    this.paused = true;
    const [boot = false] = await Promise.all(
      [this.group, ...this.scripts].map((one) => one.pause()),
    );
    return boot;
  }

  /** Sends a signal to each process of the instance. */
  signal(signal: NodeJS.Signals): boolean {
    if (signal === 'SIGCONT') {
      this.paused = false;
    }
    for (const script of this.scripts) {
      script.signal(signal);
    }
    return this.group.signal(signal);
  }

  /** Ends all processes of the instance. */
  async stop(): Promise<void> {
    this.stopping = true;
    await Promise.all([...this.scripts].map((one) => one.stop()));
    await this.group.stop(this.stopGraceSeconds);
  }
}
