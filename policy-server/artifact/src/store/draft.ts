import { copyFile, mkdir, open, rename, rm, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ArtifactError } from '../errors.ts';
import { systemErrorCode, systemErrorText } from '../system-error.ts';
import { newOwner } from './draft-owner.ts';
import { pruneEmptyFolders, syncFolder } from './folders.ts';

/** Where a draft is written, and what it becomes. */
export interface DraftPlace {
  readonly target: string;
  readonly folder: string;
  /** Folders below this one are made when they are needed, and removed when they stay empty. */
  readonly top?: string;
  /** What the finished file holds, such as `sha256-…`; others may continue the draft under this name. */
  readonly key?: string;
}

const SUFFIX = '.part';

/** Names of drafts, wherever they lie: never a policy. */
export function isDraftName(name: string): boolean {
  return name.startsWith('.policy') && name.endsWith(SUFFIX);
}

/** The name a draft has when nobody writes it. */
export function releasedName(key: string): string {
  return `.policy.${key}${SUFFIX}`;
}

/** The name of a draft somebody writes; nobody else opens it. */
function ownedName(key: string | undefined): string {
  return `.policy.${key ?? 'unnamed'}.${newOwner()}${SUFFIX}`;
}

const OWNED = /^\.policy\.(?<key>[\w-]+)\.(?<owner>[0-9a-f-]+)\.part$/;

/** What the name of a draft tells; `undefined` = the draft was released, or it is none. */
export function ownedDraft(name: string): { key: string; owner: string } | undefined {
  const { key, owner } = OWNED.exec(name)?.groups ?? {};
  return key === undefined || owner === undefined ? undefined : { key, owner };
}

/**
 * A file on its way to its place: written under another name and renamed when it is whole, so that nobody ever finds half of it
 * there. Without `commit` it is gone in the end, unless it was released for whoever continues.
 */
export class Draft implements AsyncDisposable {
  readonly #place: DraftPlace;
  readonly #handle: FileHandle;
  readonly path: string;
  #length: number;
  #end: 'open' | 'committed' | 'released' = 'open';

  private constructor(place: DraftPlace, path: string, { handle, length }: { handle: FileHandle; length: number }) {
    this.#place = place;
    this.path = path;
    this.#handle = handle;
    this.#length = length;
  }

  /** @param claim continues this draft, if nobody else is quicker */
  static async open(place: DraftPlace, claim?: string): Promise<Draft> {
    const path = join(place.folder, ownedName(place.key));
    try {
      const handle = (await claimed(claim, path)) ?? (await created(place, path));
      return new Draft(place, path, { handle, length: (await handle.stat()).size });
    } catch (error) {
      throw unusable(place.target, error);
    }
  }

  get target(): string {
    return this.#place.target;
  }

  /** Bytes written so far, those of an earlier attempt included. */
  get length(): number {
    return this.#length;
  }

  async write(bytes: Uint8Array): Promise<void> {
    try {
      for (let done = 0; done < bytes.length;) {
        const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done, this.#length);
        done += bytesWritten;
        this.#length += bytesWritten;
      }
    } catch (error) {
      throw unusable(this.target, error);
    }
  }

  async restart(): Promise<void> {
    await this.#handle.truncate(0);
    this.#length = 0;
  }

  /** The first few bytes that were written. */
  async head(): Promise<Uint8Array> {
    const { buffer, bytesRead } = await this.#handle.read(new Uint8Array(64), 0, 64, 0);
    return buffer.subarray(0, bytesRead);
  }

  /** What was written so far. */
  async *content(): AsyncGenerator<Uint8Array> {
    const buffer = new Uint8Array(64 * 1024);
    for (let position = 0; position < this.#length;) {
      const { bytesRead } = await this.#handle.read(buffer, 0, buffer.length, position);
      if (bytesRead === 0) return;
      position += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }

  /** Puts the file into its place, in one step. */
  async commit(): Promise<void> {
    try {
      await this.#handle.sync();
      await this.#move();
      this.#end = 'committed';
      await syncFolder(dirname(this.target));
    } catch (error) {
      throw unusable(this.target, error);
    }
  }

  async #move(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      if (this.#place.top !== undefined) await mkdir(dirname(this.target), { recursive: true });
      try {
        return await moveFile(this.path, this.target);
      } catch (error) {
        // Somebody may remove the folder between the two steps, because it is empty.
        if (systemErrorCode(error) !== 'ENOENT' || this.#place.top === undefined || attempt === 5) throw error;
      }
    }
  }

  /** Leaves what was written for the next who wants the same; nothing is written any more. */
  async release(): Promise<void> {
    const { key, folder } = this.#place;
    if (key === undefined || this.#end !== 'open') return;
    await this.#handle.close();
    await rename(this.path, join(folder, releasedName(key)));
    this.#end = 'released';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#end !== 'released') await this.#handle.close();
    if (this.#end === 'open') await rm(this.path, { force: true });
    const { top, folder, target } = this.#place;
    if (top === undefined) return;
    await pruneEmptyFolders(folder, top);
    if (this.#end !== 'committed') await pruneEmptyFolders(dirname(target), top);
  }
}

async function claimed(claim: string | undefined, path: string): Promise<FileHandle | undefined> {
  if (claim === undefined) return undefined;
  try {
    // Of all who try, one renames it.
    await rename(claim, path);
  } catch {
    return undefined;
  }
  return open(path, 'r+');
}

async function created({ folder, top }: DraftPlace, path: string): Promise<FileHandle> {
  for (let attempt = 1; ; attempt++) {
    if (top !== undefined) await mkdir(folder, { recursive: true });
    try {
      return await open(path, 'wx+');
    } catch (error) {
      if (systemErrorCode(error) !== 'ENOENT' || top === undefined || attempt === 5) throw error;
    }
  }
}

/** A store may span file systems, where nothing can be renamed from one to the other. */
async function moveFile(from: string, to: string): Promise<void> {
  try {
    return await rename(from, to);
  } catch (error) {
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

const ADVICE = new Map([
  ['ENOSPC', 'free some space, or choose another folder'],
  ['EDQUOT', 'free some space, or choose another folder'],
  ['EROFS', 'choose a folder that can be written to'],
  ['EACCES', 'check the permissions of the folder'],
  ['EPERM', 'check the permissions of the folder'],
  ['EISDIR', 'a folder has the name of the file'],
  ['ENOTDIR', 'a file has the name of the folder'],
  ['EEXIST', 'a file has the name of the folder'],
]);

function unusable(target: string, error: unknown): ArtifactError {
  if (error instanceof ArtifactError) return error;
  const advice = ADVICE.get(systemErrorCode(error));
  const text = `wasm module cannot be save to ${JSON.stringify(target)}: ${systemErrorText(error)}`;
  return new ArtifactError('store-unusable', advice === undefined ? text : `${text} – ${advice}`, { cause: error });
}
