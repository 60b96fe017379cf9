import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheDirectory } from '@quorate/test-harness';
import type { RegisterOperation } from './registers';

const run = promisify(execFile);

const SOURCE = join(__dirname, 'linearizability');

/** What porcupine says of a history. */
export interface Verdict {
  /** `unknown`: the time was over before an answer was found. */
  readonly result: 'linearizable' | 'violation' | 'unknown';
  readonly operations: number;
  readonly registers: number;
  /** The registers with a violation. */
  readonly violations: readonly string[];
  /** Writes of unknown outcome that nobody has read, which say nothing. */
  readonly leftOut: number;
}

/** Tells whether histories of registers are linearizable. */
export class LinearizabilityChecker {
  /**
   * Takes the checker from the cache, or builds it there from its Go modules, which takes seconds.
   *
   * @throws Error if Go is missing or fails.
   */
  public static async resolve(): Promise<LinearizabilityChecker> {
    const cache = cacheDirectory();
    const name = `linearizability-${sourceDigest()}-${process.platform}-${process.arch}`;
    const path = join(cache, name);
    if (!existsSync(path)) {
      await mkdir(cache, { recursive: true });
      const target = `${path}.building-${process.pid}`;
      try {
        await run(
          'go',
          ['build', '-mod=readonly', '-trimpath', '-buildvcs=false', '-o', target, '.'],
          { cwd: SOURCE, env: { ...process.env, CGO_ENABLED: '0', GOWORK: 'off' } },
        );
      } catch (error) {
        throw new Error(
          'the linearizability checker cannot be built; it takes Go >= 1.24 ' +
            `(https://go.dev/doc/install) and its module proxy, once: ${(error as Error).message}`,
          { cause: error },
        );
      }
      await rename(target, path);
    }
    return new LinearizabilityChecker(path);
  }

  private constructor(private readonly path: string) {}

  /**
   * Judges a history.
   *
   * @param timeoutSeconds - How long to look for an answer, for each register.
   * @throws Error if it is no history.
   */
  public async judge(
    operations: readonly RegisterOperation[],
    timeoutSeconds = 120,
  ): Promise<Verdict> {
    const child = spawn(this.path, [], { stdio: ['pipe', 'pipe', 'pipe'] });
    let output = '';
    let complaint = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      complaint += chunk.toString();
    });
    // It may end before it has read all; its exit code then says what is wrong.
    child.stdin.on('error', () => undefined);
    child.stdin.end(JSON.stringify({ operations, timeoutSeconds }));
    const code = await new Promise<number | null>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', resolve);
    });
    if (code !== 0) {
      throw new Error(`the history was not judged (exit code ${code}): ${complaint.trim()}`);
    }
    return JSON.parse(output) as Verdict;
  }
}

/** Another source is another executable. */
function sourceDigest(): string {
  const digest = createHash('sha256');
  for (const file of readdirSync(SOURCE).sort()) {
    digest.update(readFileSync(join(SOURCE, file)));
  }
  return digest.digest('hex').slice(0, 12);
}
