import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Modules that need not be made again, by a digest of everything they are made from. */
export interface BuildCache {
  read(key: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** A folder that cannot be written costs time, not the build. */
  write(key: string, bytes: Uint8Array): Promise<void>;
}

/** About 50 MB. */
const MAX_FILES = 64;

/** Keeps nothing. */
export const noCache: BuildCache = {
  read: () => Promise.resolve(undefined),
  write: () => Promise.resolve(),
};

/** A cache in `folder`, which is made when it is first written to; the files least recently used are removed. */
export function createFolderCache(folder: string): BuildCache {
  return {
    read: (key) => readEntry(folder, key).catch(() => undefined),
    write: (key, bytes) => writeEntry(folder, key, bytes).catch(() => undefined),
  };
}

/** Lower-case hex. The parts are told apart, so that none can pass for the end of another. */
export function digestOf(...parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part.length}:`).update(part);
  return hash.digest('hex');
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** A file is named for its key and for its content: one that was damaged or cut short is not used. */
function fileName(key: string, contentSha256: string): string {
  return `${key}-${contentSha256.slice(0, 16)}.wasm`;
}

async function readEntry(folder: string, key: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const name = (await readdir(folder)).find((candidate) => candidate.startsWith(`${key}-`));
  if (name === undefined) return undefined;
  const path = join(folder, name);
  const bytes = Uint8Array.from(await readFile(path));
  if (name !== fileName(key, sha256(bytes))) {
    await rm(path, { force: true });
    return undefined;
  }
  const now = new Date();
  await utimes(path, now, now);
  return bytes;
}

async function writeEntry(folder: string, key: string, bytes: Uint8Array): Promise<void> {
  await mkdir(folder, { recursive: true });
  // Other builds may write the same entry at this moment: each its own file, the rename is atomic.
  const temporary = join(folder, `${randomUUID()}.tmp`);
  await writeFile(temporary, bytes);
  await rename(temporary, join(folder, fileName(key, sha256(bytes))));
  await removeOldest(folder);
}

async function removeOldest(folder: string): Promise<void> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.wasm'));
  if (names.length <= MAX_FILES) return;
  const files = await Promise.all(
    names.map(async (name) => ({ path: join(folder, name), usedMs: (await stat(join(folder, name))).mtimeMs })),
  );
  const oldest = files.toSorted((a, b) => a.usedMs - b.usedMs).slice(0, files.length - MAX_FILES);
  await Promise.all(oldest.map(({ path }) => rm(path, { force: true })));
}
