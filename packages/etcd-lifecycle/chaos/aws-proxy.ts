import {
  Agent,
  createServer,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AwsFault } from './schedule';

/** How slow AWS is when it is slow, in milliseconds: below the function's own time-outs. */
const SLOW_MS = 1500;

/** The version of the EC2 API, by which its requests are told from those of Auto Scaling. */
const EC2_VERSION = '2016-11-15';

const CHANGES =
  /PutItem|UpdateItem|DeleteItem|PutParameter|DeleteParameter|Action=(Complete|Record)/;

/** What may interfere with a request that changes something. */
export interface Interference {
  readonly before: () => void;
  readonly after: () => void;
}

/**
 * Stands between the function and an AWS endpoint, and fails on demand: throttled, with errors (of
 * which every other one comes after the request was carried out), slow, or without any answer.
 */
export class AwsProxy {
  /** Starts it on a free port of 127.0.0.1. Requests wait until it has a target. */
  public static async start(): Promise<AwsProxy> {
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    return new AwsProxy(server);
  }

  /** The URL for the function. */
  public readonly endpoint: string;
  /** How many requests it has failed or delayed. */
  public disturbed = 0;
  /** Called around each request that changes something. */
  public interference: Interference | undefined;

  private readonly agent = new Agent({ keepAlive: true });
  private readonly target: Promise<string>;
  private aim: (endpoint: string) => void = () => undefined;
  private mode: AwsFault['kind'] | undefined;
  private errors = 0;

  private constructor(private readonly server: Server) {
    this.endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.target = new Promise((resolve) => {
      this.aim = resolve;
    });
    server.on('request', (request, response) => {
      // Whoever asked and is gone, as a function that was killed, needs no answer.
      this.answer(request, response).catch(() => response.destroy());
    });
  }

  /** Sets where requests go. */
  public setTarget(endpoint: string): void {
    this.aim(endpoint);
  }

  /** Fails from now on as told; undefined: no more. */
  public fail(mode: AwsFault['kind'] | undefined): void {
    this.mode = mode;
  }

  /** Ends it. */
  public async stop(): Promise<void> {
    this.aim('http://127.0.0.1:9');
    this.agent.destroy();
    this.server.closeAllConnections();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await read(request);
    const { mode } = this;
    if (mode) {
      this.disturbed += 1;
    }
    if (mode === 'aws-unreachable') {
      response.destroy();
      return;
    }
    if (mode === 'aws-throttled') {
      refuse(request, response, body, 400, 'Throttling');
      return;
    }
    if (mode === 'aws-slow') {
      await sleep(SLOW_MS);
    }
    const fails = mode === 'aws-errors';
    this.errors += fails ? 1 : 0;
    const carriedOut = !fails || this.errors % 2 === 0;
    if (carriedOut) {
      await this.forward(request, response, body, fails);
    } else {
      refuse(request, response, body, 500, 'InternalFailure');
    }
  }

  private async forward(
    request: IncomingMessage,
    response: ServerResponse,
    body: Buffer,
    fails: boolean,
  ): Promise<void> {
    const what = `${request.headers['x-amz-target'] ?? ''} ${body.subarray(0, 200).toString('utf8')}`;
    const interference = CHANGES.test(what) ? this.interference : undefined;
    interference?.before();
    const answer = await this.send(await this.target, request, body);
    interference?.after();
    if (fails) {
      refuse(request, response, body, 500, 'InternalFailure');
    } else {
      response.writeHead(answer.status, answer.headers).end(answer.body);
    }
  }

  private send(
    target: string,
    request: IncomingMessage,
    body: Buffer,
  ): Promise<{ status: number; headers: IncomingHttpHeaders; body: Buffer }> {
    return new Promise((resolve, reject) => {
      const { method, headers } = request;
      const sent = httpRequest(
        new URL(request.url ?? '/', target),
        { method, headers, agent: this.agent },
        (answer) => {
          read(answer).then((received) => {
            const { 'transfer-encoding': _, connection: __, ...kept } = answer.headers;
            resolve({
              status: answer.statusCode ?? 502,
              headers: { ...kept, 'content-length': String(received.length) },
              body: received,
            });
          }, reject);
        },
      );
      sent.on('error', reject);
      sent.end(body);
    });
  }
}

async function read(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) {
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

/** Answers with an error in the words of the service that was asked. */
function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  body: Buffer,
  status: number,
  code: 'Throttling' | 'InternalFailure',
): void {
  const message = code === 'Throttling' ? 'Rate exceeded' : 'The service has failed';
  if (request.headers['x-amz-target'] !== undefined) {
    const type = code === 'Throttling' ? 'ThrottlingException' : 'InternalServerError';
    response
      .writeHead(status, { 'content-type': 'application/x-amz-json-1.0' })
      .end(JSON.stringify({ __type: type, message }));
    return;
  }
  const isEc2 = body.includes(`Version=${EC2_VERSION}`);
  const error = `<Error><Code>${isEc2 && code === 'Throttling' ? 'RequestLimitExceeded' : code}</Code><Message>${message}</Message></Error>`;
  response
    .writeHead(isEc2 && code === 'Throttling' ? 503 : status, { 'content-type': 'text/xml' })
    .end(
      isEc2
        ? `<Response><Errors>${error}</Errors><RequestID>chaos</RequestID></Response>`
        : `<ErrorResponse>${error}<RequestId>chaos</RequestId></ErrorResponse>`,
    );
}
