import { setTimeout as sleep } from 'node:timers/promises';
import { DynamoDBClient, type DynamoDBClientConfig, QueryCommand } from '@aws-sdk/client-dynamodb';

/** A decision that was carried out, as the function recorded it. */
export interface JournalRecord {
  /** Seconds since the epoch. */
  readonly time: number;
  /** The kind of action, for example `RemoveMember`. */
  readonly kind: string;
  /** The action with what it was done to. */
  readonly action: string;
  readonly reason: string;
  /** The numbers behind it. */
  readonly arithmetic: string;
  /** What became of it. */
  readonly outcome: string;
}

const POLL_MS = 150;

/** Reads the function's journal as it grows. */
export class JournalFollower {
  /** Everything that was read so far, oldest first. */
  public readonly records: JournalRecord[] = [];

  private readonly client: DynamoDBClient;
  private readonly listeners = new Set<(record: JournalRecord) => void>();
  private readonly abort = new AbortController();
  private readonly following: Promise<void>;
  private last = 'journal#';

  constructor(
    config: DynamoDBClientConfig,
    private readonly table: string,
    private readonly cluster: string,
  ) {
    this.client = new DynamoDBClient(config);
    this.following = this.follow();
  }

  /** Calls back for each record from now on. */
  public onRecord(listener: (record: JournalRecord) => void): void {
    this.listeners.add(listener);
  }

  /** Reads what is left, and ends the following. Throws what went wrong while reading. */
  public async stop(): Promise<void> {
    this.abort.abort();
    await this.following;
    this.client.destroy();
  }

  private async follow(): Promise<void> {
    while (!this.abort.signal.aborted) {
      await this.read();
      await sleep(POLL_MS, undefined, { signal: this.abort.signal }).catch(() => undefined);
    }
    await this.read();
  }

  private async read(): Promise<void> {
    const { Items = [] } = await this.client.send(
      new QueryCommand({
        TableName: this.table,
        KeyConditionExpression: 'pk = :pk AND sk BETWEEN :after AND :end',
        ExpressionAttributeValues: {
          ':pk': { S: `cluster#${this.cluster}` },
          ':after': { S: this.last },
          ':end': { S: 'journal#~' },
        },
        ConsistentRead: true,
      }),
    );
    for (const item of Items) {
      const key = item.sk?.S ?? '';
      if (key === this.last) {
        continue;
      }
      this.last = key;
      const action = item.action?.S ?? '';
      const record = {
        time: Number(item.time?.N),
        kind: action.split('(')[0] ?? '',
        action,
        reason: item.reason?.S ?? '',
        arithmetic: item.arithmetic?.S ?? '',
        outcome: item.outcome?.S ?? '',
      };
      this.records.push(record);
      this.listeners.forEach((listener) => {
        listener(record);
      });
    }
  }
}
