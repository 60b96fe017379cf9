/** An event that an AWS service puts on the default event bus. */
export interface ServiceEvent {
  /** For example `aws.autoscaling`. */
  readonly source: string;

  /** For example `EC2 Instance-launch Lifecycle Action`. */
  readonly detailType: string;

  /** ARNs of what the event is about. */
  readonly resources: readonly string[];

  /** When it happened, in seconds since the epoch. */
  readonly time: number;

  /** The event's own content. */
  readonly detail: Readonly<Record<string, unknown>>;
}

/** Takes the events of a service, for example to an event bus; rejects if it cannot. */
export type EventSink = (event: ServiceEvent) => Promise<void>;
