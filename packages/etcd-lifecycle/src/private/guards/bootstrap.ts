import type { IConstruct } from 'constructs';
import type { Settings } from '../defaults';
import { warn } from '../findings';

/** Whether there is something on the instances of a group of the app that starts their members. */
export function guardBootstrap(scope: IConstruct, { join }: Settings, bootstrapped: boolean): void {
  if (!bootstrapped && !join.managedByInstance) {
    warn(
      scope,
      'notBootstrapped',
      'bootstrapCommands() of the construct is never called, so that no instance starts its member, ' +
        'and one after another is given up at its launch: call ' +
        'autoScalingGroup.addUserData(...lifecycle.bootstrapCommands()), or pass join: ' +
        "EtcdJoin.managedByInstance() if the instances' own tooling starts etcd",
    );
  }
}
