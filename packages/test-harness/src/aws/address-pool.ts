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
    return format(address);
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
  const parts = text.split('.').map(Number);
  if (
    parts.length !== 4 ||
    parts.some((part) => !Number.isInteger(part) || part < 0 || part > 255)
  ) {
    throw new Error(`Not an IPv4 address: ${text}`);
  }
  return parts.reduce((address, part) => address * 256 + part, 0);
}

function format(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');
}
