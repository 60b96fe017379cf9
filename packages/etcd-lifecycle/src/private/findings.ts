import { Annotations } from 'aws-cdk-lib';
import type { IConstruct } from 'constructs';

/**
 * Refuses what cannot work.
 *
 * @throws Error always, with the path of the construct
 */
export function refuse(scope: IConstruct, message: string, cause?: unknown): never {
  throw new Error(`${scope.node.path}: ${message}`, cause === undefined ? undefined : { cause });
}

/** Warns of what is a choice. Whoever has made it silences the warning by its id. */
export function warn(scope: IConstruct, id: string, message: string): void {
  Annotations.of(scope).addWarningV2(`@quorate/etcd-lifecycle:${id}`, message);
}
