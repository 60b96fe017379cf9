import { LocalDeployment } from './local-deployment';
import { copyFileSync } from 'node:fs';
(async () => {
  const t0 = Date.now();
  const say = (s: string) => console.log(((Date.now() - t0) / 1000).toFixed(1), s);
  const d = await LocalDeployment.start({ onProgress: say, baseAddress: '127.0.40.2' });
  d.log.onLine((l) => say(`${l.level} ${l.message} ${l.arithmetic ?? ''}`));
  d.autoScaling.onTransition((t) => say(`   ${t.instanceId} ${t.from} -> ${t.to}`));
  d.startTicks(1);
  try {
    await d.waitUntilInService(3, 60);
    say('IN SERVICE');
    for (const i of d.instances()) {
      say(`TERMINATE ${i.instanceId}`);
      d.autoScaling.terminateInstance(i.instanceId);
      await d.waitUntilInService(3, 60);
    }
  } finally {
    copyFileSync((d as any).ministack.logFile, '/tmp/ministack.log');
    for (const i of d.instances()) if (i.logFile) copyFileSync(i.logFile, `/tmp/inst-${i.privateIpAddress}.log`);
    await d.stop();
  }
})();
