import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { ArtifactError } from './errors.ts';
import { systemErrorText } from './system-error.ts';

/** Reads a whole file that may be at most `maxBytes` long. */
export type FileReader = (path: string, maxBytes: number) => Promise<Uint8Array>;

/**
 * Reads a regular file. A device or a pipe is refused (it may never end), and so is a file that grows past `maxBytes`
 * while it is read.
 *
 * @throws ArtifactError `file-unreadable` or `file-too-large`
 */
export async function readFileBounded(path: string, maxBytes: number): Promise<Uint8Array> {
  const handle = await openFile(path);
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) {
      const kind = stat.isDirectory() ? 'a directory' : 'not a regular file';
      throw new ArtifactError('file-unreadable', `cannot read '${path}': it is ${kind}`);
    }
    if (stat.size > maxBytes) throw tooLarge(path, maxBytes);
    return await readAll(handle, path, { sizeHint: stat.size, maxBytes });
  } catch (error) {
    throw error instanceof ArtifactError ? error : unreadable(path, error);
  } finally {
    await handle.close();
  }
}

/**
 * Digest of a regular file, hexadecimal. A pipe in its place must not hang, whoever put it there.
 *
 * @throws the system's error, or one that says that it is no regular file
 */
export async function hashFile(path: string, algorithm: string): Promise<string> {
  await using handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  if (!(await handle.stat()).isFile()) throw new Error('not a regular file');
  const hash = createHash(algorithm);
  for await (const piece of handle.createReadStream({ autoClose: false })) hash.update(piece);
  return hash.digest('hex');
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    // O_NONBLOCK: opening a pipe that nobody writes to must not hang before it can be refused.
    return await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw unreadable(path, error);
  }
}

async function readAll(
  handle: FileHandle,
  path: string,
  { sizeHint, maxBytes }: { sizeHint: number; maxBytes: number },
): Promise<Uint8Array> {
  let buffer = new Uint8Array(sizeHint + 1);
  let length = 0;
  for (;;) {
    const { bytesRead } = await handle.read(buffer, length, buffer.length - length, length);
    // A file of the size it said it has lies in a buffer one byte longer: not worth a copy of what may be 100 MB.
    if (bytesRead === 0) return length + 1 === buffer.length ? buffer.subarray(0, length) : buffer.slice(0, length);
    length += bytesRead;
    if (length > maxBytes) throw tooLarge(path, maxBytes);
    if (length === buffer.length) {
      const larger = new Uint8Array(Math.min(maxBytes + 1, length * 2));
      larger.set(buffer);
      buffer = larger;
    }
  }
}

function tooLarge(path: string, maxBytes: number): ArtifactError {
  return new ArtifactError('file-too-large', `cannot read '${path}': it is larger than the limit of ${maxBytes} bytes`);
}

function unreadable(path: string, error: unknown): ArtifactError {
  return new ArtifactError('file-unreadable', `cannot read '${path}': ${systemErrorText(error)}`, { cause: error });
}
