import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findPythons, type JsonValue, PythonRunner } from '@quorate/test-harness';

const VENV_PYTHON = join(__dirname, '..', '..', '..', '.venv', 'bin', 'python');

/** The interpreters in which emitted texts are driven, one of each version. */
export const PYTHONS = findPythons({ minimumVersion: '3.10', onePerMinorVersion: true });

/** One of them. */
export const ANY_PYTHON = PYTHONS[0]?.executable ?? VENV_PYTHON;

/** What a run of a machine told. */
export interface Report {
  /** What happened at least once. */
  readonly seen: string[];
  /** The shortest run that breaks what is promised. */
  readonly failure: string | null;
}

/**
 * Lets Hypothesis drive emitted texts by a state machine of the folder `python`. Hypothesis needs an
 * environment of its own; the emitted text runs in any interpreter.
 */
export class Machine {
  /** @param module the machine's module. */
  static async start(module: string): Promise<Machine> {
    const runner = await PythonRunner.start({
      python: VENV_PYTHON,
      directory: join(__dirname, 'python'),
      module,
      timeoutMs: 60_000,
    });
    return new Machine(runner, mkdtempSync(join(tmpdir(), 'python-retry-machine-')));
  }

  private constructor(
    private readonly runner: PythonRunner,
    private readonly directory: string,
  ) {}

  /** Drives a text in an interpreter, as further arguments of the machine say. */
  drive(python: string, source: string, ...others: JsonValue[]): Promise<Report> {
    const folder = mkdtempSync(join(this.directory, 'text-'));
    writeFileSync(join(folder, 'python_retry.py'), source);
    return this.runner.call<Report>('run', [python, folder, ...others]);
  }

  async stop(): Promise<void> {
    await this.runner.close();
    rmSync(this.directory, { recursive: true });
  }
}
