import type { EventSink } from './auto-scaling-events';
import type { Ministack } from './ministack';

/** Puts events on the default event bus of an emulator. */
export function eventBridgeSink(ministack: Ministack): EventSink {
  // Loaded when it is needed, as most who load the package need no AWS SDK.
  const sdk: typeof import('@aws-sdk/client-eventbridge') = require('@aws-sdk/client-eventbridge');
  const client = new sdk.EventBridgeClient(ministack.clientConfig());
  return async (event) => {
    const { FailedEntryCount, Entries } = await client.send(
      new sdk.PutEventsCommand({
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
