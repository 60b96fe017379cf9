import { join } from 'node:path';
import type { LocalDeploymentProps } from '../demo/local-deployment';

/** The directory of programs that stand in for slow ones; for `programs` of a deployment. */
export const QUICK_PROGRAMS = join(__dirname, 'bin');

/**
 * What lets etcd take one change after another: it refuses them else until all members have been
 * connected for 5 s. Without that check only the function's own guard is left.
 */
export const QUICK_CHANGES: LocalDeploymentProps['instanceEnvironment'] = {
  ETCD_STRICT_RECONFIG_CHECK: 'false',
};
