import {
  createServer,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from 'node:http';

/** What a proxy does to a call. */
export interface Meddling {
  /** Answers in place of the server; `undefined` lets the call through. */
  readonly answer?: (call: IncomingMessage) => { status: number; body: string } | undefined;
  /** Changes the body of the server's answer; `undefined` breaks the connection off. */
  readonly change?: (body: Buffer, call: IncomingMessage) => Buffer | undefined;
}

/** Stands between a client and a server that speaks HTTP, on a loopback address. */
export class MeddlingProxy implements AsyncDisposable {
  static async start(
    target: string,
    listen: { readonly host: string; readonly port: number },
  ): Promise<MeddlingProxy> {
    const proxy = new MeddlingProxy(new URL(target));
    await new Promise<void>((ready, fail) => {
      proxy.server.once('error', fail).listen(listen.port, listen.host, ready);
    });
    return proxy;
  }

  /** What is done to the calls from now on; nothing at first. */
  meddling: Meddling = {};
  /** The calls so far, as `METHOD path?query`. */
  readonly calls: string[] = [];
  private readonly server: Server;

  private constructor(private readonly target: URL) {
    this.server = createServer((call, answer) => this.pass(call, answer));
  }

  /** The port that it listens on. */
  get port(): number {
    return (this.server.address() as { port: number }).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((closed) => this.server.close(closed));
  }

  private pass(call: IncomingMessage, answer: ServerResponse): void {
    this.calls.push(`${call.method} ${call.url}`);
    const instead = this.meddling.answer?.(call);
    if (instead) {
      call.resume().on('end', () => answer.writeHead(instead.status).end(instead.body));
      return;
    }
    const onward = request(
      {
        host: this.target.hostname,
        port: this.target.port,
        method: call.method,
        path: call.url,
        headers: call.headers,
      },
      (response) => this.passBack(call, response, answer),
    );
    onward.on('error', () => answer.destroy());
    call.pipe(onward);
  }

  private passBack(call: IncomingMessage, response: IncomingMessage, answer: ServerResponse): void {
    const pieces: Buffer[] = [];
    response.on('error', () => answer.destroy());
    response.on('data', (piece: Buffer) => pieces.push(piece));
    response.on('end', () => {
      const body = Buffer.concat(pieces);
      const changed = this.meddling.change ? this.meddling.change(body, call) : body;
      const { 'content-length': _, 'transfer-encoding': __, ...headers } = response.headers;
      answer.writeHead(response.statusCode ?? 502, headers);
      if (changed) {
        answer.end(changed);
      } else {
        // Half of it arrives, then the connection is gone.
        answer.write(body.subarray(0, body.length / 2), () => answer.destroy());
      }
    });
  }
}
