import { open, rmdir } from 'node:fs/promises';
import { dirname, relative } from 'node:path';
import { systemErrorCode } from '../system-error.ts';

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
  return way !== '' && way !== '..' && !way.startsWith('../');
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
