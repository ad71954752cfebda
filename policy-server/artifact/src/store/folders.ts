import { mkdir, open, rmdir } from 'node:fs/promises';
import { dirname, relative, sep } from 'node:path';
import { systemErrorCode } from '../system-error.ts';

/**
 * Makes a folder and those above it. Node's own `recursive` never ends where no folder can be made although the one above is
 * there, as in /proc.
 *
 * @returns the topmost one that was made; `undefined` when all were there
 */
export async function makeFolder(folder: string): Promise<string | undefined> {
  try {
    await mkdir(folder);
    return folder;
  } catch (error) {
    const code = systemErrorCode(error);
    // What is in the way may be no folder: whoever uses it will say so.
    if (code === 'EEXIST') return undefined;
    if (code !== 'ENOENT' || dirname(folder) === folder) throw error;
  }
  const first = await makeFolder(dirname(folder));
  try {
    await mkdir(folder);
    return first ?? folder;
  } catch (error) {
    if (systemErrorCode(error) === 'EEXIST') return first;
    throw error;
  }
}

/** Removes `folder` and those above it, as long as they are empty, and stays below `top`. */
export async function pruneEmptyFolders(folder: string, top: string): Promise<void> {
  for (let current = folder; isBelow(current, top); current = dirname(current)) {
    try {
      await rmdir(current);
    } catch (error) {
      // Somebody else was quicker: the one above may be empty now.
      if (systemErrorCode(error) !== 'ENOENT') return;
    }
  }
}

function isBelow(path: string, top: string): boolean {
  const way = relative(top, path);
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`);
}

/** Makes a rename survive a power cut; file systems that cannot do it for folders are left alone. */
export async function syncFolder(folder: string): Promise<void> {
  try {
    await using handle = await open(folder);
    await handle.sync();
  } catch {
    // The file itself was synced; what may be lost is its name, not half of its bytes.
  }
}
