import { setTimeout as sleep } from 'node:timers/promises';
import type { LocalDeployment } from '../../demo/local-deployment';

/** Variables to set; what is `undefined` is taken away. */
export type Variables = Readonly<Record<string, string | undefined>>;

/** The function of a deployment, whose environment variables can be changed while it runs. */
export class DeployedFunction {
  static async of(deployment: LocalDeployment): Promise<DeployedFunction> {
    const name = deployment.physicalId('AWS::Lambda::Function', 'EtcdLifecycleFunction');
    // The API of Lambda, whose client for JavaScript is not worth a dependency for one call.
    const url = `${deployment.clientConfig().endpoint}/2015-03-31/functions/${name}/configuration`;
    const configuration = await call('GET', url);
    return new DeployedFunction(deployment, url, configuration.Environment?.Variables ?? {});
  }

  private constructor(
    private readonly deployment: LocalDeployment,
    private readonly url: string,
    /** The variables that it was deployed with. */
    readonly deployed: Readonly<Record<string, string>>,
  ) {}

  /** Gives it the variables that it was deployed with, but for these. */
  async configure(changes: Variables): Promise<void> {
    const variables = Object.entries({ ...this.deployed, ...changes });
    await call('PUT', this.url, {
      Environment: {
        Variables: Object.fromEntries(variables.filter(([, value]) => value !== undefined)),
      },
    });
  }

  /**
   * The same while a tick is sent each second: a run that is under way would be killed, and what it
   * handled would come back after more than a minute.
   */
  async configureBetweenRuns(changes: Variables): Promise<void> {
    await this.deployment.stopTicks();
    await this.deployment.autoScaling.settled();
    while ((await this.deployment.queuedMessages()) > 0) {
      await sleep(50);
    }
    await this.configure(changes);
    this.deployment.startTicks(1);
  }
}

async function call(
  method: string,
  url: string,
  body?: unknown,
): Promise<{ Environment?: { Variables?: Record<string, string> } }> {
  const response = await fetch(url, { method, body: JSON.stringify(body) });
  if (!response.ok) {
    throw new Error(`${method} ${url}: HTTP ${response.status}: ${await response.text()}`);
  }
  return (await response.json()) as Awaited<ReturnType<typeof call>>;
}
