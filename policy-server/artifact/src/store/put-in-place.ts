import { createReadStream, createWriteStream } from 'node:fs';
import { copyFile, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemErrorCode } from '../system-error.ts';
import { makeFolder } from './folders.ts';

/** How often a folder is made again that somebody removes because it is empty; each time a millisecond more passes. */
const ATTEMPTS = 20;

/** Does what needs a folder; where folders come and go with their files, it is made first, and again. */
export async function inFolder<T>(
  folder: string,
  { isMade, onMade }: { isMade: boolean; onMade?: (first: string) => void },
  work: () => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      const first = isMade ? await makeFolder(folder) : undefined;
      if (first !== undefined) onMade?.(first);
      return await work();
    } catch (error) {
      if (systemErrorCode(error) !== 'ENOENT' || !isMade || attempt === ATTEMPTS) throw error;
      await sleep(attempt);
    }
  }
}

/** Gives a finished file its name, in one step, also where a store spans file systems. */
export async function moveFile(from: string, to: string): Promise<void> {
  try {
    return await rename(from, to);
  } catch (error) {
    // Containers mount single files: their content can be replaced, they cannot.
    if (systemErrorCode(error) === 'EBUSY') return pourFile(from, to);
    if (systemErrorCode(error) !== 'EXDEV') throw error;
  }
  const near = join(dirname(to), basename(from));
  try {
    await copyFile(from, near);
    await using handle = await open(near, 'r+');
    await handle.sync();
    await rename(near, to);
  } catch (error) {
    await rm(near, { force: true });
    throw error;
  }
  await rm(from, { force: true });
}

/** Writes the content where no file can be renamed to: a device, a pipe, a file in a folder that takes no new one. */
export async function pourFile(from: string, to: string): Promise<void> {
  await pipeline(createReadStream(from), createWriteStream(to));
  await rm(from, { force: true });
}
