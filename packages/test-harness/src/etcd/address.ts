const OCTET = /^(?:0|[1-9]\d{0,2})$/;

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
  const octets = baseAddress.split('.');
  const numbers = octets.map(Number);
  if (
    octets.length !== 4 ||
    numbers[0] !== 127 ||
    !octets.every((octet) => OCTET.test(octet)) ||
    numbers.some((number) => number > 255)
  ) {
    throw new Error(
      `'${baseAddress}' is not a loopback address: give one in 127.0.0.0/8, such as 127.0.0.2`,
    );
  }
  const base = numbers.reduce((value, number) => value * 256 + number, 0);
  return Array.from({ length: count }, (_, index) => {
    const value = base + index;
    // 127.255.255.255 is the broadcast address of the network.
    if (value >= 0x7fffffff) {
      throw new Error(`${count} addresses from ${baseAddress} on do not fit in 127.0.0.0/8`);
    }
    return [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff).join('.');
  });
}
