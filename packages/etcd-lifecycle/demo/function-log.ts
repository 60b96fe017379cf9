import { closeSync, openSync, readSync } from 'node:fs';

/** A line that the function logged. */
export interface LogLine {
  /** Seconds since the epoch. */
  readonly time: number;
  readonly level: 'DEBUG' | 'INFO' | 'WARNING' | 'ERROR';
  readonly message: string;
  /** The kind of action that was decided on. */
  readonly action?: unknown;
  /** The numbers behind a decision. */
  readonly arithmetic?: string;
  /** What became of an action. */
  readonly outcome?: unknown;
  /** Why addresses that were asked gave no usable answer, by address. */
  readonly silent?: Readonly<Record<string, string>>;
  readonly instance?: string;
  /** The digest of the view that was decided on. */
  readonly view?: string;
}

const POLL_MS = 50;

/** Follows the lines that the function logs, among others, to a file. */
export class FunctionLog {
  /** Follows a file from its present beginning. */
  public static follow(file: string): FunctionLog {
    const descriptor = openSync(file, 'r');
    const log = new FunctionLog(() => closeSync(descriptor));
    const buffer = Buffer.alloc(1 << 16);
    log.timer = setInterval(() => {
      for (let size = readSync(descriptor, buffer); size > 0; size = readSync(descriptor, buffer)) {
        log.take(buffer.toString('utf8', 0, size));
      }
    }, POLL_MS);
    return log;
  }

  /** Everything that was logged so far. */
  public readonly lines: LogLine[] = [];

  private readonly listeners = new Set<(line: LogLine) => void>();
  private timer: NodeJS.Timeout | undefined;
  private rest = '';

  private constructor(private readonly close: () => void) {}

  /** Calls back for each line from now on. */
  public onLine(listener: (line: LogLine) => void): void {
    this.listeners.add(listener);
  }

  /** Ends the following. */
  public stop(): void {
    if (this.timer) {
      clearInterval(this.timer);
      this.timer = undefined;
      this.close();
    }
  }

  private take(text: string): void {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop() ?? '';
    for (const line of lines) {
      const parsed = parse(line);
      if (parsed) {
        this.lines.push(parsed);
        this.listeners.forEach((listener) => {
          listener(parsed);
        });
      }
    }
  }
}

/** A line of the function; whatever else is in the file is not JSON with a level and a message. */
function parse(line: string): LogLine | undefined {
  const start = line.indexOf('{"time"');
  if (start < 0) {
    return undefined;
  }
  try {
    return JSON.parse(line.slice(start)) as LogLine;
  } catch {
    return undefined;
  }
}
