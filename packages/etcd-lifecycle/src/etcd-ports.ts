/** The ports that the members listen at. */
export interface EtcdPorts {
  /**
   * For clients.
   * @default 2379
   */
  readonly client?: number;
  /**
   * For other members.
   * @default 2380
   */
  readonly peer?: number;
}
