import { BenchError } from '../bench.ts';
import { git } from './worktree.ts';

/** What the working tree is compared with. */
export interface Base {
  readonly commit: string;
  /** For people: how it was chosen. */
  readonly why: string;
}

/**
 * The commit at which this branch left `branch`. On that branch itself, or with everything merged, that is what was committed
 * last, as long as something is changed, and otherwise the commit before.
 */
export async function mergeBase(checkout: string, branch: string): Promise<Base> {
  const resolved = await git(checkout, 'rev-parse', '--verify', '--quiet', `${branch}^{commit}`).catch(() => undefined);
  if (resolved === undefined) throw new BenchError(`there is no commit ${branch} to compare with; name one by --base`);
  const head = await git(checkout, 'rev-parse', 'HEAD');
  const commit = await git(checkout, 'merge-base', 'HEAD', resolved);
  if (commit !== head) return { commit, why: `merge base with ${branch}` };
  const changes = await git(checkout, 'status', '--porcelain', '--untracked-files=no');
  if (changes !== '') return { commit, why: 'the last commit; the working tree has changes' };
  return { commit: await git(checkout, 'rev-parse', 'HEAD~1'), why: 'the commit before the last' };
}
