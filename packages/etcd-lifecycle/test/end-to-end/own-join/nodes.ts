import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loopbackAddresses } from '@quorate/test-harness';

/** The user data of instances whose members join by their own means, and what it needs to run. */
export class Nodes {
  /** The lines. */
  public readonly userData = [
    'exec python3 "$join_cluster" "$etcd_binary" "$shared" $node_addresses',
  ];

  private readonly shared = mkdtempSync(join(tmpdir(), 'quorate-nodes-'));

  /**
   * @param baseAddress - The address of the first instance; others follow it.
   */
  public constructor(private readonly baseAddress: string) {}

  /** The environment variables of the instances, besides that with the path of etcd. */
  public environment(): Record<string, string> {
    return {
      join_cluster: join(__dirname, 'join_cluster.py'),
      shared: this.shared,
      node_addresses: loopbackAddresses(this.baseAddress, 8).join(' '),
    };
  }

  /** The name of the member at an address. */
  public static nameAt(address: string): string {
    return `node-${address.replaceAll('.', '-')}`;
  }

  /** Removes what they share. */
  public remove(): void {
    rmSync(this.shared, { recursive: true, force: true });
  }
}
