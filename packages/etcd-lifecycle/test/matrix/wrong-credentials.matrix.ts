import { afterEach, describe, expect, jest, test } from '@jest/globals';
import {
  EtcdCertificates,
  EtcdGateway,
  ExtendedKeyUsage,
  loopbackAddresses,
} from '@quorate/test-harness';
import {
  certificateSecret,
  LocalDeployment,
  type LocalDeploymentProps,
} from '../../demo/local-deployment';
import { enableAuthentication, LOW, ROOT } from '../lambda/edges/authentication';

jest.setTimeout(120_000);

const BASE_ADDRESS = '127.0.54.202';
const HOUR_MS = 3_600_000;

let deployment: LocalDeployment | undefined;
const authorities: EtcdCertificates[] = [];

afterEach(async () => {
  await deployment?.stop();
  deployment = undefined;
  await Promise.all(authorities.splice(0).map((authority) => authority.remove()));
});

/** An authority with a certificate for every instance. */
async function authority(
  props: Partial<Parameters<typeof EtcdCertificates.create>[0]> = {},
): Promise<EtcdCertificates> {
  const made = await EtcdCertificates.create({
    addresses: loopbackAddresses(BASE_ADDRESS, 16),
    ...props,
  });
  authorities.push(made);
  return made;
}

async function deploy(props: LocalDeploymentProps): Promise<LocalDeployment> {
  deployment = await LocalDeployment.start({ size: 1, baseAddress: BASE_ADDRESS, ...props });
  deployment.startTicks(1);
  return deployment;
}

/** Waits until the function's log tells a cause, be it of a silence or of a failed run. */
async function told(cause: RegExp): Promise<void> {
  const lines = () => deployment?.log.lines ?? [];
  const texts = () =>
    new Set(lines().flatMap((line) => [line.message, ...Object.values(line.silent ?? {})]));
  await deployment?.autoScaling.waitUntil(
    `the function tells ${cause}; it told ${[...texts()].join(' | ')}`,
    () => [...texts()].some((text) => cause.test(text)),
    40,
  );
}

function kinds(): string[] {
  return deployment?.journal.records.map(({ kind }) => kind) ?? [];
}

describe('a cluster whose TLS is wrong does not come to life, and the log names what is', () => {
  const usable = { extendedKeyUsages: [ExtendedKeyUsage.CLIENT_AUTH] };

  test.each<[string, () => Promise<LocalDeploymentProps['tls']>, RegExp]>([
    [
      'the members have a certificate for serverAuth only',
      async () => ({
        certificates: await authority({ serverExtendedKeyUsages: [ExtendedKeyUsage.SERVER_AUTH] }),
      }),
      /server certificate lacks the extended key usage clientAuth/,
    ],
    [
      "the members' certificate has expired",
      async () => ({ certificates: await authority({ notAfter: new Date(Date.now() - HOUR_MS) }) }),
      /the server certificate, or its authority's, has expired or is not valid yet/,
    ],
    [
      'the function has the certificate of another authority',
      async () => {
        const [certificates, other] = [await authority(), await authority()];
        const secret = {
          ...certificateSecret(other.client),
          ca: certificateSecret(certificates.client).ca ?? '',
        };
        return { certificates, secret };
      },
      /does not trust the authority \(CA\) of the client|refuses the client certificate/,
    ],
    [
      'the function trusts another authority',
      async () => {
        const [certificates, other] = [await authority(), await authority()];
        const secret = {
          ...certificateSecret(certificates.client),
          ca: certificateSecret(other.client).ca ?? '',
        };
        return { certificates, secret };
      },
      /the server certificate is not signed by the given authority/,
    ],
    [
      'the certificate of the function has expired',
      async () => {
        const certificates = await authority();
        const notAfter = new Date(Date.now() - HOUR_MS);
        const expired = await certificates.issue({ name: 'expired', notAfter, ...usable });
        return { certificates, secret: certificateSecret(expired) };
      },
      /the client certificate has expired/,
    ],
    [
      'the certificate of the function is for servers only',
      async () => {
        const certificates = await authority();
        const extendedKeyUsages = [ExtendedKeyUsage.SERVER_AUTH];
        const serving = await certificates.issue({ name: 'serving', extendedKeyUsages });
        return { certificates, secret: certificateSecret(serving) };
      },
      /the client certificate lacks the extended key usage clientAuth/,
    ],
  ])('%s', async (_, tls, cause) => {
    const deployed = await deploy({ tls: await tls() });
    await told(cause);
    expect(kinds()).toEqual(['SeedCluster', 'HandOverJoin']);
    expect(deployed.instances().map((one) => one.lifecycleState)).toEqual(['Pending:Wait']);
    expect(deployed.autoScaling.calls.map(({ action }) => action)).not.toContain(
      'CompleteLifecycleAction',
    );
  });
});

describe('a cluster with authentication keeps its members, and the log names', () => {
  test.each([
    ['a wrong password', { ...ROOT, password: 'wrong' }, /logs in as 'root': check the name and/],
    ['a user without the role', LOW, /grant the user 'low' the role root/],
    [
      'the lack of a user',
      undefined,
      /this client has no user: give it one that has the role root/,
    ],
  ])('%s', async (_, auth, cause) => {
    const deployed = await deploy({ tls: true, auth });
    await deployed.waitUntilInService(1, 40);
    const [url = ''] = deployed.clientUrls();
    const gateway = new EtcdGateway(url, { tls: deployed.clientTls });
    await enableAuthentication(gateway);
    gateway.close();

    const instance = deployed.instances()[0]?.instanceId ?? '';
    deployed.autoScaling.terminateInstance(instance);
    await told(cause);
    expect(kinds()).not.toContain('AddLearner');
    expect(kinds()).not.toContain('RemoveMember');
    expect(deployed.instances().find((one) => one.instanceId === instance)).toMatchObject({
      instanceId: instance,
      lifecycleState: 'Terminating:Wait',
      processesAlive: true,
    });
  });
});
