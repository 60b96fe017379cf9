import { randomBytes } from 'node:crypto';
import type { EtcdGateway } from './gateway';

const PUTS_AT_ONCE = 16;
/** Twice as many in hexadecimal. */
const VALUE_BYTES = 32 * 1024;

/**
 * Fills a member's database with random data until its file has at least this size.
 *
 * @returns The size of the database, in bytes.
 */
export async function fillDatabase(gateway: EtcdGateway, bytes: number): Promise<number> {
  for (let sequence = 0; ; sequence += PUTS_AT_ONCE) {
    const { dbSize } = await gateway.status();
    if (dbSize >= bytes) {
      return dbSize;
    }
    const puts = Array.from({ length: PUTS_AT_ONCE }, (_, index) =>
      gateway.put(`/quorate/fill/${sequence + index}`, randomBytes(VALUE_BYTES).toString('hex')),
    );
    await Promise.all(puts);
  }
}
