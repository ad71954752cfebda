import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { extract, type Extract, type Header } from 'tar-stream';
import { MAX_MODULE_BYTES } from '../load.ts';

/** Bounds of what an archive may hold: what it claims, and what comes out of it. */
export interface ArchiveLimits {
  readonly maxEntries: number;
  readonly maxEntryBytes: number;
  readonly maxTotalBytes: number;
}

export const DEFAULT_ARCHIVE_LIMITS: ArchiveLimits = {
  maxEntries: 10_000,
  maxEntryBytes: MAX_MODULE_BYTES,
  maxTotalBytes: 16 * 2 ** 30,
};

/** One entry, its header as it was written. The body must be read before the next is asked for. */
export interface ArchiveEntry {
  readonly header: Header;
  readonly body: AsyncIterable<Uint8Array>;
}

/** The archive is damaged, or would not end. */
export class ArchiveDamage extends Error {}

const BLOCK_BYTES = 512;
/** Around an entry: its header, extended headers with long names, and the fill to whole blocks. */
const ENTRY_OVERHEAD_BYTES = 16 * 1024;
/** Behind the last entry: programs fill archives up to whole records. */
const END_BYTES = 1024 * 1024;

/**
 * The entries of a gzipped tar, as they come. What is unpacked stays within what the headers claim, so that a small file cannot
 * become endless: neither as headers, nor behind the last entry.
 *
 * @throws ArchiveDamage, or what the streams below make of damage
 */
export async function* archiveEntries(compressed: Readable, limits: ArchiveLimits): AsyncGenerator<ArchiveEntry, void> {
  const unpacked = extract();
  let allowedBytes = END_BYTES;
  const feeding = feed(compressed, unpacked, () => allowedBytes);
  // It is awaited at the end; until then the entries carry its failure.
  feeding.catch(() => undefined);
  try {
    let entries = 0;
    for await (const entry of unpacked) {
      const { size } = entry.header;
      entries += 1;
      if (entries > limits.maxEntries) throw new ArchiveDamage(`it has more than ${limits.maxEntries} entries`);
      allowedBytes += ENTRY_OVERHEAD_BYTES + Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;
      if (allowedBytes > limits.maxTotalBytes) {
        throw new ArchiveDamage(`it holds more than ${limits.maxTotalBytes} bytes`);
      }
      yield { header: entry.header, body: bytesOf(entry) };
    }
    await feeding;
  } finally {
    unpacked.destroy();
    await feeding.catch(() => undefined);
  }
}

async function* bytesOf(source: AsyncIterable<unknown>): AsyncGenerator<Uint8Array, void> {
  for await (const piece of source) {
    if (!(piece instanceof Uint8Array)) throw new TypeError('a tar holds bytes');
    yield piece;
  }
}

/** Hands the unpacked archive on piece by piece, as fast as it is taken. */
async function feed(compressed: Readable, unpacked: Extract, allowedBytes: () => number): Promise<void> {
  const gunzip = createGunzip();
  const unpacking = pipeline(compressed, gunzip);
  unpacking.catch(() => undefined);
  try {
    let length = 0;
    for await (const piece of gunzip) {
      length += (piece as Uint8Array).length;
      if (length > allowedBytes()) throw new ArchiveDamage('it goes on behind what its headers announce');
      if (!unpacked.write(piece)) await untilTaken(unpacked);
      if (unpacked.destroyed) return;
    }
    unpacked.end(undefined);
    await unpacking;
  } catch (error) {
    unpacked.destroy(error instanceof Error ? error : undefined);
    throw error;
  } finally {
    compressed.destroy();
  }
}

function untilTaken(unpacked: Extract): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  unpacked.once('drain', resolve);
  unpacked.once('close', resolve);
  return promise.finally(() => {
    unpacked.off('drain', resolve);
    unpacked.off('close', resolve);
  });
}
