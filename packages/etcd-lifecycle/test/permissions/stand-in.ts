import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request to a {@link StandIn}, with all of its body. */
export interface StandInRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** What is answered. */
export interface StandInAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: Buffer | string;
}

/** Headers that concern one connection only. */
const OF_THE_CONNECTION = ['connection', 'content-length', 'host', 'transfer-encoding'];

/** An HTTP server on a free port of 127.0.0.1, in place of an endpoint of AWS. */
export class StandIn implements AsyncDisposable {
  static async start(answer: (asked: StandInRequest) => Promise<StandInAnswer>): Promise<StandIn> {
    const server = createServer((request, response) => {
      const pieces: Buffer[] = [];
      request.on('data', (piece: Buffer) => pieces.push(piece));
      request.on('end', () => {
        const { method = 'GET', url = '/', headers } = request;
        answer({ method, url, headers, body: Buffer.concat(pieces) }).then(
          (given) => response.writeHead(given.status, given.headers).end(given.body),
          (error) => response.destroy(error),
        );
      });
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(0, '127.0.0.1', resolve);
    });
    return new StandIn(server);
  }

  readonly endpoint: string;

  private constructor(private readonly server: Server) {
    this.endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((closed) => this.server.close(closed));
  }
}

/** Asks the endpoint that a stand-in stands before. */
export async function forward(target: string, asked: StandInRequest): Promise<StandInAnswer> {
  const { method, url, body } = asked;
  const headers = Object.entries(asked.headers).filter(
    (header): header is [string, string] =>
      !OF_THE_CONNECTION.includes(header[0]) && typeof header[1] === 'string',
  );
  const response = await fetch(new URL(url, target), {
    method,
    headers,
    body: body.length > 0 ? new Uint8Array(body) : undefined,
  });
  const length = response.headers.get('content-length');
  return {
    status: response.status,
    headers: {
      ...Object.fromEntries(
        [...response.headers].filter(([name]) => !OF_THE_CONNECTION.includes(name)),
      ),
      // Of an object whose data were not asked for.
      ...(method === 'HEAD' && length !== null ? { 'content-length': length } : {}),
    },
    body: Buffer.from(await response.arrayBuffer()),
  };
}
