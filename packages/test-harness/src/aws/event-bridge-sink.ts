import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import type { EventSink } from './auto-scaling-events';
import type { Ministack } from './ministack';

/** Puts events on the default event bus of an emulator. */
export function eventBridgeSink(ministack: Ministack): EventSink {
  const client = new EventBridgeClient(ministack.clientConfig());
  return async (event) => {
    const { FailedEntryCount, Entries } = await client.send(
      new PutEventsCommand({
        Entries: [
          {
            Source: event.source,
            DetailType: event.detailType,
            Detail: JSON.stringify(event.detail),
            Resources: [...event.resources],
            Time: new Date(event.time * 1000),
          },
        ],
      }),
    );
    if (FailedEntryCount !== 0) {
      const [entry] = Entries ?? [];
      throw new Error(
        `The event bus refused '${event.detailType}': ${entry?.ErrorCode} ${entry?.ErrorMessage}`,
      );
    }
  };
}
