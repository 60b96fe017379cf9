import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type GroupInstance, isTerminating } from './group-instance';

/**
 * The instance metadata service (IMDSv2) of all instances, each below a path of its own: requests
 * without a session token are refused.
 */
export class InstanceMetadataService {
  private readonly tokens = new Map<
    string,
    { readonly instanceId: string; readonly expires: number }
  >();

  /**
   * @param now seconds since the epoch.
   * @param region region of the instances.
   */
  constructor(
    private readonly now: () => number,
    private readonly region: string,
  ) {}

  /**
   * Answers a request.
   *
   * @param instance whose metadata is asked for; undefined if there is none (any longer).
   * @param path for example `/latest/meta-data/instance-id`.
   * @param userData what the instance runs at boot.
   */
  answer(
    instance: GroupInstance | undefined,
    path: string,
    userData: string | undefined,
    request: IncomingMessage,
    response: ServerResponse,
  ): void {
    response.setHeader('Content-Type', 'text/plain');
    const send = (status: number, body = '') => response.writeHead(status).end(body);
    if (instance === undefined) {
      send(404);
    } else if (path === '/latest/api/token') {
      const seconds = Number(request.headers['x-aws-ec2-metadata-token-ttl-seconds']);
      if (request.method !== 'PUT') {
        send(405);
      } else if (!(seconds >= 1 && seconds <= 21_600)) {
        send(400);
      } else {
        const token = randomUUID();
        this.tokens.set(token, {
          instanceId: instance.instanceId,
          expires: this.now() + seconds,
        });
        response.setHeader('x-aws-ec2-metadata-token-ttl-seconds', String(seconds));
        send(200, token);
      }
    } else if (request.method !== 'GET') {
      send(405);
    } else if (!this.isValid(request.headers['x-aws-ec2-metadata-token'], instance)) {
      send(401);
    } else {
      const value = this.read(instance, path, userData);
      send(value === undefined ? 404 : 200, value);
    }
  }

  private isValid(header: string | string[] | undefined, instance: GroupInstance): boolean {
    const token = typeof header === 'string' ? this.tokens.get(header) : undefined;
    return token?.instanceId === instance.instanceId && token.expires > this.now();
  }

  private read(
    instance: GroupInstance,
    path: string,
    userData: string | undefined,
  ): string | undefined {
    switch (path) {
      case '/latest/meta-data/instance-id':
        return instance.instanceId;
      case '/latest/meta-data/local-ipv4':
        return instance.privateIpAddress;
      case '/latest/meta-data/placement/availability-zone':
        return instance.availabilityZone;
      case '/latest/meta-data/placement/region':
        return this.region;
      case '/latest/meta-data/autoscaling/target-lifecycle-state':
        return isTerminating(instance) ? 'Terminated' : 'InService';
      case '/latest/user-data':
        return userData;
      default:
        return undefined;
    }
  }
}
