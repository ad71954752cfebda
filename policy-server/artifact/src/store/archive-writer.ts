import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { messageOf } from '@portcullis/protocol';
import { pack, type Pack } from 'tar-stream';
import { ArtifactError } from '../errors.ts';
import { Draft } from './draft.ts';
import { outputPlace } from './output-file.ts';
import type { StoredPolicy } from './store.ts';

/** What the header of a tar can hold: seconds in 32 bits. */
const MAX_MODIFIED_MS = (2 ** 31 - 1) * 1000;

/**
 * Writes policies into a gzipped tar: one regular file each, under its path in the store, with the permissions, owner and time it
 * has there. The same policies make the same archive; a failure leaves none, and what was there before as it was.
 *
 * @throws ArtifactError `store-unusable` or `aborted`
 */
export async function saveArchive(
  path: string,
  policies: readonly StoredPolicy[],
  signal?: AbortSignal,
): Promise<void> {
  const failure = `cannot create file ${path}`;
  await using draft = await Draft.open(await outputPlace(path, failure));
  const archive = pack();
  const filling = fill(archive, policies);
  // Whoever reads the archive sees it fail.
  filling.catch(() => undefined);
  try {
    const write = async (pieces: AsyncIterable<Uint8Array>): Promise<void> => {
      for await (const piece of pieces) await draft.write(piece);
    };
    await pipeline(archive, createGzip(), write, signal === undefined ? {} : { signal });
    await filling;
  } catch (error) {
    if (error instanceof ArtifactError) throw error;
    if (signal?.aborted === true) throw new ArtifactError('aborted', 'gave up saving policies', { cause: error });
    throw new ArtifactError('store-unusable', `${failure}: ${messageOf(error)}`, { cause: error });
  }
  await draft.commit();
}

async function fill(archive: Pack, policies: readonly StoredPolicy[]): Promise<void> {
  const byName = new Map(policies.map((policy) => [policy.uri.replace('://', '/'), policy.path]));
  try {
    for (const [name, path] of Array.from(byName).sort(([a], [b]) => (a < b ? -1 : 1))) await add(archive, name, path);
    archive.finalize();
  } catch (error) {
    const failure = error instanceof Error ? error : new Error(String(error));
    archive.destroy(failure);
    throw failure;
  }
}

async function add(archive: Pack, name: string, path: string): Promise<void> {
  await using handle = await open(path);
  const { size, mode, mtimeMs, uid, gid } = await handle.stat();
  const mtime = new Date(Math.min(Math.trunc(mtimeMs / 1000) * 1000, MAX_MODIFIED_MS));
  const entry = archive.entry({ name, size, mode: mode & 0o7777, mtime, uid, gid, type: 'file' });
  // A file that grows meanwhile is taken as it was.
  await pipeline(handle.createReadStream({ autoClose: false, ...(size > 0 && { end: size - 1 }) }), entry);
}
