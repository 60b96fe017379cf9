import { formatIpv4, parseIpv4 } from '../ipv4';

/** 127.0.0.0, and 127.255.255.255, the broadcast address of its network. */
const FIRST = 0x7f000000;
const BROADCAST = 0x7fffffff;

/**
 * Consecutive loopback addresses, one for each etcd member.
 *
 * On Linux every address in 127.0.0.0/8 answers without any set-up, so that each member can use the
 * same ports as every other, as instances in a VPC do.
 *
 * @param baseAddress - The first address, in 127.0.0.0/8.
 * @param count - How many addresses.
 * @returns `count` addresses, the first of them `baseAddress`.
 * @throws Error if the base is no IPv4 loopback address, or the last address is outside 127.0.0.0/8.
 */
export function loopbackAddresses(baseAddress: string, count: number): string[] {
  const base = parseIpv4(baseAddress);
  if (base === undefined || base < FIRST || base > BROADCAST) {
    throw new Error(
      `'${baseAddress}' is not a loopback address: give one in 127.0.0.0/8, such as 127.0.0.2`,
    );
  }
  if (base + count > BROADCAST) {
    throw new Error(`${count} addresses from ${baseAddress} on do not fit in 127.0.0.0/8`);
  }
  return Array.from({ length: count }, (_, index) => formatIpv4(base + index));
}
