import { constants } from 'node:fs';
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { ArtifactError } from '../errors.ts';
import { systemErrorCode, systemErrorText } from '../system-error.ts';
import { ownedName, releasedName } from './draft-name.ts';
import { pruneEmptyFolders, syncFolder } from './folders.ts';
import { inFolder, moveFile, pourFile } from './put-in-place.ts';

/** Where a draft is written, and what it becomes. */
export interface DraftPlace {
  readonly target: string;
  /** Where the draft lies meanwhile. */
  readonly folder: string;
  /** Folders below this one are made when they are needed, and removed when they stay empty. */
  readonly top?: string;
  /** What the finished file holds, such as `sha256-…`; others may continue the draft under this name. */
  readonly key?: string;
  /** The target is written to, not replaced. */
  readonly pour?: boolean;
  /** Permissions the finished file keeps. */
  readonly mode?: number;
  /** How errors begin. @default that a module cannot be saved */
  readonly failure?: string;
}

interface OpenedFile {
  readonly handle: FileHandle;
  readonly length: number;
}

/**
 * A file on its way to its place: written under another name and renamed when it is whole, so that nobody ever finds half of it
 * there. Without `commit` it is gone in the end, unless it was released for whoever continues.
 */
export class Draft implements AsyncDisposable {
  readonly path: string;
  readonly #place: DraftPlace;
  readonly #handle: FileHandle;
  #length: number;
  #isSealed = false;
  #end: 'open' | 'committed' | 'released' = 'open';

  private constructor(place: DraftPlace, path: string, opened: OpenedFile) {
    this.#place = place;
    this.path = path;
    this.#handle = opened.handle;
    this.#length = opened.length;
  }

  /** @param claim continues this draft, if nobody else is quicker */
  static async open(place: DraftPlace, claim?: string): Promise<Draft> {
    const { folder, top, key, mode } = place;
    const path = join(folder, ownedName(key));
    return orUnusable(place, async () => {
      const claimed = await claimDraft(claim, path);
      let lowest = top;
      const onMade = (first: string): void => {
        // Also the folder of the store itself, when it was not there: a failure leaves nothing behind.
        if (top !== undefined && (top === first || top.startsWith(`${first}${sep}`))) lowest = dirname(first);
      };
      const handle =
        claimed ?? (await inFolder(folder, { isMade: top !== undefined, onMade }, () => open(path, 'wx+', mode)));
      const { size } = await handle.stat();
      return new Draft({ ...place, ...(lowest !== undefined && { top: lowest }) }, path, { handle, length: size });
    });
  }

  get target(): string {
    return this.#place.target;
  }

  /** Bytes written so far, those of an earlier attempt included. */
  get length(): number {
    return this.#length;
  }

  async write(bytes: Uint8Array): Promise<void> {
    await orUnusable(this.#place, async () => {
      for (let done = 0; done < bytes.length;) {
        const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done, this.#length);
        done += bytesWritten;
        this.#length += bytesWritten;
      }
    });
  }

  async restart(): Promise<void> {
    await orUnusable(this.#place, () => this.#handle.truncate(0));
    this.#length = 0;
  }

  /** The first few bytes that were written. */
  async head(): Promise<Uint8Array> {
    const { buffer, bytesRead } = await this.#handle.read(new Uint8Array(64), 0, 64, 0);
    return buffer.subarray(0, bytesRead);
  }

  /** What was written so far; each piece is good until the next. */
  async *content(): AsyncGenerator<Uint8Array> {
    const buffer = new Uint8Array(64 * 1024);
    for (let position = 0; position < this.#length;) {
      const { bytesRead } = await this.#handle.read(buffer, 0, buffer.length, position);
      if (bytesRead === 0) return;
      position += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }

  /** Ends writing: the bytes are on disk, and nothing is kept open. Drafts of many files can wait for their commit so. */
  async seal(modified?: Date): Promise<void> {
    if (this.#isSealed) return;
    await orUnusable(this.#place, async () => {
      if (modified !== undefined) await this.#handle.utimes(modified, modified);
      await this.#handle.sync();
      await this.#close();
    });
  }

  /** Puts the file into its place, in one step. */
  async commit(): Promise<void> {
    const { target, top, pour } = this.#place;
    await this.seal();
    await orUnusable(this.#place, async () => {
      if (pour === true) await pourFile(this.path, target);
      else await inFolder(dirname(target), { isMade: top !== undefined }, () => moveFile(this.path, target));
    });
    this.#end = 'committed';
    await syncFolder(dirname(target));
  }

  /** Leaves what was written to the next who wants the same; nothing is written any more. */
  async release(): Promise<void> {
    const { key, folder } = this.#place;
    if (key === undefined || this.#end !== 'open') return;
    await this.#close();
    await rename(this.path, join(folder, releasedName(key)));
    this.#end = 'released';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
    if (this.#end === 'open') await rm(this.path, { force: true });
    const { top, folder, target } = this.#place;
    if (top === undefined) return;
    await pruneEmptyFolders(folder, top);
    if (this.#end !== 'committed') await pruneEmptyFolders(dirname(target), top);
  }

  async #close(): Promise<void> {
    if (this.#isSealed) return;
    this.#isSealed = true;
    await this.#handle.close();
  }
}

async function claimDraft(claim: string | undefined, path: string): Promise<FileHandle | undefined> {
  if (claim === undefined) return undefined;
  try {
    // Of all who try, one renames it.
    await rename(claim, path);
  } catch {
    return undefined;
  }
  try {
    // Whoever may write to the folder could have put a link there, to a file that only we may write to.
    const handle = await open(path, constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    if ((await handle.stat()).isFile()) return handle;
    await handle.close();
  } catch (error) {
    if (!['ELOOP', 'ENXIO', 'EISDIR'].includes(systemErrorCode(error))) throw error;
  }
  await rm(path, { force: true, recursive: true });
  return undefined;
}

const NO_SPACE = 'free some space, or choose another folder';
const NOT_ALLOWED = 'check the permissions of the folder, or choose another';
const TAKEN = 'a file has the name that a folder should have, or the other way round';

const ADVICE = new Map([
  ['ENOSPC', NO_SPACE],
  ['EDQUOT', NO_SPACE],
  ['EROFS', NOT_ALLOWED],
  ['EACCES', NOT_ALLOWED],
  ['EPERM', NOT_ALLOWED],
  ['EISDIR', TAKEN],
  ['ENOTDIR', TAKEN],
  ['EEXIST', TAKEN],
  ['ENOTEMPTY', TAKEN],
]);

async function orUnusable<T>({ target, failure }: DraftPlace, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ArtifactError) throw error;
    const what = failure ?? `wasm module cannot be save to ${JSON.stringify(target)}`;
    const advice = ADVICE.get(systemErrorCode(error));
    const text = `${what}: ${systemErrorText(error)}${advice === undefined ? '' : ` – ${advice}`}`;
    throw new ArtifactError('store-unusable', text, { cause: error });
  }
}
