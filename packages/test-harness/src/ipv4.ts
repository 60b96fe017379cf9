import { isIPv4 } from 'node:net';

/** The 32 bits of an IPv4 address as a number; `undefined` if the text is not one. */
export function parseIpv4(text: string): number | undefined {
  return isIPv4(text)
    ? text.split('.').reduce((value, octet) => value * 256 + Number(octet), 0)
    : undefined;
}

/** The dotted form of an IPv4 address. */
export function formatIpv4(value: number): string {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff).join('.');
}
