import { randomBytes } from 'node:crypto';
import type { EtcdGateway } from './gateway';

const PUTS_AT_ONCE = 16;
/** Twice as many in hexadecimal. */
const VALUE_BYTES = 32 * 1024;
/**
 * The same for a database from `LARGE` on. A newcomer that has more than 5000 entries to apply cannot
 * publish its name, and tries so without a pause that it applies next to nothing (etcd 3.6.16).
 */
const LARGE_VALUE_BYTES = 256 * 1024;
const LARGE = 100e6;

/**
 * Fills a member's database with random data until its file has at least this size.
 *
 * @returns The size of the database, in bytes.
 */
export async function fillDatabase(gateway: EtcdGateway, bytes: number): Promise<number> {
  const valueBytes = bytes < LARGE ? VALUE_BYTES : LARGE_VALUE_BYTES;
  for (let sequence = 0; ; sequence += PUTS_AT_ONCE) {
    const { dbSize } = await gateway.status();
    if (dbSize >= bytes) {
      return dbSize;
    }
    const puts = Array.from({ length: PUTS_AT_ONCE }, (_, index) =>
      gateway.put(`/quorate/fill/${sequence + index}`, randomBytes(valueBytes).toString('hex')),
    );
    await Promise.all(puts);
  }
}
