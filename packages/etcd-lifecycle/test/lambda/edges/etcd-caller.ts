import type { PythonRunner, PythonRunnerOptions } from '@quorate/test-harness';
import { startDriver } from './python-path';

/** A member as the Python client has it; every number is text. */
export interface Member {
  readonly id: string;
  readonly name: string;
  readonly host: string;
  readonly learner: boolean;
}

/** A member's answer to `status`. */
export interface StatusReport {
  readonly cluster_id: string;
  readonly member_id: string;
  readonly learner: boolean;
  readonly complaints: string[];
  readonly status: {
    readonly leader: string;
    readonly raft_term: string;
    readonly raft_index: string;
    readonly applied_index: string;
    readonly version: string;
    readonly db_size: string;
    readonly reads: boolean | null;
  };
}

/** The answer to `member_list`. */
export interface MemberList {
  readonly cluster_id: string;
  readonly member_id: string;
  readonly members: Member[];
}

/** An error of the Python client. */
export interface EtcdFailure {
  readonly error: string;
  readonly code: number | null;
  readonly message: string;
}

/** What to connect to, and how. */
export interface Endpoint {
  readonly host: string;
  readonly port?: number;
  readonly tls?: {
    readonly ca_pem: string;
    readonly certificate_pem?: string;
    readonly key_pem?: string;
  };
  /** Who logs in; a session is kept for each user. */
  readonly user?: { readonly username: string; readonly password: string };
  readonly timeouts?: {
    readonly status?: number;
    readonly quorum?: number;
    readonly change?: number;
  };
}

/** The Python client of etcd in an interpreter of its own, without any package installed for it. */
export class EtcdCaller implements AsyncDisposable {
  static async start(options: Pick<PythonRunnerOptions, 'python'> = {}): Promise<EtcdCaller> {
    return new EtcdCaller(await startDriver('etcd_driver', options));
  }

  private constructor(private readonly runner: PythonRunner) {}

  /** Calls a method of a new endpoint and returns its value, or the error that it raised. */
  async call<T>(
    endpoint: Endpoint,
    method: string,
    args: readonly string[] = [],
    kwargs: Readonly<Record<string, unknown>> = {},
  ): Promise<T | EtcdFailure> {
    return unwrapped(
      await this.runner.call<{ value: T } | EtcdFailure>(
        'call',
        [endpoint, method, ...args],
        kwargs,
      ),
    );
  }

  /** Streams a snapshot and returns how many bytes it has, or the error that it ended with. */
  async snapshotSize(endpoint: Endpoint): Promise<string | EtcdFailure> {
    return unwrapped(
      await this.runner.call<{ value: string } | EtcdFailure>('snapshot_size', [endpoint]),
    );
  }

  /** As {@link call}, where an error fails the test. */
  async value<T>(
    endpoint: Endpoint,
    method: string,
    args: readonly string[] = [],
    kwargs: Readonly<Record<string, unknown>> = {},
  ): Promise<T> {
    const answer = await this.call<T>(endpoint, method, args, kwargs);
    if (isFailure(answer)) {
      throw new Error(`${method} raised ${answer.error}: ${answer.message}`);
    }
    return answer;
  }

  /** As {@link call}, asked again for as long as etcd is not ready for a change. */
  async patiently<T>(
    endpoint: Endpoint,
    method: string,
    args: readonly string[] = [],
  ): Promise<T | EtcdFailure> {
    const deadline = performance.now() + 20_000;
    for (;;) {
      const answer = await this.call<T>(endpoint, method, args);
      const wait = isFailure(answer) && ['Unhealthy', 'LearnerNotReady'].includes(answer.error);
      if (!wait || performance.now() > deadline) {
        return answer;
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.runner.close();
  }
}

function unwrapped<T>(answer: { value: T } | EtcdFailure): T | EtcdFailure {
  return 'error' in answer ? answer : answer.value;
}

function isFailure(answer: unknown): answer is EtcdFailure {
  return typeof answer === 'object' && answer !== null && 'error' in answer;
}
