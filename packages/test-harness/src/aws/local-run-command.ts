import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ScriptResult } from './instance-process';
import type { LocalAutoScaling } from './local-auto-scaling';
import { ServiceError } from './service-error';

/** How to start a {@link LocalRunCommand}. */
export interface LocalRunCommandProps {
  /** The instances that commands are run on. */
  readonly autoScaling: LocalAutoScaling;

  /** Seconds that a command is on its way to its instances. Default: 0. */
  readonly latencySeconds?: number;
}

/** A command that was sent. */
export interface SentCommand {
  readonly commandId: string;
  readonly instanceIds: readonly string[];
  /** The lines of the script. */
  readonly commands: readonly string[];
  readonly comment: string;
}

/** How a command stands on one instance, in the words of GetCommandInvocation. */
interface Invocation {
  readonly instanceId: string;
  status: 'Pending' | 'InProgress' | 'Success' | 'Failed' | 'TimedOut';
  details: string;
  result: ScriptResult | undefined;
}

interface SendCommandInput {
  readonly DocumentName?: string;
  readonly InstanceIds?: readonly string[];
  readonly TimeoutSeconds?: number;
  readonly Comment?: string;
  readonly Parameters?: Readonly<Record<string, readonly string[]>>;
}

const DOCUMENT = 'AWS-RunShellScript';
const PREFIX = 'AmazonSSM.';

/** What SSM takes and gives at most (its API reference, SendCommand and GetCommandInvocation). */
const MOST_INSTANCES = 50;
const SHORTEST_TIMEOUT = 30;
const MOST_COMMENT = 100;
const MOST_STDOUT = 24_000;
const MOST_STDERR = 8000;

/** The defaults of SendCommand and of the document. */
const DEFAULT_TIMEOUT = 3600;
const DEFAULT_EXECUTION_TIMEOUT = 3600;

/** Between two attempts to deliver a command to an instance that does not take it. */
const DELIVERY_INTERVAL_MS = 50;

/**
 * SSM Run Command on 127.0.0.1: real SDKs send commands of the document `AWS-RunShellScript`, and the
 * script is run as a process of the local instance, with its files and its environment. An instance
 * that hangs, or has no process left, takes none.
 */
export class LocalRunCommand implements AsyncDisposable {
  /** Starts the service. */
  static async start(props: LocalRunCommandProps): Promise<LocalRunCommand> {
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    return new LocalRunCommand(props, server);
  }

  /** URL of the service. */
  readonly endpoint: string;

  /** Every command that was sent, oldest first. */
  readonly sent: SentCommand[] = [];

  private readonly invocations = new Map<string, Invocation>();
  private readonly work = new Set<Promise<void>>();
  private readonly errors: Error[] = [];
  private upstream: string | undefined;
  private stopped = false;

  private constructor(
    private readonly props: LocalRunCommandProps,
    private readonly server: Server,
  ) {
    this.endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('request', (request, response) => {
      this.handle(request, response).catch((error: Error) => {
        this.errors.push(error);
        response.destroy(error);
      });
    });
  }

  /** Environment variables that point the AWS SDKs and command line at this service. */
  env(): Record<string, string> {
    return { AWS_ENDPOINT_URL_SSM: this.endpoint };
  }

  /** Where all other operations of SSM go from now on, instead of being refused: to an emulator. */
  setUpstream(endpoint: string): void {
    this.upstream = endpoint;
  }

  /**
   * Ends the service, and waits for the scripts that it has started. They end with their instances.
   *
   * @throws AggregateError of what went wrong.
   */
  async stop(): Promise<void> {
    this.stopped = true;
    this.server.closeAllConnections();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
    await Promise.all(this.work);
    if (this.errors.length > 0) {
      throw new AggregateError(this.errors, this.errors.map(({ message }) => message).join('\n'));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) {
      chunks.push(chunk as Buffer);
    }
    const body = Buffer.concat(chunks).toString('utf8');
    const target = String(request.headers['x-amz-target']);
    try {
      const answer = await this.answer(target, body);
      response.writeHead(200, { 'Content-Type': 'application/x-amz-json-1.1' }).end(answer);
    } catch (error) {
      if (!(error instanceof ServiceError)) {
        throw error;
      }
      response
        .writeHead(error.httpStatus, { 'Content-Type': 'application/x-amz-json-1.1' })
        .end(JSON.stringify({ __type: error.code, message: error.message }));
    }
  }

  private async answer(target: string, body: string): Promise<string> {
    switch (target) {
      case `${PREFIX}SendCommand`:
        return JSON.stringify(this.send(JSON.parse(body)));
      case `${PREFIX}GetCommandInvocation`:
        return JSON.stringify(this.describe(JSON.parse(body)));
      default:
        return this.forward(target, body);
    }
  }

  private async forward(target: string, body: string): Promise<string> {
    if (this.upstream === undefined) {
      throw new ServiceError('ValidationException', `The local SSM does not implement ${target}`);
    }
    const response = await fetch(this.upstream, {
      method: 'POST',
      headers: { 'x-amz-target': target, 'content-type': 'application/x-amz-json-1.1' },
      body,
    });
    const answer = await response.text();
    if (!response.ok) {
      const { __type = 'InternalServerError', message = answer } = JSON.parse(answer);
      throw new ServiceError(__type, message, response.status);
    }
    return answer;
  }

  private send(input: SendCommandInput): object {
    const { InstanceIds = [], Comment = '', TimeoutSeconds = DEFAULT_TIMEOUT } = input;
    const { commands = [], executionTimeout = [], ...others } = input.Parameters ?? {};
    if (input.DocumentName !== DOCUMENT) {
      throw new ServiceError('InvalidDocument', `The local SSM has only the document ${DOCUMENT}`);
    }
    if (commands.length === 0 || Object.keys(others).length > 0) {
      throw new ServiceError('InvalidParameters', 'The local SSM takes commands, executionTimeout');
    }
    if (
      InstanceIds.length === 0 ||
      InstanceIds.length > MOST_INSTANCES ||
      TimeoutSeconds < SHORTEST_TIMEOUT ||
      Comment.length > MOST_COMMENT
    ) {
      throw new ServiceError(
        'ValidationException',
        `${InstanceIds.length} instances, ${TimeoutSeconds} s, a comment of ${Comment.length}`,
      );
    }
    const unknown = InstanceIds.filter((id) => !this.isManaged(id));
    if (unknown.length > 0) {
      throw new ServiceError(
        'InvalidInstanceId',
        `Instances [[${unknown.join(', ')}]] not in a valid state for account`,
      );
    }
    const commandId = randomUUID();
    this.sent.push({ commandId, instanceIds: InstanceIds, commands, comment: Comment });
    const seconds = Number(executionTimeout[0] ?? DEFAULT_EXECUTION_TIMEOUT);
    for (const instanceId of InstanceIds) {
      const invocation: Invocation = {
        instanceId,
        status: 'Pending',
        details: 'Pending',
        result: undefined,
      };
      this.invocations.set(`${commandId} ${instanceId}`, invocation);
      this.track(this.execute(invocation, commands.join('\n'), TimeoutSeconds, seconds));
    }
    return {
      Command: {
        CommandId: commandId,
        DocumentName: DOCUMENT,
        Comment,
        InstanceIds,
        TimeoutSeconds,
        Status: 'Pending',
        TargetCount: InstanceIds.length,
      },
    };
  }

  private describe({ CommandId, InstanceId }: Readonly<Record<string, string>>): object {
    const invocation = this.invocations.get(`${CommandId} ${InstanceId}`);
    if (!invocation) {
      throw new ServiceError('InvocationDoesNotExist', '');
    }
    const { status, details, result } = invocation;
    return {
      CommandId,
      InstanceId,
      DocumentName: DOCUMENT,
      PluginName: 'aws:runShellScript',
      ResponseCode: result?.exitCode ?? -1,
      Status: status,
      StatusDetails: details,
      StandardOutputContent: (result?.stdout ?? '').slice(0, MOST_STDOUT),
      StandardErrorContent: (result?.stderr ?? '').slice(0, MOST_STDERR),
    };
  }

  private async execute(
    invocation: Invocation,
    script: string,
    deliverySeconds: number,
    executionSeconds: number,
  ): Promise<void> {
    const { autoScaling, latencySeconds = 0 } = this.props;
    const { instanceId } = invocation;
    const end = performance.now() + deliverySeconds * 1000;
    await sleep(latencySeconds * 1000);
    while (!autoScaling.takesScripts(instanceId)) {
      if (this.stopped || performance.now() > end) {
        invocation.status = 'TimedOut';
        invocation.details = 'DeliveryTimedOut';
        return;
      }
      await sleep(DELIVERY_INTERVAL_MS);
    }
    invocation.status = 'InProgress';
    invocation.details = 'InProgress';
    const result = await autoScaling.runScript(instanceId, script, executionSeconds);
    invocation.result = result;
    if (result.exitCode === undefined) {
      invocation.status = 'TimedOut';
      invocation.details = 'ExecutionTimedOut';
    } else {
      invocation.status = result.exitCode === 0 ? 'Success' : 'Failed';
      invocation.details = invocation.status;
    }
  }

  private isManaged(instanceId: string): boolean {
    return this.props.autoScaling
      .instances()
      .some((one) => one.instanceId === instanceId && one.pid !== undefined);
  }

  private track(work: Promise<void>): void {
    const tracked: Promise<void> = work
      .catch((error: Error) => {
        this.errors.push(error);
      })
      .finally(() => this.work.delete(tracked));
    this.work.add(tracked);
  }
}
