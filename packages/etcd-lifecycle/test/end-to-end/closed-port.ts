import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { defaultPython } from '@quorate/test-harness';

/** A port of this machine to which no connection comes about, as where a network has no way. */
export class ClosedPort implements AsyncDisposable {
  static async open(): Promise<ClosedPort> {
    const script = join(__dirname, 'python', 'closed_port.py');
    const process = spawn(defaultPython().executable, [script], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const [port] = (await once(process.stdout, 'data')) as [Buffer];
    return new ClosedPort(process, Number(port.toString()));
  }

  private constructor(
    private readonly process: ChildProcess,
    readonly port: number,
  ) {}

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.process, 'exit');
    this.process.stdin?.end();
    await ended;
  }
}
