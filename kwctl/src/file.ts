import { createReadStream } from 'node:fs';
import { lstat, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { ArtifactError, systemErrorText } from '@portcullis/artifact';

/**
 * Reads a whole file of at most `maxBytes`. Pipes are files too: `kwctl run -s <(make-settings)` is how shells put
 * commands together.
 *
 * @throws ArtifactError `file-unreadable` or `file-too-large`
 */
export async function readFile(path: string, maxBytes: number): Promise<Uint8Array> {
  try {
    return await collect(createReadStream(path), maxBytes);
  } catch (error) {
    const isTooLarge = error instanceof RangeError;
    const code = isTooLarge ? 'file-too-large' : 'file-unreadable';
    const reason = isTooLarge ? error.message : systemErrorText(error);
    throw new ArtifactError(code, `cannot read '${path}': ${reason}`, { cause: error });
  }
}

/** @throws RangeError when the stream brings more than `maxBytes` */
export async function collect(stream: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    length += chunk.length;
    if (length > maxBytes) throw new RangeError(`it is larger than the limit of ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/**
 * Writes a file in one step: nobody ever finds half of it. A symbolic link stays one. What is no regular file is written
 * to and never replaced: a rename onto `/dev/null` would take it from the whole machine.
 */
export async function writeWholeFile(path: string, content: Uint8Array | string): Promise<void> {
  const target = await replaceable(path);
  if (target === undefined) return writeFile(path, content);
  const draft = `${target.path}.${process.pid}.tmp`;
  try {
    await writeFile(draft, content, { mode: target.mode });
    await rename(draft, target.path);
  } catch (error) {
    await rm(draft, { force: true });
    if (!isForbiddenHere(error)) throw error;
    await writeFile(path, content);
  }
}

const NEW_FILE_MODE = 0o666;

/** The regular file that `path` is or would become; `undefined` for anything else. */
async function replaceable(path: string): Promise<{ path: string; mode: number } | undefined> {
  try {
    const target = await realpath(path);
    const stats = await stat(target);
    return stats.isFile() ? { path: target, mode: stats.mode & 0o777 } : undefined;
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') return undefined;
    return (await isNamed(path)) ? undefined : { path, mode: NEW_FILE_MODE };
  }
}

/** Whether there is something at a path, and a link there leads somewhere. */
export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** True for a link that leads nowhere, too. */
async function isNamed(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

/** The folder takes no new file, or the file is the mount point of one, as containers have it. */
function isForbiddenHere(error: unknown): boolean {
  return ['EACCES', 'EPERM', 'EROFS', 'EBUSY'].includes(errorCode(error));
}

function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
