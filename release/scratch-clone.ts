import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './pack';

/** A clone of what is committed, with an origin of its own, in which a release can be made. */
export class ScratchClone {
  /**
   * Clones the workspace. The Node packages are linked file by file, so that nothing must be
   * installed and nothing that is replaced in the clone is replaced in the workspace.
   */
  static create(directory: string): ScratchClone {
    const origin = join(directory, 'origin.git');
    const root = join(directory, 'clone');
    mkdirSync(directory, { recursive: true });
    git(ROOT, 'clone', '--quiet', '--bare', '.', origin);
    git(ROOT, 'clone', '--quiet', origin, root);
    const clone = new ScratchClone(root);
    clone.git('checkout', '--quiet', '-B', 'main');
    clone.git('push', '--quiet', '--force', '--set-upstream', 'origin', 'main');
    clone.git('config', 'user.name', 'release');
    clone.git('config', 'user.email', 'release@example.com');
    clone.git('config', 'commit.gpgsign', 'false');
    execFileSync('cp', ['-al', join(ROOT, 'node_modules'), join(root, 'node_modules')]);
    // The one file that is written in place, which would write it in the workspace too.
    rmSync(join(root, 'node_modules', '.installed-lock.json'), { force: true });
    return clone;
  }

  private constructor(readonly root: string) {}

  git(...args: string[]): string {
    return git(this.root, ...args);
  }
}

function git(cwd: string, ...args: string[]): string {
  return execFileSync('git', args, { cwd, encoding: 'utf8' });
}
