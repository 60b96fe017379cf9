import { createInterface } from 'node:readline';

/** Where a command writes to, and whom it asks. */
export interface Terminal {
  /** Writes what was asked for. */
  out(text: string): void;
  /** Writes progress and errors. */
  err(text: string): void;
  /** Asks a question. Returns the line that was typed; undefined at the end of the input. */
  ask(question: string): Promise<string | undefined>;
}

/** The standard streams of this process. The question goes to the standard error. */
export class ProcessTerminal implements Terminal {
  public out(text: string): void {
    process.stdout.write(text);
  }

  public err(text: string): void {
    process.stderr.write(text);
  }

  public async ask(question: string): Promise<string | undefined> {
    const lines = createInterface({ input: process.stdin });
    this.err(question);
    try {
      for await (const line of lines) {
        return line;
      }
      return undefined;
    } finally {
      lines.close();
    }
  }
}
