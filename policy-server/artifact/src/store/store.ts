import { lstat, readdir, rm, stat, unlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { ArtifactError } from '../errors.ts';
import type { ModuleLocation } from '../location.ts';
import { systemErrorCode, systemErrorText } from '../system-error.ts';
import { draftKey, isDraftName, isOrphan, mayContinue } from './draft-name.ts';
import { Draft } from './draft.ts';
import { pruneEmptyFolders } from './folders.ts';
import { diskNames, locationAt, STORE_SCHEMES, storePathOf, type DiskNames } from './store-path.ts';
import { hashFile } from '../file.ts';

/** A policy on disk. */
export interface StoredPolicy {
  /** Where it came from; a file whose name no location has is where it is. */
  readonly location: ModuleLocation;
  /** Scheme and path below the root, as one text. */
  readonly uri: string;
  readonly path: string;
  readonly sizeBytes: number;
}

export interface DraftOptions {
  /** `sha256:…` of the file to be: what is there of it already is continued. */
  readonly digest?: string;
}

export interface PolicyStoreOptions {
  readonly nowMs?: () => number;
  /** Decides how names are written. @default this machine's */
  readonly platform?: NodeJS.Platform;
}

/** Beside the folders of the schemes, where nobody looks for policies. */
const DRAFTS = '.policy-drafts';
const FORGOTTEN_AFTER_MS = 24 * 60 * 60 * 1000;

/**
 * The policies of a folder. The layout is shared with other programs and processes, so nothing is kept in memory: the folder is the
 * truth, there is no index, and every regular file below a scheme is a policy.
 */
export class PolicyStore {
  readonly root: string;
  readonly #nowMs: () => number;
  readonly #names: DiskNames;
  #swept: Promise<unknown> | undefined;

  constructor(root: string, { nowMs = Date.now, platform = process.platform }: PolicyStoreOptions = {}) {
    this.root = resolve(root);
    this.#nowMs = nowMs;
    this.#names = diskNames(platform);
  }

  /** @throws ArtifactError `location-invalid` for a file, and for what has no safe name */
  pathOf(location: ModuleLocation): string {
    return join(this.root, ...this.#names.toDisk(storePathOf(location)));
  }

  async find(location: ModuleLocation): Promise<StoredPolicy | undefined> {
    const path = this.pathOf(location);
    try {
      const stats = await stat(path);
      return stats.isFile() ? { location, uri: uriOf(storePathOf(location)), path, sizeBytes: stats.size } : undefined;
    } catch (error) {
      if (['ENOENT', 'ENOTDIR'].includes(systemErrorCode(error))) return undefined;
      throw this.#unusable(error);
    }
  }

  /** All policies, sorted by their URI. */
  async list(): Promise<readonly StoredPolicy[]> {
    const found: StoredPolicy[] = [];
    for (const scheme of STORE_SCHEMES) await this.#collect([scheme], found);
    return found.sort((a, b) => (a.uri < b.uri ? -1 : 1));
  }

  /** Those whose SHA-256, in lower-case hex, begins so; the empty text begins nothing. */
  async findBySha256Prefix(prefix: string): Promise<readonly StoredPolicy[]> {
    if (!/^[0-9a-f]{1,64}$/.test(prefix)) return [];
    const found: StoredPolicy[] = [];
    for (const policy of await this.list()) {
      const sha256 = await this.#sha256(policy.path);
      if (sha256?.startsWith(prefix) === true) found.push(policy);
    }
    return found;
  }

  /** @returns false when there is no such policy */
  async remove(location: ModuleLocation): Promise<boolean> {
    return this.#removeFile(this.pathOf(location));
  }

  /** Removes a policy that was listed, whatever its name. */
  async removeStored(policy: StoredPolicy): Promise<boolean> {
    return this.#removeFile(policy.path);
  }

  /** A file that becomes the policy of this location when it is committed. */
  async create(location: ModuleLocation, { digest }: DraftOptions = {}): Promise<Draft> {
    const folder = join(this.root, DRAFTS);
    const place = { target: this.pathOf(location), folder, top: this.root };
    if (digest === undefined) {
      await this.#sweepOnce(folder);
      return Draft.open(place);
    }
    const names = await this.#sweep(folder);
    const key = draftKey(digest);
    const unfinished = names.find((name) => mayContinue(name, key));
    return Draft.open({ ...place, key }, unfinished === undefined ? undefined : join(folder, unfinished));
  }

  #sweepOnce(folder: string): Promise<unknown> {
    this.#swept ??= this.#sweep(folder);
    return this.#swept;
  }

  /** Removes what was left behind and will not be continued. @returns names of the other drafts */
  async #sweep(folder: string): Promise<readonly string[]> {
    const names = await readdir(folder).catch(() => []);
    const kept: string[] = [];
    for (const name of names.filter(isDraftName)) {
      const path = join(folder, name);
      const stats = await lstat(path).catch(() => undefined);
      if (stats === undefined) continue;
      if (isOrphan(name) || this.#nowMs() - stats.mtimeMs > FORGOTTEN_AFTER_MS) {
        await rm(path, { force: true, recursive: true });
      } else if (stats.isFile()) kept.push(name);
    }
    return kept;
  }

  async #collect(names: readonly string[], found: StoredPolicy[]): Promise<void> {
    for (const entry of await this.#entries(names)) {
      const path = [...names, entry.name];
      if (entry.isDirectory()) await this.#collect(path, found);
      else if (entry.isFile() && !isDraftName(entry.name)) {
        const policy = await this.#policyAt(path);
        if (policy !== undefined) found.push(policy);
      }
    }
  }

  async #entries(
    names: readonly string[],
  ): Promise<readonly { name: string; isFile(): boolean; isDirectory(): boolean }[]> {
    try {
      return await readdir(join(this.root, ...names), { withFileTypes: true });
    } catch (error) {
      if (['ENOENT', 'ENOTDIR'].includes(systemErrorCode(error))) return [];
      throw this.#unusable(error);
    }
  }

  async #policyAt(written: readonly string[]): Promise<StoredPolicy | undefined> {
    const path = join(this.root, ...written);
    const names = this.#names.fromDisk(written);
    const stats = await stat(path).catch(() => undefined);
    if (stats === undefined) return undefined;
    const location = locationAt(names) ?? { scheme: 'file', path };
    return { location, uri: uriOf(names), path, sizeBytes: stats.size };
  }

  async #sha256(path: string): Promise<string | undefined> {
    try {
      return await hashFile(path, 'sha256');
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return undefined;
      throw this.#unusable(error);
    }
  }

  async #removeFile(path: string): Promise<boolean> {
    try {
      await unlink(path);
    } catch (error) {
      if (['ENOENT', 'ENOTDIR', 'EISDIR'].includes(systemErrorCode(error))) return false;
      throw this.#unusable(error);
    }
    await pruneEmptyFolders(dirname(path), this.root);
    return true;
  }

  #unusable(error: unknown): ArtifactError {
    const text = `cannot use the policy store ${this.root}: ${systemErrorText(error)} – check the permissions of the folder`;
    return new ArtifactError('store-unusable', text, { cause: error });
  }
}

function uriOf([scheme, ...rest]: readonly string[]): string {
  return `${scheme}://${rest.join('/')}`;
}
