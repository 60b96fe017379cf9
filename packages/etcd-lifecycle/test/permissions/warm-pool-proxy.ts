import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

const EMPTY_POOL =
  '<DescribeWarmPoolResponse xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/">' +
  '<DescribeWarmPoolResult><WarmPoolConfiguration><MinSize>0</MinSize></WarmPoolConfiguration>' +
  '<Instances/></DescribeWarmPoolResult></DescribeWarmPoolResponse>';

/** Stands before the local Auto Scaling, and says that each group has a warm pool, an empty one. */
export class WarmPoolProxy implements AsyncDisposable {
  static async start(target: string): Promise<WarmPoolProxy> {
    const server = createServer((request, response) => {
      const pieces: Buffer[] = [];
      request.on('data', (piece: Buffer) => pieces.push(piece));
      request.on('end', () => {
        answer(target, Buffer.concat(pieces).toString('utf8')).then(
          ({ status, body }) => response.writeHead(status).end(body),
          () => response.destroy(),
        );
      });
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(0, '127.0.0.1', resolve);
    });
    return new WarmPoolProxy(server);
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

async function answer(target: string, asked: string): Promise<{ status: number; body: string }> {
  if (new URLSearchParams(asked).get('Action') === 'DescribeWarmPool') {
    return { status: 200, body: EMPTY_POOL };
  }
  const response = await fetch(target, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: asked,
  });
  const body = await response.text();
  return {
    status: response.status,
    body: body.replace('</AutoScalingGroupARN>', (end) => `${end}${POOL}`),
  };
}

const POOL = '<WarmPoolConfiguration><MinSize>0</MinSize></WarmPoolConfiguration>';
