import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { orphanGuard } from './orphan-guard';

/** A new directory that is removed when this Node process ends, however it ends, if not before. */
export class TemporaryDirectory {
  /**
   * Makes the directory, which only its owner can enter.
   *
   * @param prefix - How its name begins.
   * @param parent - Where it is made, an existing directory. Default: that of the operating system.
   */
  static create(prefix: string, parent: string = tmpdir()): TemporaryDirectory {
    return new TemporaryDirectory(mkdtempSync(join(resolve(parent), prefix)));
  }

  private constructor(
    /** Its absolute path. */
    readonly path: string,
  ) {
    orphanGuard.addDirectory(path);
  }

  /** Removes the directory with all that is in it. It may be called more than once. */
  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true, maxRetries: 3 });
    orphanGuard.releaseDirectory(this.path);
  }
}
