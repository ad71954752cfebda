import { createHash, randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';

/** Parts of something that is dear to make, kept in a folder: one file each, never overwritten with different content. */
export interface ArtefactCache {
  /** `undefined` = not there, or not whole. */
  read(key: string): Promise<readonly Uint8Array<ArrayBuffer>[] | undefined>;
  /** Best effort: a full or read-only disk costs time at the next start, nothing else. */
  write(key: string, parts: readonly Uint8Array[]): Promise<void>;
}

export interface ArtefactCacheOptions {
  readonly folder: string;
  /** Name and version of what the files hold: their first word. */
  readonly format: string;
  /** Larger files are not read. */
  readonly maxBytes: number;
}

/** Everything an artefact depends on, as one name. */
export function artefactKey(...dependencies: readonly (string | number)[]): string {
  return createHash('sha256').update(JSON.stringify(dependencies)).digest('hex');
}

/**
 * A cache in a folder. A file that was cut short, damaged or written for another key is read as absent: its first line holds the
 * format, the key and a checksum. That guards against accidents, not against someone who may write to the folder. It is created
 * for its owner alone, and a folder that somebody else made or that everybody may write to is not used at all: what lies there
 * could be another module, or this one without its limits.
 */
export function artefactCache({ folder, format, maxBytes }: ArtefactCacheOptions): ArtefactCache {
  return {
    async read(key) {
      const file = (await isTrusted(folder)) ? await readFileUpTo(join(folder, key), maxBytes) : undefined;
      if (file === undefined) return undefined;
      const headEnd = file.indexOf('\n') + 1;
      const body = file.subarray(headEnd);
      return file.toString('utf8', 0, headEnd) === head(format, key, crc32(body)) ? partsOf(body) : undefined;
    },
    async write(key, parts) {
      try {
        const body = bodyOf(parts);
        await mkdir(folder, { recursive: true, mode: 0o700 });
        if (!(await isTrusted(folder))) return;
        await writeAtomically(join(folder, key), [Buffer.from(head(format, key, checksumOf(body))), ...body]);
      } catch {
        // See `ArtefactCache.write`.
      }
    },
  };
}

function head(format: string, key: string, checksum: number): string {
  return `${format} ${key} ${checksum.toString(16).padStart(8, '0')}\n`;
}

const LENGTH_BYTES = 4;

/** Each part behind its length. */
function bodyOf(parts: readonly Uint8Array[]): Uint8Array[] {
  return parts.flatMap((part) => {
    const length = Buffer.alloc(LENGTH_BYTES);
    length.writeUInt32LE(part.length);
    return [length, part];
  });
}

function checksumOf(chunks: readonly Uint8Array[]): number {
  return chunks.reduce((checksum, chunk) => crc32(chunk, checksum), 0);
}

/** Views of the file, which is read for them alone. */
function partsOf(body: Buffer<ArrayBuffer>): Uint8Array<ArrayBuffer>[] | undefined {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let at = 0;
  while (at < body.length) {
    if (body.length - at < LENGTH_BYTES) return undefined;
    const start = at + LENGTH_BYTES;
    at = start + body.readUInt32LE(at);
    if (at > body.length) return undefined;
    parts.push(new Uint8Array(body.buffer, body.byteOffset + start, at - start));
  }
  return parts;
}

/**
 * Readers see the old state or the whole file, never a part, also when two processes write the same one. What a crash of the
 * machine leaves of it does not match its checksum.
 */
async function writeAtomically(path: string, chunks: readonly Uint8Array[]): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    const file = await open(temporary, 'wx', 0o600);
    try {
      const { bytesWritten } = await file.writev(chunks);
      // A disk that fills up takes a part, and that is no error.
      if (bytesWritten < chunks.reduce((size, chunk) => size + chunk.length, 0)) throw new RangeError('disk full');
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

const WRITABLE_FOR_ALL = 0o002;
const ROOT = 0;

/** Whether what lies in a folder was put there by ourselves, or by root, who may do anything anyway. */
async function isTrusted(folder: string): Promise<boolean> {
  const me = process.geteuid?.();
  // Systems without users.
  if (me === undefined) return true;
  try {
    const { uid, mode } = await stat(folder);
    return (uid === me || uid === ROOT) && (mode & WRITABLE_FOR_ALL) === 0;
  } catch {
    return false;
  }
}

/** No link is followed, and nothing but a file is read: a pipe or a device would keep us for ever. */
const READ_FILES_ONLY = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

async function readFileUpTo(path: string, maxBytes: number): Promise<Buffer<ArrayBuffer> | undefined> {
  try {
    await using file = await open(path, READ_FILES_ONLY);
    const info = await file.stat();
    return info.isFile() && info.size <= maxBytes ? await file.readFile() : undefined;
  } catch {
    return undefined;
  }
}
