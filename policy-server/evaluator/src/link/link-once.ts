import { join } from 'node:path';
import { artefactCache, type ArtefactCache, artefactKey } from '../artefact-cache.ts';
import { type LinkedModule, linkModule, type LinkOptions } from './link.ts';
import { linkOnThread } from './link-thread.ts';
import type { LinkPlan } from './plan.ts';

/** Part of every key: to be raised whenever the link step writes anything else for the same module. A test watches over it. */
export const LINK_VERSION = 6;

/** Rewriting takes some ten milliseconds for each megabyte; a thread of its own takes as long to start as this. */
const LARGE_MODULE_BYTES = 2 * 1024 * 1024;

/** Twice the size of what the server loads. */
const MAX_FILE_BYTES = 512 * 1024 * 1024;

export interface LinkOnceOptions extends LinkOptions {
  /** Of `bytes`, lower-case hex: names the result in the cache. */
  readonly sha256: string;
  readonly cacheDir: string | undefined;
}

/**
 * As `linkModule`, on a thread of its own where that is worth it, and once per digest as long as the disk cache lasts.
 *
 * @throws EvaluationError `module-invalid`
 */
export async function linkOnce(bytes: Uint8Array, options: LinkOnceOptions): Promise<LinkedModule> {
  const { sha256, cacheDir, maxPages, memory } = options;
  if (cacheDir === undefined) return link(bytes, options);
  const cache = artefactCache({
    folder: join(cacheDir, 'linked'),
    format: 'portcullis-linked-1',
    maxBytes: MAX_FILE_BYTES,
  });
  const key = artefactKey(LINK_VERSION, sha256, maxPages, memory);
  const cached = await readLinked(cache, key);
  if (cached !== undefined) return cached;
  const linked = await link(bytes, options);
  await cache.write(key, [new TextEncoder().encode(JSON.stringify(linked.plan)), linked.bytes]);
  return linked;
}

async function link(bytes: Uint8Array, { maxPages, memory }: LinkOptions): Promise<LinkedModule> {
  const options = { maxPages, memory };
  return bytes.length < LARGE_MODULE_BYTES ? linkModule(bytes, options) : linkOnThread(bytes, options);
}

async function readLinked(cache: ArtefactCache, key: string): Promise<LinkedModule | undefined> {
  const [plan, bytes] = (await cache.read(key)) ?? [];
  if (plan === undefined || bytes === undefined) return undefined;
  // Written by this version of this program, and its checksum is right.
  return { bytes, plan: JSON.parse(new TextDecoder().decode(plan)) as LinkPlan };
}
