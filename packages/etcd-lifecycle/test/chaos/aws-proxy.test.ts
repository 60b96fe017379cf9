import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { AwsProxy } from '../../chaos/aws-proxy';

let server: Server;
let proxy: AwsProxy;
let asked: string[];

beforeEach(async () => {
  asked = [];
  server = createServer((request, response) => {
    request.on('data', (chunk: Buffer) => asked.push(chunk.toString()));
    request.on('end', () => response.writeHead(200, { 'x-from': 'aws' }).end('done'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  proxy = await AwsProxy.start();
  proxy.setTarget(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});

afterEach(async () => {
  await proxy.stop();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

function ask(body: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(proxy.endpoint, { method: 'POST', body, headers });
}

describe('the proxy in front of AWS', () => {
  test('passes on what is asked, and the answer', async () => {
    const answer = await ask('Action=DescribeX');
    expect(answer.headers.get('x-from')).toBe('aws');
    await expect(answer.text()).resolves.toBe('done');
    expect(asked).toEqual(['Action=DescribeX']);
    expect(proxy.disturbed).toBe(0);
  });

  test('throttles in the words of each service, and carries nothing out', async () => {
    proxy.fail('aws-throttled');
    const table = await ask('{}', { 'x-amz-target': 'DynamoDB_20120810.PutItem' });
    expect(table.status).toBe(400);
    await expect(table.json()).resolves.toMatchObject({ __type: 'ThrottlingException' });
    const group = await ask('Action=DescribeX&Version=2011-01-01');
    await expect(group.text()).resolves.toContain('<Code>Throttling</Code>');
    const machines = await ask('Action=DescribeX&Version=2016-11-15');
    await expect(machines.text()).resolves.toContain('<Code>RequestLimitExceeded</Code>');
    expect(asked).toEqual([]);
    expect(proxy.disturbed).toBe(3);
  });

  test('fails before a request is carried out, and after', async () => {
    proxy.fail('aws-errors');
    expect((await ask('one')).status).toBe(500);
    expect((await ask('two')).status).toBe(500);
    expect(asked).toEqual(['two']);
  });

  test('does not answer, until it is told to', async () => {
    proxy.fail('aws-unreachable');
    await expect(ask('one')).rejects.toThrow('fetch failed');
    proxy.fail(undefined);
    expect((await ask('two')).status).toBe(200);
    expect(asked).toEqual(['two']);
  });

  test('lets something happen around what changes, and not around what reads', async () => {
    const seen: string[] = [];
    proxy.interference = {
      before: () => seen.push(`before ${asked.length}`),
      after: () => seen.push(`after ${asked.length}`),
    };
    await ask('Action=DescribeX');
    expect(seen).toEqual([]);
    await ask('Action=CompleteLifecycleAction');
    expect(seen).toEqual(['before 1', 'after 2']);
  });
});
