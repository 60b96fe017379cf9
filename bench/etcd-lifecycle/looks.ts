import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { createFunctionTable } from '../../packages/etcd-lifecycle/demo/function-table';
import { EtcdCluster, LocalAutoScaling, Ministack } from '../../packages/test-harness/src';
import { functionSettings, runPythonAside } from './python';

const THREE = '127.0.60.2';
const NINE = '127.0.61.2';
const TURNS = 3;
const ROUNDS = 20;
const HUNG_ROUNDS = 5;

const TABLE = 'looks';

/** Times of looks, in milliseconds, at 3 members and at 9. */
export interface Looks {
  readonly three: readonly number[];
  readonly nine: readonly number[];
}

/** Looks of each kind. */
export interface LookResults {
  /** The members alone, in the first look of a run: with new connections. */
  readonly first: Looks;
  /** The members alone, in a later look of the same run. */
  readonly later: Looks;
  /** All that a later look asks for: the group and the record, by emulators of AWS, and the members. */
  readonly whole: Looks;
  /** The least that any client does, over connections that are open. */
  readonly bare: Looks;
  /** The members alone, in a first look. */
  readonly nineWithTwoHung: readonly number[];
}

const SCRIPTS = {
  first: ['observe.py', 'first'],
  later: ['observe.py', 'later'],
  whole: ['observe.py', 'whole'],
  bare: ['observe_bare.py'],
};

/**
 * Measures the same looks at 3 members and at 9, in turns.
 *
 * @param code - A folder with the function's code.
 * @param progress - Told what was done.
 */
export async function measureLooks(
  code: string,
  progress: (text: string) => void,
): Promise<LookResults> {
  await using aws = await Aws.start();
  await using three = await EtcdCluster.start({ baseAddress: THREE });
  await using nine = await EtcdCluster.start({ baseAddress: NINE, size: 9 });
  aws.createGroup('three', three);
  aws.createGroup('nine', nine);

  const look = ([file = '', ...which]: string[], rounds: number, size: keyof Looks) => {
    const addresses = { three, nine }[size].members.map(({ address }) => address);
    const args = [...which, String(rounds), ...addresses];
    return runPythonAside<number[]>(file, args, code, aws.environment(size));
  };
  const looks = { first: newLooks(), later: newLooks(), whole: newLooks(), bare: newLooks() };
  for (let turn = 0; turn < TURNS; turn += 1) {
    for (const [kind, script] of Object.entries(SCRIPTS) as [keyof typeof SCRIPTS, string[]][]) {
      looks[kind].three.push(...(await look(script, ROUNDS, 'three')));
      looks[kind].nine.push(...(await look(script, ROUNDS, 'nine')));
    }
  }
  const leader = await nine.waitForLeader();
  const hung = nine.members.filter((member) => member !== leader).slice(0, 2);
  await Promise.all(hung.map((member) => member.pause()));
  const nineWithTwoHung = await look(SCRIPTS.first, HUNG_ROUNDS, 'nine');
  progress('looks at 3 members, at 9, and at 9 of which 2 are hung');
  return { ...looks, nineWithTwoHung };
}

function newLooks(): { three: number[]; nine: number[] } {
  return { three: [], nine: [] };
}

/** What a look asks besides the members. */
class Aws implements AsyncDisposable {
  static async start(): Promise<Aws> {
    const autoScaling = await LocalAutoScaling.start();
    try {
      const ministack = await Ministack.start();
      const dynamodb = new DynamoDBClient(ministack.clientConfig());
      await createFunctionTable(dynamodb, TABLE);
      dynamodb.destroy();
      return new Aws(autoScaling, ministack);
    } catch (error) {
      await autoScaling.stop();
      throw error;
    }
  }

  private constructor(
    private readonly autoScaling: LocalAutoScaling,
    private readonly ministack: Ministack,
  ) {}

  /** A group whose instances have the addresses of the members. */
  createGroup(name: string, { members }: EtcdCluster): void {
    this.autoScaling.createGroup({
      name,
      minSize: members.length,
      maxSize: members.length,
      baseAddress: members[0]?.address,
    });
  }

  /** Has the function look at a group. */
  environment(group: string): Record<string, string> {
    return {
      ...this.ministack.env(),
      ...this.autoScaling.env(),
      ...functionSettings({ QUORATE_GROUP: group, QUORATE_TABLE: TABLE }),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.autoScaling.stop();
    await this.ministack.stop();
  }
}
