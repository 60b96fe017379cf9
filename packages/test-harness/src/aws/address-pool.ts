import { formatIpv4, parseIpv4 } from '../ipv4';

/** Hands out consecutive IPv4 addresses. */
export class AddressPool {
  private next: number;
  private readonly used = new Set<number>();
  private readonly freed: number[] = [];

  /**
   * @param base the first address.
   * @param reuse whether a freed address is handed out again, the longest free one first.
   * @throws Error if `base` is not an IPv4 address.
   */
  constructor(
    base: string,
    private readonly reuse: boolean,
  ) {
    this.next = parse(base);
  }

  /** Takes an address that is not in use. */
  take(): string {
    const address = this.freed.shift() ?? this.next++;
    this.used.add(address);
    return formatIpv4(address);
  }

  /** Gives an address back. */
  free(text: string): void {
    const address = parse(text);
    if (this.used.delete(address) && this.reuse) {
      this.freed.push(address);
    }
  }
}

function parse(text: string): number {
  const address = parseIpv4(text);
  if (address === undefined) {
    throw new Error(`Not an IPv4 address: ${text}`);
  }
  return address;
}
