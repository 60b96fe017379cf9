import { RefusedError, UsageError } from './command';

/** What the environment of a deployed function tells. */
export interface FunctionSettings {
  readonly cluster: string;
  readonly table: string;
  /** The bucket for snapshots, if there is one. */
  readonly snapshotBucket?: string;
}

/** A deployed function of the construct EtcdLifecycle. Close it at the end. */
export class LifecycleFunction {
  /**
   * @param name the function's name or ARN
   * @param region where it is; as the SDK finds it by default
   */
  public static async open(name: string, region: string | undefined): Promise<LifecycleFunction> {
    const sdk = await import('@aws-sdk/client-lambda');
    return new LifecycleFunction(name, sdk, new sdk.LambdaClient({ region }));
  }

  private constructor(
    private readonly name: string,
    private readonly sdk: typeof import('@aws-sdk/client-lambda'),
    private readonly client: import('@aws-sdk/client-lambda').LambdaClient,
  ) {}

  /**
   * Reads the function's environment.
   *
   * @throws UsageError if it is not a function of this package
   */
  public async settings(): Promise<FunctionSettings> {
    const { Environment } = await this.client.send(
      new this.sdk.GetFunctionConfigurationCommand({ FunctionName: this.name }),
    );
    const variables = Environment?.Variables ?? {};
    const { QUORATE_CLUSTER: cluster, QUORATE_TABLE: table } = variables;
    if (!cluster || !table) {
      throw new UsageError(
        `the function ${this.name} has no QUORATE_CLUSTER and QUORATE_TABLE in its environment: ` +
          'name the function that the construct EtcdLifecycle made',
      );
    }
    return { cluster, table, snapshotBucket: variables.QUORATE_SNAPSHOT_BUCKET };
  }

  /**
   * Asks the function for something, and waits for the answer.
   *
   * @param operation what it is asked for, as the function knows it
   * @param argument says more about it
   * @returns its answer
   * @throws RefusedError with the function's own words if it is not safe
   * @throws Error with the function's own words if it failed
   */
  public async ask<T>(operation: string, argument: unknown = true): Promise<T> {
    const { FunctionError, Payload } = await this.client.send(
      new this.sdk.InvokeCommand({
        FunctionName: this.name,
        Payload: Buffer.from(JSON.stringify({ [operation]: argument })),
      }),
    );
    const answer = JSON.parse(Buffer.from(Payload ?? []).toString('utf8') || 'null');
    if (FunctionError) {
      const { errorType = FunctionError, errorMessage = 'it says no more' } = answer ?? {};
      throw new Error(`the function failed: ${errorMessage} (${errorType})`);
    }
    if (typeof answer?.refused === 'string') {
      throw new RefusedError(answer.refused);
    }
    if (typeof answer !== 'object' || answer === null || !(operation in answer)) {
      throw new Error(
        `the function ${this.name} does not know "${operation}": it is none of this package, or ` +
          'of an older version; deploy the stack with this one',
      );
    }
    return answer[operation];
  }

  public close(): void {
    this.client.destroy();
  }
}
