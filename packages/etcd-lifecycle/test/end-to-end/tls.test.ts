import { afterAll, beforeAll, jest, test } from '@jest/globals';
import { ClusterObserver } from '../../demo/cluster-observer';
import { LocalDeployment } from '../../demo/local-deployment';
import { QUICK_PROGRAMS } from '../quick-boot';
import { replaceLeader } from './replaced-leader';

jest.setTimeout(240_000);

let deployment: LocalDeployment;
let observer: ClusterObserver;

beforeAll(async () => {
  deployment = await LocalDeployment.start({
    baseAddress: '127.0.54.2',
    tls: true,
    programs: [QUICK_PROGRAMS],
  });
  observer = new ClusterObserver(() => deployment.instances(), { tls: deployment.clientTls });
  deployment.startTicks(1);
  await deployment.waitUntilInService(3, 90);
});

afterAll(async () => {
  await observer?.stop();
  await deployment?.stop();
});

test('with mutual TLS the leader hands over and is replaced, and no write is lost', async () => {
  await replaceLeader(deployment, observer, 3);
});
