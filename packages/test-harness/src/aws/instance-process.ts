import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
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
    const group = await ProcessGroup.start({
      command: 'bash',
      args: [script],
      cwd: root,
      logFile: join(directory, 'console.log'),
      environment: {
        PATH: [...(props.path ?? []), process.env.PATH ?? '/usr/bin:/bin'].join(':'),
        LANG: 'C.UTF-8',
        HOME: root,
        TMPDIR: temporary,
        ...environment,
        ...props.environment,
        QUORATE_INSTANCE_ROOT: root,
      },
    });
    return new InstanceProcess(group, root, props.stopGraceSeconds ?? 0);
  }

  private constructor(
    private readonly group: ProcessGroup,
    /** The directory that stands for the machine's disk. */
    readonly rootDirectory: string,
    private readonly stopGraceSeconds: number,
  ) {}

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

  /** Stops each process of the instance without ending it. */
  async pause(): Promise<boolean> {
    return this.group.pause();
  }

  /** Sends a signal to each process of the instance. */
  signal(signal: NodeJS.Signals): boolean {
    return this.group.signal(signal);
  }

  /** Ends all processes of the instance. */
  async stop(): Promise<void> {
    await this.group.stop(this.stopGraceSeconds);
  }
}
