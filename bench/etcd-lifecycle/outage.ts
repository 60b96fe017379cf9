import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { createFunctionTable } from '../../packages/etcd-lifecycle/demo/function-table';
import { LocalAutoScaling, Ministack } from '../../packages/test-harness/src';
import { runPythonAside } from './python';

/** What is wrong with the API, by the names that outage.py has for it. */
export const OUTAGES = {
  silent: 'no call gets an answer',
  errors: 'each call is answered by an error',
  describing: 'heartbeats work, describing gets no answer',
} as const;

/** How the function is set up, and how many environments take turns. */
export const SETUPS = {
  'no breaker': {
    environments: 1,
    variables: { QUORATE_CIRCUITS_SHARED: 'false', QUORATE_CIRCUIT_FAILURES: '1000000' },
  },
  'a breaker, 1 environment': {
    environments: 1,
    variables: { QUORATE_CIRCUITS_SHARED: 'false' },
  },
  'a breaker each, 3 environments': {
    environments: 3,
    variables: { QUORATE_CIRCUITS_SHARED: 'false' },
  },
  'a shared breaker, 3 environments': { environments: 3, variables: {} },
} as const satisfies Record<string, { environments: number; variables: Record<string, string> }>;

export type Kind = keyof typeof OUTAGES;
export type Setup = keyof typeof SETUPS;

/** What an outage of ten minutes cost, until the function had looked at the group again. */
export interface OutageResult {
  readonly billedSeconds: number;
  readonly runs: number;
  readonly failedRuns: number;
  /** Runs that took all of the function's time; they are among those that failed. */
  readonly killedRuns: number;
  readonly deadLetters: number;
  /** From the end of the outage to the first decision. */
  readonly recoverySeconds: number;
  readonly describeCalls: number;
  readonly heartbeatCalls: number;
  /** The longest time without a heartbeat that arrived, in seconds. */
  readonly longestSilence: number;
}

/** Of each kind of outage and each setup, what came of every phase. */
export type OutageResults = Readonly<
  Record<Kind, Readonly<Record<Setup, readonly OutageResult[]>>>
>;

/** How many seconds after a tick the outage begins: how soon it is over for a tick depends on it. */
const PHASES = [5, 25, 45];

const TABLE = 'outage';
/** Nothing listens there. */
const BASE_ADDRESS = '127.0.60.2';

/** Plays every kind of outage for every setup of the function. */
export async function measureOutages(
  code: string,
  progress: (text: string) => void,
): Promise<OutageResults> {
  await using ministack = await Ministack.start();
  await using service = await LocalAutoScaling.start();
  const dynamodb = new DynamoDBClient(ministack.clientConfig());
  await createFunctionTable(dynamodb, TABLE);
  dynamodb.destroy();
  const results: Partial<Record<Kind, Record<Setup, readonly OutageResult[]>>> = {};
  for (const kind of Object.keys(OUTAGES) as Kind[]) {
    const bySetup: Partial<Record<Setup, readonly OutageResult[]>> = {};
    for (const setup of Object.keys(SETUPS) as Setup[]) {
      const { environments, variables } = SETUPS[setup];
      const played: OutageResult[] = [];
      for (const phase of PHASES) {
        const name = `${kind}-${Object.keys(bySetup).length}-${phase}`;
        createGroup(service, name);
        played.push(
          await runPythonAside<OutageResult>(
            'outage.py',
            [kind, String(environments), String(phase)],
            code,
            { ...environmentOf(name, ministack, service), ...variables },
          ),
        );
      }
      const billed = played.map(({ billedSeconds }) => billedSeconds.toFixed(0));
      progress(`outage, ${OUTAGES[kind]}, ${setup}: ${billed.join(', ')} s billed`);
      bySetup[setup] = played;
    }
    results[kind] = bySetup as Record<Setup, readonly OutageResult[]>;
  }
  return results as OutageResults;
}

/** Three instances that are held, and have not started anything yet. */
function createGroup(service: LocalAutoScaling, name: string): void {
  service.createGroup({
    name,
    minSize: 0,
    maxSize: 3,
    desiredCapacity: 3,
    baseAddress: BASE_ADDRESS,
    reuseAddresses: true,
    lifecycleHooks: [
      { name: 'launch', transition: 'autoscaling:EC2_INSTANCE_LAUNCHING' },
      { name: 'terminate', transition: 'autoscaling:EC2_INSTANCE_TERMINATING' },
    ],
  });
}

function environmentOf(name: string, ministack: Ministack, service: LocalAutoScaling) {
  return {
    ...ministack.env(),
    ...service.env(),
    QUORATE_CLUSTER: name,
    QUORATE_GROUP: name,
    QUORATE_LAUNCH_HOOK: 'launch',
    QUORATE_TERMINATE_HOOK: 'terminate',
    QUORATE_TABLE: TABLE,
    QUORATE_PARAMETER_PREFIX: '/quorate',
    QUORATE_DEAD_LETTER_QUEUE_URL: `${ministack.endpoint}/000000000000/dead.fifo`,
  };
}
