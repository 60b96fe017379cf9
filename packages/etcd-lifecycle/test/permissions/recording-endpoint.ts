import type { AwsCall } from './recorded-calls';
import { forward, StandIn, type StandInRequest } from './stand-in';

/**
 * Stands before the emulator of AWS, and records what the command line asks of it: the AWS SDK for
 * JavaScript is told its endpoint, as anybody could tell it another one.
 *
 * @param calls where each call is appended
 */
export function recordingEndpoint(target: string, calls: AwsCall[]): Promise<StandIn> {
  return StandIn.start((asked) => {
    calls.push(readCall(asked));
    return forward(target, asked);
  });
}

/** Which call a request is (API references of DynamoDB, Lambda and S3). */
function readCall({ method, url, headers, body }: StandInRequest): AwsCall {
  const target = headers['x-amz-target'];
  if (typeof target === 'string' && target.startsWith('DynamoDB_')) {
    return {
      service: 'dynamodb',
      operation: target.split('.').at(-1) ?? '',
      parameters: JSON.parse(body.toString('utf8')),
    };
  }
  const path = decodeURIComponent(new URL(url, 'http://localhost').pathname);
  const [, FunctionName, what] = /^\/2015-03-31\/functions\/([^/]+)\/(\w+)$/.exec(path) ?? [];
  if (FunctionName) {
    const operation = what === 'invocations' ? 'Invoke' : 'GetFunctionConfiguration';
    return { service: 'lambda', operation, parameters: { FunctionName } };
  }
  const [, Bucket, Key] = /^\/([^/]+)\/(.+)$/.exec(path) ?? [];
  if (Key && (method === 'HEAD' || method === 'GET')) {
    const operation = method === 'HEAD' ? 'HeadObject' : 'GetObject';
    return { service: 's3', operation, parameters: { Bucket, Key } };
  }
  throw new Error(`${method} ${url} is not understood by recording-endpoint.ts`);
}
