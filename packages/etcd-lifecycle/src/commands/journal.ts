/** One decision of the function that changed something, and what became of it. */
export interface JournalEntry {
  /** When, as a time of ISO 8601 in UTC. */
  readonly time: string;
  /** The kind of action, with what it was done to. */
  readonly action: string;
  /** Why, in a sentence. */
  readonly reason: string;
  /** The numbers behind it. */
  readonly arithmetic: string;
  /** What became of it. */
  readonly outcome: string;
  /** The digest of the view that it was decided on, where there is one. */
  readonly view?: string;
}

/** Which entries of which journal are read. */
export interface JournalQuery {
  readonly table: string;
  readonly cluster: string;
  /** How many at most: the newest ones. */
  readonly limit: number;
  /** None that is older; all by default. */
  readonly since?: Date;
  readonly region?: string;
}

/** Reads a journal in its DynamoDB table, oldest entry first. */
export async function readJournal(query: JournalQuery): Promise<JournalEntry[]> {
  // Only now: the SDK takes a moment to load, and only those who ask need it.
  const { DynamoDBClient, paginateQuery } = await import('@aws-sdk/client-dynamodb');
  const client = new DynamoDBClient({ region: query.region });
  const entries: JournalEntry[] = [];
  try {
    const pages = paginateQuery(
      { client },
      {
        TableName: query.table,
        KeyConditionExpression: 'pk = :pk AND sk BETWEEN :first AND :last',
        ExpressionAttributeValues: {
          ':pk': { S: `cluster#${query.cluster}` },
          ':first': { S: `journal#${query.since ? keyOf(query.since) : ''}` },
          ':last': { S: 'journal#~' },
        },
        ConsistentRead: true,
        ScanIndexForward: false,
        Limit: Math.min(query.limit, 1000),
      },
    );
    for await (const { Items = [] } of pages) {
      for (const item of Items) {
        const text = (name: string) => item[name]?.S ?? '';
        entries.push({
          time: new Date(Number(item.time?.N) * 1000).toISOString(),
          action: text('action'),
          reason: text('reason'),
          arithmetic: text('arithmetic'),
          outcome: text('outcome'),
          ...(item.view?.S === undefined ? {} : { view: item.view.S }),
        });
      }
      if (entries.length >= query.limit) {
        break;
      }
    }
  } finally {
    client.destroy();
  }
  return entries.slice(0, query.limit).reverse();
}

/** The time as the function writes it into the keys of the journal. */
function keyOf(time: Date): string {
  return time.toISOString().replace('Z', '+00:00');
}
