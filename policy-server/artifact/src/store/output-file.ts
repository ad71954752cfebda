import { access, constants, lstat, realpath, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import type { DraftPlace } from './draft.ts';

/**
 * How a file comes to the path a user names. A regular file is replaced and keeps its permissions, a symbolic link stays one. What
 * is no regular file is written to and never replaced: a rename onto `/dev/null` would take it from the whole machine.
 */
export async function outputPlace(path: string, failure?: string): Promise<DraftPlace> {
  const wording = failure === undefined ? {} : { failure };
  const target = await realpath(path).catch(() => path);
  const stats = await stat(target).catch(() => undefined);
  if (stats === undefined && !(await isLink(path))) return { target, folder: dirname(target), ...wording };
  if (stats?.isFile() !== true || !(await isWritable(dirname(target))))
    return { target, folder: tmpdir(), pour: true, ...wording };
  return { target, folder: dirname(target), mode: stats.mode & 0o777, ...wording };
}

/** One that leads nowhere: the file it names is made. */
async function isLink(path: string): Promise<boolean> {
  return lstat(path).then(
    (stats) => stats.isSymbolicLink(),
    () => false,
  );
}

async function isWritable(folder: string): Promise<boolean> {
  return access(folder, constants.W_OK).then(
    () => true,
    () => false,
  );
}
